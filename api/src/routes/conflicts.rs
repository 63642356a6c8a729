//! Conflicts of rebases: what collides, what was tried, and people's answers.

use axum::{Json, extract::State, http::StatusCode};
use flowforge_core::{
    RunId,
    conflict::{Answer, Check, ConflictKind, Method, Resolution, Side, Take},
};
use flowforge_engine::store::conflicts::ConflictRecord;
use flowforge_nodes::check_answer;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Body, Ids},
    routes::List,
    time::iso,
};

/// A file of a commit that cannot be brought together by itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunConflict {
    id: String,
    /// The step that met it.
    node_id: String,
    /// The commit that is replayed.
    commit: String,
    path: String,
    /// `content`, `add_add`, `rename`, `modify_delete`, `rename_delete`, `binary`, `line_endings`, `mode`, `submodule`, `symlink`
    /// or `directory_file`.
    #[schema(value_type = String)]
    kind: ConflictKind,
    /// The file before both changes.
    #[schema(required = true)]
    base: Option<ConflictSide>,
    /// As it is on the branch that is rebased onto.
    #[schema(required = true)]
    ours: Option<ConflictSide>,
    /// As the replayed commit has it.
    #[schema(required = true)]
    theirs: Option<ConflictSide>,
    /// Whether the last of the resolutions was taken.
    resolved: bool,
    /// What was tried, oldest first.
    resolutions: Vec<ConflictResolution>,
    created_at: String,
}

/// A file as one side has it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConflictSide {
    /// In git's words, for example `100644`.
    mode: String,
    /// In bytes.
    size: u64,
    /// Absent when it is no text in UTF-8, or too large to show.
    #[schema(required = true)]
    text: Option<String>,
}

/// An attempt to resolve a conflict, or a person's answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConflictResolution {
    /// `auto`, `model` or `person`.
    #[schema(value_type = String)]
    method: Method,
    /// The rule, the model, or who answered.
    by: String,
    /// What a model was asked.
    #[schema(required = true)]
    prompt: Option<String>,
    /// Which side was taken whole: `ours`, `theirs` or `delete`.
    #[schema(required = true, value_type = Option<String>)]
    take: Option<Take>,
    /// What the file holds.
    #[schema(required = true)]
    content: Option<String>,
    checks: Vec<ResolutionCheck>,
    accepted: bool,
    at: String,
}

/// A check of a resolution.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResolutionCheck {
    /// For example `markers`, `syntax`, `secrets`, `danger`, `size` or `tests`.
    check: String,
    passed: bool,
    message: String,
}

/// An answer: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveConflict {
    /// One side, whole: `ours`, `theirs`, or `delete`.
    #[schema(value_type = Option<String>)]
    take: Option<Take>,
    /// What the file is to hold.
    content: Option<String>,
}

/// Lists the conflicts that the rebases of a run have met, in the order in which they were met.
#[utoipa::path(get, path = "/runs/{id}/conflicts", operation_id = "list_conflicts", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = List<RunConflict>), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn list(State(app): State<App>, who: Principal, Ids(id): Ids<RunId>) -> Result<Json<List<RunConflict>>> {
    let found = app.store().conflicts(who.workspace, id).await?;
    Ok(Json(List { items: found.into_iter().map(shown).collect(), next_cursor: None }))
}

/// Answers a conflict that a step waits for. The answer is checked like any other: no conflict markers, syntax, keys and tokens.
#[utoipa::path(post, path = "/runs/{id}/conflicts/{conflict_id}/resolution", operation_id = "resolve_conflict", tag = "runs",
    params(("id" = String, Path), ("conflict_id" = String, Path)),
    request_body = ResolveConflict,
    responses(
        (status = 200, body = RunConflict),
        (status = 400, description = "not exactly one of `take` and `content`", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "it is resolved (`conflict_resolved`), its step does not wait for it now (`conflict_not_asked`), \
            or the run has ended (`run_finished`)", body = ProblemBody<'_>),
        (status = 422, description = "a check refuses it (`resolution_refused`)", body = ProblemBody<'_>),
    ))]
pub(crate) async fn resolve(
    State(app): State<App>,
    Editor(who): Editor,
    Ids((run, id)): Ids<(RunId, Uuid)>,
    Body(ask): Body<ResolveConflict>,
) -> Result<Json<RunConflict>> {
    let answer = match (ask.take, ask.content) {
        (Some(take), None) => Answer::Take(take),
        (None, Some(content)) => Answer::Content(content),
        _ => return Err(ApiError::bad_request("invalid_input", "give either `take` or `content`")),
    };
    let conflict = app.engine.conflict(who.workspace, run, id).await?.recorded.conflict;
    let checked = answer.clone();
    let checks = spawn_blocking(move || check_answer(&conflict, &checked)).await.map_err(ApiError::internal)?;
    refuse(&checks)?;
    let by = app.store().profile(who.user, who.workspace).await?.email;
    app.engine.answer_conflict((who.workspace, run, id), by, answer, checks).await.map(shown).map(Json).map_err(ApiError::from)
}

fn refuse(checks: &[Check]) -> Result<()> {
    let failed: Vec<_> = checks.iter().filter(|check| !check.passed).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let words: Vec<_> = failed.iter().map(|check| format!("{}: {}", check.check, check.message)).collect();
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "resolution_refused", words.join("; ")))
}

fn shown(record: ConflictRecord) -> RunConflict {
    let resolved = record.is_resolved();
    let conflict = record.recorded.conflict;
    let resolutions = record.recorded.resolutions.into_iter().zip(record.times);
    RunConflict {
        id: record.id.to_string(),
        node_id: record.node.to_string(),
        commit: conflict.commit,
        path: conflict.path,
        kind: conflict.kind,
        base: conflict.base.map(side),
        ours: conflict.ours.map(side),
        theirs: conflict.theirs.map(side),
        resolved,
        resolutions: resolutions.map(|(one, at)| resolution(one, iso(at))).collect(),
        created_at: iso(record.created_at),
    }
}

fn side(side: Side) -> ConflictSide {
    ConflictSide { mode: side.mode, size: side.size, text: side.text }
}

fn resolution(resolution: Resolution, at: String) -> ConflictResolution {
    let Resolution { method, by, prompt, answer, checks, accepted } = resolution;
    let (take, content) = match answer {
        Some(Answer::Take(take)) => (Some(take), None),
        Some(Answer::Content(content)) => (None, Some(content)),
        None => (None, None),
    };
    let check = |Check { check, passed, message }| ResolutionCheck { check, passed, message };
    ConflictResolution { method, by, prompt, take, content, checks: checks.into_iter().map(check).collect(), accepted, at }
}
