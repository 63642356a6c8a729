//! Graphs as they come in: read and checked off the async threads, since a large one takes a while.

use flowforge_core::{Catalog, Document, Graph, Problem};
use serde_json::Value;

use crate::error::{ApiError, Result};

/// A graph that can be run, unchanged.
///
/// # Errors
/// When it cannot be run, with all its problems.
pub(crate) async fn checked(catalog: &Catalog, graph: Value) -> Result<Value> {
    let (graph, problems) = problems(catalog, graph).await?;
    if problems.is_empty() { Ok(graph) } else { Err(ApiError::invalid_graph(problems)) }
}

/// All that keeps a graph from being run.
///
/// # Errors
/// When the check itself fails.
pub(crate) async fn problems(catalog: &Catalog, graph: Value) -> Result<(Value, Vec<Problem>)> {
    let catalog = catalog.clone();
    let check = move || {
        let problems = problems_of(&catalog, &graph);
        (graph, problems)
    };
    tokio::task::spawn_blocking(check).await.map_err(ApiError::internal)
}

/// All that keeps a graph from being run, at once.
pub(crate) fn problems_of(catalog: &Catalog, graph: &Value) -> Vec<Problem> {
    use serde::Deserialize;
    if !graph.is_object() {
        return vec![Problem::document("invalid_document", "`graph` must be an object with `nodes` and `edges`")];
    }
    match Document::deserialize(graph) {
        Ok(document) => Graph::compile(&document, catalog).err().unwrap_or_default(),
        Err(fault) => vec![Problem::document("invalid_document", format!("the graph cannot be read: {fault}"))],
    }
}
