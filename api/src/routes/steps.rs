//! What happened inside a run: attempts and their log lines.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use flowforge_core::{NodeId, RunId, node::NodeError};
use flowforge_engine::{AttemptRecord, LogRecord, store::runs::ChildCount, unmarked};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    auth::principal::Principal,
    error::{ProblemBody, Result},
    extract::{Ids, Params, limit_up_to},
    routes::List,
    time::iso,
};

/// An attempt of a step. A failed one with a `wake_at` is followed by another.
#[derive(Serialize, ToSchema)]
pub(crate) struct Step {
    /// The node.
    node_id: String,
    /// The item of a map; empty elsewhere.
    item: String,
    /// Which attempt, from 1.
    attempt: u32,
    /// How many attempts came before it.
    retry_count: u32,
    /// `running`, `waiting`, `completed`, `failed`, `skipped` or `cancelled`.
    status: &'static str,
    /// The resolved parameters, secrets masked.
    #[schema(required = true)]
    input: Option<Value>,
    /// What successors see.
    #[schema(required = true)]
    output: Option<Value>,
    /// Why it failed.
    #[schema(required = true)]
    error: Option<StepError>,
    /// The port by which it left.
    #[schema(required = true)]
    port: Option<String>,
    /// When it began.
    #[schema(required = true)]
    started_at: Option<String>,
    /// When it ended.
    #[schema(required = true)]
    finished_at: Option<String>,
    /// When it is woken, or when the next attempt begins.
    #[schema(required = true)]
    wake_at: Option<String>,
    /// What it waits for, or has waited for, beside the time: `{kind: "signal", name}`, `{kind: "approval", title, details,
    /// approvers}`, or `{kind: "children", total, source, max_parallel, on_item_error, open, ended}`.
    #[schema(required = true)]
    awaiting: Option<Value>,
    /// Whether it was taken over from the run that this one repeats, instead of being executed.
    kept: bool,
    /// What its effects carry as `Idempotency-Key`.
    effect_key: String,
}

/// Why an attempt failed.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepError {
    /// A stable word in capitals.
    code: String,
    /// What happened, where, and what to do.
    message: String,
    /// Whether the same call may succeed later.
    retryable: bool,
    /// What else is known.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(required = false)]
    details: Value,
}

/// A log line of a step.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogLine {
    /// Its number in the run's record.
    seq: i64,
    /// The node.
    node_id: String,
    /// The item of a map; empty elsewhere.
    item: String,
    /// The attempt.
    attempt: u32,
    /// `stdout`, `stderr` or `system`.
    stream: String,
    /// The line.
    text: String,
    /// When it was written.
    at: String,
}

/// Which log lines are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Only of this node.
    node_id: Option<String>,
    /// Only lines after this number.
    after: Option<u32>,
    /// How many at most, 1 to 5000; 1000 without it.
    limit: Option<u64>,
}

/// Lists all attempts of a run, in the order in which they began.
#[utoipa::path(get, path = "/runs/{id}/steps", operation_id = "list_steps", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, body = List<Step>),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn list(State(app): State<App>, who: Principal, Ids(id): Ids<RunId>) -> Result<Json<List<Step>>> {
    let attempts = app.store().steps(who.workspace, id).await?;
    let has_children =
        attempts.iter().any(|attempt| attempt.awaiting.as_ref().is_some_and(|awaiting| awaiting["kind"] == "children"));
    let counts = if has_children { app.store().child_counts(id).await? } else { BTreeMap::new() };
    Ok(Json(List { items: attempts.into_iter().map(|attempt| step(attempt, &counts)).collect(), next_cursor: None }))
}

/// Lists the log lines of a run. `next_cursor` is what to pass as `after` when there may be more.
#[utoipa::path(get, path = "/runs/{id}/logs", operation_id = "list_logs", tag = "runs", params(("id" = String, Path), LogQuery), responses(
    (status = 200, body = List<LogLine>),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn logs(
    State(app): State<App>,
    who: Principal,
    Ids(id): Ids<RunId>,
    Params(query): Params<LogQuery>,
) -> Result<Json<List<LogLine>>> {
    let limit = limit_up_to(query.limit, 1000, 5000)?;
    let node = query.node_id.filter(|node| !node.is_empty()).map(NodeId::new);
    let lines = app.store().logs(who.workspace, id, node.as_ref(), query.after.unwrap_or(0).into(), limit).await?;
    let next_cursor = lines.last().filter(|_| lines.len() as u64 == limit).map(|line| line.seq.to_string());
    Ok(Json(List { items: lines.into_iter().map(log_line).collect(), next_cursor }))
}

fn step(record: AttemptRecord, counts: &Counts) -> Step {
    Step {
        awaiting: awaiting(&record, counts),
        kept: record.is_kept(),
        node_id: record.node.to_string(),
        item: record.item,
        attempt: record.attempt,
        retry_count: record.attempt.saturating_sub(1),
        status: record.status.as_str(),
        input: record.input.map(unmarked),
        output: record.output.map(unmarked),
        error: record.error.map(step_error),
        port: record.port,
        started_at: record.started_at.map(iso),
        finished_at: record.finished_at.map(iso),
        wake_at: record.wake_at.map(iso),
        effect_key: record.effect_key,
    }
}

/// How many runs each attempt has started, by node and attempt.
type Counts = BTreeMap<(NodeId, u32), ChildCount>;

fn awaiting(record: &AttemptRecord, counts: &Counts) -> Option<Value> {
    let mut shown = unmarked(record.awaiting_shown()?);
    if shown["kind"] == "children" {
        let ChildCount { open, ended } = counts.get(&(record.node.clone(), record.attempt)).copied().unwrap_or_default();
        shown["open"] = open.into();
        shown["ended"] = ended.into();
    }
    Some(shown)
}

fn step_error(error: NodeError) -> StepError {
    StepError {
        code: error.code.into_owned(),
        message: error.message,
        retryable: error.retryable,
        details: unmarked(error.details),
    }
}

fn log_line(record: LogRecord) -> LogLine {
    LogLine {
        seq: record.seq,
        node_id: record.node.to_string(),
        item: record.item,
        attempt: record.attempt,
        stream: record.stream,
        text: record.text,
        at: iso(record.at),
    }
}
