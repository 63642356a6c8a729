//! Runs: starting, watching, pausing, cancelling.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use flowforge_core::{NodeId, Priority, RunId, WorkflowId, event::RunError as Cause, trigger::TriggerKind};
use flowforge_engine::{
    Dedupe, NewRun, Parent, RunRecord, Started, shown,
    store::{deliveries::BegunBy, runs::RunFilter},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Ids, Params, Raw, page, parse},
    routes::List,
    time::iso,
};

/// The longest that a caller may wait for the end of a run.
const WAIT_MAX_S: u64 = 60;
/// The longest idempotency key.
const KEY_MAX: usize = 255;

/// A run, without its values.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunSummary {
    /// `run_…`
    id: String,
    /// `wf_…`
    workflow_id: String,
    /// The workflow's name.
    #[schema(value_type = String)]
    workflow_name: Arc<str>,
    /// Which version is executed.
    version: u32,
    /// `pending`, `running`, `waiting`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    /// Why it failed.
    #[schema(required = true, value_type = Option<RunError>)]
    error: Option<Cause>,
    /// What began it: `manual`, `api`, `webhook`, `github`, `schedule`, `step` or `failure`.
    trigger: String,
    /// What came to a trigger and began it: `dlv_…`
    #[schema(required = true)]
    delivery_id: Option<String>,
    /// What that came to: `trg_…`
    #[schema(required = true)]
    trigger_id: Option<String>,
    /// What the trigger is called: the name of its node, or its id.
    #[schema(required = true)]
    trigger_name: Option<String>,
    /// How urgent it is: `high`, `normal` or `low`.
    #[schema(value_type = String, example = "normal")]
    priority: Priority,
    /// The step that it was started for.
    #[schema(required = true)]
    parent: Option<RunParent>,
    /// How many runs stand above it.
    depth: u32,
    /// The run that this one repeats.
    #[schema(required = true)]
    origin_run_id: Option<String>,
    /// When it was accepted.
    created_at: String,
    /// When a worker began it.
    #[schema(required = true)]
    started_at: Option<String>,
    /// When it ended.
    #[schema(required = true)]
    finished_at: Option<String>,
    /// When someone asked to cancel it.
    #[schema(required = true)]
    cancel_requested_at: Option<String>,
    /// Since when it is paused.
    #[schema(required = true)]
    paused_at: Option<String>,
}

/// The step that a run was started for.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunParent {
    /// Its run.
    run_id: String,
    /// Its node.
    node_id: String,
    /// Its attempt.
    attempt: u32,
    /// Which item of its list, from 0.
    index: u32,
}

/// A run.
#[derive(Serialize, ToSchema)]
pub(crate) struct Run {
    /// What lists show.
    #[serde(flatten)]
    summary: RunSummary,
    /// What it was given.
    #[schema(value_type = Value)]
    input: Arc<Value>,
    /// What it put out; null until it has completed.
    #[schema(required = true, value_type = Value)]
    output: Option<Arc<Value>>,
    /// What a step has answered whoever started it: `{status, headers, body}`; null until one has.
    #[schema(required = true, value_type = Value)]
    response: Option<Arc<Value>>,
}

/// Why a run failed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the core's `RunError`, which knows nothing of OpenAPI")]
pub(crate) struct RunError {
    /// The code of the step's error, or `RUN_TIMEOUT`.
    code: String,
    /// What happened.
    message: String,
    /// The step that failed.
    node_id: Option<String>,
}

/// What a run begins with.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRun {
    /// Any JSON; expressions see it as `trigger`.
    #[serde(default)]
    input: Value,
    /// Which version; without it the published one, or the newest when none is published.
    version: Option<u32>,
    /// How urgent it is: `high`, `normal` or `low`; without it as the workflow's settings say.
    #[schema(value_type = Option<String>)]
    priority: Option<Priority>,
}

/// How long the caller waits.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// Answer when the run has ended, when one of its steps has answered, or after so many seconds: 0 to 60.
    wait: Option<u64>,
}

/// Which runs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// Only of this workflow.
    workflow_id: Option<String>,
    /// Only those that stand here.
    status: Option<String>,
    /// Only those that were started for steps of this run, in the order of their items; without it, only those that no step has
    /// started.
    parent: Option<String>,
    /// Only those that were started for this node of the parent.
    node: Option<String>,
    /// How many at most, 1 to 200; 50 without it.
    limit: Option<u64>,
    /// The `next_cursor` of the list before.
    cursor: Option<String>,
}

