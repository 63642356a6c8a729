//! Runs that are made again.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use flowforge_core::{RunId, WorkspaceId, rerun::Decision};
use flowforge_engine::Rerun;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::principal::Editor,
    error::{ProblemBody, Result},
    extract::{Ids, Raw, parse},
    routes::runs::{Run, dedupe, with_name},
};

/// How a run is made again. Without anything: as a whole, on its own version, with its own input.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RerunRun {
    /// Where to begin: a node, or `failed` for everything that did not complete. What is before it is kept as far as possible.
    from_node: Option<String>,
    /// Which version; that of the run when absent.
    version: Option<u32>,
    /// Any JSON; what the run was given when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Value, required = false)]
    input: Option<Value>,
}

/// What making a run again would do.
#[derive(Serialize, ToSchema)]
pub(crate) struct RerunPlan {
    /// The version that would be executed.
    version: u32,
    /// Its steps, each after those that come before it.
    steps: Vec<RerunStep>,
    /// The nodes whose effects may happen once more.
    effects: Vec<String>,
}

/// What would become of a step.
#[derive(Serialize, ToSchema)]
pub(crate) struct RerunStep {
    /// The node.
    node_id: String,
    /// `keep`: its output is taken over, or it is skipped as before; `run_again`; `cannot_keep`: it runs again although it
    /// completed before the place where the new run begins.
    #[schema(value_type = String, example = "keep")]
    decision: Decision,
    /// Why, for a person.
    reason: String,
    /// Whether it acts on the world, has done so before, and may do so again.
    repeats_effect: bool,
}

/// Makes a run again that has ended: whole, from what failed, or from any step; the outputs of steps before it are kept.
///
/// With an `Idempotency-Key`, the same request can be repeated: it starts one run, and later answers show that one.
#[utoipa::path(post, path = "/runs/{id}/rerun", operation_id = "rerun_run", tag = "runs",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "at most 255 characters; it counts for 30 days")),
    request_body = RerunRun,
    responses(
        (status = 201, description = "the new run", body = Run),
        (status = 200, description = "the same key and body have started this run before", body = Run),
        (status = 400, description = "there is no such node, or nothing has failed (`invalid_input`)", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "the run has not ended, or was started by a step of another one (`run_state`); or what is \
            kept of it cannot be read (`run_unreadable`); or `workflow_archived`; or `idempotency_conflict`", body = ProblemBody<'_>),
    ))]
pub(crate) async fn rerun(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<RunId>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response> {
    let dedupe = dedupe(&headers, id.uuid(), &body)?;
    let started = app.engine.rerun(Rerun { dedupe, started_by: Some(who.user), ..ask(who.workspace, id, &body)? }).await?;
    let status = if started.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, with_name(&app, started.record).await?).into_response())
}

/// Says what making a run again would do: which steps it keeps, which it cannot, and whose effects may happen once more.
#[utoipa::path(post, path = "/runs/{id}/rerun/plan", operation_id = "plan_rerun", tag = "runs", params(("id" = String, Path)),
    request_body = RerunRun,
    responses(
        (status = 200, body = RerunPlan),
        (status = 400, description = "there is no such node, or nothing has failed (`invalid_input`)", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "the run has not ended, or was started by a step of another one (`run_state`); or what is \
            kept of it cannot be read (`run_unreadable`)", body = ProblemBody<'_>),
    ))]
pub(crate) async fn plan(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<RunId>,
    Raw(body): Raw,
) -> Result<Json<RerunPlan>> {
    let plan = app.engine.plan_rerun(&ask(who.workspace, id, &body)?).await?;
    let effects = plan.steps.iter().filter(|step| step.repeats_effect).map(|step| step.node.to_string()).collect();
    let steps = plan.steps.into_iter().map(|step| RerunStep {
        node_id: step.node.to_string(),
        decision: step.decision,
        reason: step.reason,
        repeats_effect: step.repeats_effect,
    });
    Ok(Json(RerunPlan { version: plan.version, steps: steps.collect(), effects }))
}

fn ask(workspace: WorkspaceId, run: RunId, body: &[u8]) -> Result<Rerun> {
    let RerunRun { from_node, version, input } = if body.is_empty() { RerunRun::default() } else { parse(body)? };
    Ok(Rerun { workspace, run, from: from_node, version, input, dedupe: None, started_by: None })
}

/// A field that is there is given, even when it is null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
