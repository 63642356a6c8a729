//! Where the steps of a run have left its work tree, and what each has changed in it.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use flowforge_core::{RunId, files::FileChange};
use flowforge_engine::store::checkpoints::CheckpointRecord;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::principal::Principal,
    error::{ProblemBody, Result},
    extract::Ids,
    routes::List,
    time::iso,
};

/// The work tree as a step has left it. A run that repeats another one can go on from here.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checkpoint {
    /// From 1, in the order in which steps have left the tree.
    number: u32,
    /// The step.
    node_id: String,
    /// Its attempt.
    attempt: u32,
    /// The commit, on a hidden ref, that holds all files.
    commit: String,
    /// How many files the step has changed.
    changed: u64,
    /// The first 500 of them.
    changes: Vec<ChangedFile>,
    /// Whether `GET …/checkpoints/{number}/diff` has anything to show.
    has_diff: bool,
    /// When it was left.
    at: String,
}

/// A file that a step has changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangedFile {
    /// Its path in the work tree.
    path: String,
    /// How many lines were added; nothing for a binary file.
    #[schema(required = true)]
    added: Option<u64>,
    /// How many lines were removed; nothing for a binary file.
    #[schema(required = true)]
    removed: Option<u64>,
}

/// Which checkpoint of which run.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    id: RunId,
    number: u32,
}

/// Lists where the steps of a run have left its work tree.
#[utoipa::path(get, path = "/runs/{id}/checkpoints", operation_id = "list_checkpoints", tag = "runs", params(("id" = String, Path)),
    responses(
        (status = 200, description = "in the order in which steps have left the tree", body = List<Checkpoint>),
        (status = 404, body = ProblemBody<'_>),
        (status = 410, description = "`run_expired`: the workspace no longer keeps runs of that time", body = ProblemBody<'_>),
    ))]
pub(crate) async fn list(State(app): State<App>, who: Principal, Ids(run): Ids<RunId>) -> Result<Json<List<Checkpoint>>> {
    let found = app.engine.checkpoints(who.workspace, run).await?;
    Ok(Json(List { items: found.into_iter().map(shown).collect(), next_cursor: None }))
}

/// Shows what a step has changed in the work tree, as a patch. One of more than 4 MiB ends with a line that says so.
#[utoipa::path(get, path = "/runs/{id}/checkpoints/{number}/diff", operation_id = "get_checkpoint_diff", tag = "runs",
    params(("id" = String, Path), ("number" = u32, Path)),
    responses(
        (status = 200, description = "the patch; empty when the step has changed nothing", body = String, content_type = "text/plain"),
        (status = 404, body = ProblemBody<'_>),
        (status = 410, description = "`run_expired`: the workspace no longer keeps runs of that time", body = ProblemBody<'_>),
    ))]
pub(crate) async fn diff(State(app): State<App>, who: Principal, Ids(Place { id, number }): Ids<Place>) -> Result<Response> {
    let mut response = match app.engine.checkpoint_diff(who.workspace, id, number).await? {
        None => Body::empty().into_response(),
        Some(found) => {
            let tell = |fault: &flowforge_engine::Error| tracing::warn!("a patch breaks off: {fault}");
            let mut response = Body::from_stream(found.bytes.map(move |bytes| bytes.inspect_err(tell))).into_response();
            response.headers_mut().insert(header::CONTENT_LENGTH, found.size.into());
            response
        }
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

fn shown(record: CheckpointRecord) -> Checkpoint {
    let CheckpointRecord { number, node, attempt, checkpoint, at } = record;
    let change = |FileChange { path, added, removed }| ChangedFile { path, added, removed };
    Checkpoint {
        number,
        node_id: node.to_string(),
        attempt,
        commit: checkpoint.commit,
        changed: checkpoint.changed,
        changes: checkpoint.changes.into_iter().map(change).collect(),
        has_diff: checkpoint.diff.is_some(),
        at: iso(at),
    }
}