/// Starts a run.
///
/// With an `Idempotency-Key`, the same request can be repeated: it starts one run, and later answers show that one.
#[utoipa::path(post, path = "/workflows/{id}/runs", operation_id = "start_run", tag = "runs",
    params(("id" = String, Path), WaitQuery, ("Idempotency-Key" = Option<String>, Header, description = "at most 255 characters; it counts for 30 days")),
    request_body = StartRun,
    responses(
        (status = 201, body = Run),
        (status = 200, description = "the same key and body have started this run before", body = Run),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "`idempotency_conflict`: the key was used with another body", body = ProblemBody<'_>),
    ))]
pub(crate) async fn start(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(workflow): Ids<WorkflowId>,
    Params(query): Params<WaitQuery>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response> {
    let wait = wait_limit(query.wait)?;
    let ask: StartRun = if body.is_empty() { StartRun::default() } else { parse(&body)? };
    let new = NewRun {
        workspace: who.workspace,
        workflow,
        version: ask.version,
        input: ask.input,
        trigger: origin(&headers),
        priority: ask.priority,
        dedupe: dedupe(&headers, workflow.uuid(), &body)?,
        started_by: Some(who.user),
    };
    let started = app.engine.start(new).await?;
    let status = if started.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let record = if wait.is_zero() { started.record } else { ended(&app, started, wait).await? };
    Ok((status, with_name(&app, record).await?).into_response())
}

/// Lists runs, newest first; those of a run's steps in the order of their items.
#[utoipa::path(get, path = "/runs", operation_id = "list_runs", tag = "runs", params(RunQuery), responses((status = 200, body = List<RunSummary>)))]
pub(crate) async fn list(
    State(app): State<App>,
    who: Principal,
    Params(query): Params<RunQuery>,
) -> Result<Json<List<RunSummary>>> {
    let (workflow, status) = (read(query.workflow_id, "workflow_id")?, read(query.status, "status")?);
    let node = query.node.filter(|node| !node.is_empty()).map(NodeId::new);
    let filter = RunFilter { workflow, status, parent: read(query.parent, "parent")?, node };
    if filter.node.is_some() && filter.parent.is_none() {
        return Err(ApiError::bad_request("invalid_parameter", "`node` needs the `parent` whose node it is"));
    }
    let found = app.store().runs(who.workspace, filter, page(query.limit, query.cursor.as_deref())?).await?;
    let ids: Vec<_> = found.items.iter().map(|run| run.workflow).collect();
    let names: HashMap<_, Arc<str>> =
        app.store().workflow_names(who.workspace, &ids).await?.into_iter().map(|(id, name)| (id, name.into())).collect();
    let name = |id| names.get(&id).cloned().unwrap_or_default();
    let mut begun = app.store().begun_by(&delivered(&found.items)).await?;
    let items = found.items.into_iter().map(|run| summary(&run, name(run.workflow), begun.remove(&run.id))).collect();
    Ok(Json(List { items, next_cursor: found.next.map(|id| id.simple().to_string()) }))
}

/// Shows a run.
#[utoipa::path(get, path = "/runs/{id}", operation_id = "get_run", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, body = Run),
    (status = 404, body = ProblemBody<'_>),
    (status = 410, description = "`run_expired`: the workspace no longer keeps runs of that time", body = ProblemBody<'_>),
))]
pub(crate) async fn show(State(app): State<App>, who: Principal, Ids(id): Ids<RunId>) -> Result<Json<Run>> {
    let record = app.store().run(who.workspace, id).await?;
    with_name(&app, record).await
}

/// Asks a run to stop; steps that are running are stopped too.
#[utoipa::path(post, path = "/runs/{id}/cancel", operation_id = "cancel_run", tag = "runs", params(("id" = String, Path)), responses(
    (status = 202, body = Run),
    (status = 404, body = ProblemBody<'_>),
    (status = 409, description = "the run has ended", body = ProblemBody<'_>),
))]
pub(crate) async fn cancel(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<RunId>) -> Result<Response> {
    let mut record = app.engine.cancel(who.workspace, id).await?;
    record.cancel_requested_at.get_or_insert(app.engine.clock().now());
    Ok((StatusCode::ACCEPTED, with_name(&app, record).await?).into_response())
}

/// Asks a run to begin nothing more until it is resumed. What is under way goes on.
#[utoipa::path(post, path = "/runs/{id}/pause", operation_id = "pause_run", tag = "runs", params(("id" = String, Path)), responses(
    (status = 202, body = Run),
    (status = 404, body = ProblemBody<'_>),
    (status = 409, description = "the run has ended", body = ProblemBody<'_>),
))]
pub(crate) async fn pause(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<RunId>) -> Result<Response> {
    let mut record = app.engine.pause(who.workspace, id).await?;
    record.paused_at.get_or_insert(app.engine.clock().now());
    Ok((StatusCode::ACCEPTED, with_name(&app, record).await?).into_response())
}

