//! The palette: what kinds of nodes there are.

use axum::{
    body::Bytes,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use flowforge_core::{Catalog, Kind, node::Group, node::Lane};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{app::App, auth::principal::Principal, routes::List};

/// A kind of node.
#[derive(Serialize, ToSchema)]
pub(crate) struct NodeType<'a> {
    /// The name by which documents refer to it, for example `http.request`.
    r#type: &'a str,
    /// What the palette shows.
    title: &'a str,
    /// What the node does.
    description: &'a str,
    /// The section of the palette.
    #[schema(value_type = String, example = "data")]
    group: Group,
    /// The name of a Tabler icon.
    icon: &'a str,
    /// The output ports; an edge without a port leaves by the first one. Every kind has the port `error` beside them.
    ports: &'a [&'static str],
    /// An array parameter whose objects' `port` fields are further output ports, for example `cases`.
    #[schema(required = true)]
    ports_from: Option<&'a str>,
    /// A parameter that holds a graph of its own, for example `body`.
    #[schema(required = true)]
    body: Option<&'a str>,
    /// Whether its output answers whoever started the run: `{status, headers, body}`. It has no place inside a `body`.
    responds: bool,
    /// No effect, and the same output for the same input.
    pure: bool,
    /// `inline` or `dispatched`.
    #[schema(value_type = String, example = "inline")]
    lane: Lane,
    /// Whether it begins a run.
    trigger: bool,
    /// JSON Schema of the parameters.
    #[schema(value_type = Object)]
    params_schema: &'a Value,
    /// JSON Schema of the output.
    output_schema: &'a Value,
}

/// Lists the kinds of nodes in the order of the palette.
#[utoipa::path(get, path = "/node-types", operation_id = "list_node_types", tag = "node types", responses((status = 200, body = List<NodeType<'_>>)))]
pub(crate) async fn list(State(app): State<App>, _: Principal) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.node_types.clone()).into_response()
}

/// The list as JSON.
pub(crate) fn rendered(catalog: &Catalog) -> Bytes {
    let list = List { items: catalog.kinds().map(node_type).collect(), next_cursor: None };
    serde_json::to_vec(&list).unwrap_or_default().into()
}

fn node_type(kind: &Kind) -> NodeType<'_> {
    NodeType {
        r#type: kind.spec.kind,
        title: kind.spec.title,
        description: kind.spec.description,
        group: kind.spec.group,
        icon: kind.spec.icon,
        ports: kind.spec.ports,
        ports_from: kind.spec.ports_from,
        body: kind.spec.body,
        responds: kind.spec.responds,
        pure: kind.spec.pure,
        lane: kind.spec.lane,
        trigger: kind.spec.is_trigger(),
        params_schema: kind.params.json(),
        output_schema: &kind.output_schema,
    }
}
