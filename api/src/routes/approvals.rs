//! Decisions that steps wait for.

use axum::{Json, extract::State};
use flowforge_core::{NodeId, RunId, awaiting::Verdict};
use flowforge_engine::{
    Asked, AttemptRecord, NewDecision, PageRequest,
    store::steps::{WaitingApproval, WaitingPlace},
    unmarked,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Body, Ids, Params, limit_up_to},
    routes::List,
    time::iso,
};

/// The longest comment, in characters.
const COMMENT_MAX: usize = 4_000;

/// A decision that a step waits for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Approval {
    /// The run.
    run_id: String,
    /// The step's node.
    node_id: String,
    /// The step's attempt.
    attempt: u32,
    /// What the run executes.
    workflow_id: String,
    /// The question, in a line.
    title: String,
    /// What the decision is about.
    details: Value,
    /// Who may decide: e-mail addresses or roles; anyone who may start runs when empty.
    approvers: Vec<String>,
    /// Names exactly what is asked. A decision sends it back, so that nothing else is decided than what was shown.
    digest: String,
    /// When the step began.
    requested_at: String,
    /// Until when the step waits; null: for as long as it takes.
    #[schema(required = true)]
    expires_at: Option<String>,
}

/// A decision that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct DecidedApproval {
    /// The run.
    run_id: String,
    /// The step's node.
    node_id: String,
    /// The step's attempt.
    attempt: u32,
    /// `approved` or `rejected`.
    decision: &'static str,
    /// Who has decided, by e-mail address.
    by: String,
    /// What they said to it.
    #[schema(required = true)]
    comment: Option<String>,
    /// When they decided.
    at: String,
}

/// A decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    /// `approved` or `rejected`.
    #[schema(value_type = String, example = "approved")]
    decision: Verdict,
    /// The digest of what was shown.
    digest: String,
    /// What there is to say to it; at most 4000 characters.
    comment: Option<String>,
}

/// Which decisions are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalQuery {
    /// `waiting`, which is also meant without it.
    status: Option<String>,
    /// How many at most, 1 to 200; 50 without it.
    limit: Option<u64>,
    /// The `next_cursor` of the list before.
    cursor: Option<String>,
}

/// Lists the decisions that steps of the workspace wait for, those of the newest runs first.
#[utoipa::path(get, path = "/approvals", operation_id = "list_approvals", tag = "approvals", params(ApprovalQuery), responses((status = 200, body = List<Approval>)))]
pub(crate) async fn list(
    State(app): State<App>,
    who: Principal,
    Params(query): Params<ApprovalQuery>,
) -> Result<Json<List<Approval>>> {
    if query.status.is_some_and(|status| status != "waiting") {
        return Err(ApiError::bad_request("invalid_parameter", "`status` can only be `waiting`"));
    }
    let limit = limit_up_to(query.limit, PageRequest::DEFAULT, PageRequest::MAX)?;
    let after = query.cursor.as_deref().filter(|text| !text.is_empty()).map(place).transpose()?;
    let mut found = app.store().waiting_approvals(who.workspace, after, limit + 1).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|one| format!("{}/{}", one.run, one.attempt.node));
    Ok(Json(List { items: found.iter().filter_map(shown).collect(), next_cursor }))
}

/// Decides what a step asks. Of several decisions, the first one counts.
#[utoipa::path(post, path = "/runs/{id}/approvals/{node_id}", operation_id = "decide_approval", tag = "approvals",
    params(("id" = String, Path), ("node_id" = String, Path)),
    request_body = Decide,
    responses(
        (status = 200, body = DecidedApproval),
        (status = 403, description = "`not_an_approver`: the step names others", body = ProblemBody<'_>),
        (status = 404, description = "there is no such run, or its step asks for no decision", body = ProblemBody<'_>),
        (status = 409, description = "another decision came first (`approval_decided`), something else was shown \
            (`approval_changed`), or the run has ended (`run_finished`)", body = ProblemBody<'_>),
    ))]
pub(crate) async fn decide(
    State(app): State<App>,
    Editor(who): Editor,
    Ids((id, node)): Ids<(RunId, String)>,
    Body(ask): Body<Decide>,
) -> Result<Json<DecidedApproval>> {
    let comment = ask.comment.filter(|comment| !comment.trim().is_empty());
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > COMMENT_MAX) {
        return Err(ApiError::bad_request("invalid_input", format!("`comment` has more than {COMMENT_MAX} characters")));
    }
    let by = app.store().profile(who.user, who.workspace).await?.email;
    let role = who.role.as_str().to_owned();
    let decision = NewDecision { verdict: ask.decision, digest: ask.digest, by, role, comment };
    let attempt = app.engine.decide(who.workspace, id, &NodeId::new(node), decision).await?;
    decided(id, &attempt).map(Json)
}

fn shown(waiting: &WaitingApproval) -> Option<Approval> {
    let WaitingApproval { run, workflow, attempt } = waiting;
    let Asked { approval, digest } = Asked::of(*run, attempt)?;
    Some(Approval {
        run_id: run.to_string(),
        node_id: attempt.node.to_string(),
        attempt: attempt.attempt,
        workflow_id: workflow.to_string(),
        title: approval.title,
        details: unmarked(approval.details),
        approvers: approval.approvers,
        digest,
        requested_at: iso(attempt.started_at.unwrap_or_default()),
        expires_at: attempt.wake_at.map(iso),
    })
}

/// What the winning decision left behind, as the step's output says it.
#[derive(Deserialize)]
struct Made {
    decision: Verdict,
    by: String,
    comment: Option<String>,
    at: String,
}

fn decided(run: RunId, attempt: &AttemptRecord) -> Result<DecidedApproval> {
    let made = attempt.output.as_ref().map(Made::deserialize).transpose().map_err(ApiError::internal)?;
    let Made { decision, by, comment, at } = made.ok_or_else(|| ApiError::internal("a decided step has no output"))?;
    let (node_id, attempt, decision) = (attempt.node.to_string(), attempt.attempt, decision.as_str());
    Ok(DecidedApproval { run_id: run.to_string(), node_id, attempt, decision, by, comment, at })
}

fn place(cursor: &str) -> Result<WaitingPlace> {
    let parse = || {
        let (run, node) = cursor.split_once('/')?;
        Some(WaitingPlace { run: run.parse().ok()?, node: NodeId::new(node) })
    };
    parse().ok_or_else(|| ApiError::bad_request("invalid_parameter", "`cursor` is not the `next_cursor` of a list"))
}