/// Asks a paused run to go on.
#[utoipa::path(post, path = "/runs/{id}/resume", operation_id = "resume_run", tag = "runs", params(("id" = String, Path)), responses(
    (status = 202, body = Run),
    (status = 404, body = ProblemBody<'_>),
    (status = 409, description = "the run has ended", body = ProblemBody<'_>),
))]
pub(crate) async fn resume(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<RunId>) -> Result<Response> {
    let mut record = app.engine.resume(who.workspace, id).await?;
    record.paused_at = None;
    Ok((StatusCode::ACCEPTED, with_name(&app, record).await?).into_response())
}

/// The run when it has ended or answered, when the time is over, or when the server is about to stop.
async fn ended(app: &App, started: Started, limit: Duration) -> Result<RunRecord> {
    let (workspace, run) = (started.record.workspace, started.record.id);
    tokio::select! {
        record = app.engine.wait(started, limit) => Ok(record?),
        () = app.closing.cancelled() => Ok(app.store().run(workspace, run).await?),
    }
}

/// The run as the API shows it.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn with_name(app: &App, record: RunRecord) -> Result<Json<Run>> {
    let name = app.names.get(app.store(), record.workspace, record.workflow, app.engine.clock().now()).await?;
    let begun = app.store().begun_by(&delivered(std::slice::from_ref(&record))).await?.remove(&record.id);
    Ok(Json(run(record, name, begun)))
}

/// Those of these runs that a delivery has begun: whatever else begins runs has none.
fn delivered(runs: &[RunRecord]) -> Vec<RunId> {
    runs.iter().filter(|run| run.trigger.parse::<TriggerKind>().is_ok()).map(|run| run.id).collect()
}

fn run(record: RunRecord, workflow_name: Arc<str>, begun: Option<BegunBy>) -> Run {
    let summary = summary(&record, workflow_name, begun);
    let (input, output, response) = (shown(record.input), record.output.map(shown), record.response.map(shown));
    Run { summary, input, output, response }
}

fn summary(record: &RunRecord, workflow_name: Arc<str>, begun: Option<BegunBy>) -> RunSummary {
    RunSummary {
        id: record.id.to_string(),
        workflow_id: record.workflow.to_string(),
        workflow_name,
        version: record.version,
        status: record.status.as_str(),
        error: record.error.clone(),
        trigger: record.trigger.to_string(),
        delivery_id: begun.as_ref().map(|by| by.delivery.to_string()),
        trigger_id: begun.as_ref().map(|by| by.trigger.to_string()),
        trigger_name: begun.map(|by| by.name),
        priority: record.priority,
        parent: record.parent.as_ref().map(parent),
        depth: record.depth,
        origin_run_id: record.origin.map(|run| run.to_string()),
        created_at: iso(record.created_at),
        started_at: record.started_at.map(iso),
        finished_at: record.finished_at.map(iso),
        cancel_requested_at: record.cancel_requested_at.map(iso),
        paused_at: record.paused_at.map(iso),
    }
}

fn parent(parent: &Parent) -> RunParent {
    let Parent { run, node, attempt, index } = parent;
    RunParent { run_id: run.to_string(), node_id: node.to_string(), attempt: *attempt, index: *index }
}

fn wait_limit(seconds: Option<u64>) -> Result<Duration> {
    match seconds.unwrap_or(0) {
        seconds if seconds <= WAIT_MAX_S => Ok(Duration::from_secs(seconds)),
        _ => Err(ApiError::bad_request("invalid_parameter", format!("`wait` must be between 0 and {WAIT_MAX_S} seconds"))),
    }
}

/// Browsers say on every POST which page it comes from; programs do not.
fn origin(headers: &HeaderMap) -> &'static str {
    if headers.contains_key(header::ORIGIN) { "manual" } else { "api" }
}

/// The key is the workspace's; the hash tells a repetition from another request that uses the same key.
pub(crate) fn dedupe(headers: &HeaderMap, about: Uuid, body: &[u8]) -> Result<Option<Dedupe>> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len()));
    let refuse = || {
        ApiError::bad_request("invalid_idempotency_key", format!("`Idempotency-Key` must have 1 to {KEY_MAX} visible characters"))
    };
    let hash = Sha256::new().chain_update(about).chain_update(body).finalize();
    let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Dedupe { key: key.ok_or_else(refuse)?.to_owned(), hash }))
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(text: Option<String>, name: &str) -> Result<Option<T>> {
    let parse =
        |text: String| text.parse().map_err(|fault| ApiError::bad_request("invalid_parameter", format!("`{name}`: {fault}")));
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}
