//! Versions of a workflow: saved once and never changed.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use flowforge_core::{UserId, WorkflowId};
use flowforge_engine::store::workflows::{NewVersion as Addition, VersionRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Body, Ids, Params, limit_up_to},
    graph,
    routes::List,
    time::iso,
};

/// A version, without its graph.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionSummary {
    /// The number, from 1.
    version: u32,
    /// What its author says about it.
    note: String,
    /// When it was saved.
    created_at: String,
    /// `usr_…` of who saved it; null for examples.
    #[schema(required = true)]
    created_by: Option<String>,
    /// Equal for equal graphs.
    content_hash: String,
}

/// A version.
#[derive(Serialize, ToSchema)]
pub(crate) struct Version {
    /// What lists show.
    #[serde(flatten)]
    summary: VersionSummary,
    /// Nodes, edges and settings.
    #[schema(value_type = Object)]
    graph: Value,
}

/// A version to be saved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVersion {
    /// Nodes, edges and settings.
    #[schema(value_type = Object)]
    graph: Value,
    /// What changed.
    #[serde(default)]
    note: String,
    /// The version that the author began with; refused when it is not the newest any more.
    base_version: u32,
}

/// Which versions are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionQuery {
    /// How many at most, 1 to 200; 50 without it.
    limit: Option<u64>,
    /// The `next_cursor` of the list before.
    cursor: Option<u32>,
}

/// Lists the versions of a workflow, newest first.
#[utoipa::path(get, path = "/workflows/{id}/versions", operation_id = "list_versions", tag = "versions", params(("id" = String, Path), VersionQuery), responses(
    (status = 200, body = List<VersionSummary>),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn list(
    State(app): State<App>,
    who: Principal,
    Ids(id): Ids<WorkflowId>,
    Params(query): Params<VersionQuery>,
) -> Result<Json<List<VersionSummary>>> {
    let limit = limit_up_to(query.limit, 50, 200)?;
    let mut found = app.store().versions(who.workspace, id, query.cursor.unwrap_or(u32::MAX), limit + 1).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = found.last().filter(|_| more).map(|last| last.version.to_string());
    Ok(Json(List { items: found.into_iter().map(summary).collect(), next_cursor }))
}

/// Saves a graph as the next version.
#[utoipa::path(post, path = "/workflows/{id}/versions", operation_id = "create_version", tag = "versions", params(("id" = String, Path)), request_body = NewVersion,
    responses(
        (status = 201, body = Version),
        (status = 400, description = "the graph cannot be run: see `problems`", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "`version_conflict`: somebody saved a version meanwhile", body = ProblemBody<'_>),
    ))]
pub(crate) async fn create(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<WorkflowId>,
    Body(ask): Body<NewVersion>,
) -> Result<Response> {
    let note = check_note(ask.note)?;
    let graph = graph::checked(app.engine.catalog(), ask.graph).await?;
    let addition = Addition { graph, note, created_by: Some(who.user), at: app.engine.clock().now() };
    let saved = app.store().add_version(who.workspace, id, ask.base_version, addition).await?;
    app.engine.workflow_changed(id);
    Ok((StatusCode::CREATED, Json(version(saved))).into_response())
}

/// Shows a version with its graph.
#[utoipa::path(get, path = "/workflows/{id}/versions/{n}", operation_id = "get_version", tag = "versions", params(("id" = String, Path), ("n" = u32, Path)),
    responses((status = 200, body = Version), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn show(
    State(app): State<App>,
    who: Principal,
    Ids((id, number)): Ids<(WorkflowId, u32)>,
) -> Result<Json<Version>> {
    Ok(Json(version(app.store().version(who.workspace, id, number).await?)))
}

fn version(mut record: VersionRecord) -> Version {
    let graph = record.graph.take();
    Version { summary: summary(record), graph }
}

fn summary(record: VersionRecord) -> VersionSummary {
    VersionSummary {
        version: record.version,
        note: record.note,
        created_at: iso(record.created_at),
        created_by: record.created_by.as_ref().map(UserId::to_string),
        content_hash: record.content_hash,
    }
}

fn check_note(text: String) -> Result<String> {
    const MAX: usize = 2_000;
    if text.len() <= MAX {
        Ok(text)
    } else {
        Err(ApiError::bad_request("invalid_note", format!("`note` must have at most {MAX} bytes")))
    }
}
