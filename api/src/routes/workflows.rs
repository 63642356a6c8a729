//! Workflows: what authors save.

use std::collections::HashMap;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use flowforge_core::{Problem, WorkflowId};
use flowforge_engine::{
    RunRecord,
    store::workflows::{NewVersion, WorkflowFilter, WorkflowPatch, WorkflowRecord, WorkflowStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    auth::{
        check_name,
        principal::{Editor, Principal},
    },
    error::{ApiError, ProblemBody, Result},
    extract::{Body, Ids, Params, page},
    graph,
    routes::List,
    time::iso,
};

/// A workflow, without its graphs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workflow {
    /// `wf_…`
    id: String,
    /// The name.
    name: String,
    /// What it is for.
    description: String,
    /// `draft`, `active` or `archived`.
    status: &'static str,
    /// The newest version.
    version: u32,
    /// The version that triggers start.
    #[schema(required = true)]
    published_version: Option<u32>,
    /// When it was made.
    created_at: String,
    /// When it changed last.
    updated_at: String,
    /// Its newest run.
    #[schema(required = true)]
    last_run: Option<LastRun>,
}

/// The newest run of a workflow.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastRun {
    /// `run_…`
    id: String,
    /// Where it stands.
    status: &'static str,
    /// When it was started.
    created_at: String,
}

/// A workflow to be saved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWorkflow {
    /// The name.
    name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Nodes, edges and settings.
    #[schema(value_type = Object)]
    graph: Value,
}

/// What is to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkflowChange {
    /// A new name.
    name: Option<String>,
    /// A new description.
    description: Option<String>,
    /// `draft`, `active` or `archived`.
    status: Option<String>,
}

/// Which version is to be published.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    /// Its number.
    version: u32,
}

/// A graph to be checked.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Validate {
    /// Nodes, edges and settings.
    #[schema(value_type = Object)]
    graph: Value,
}

/// Whether a graph can be run.
#[derive(Serialize, ToSchema)]
pub(crate) struct Validation {
    /// Whether it can.
    valid: bool,
    /// All that keeps it from being run.
    #[schema(value_type = Vec<crate::error::GraphProblem>)]
    problems: Vec<Problem>,
}

/// Which workflows are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WorkflowQuery {
    /// `draft`, `active` or `archived`; without it, all that are not archived.
    status: Option<String>,
    /// A part of the name.
    q: Option<String>,
    /// How many at most, 1 to 200; 50 without it.
    limit: Option<u64>,
    /// The `next_cursor` of the list before.
    cursor: Option<String>,
}

/// Lists workflows, newest first.
#[utoipa::path(get, path = "/workflows", operation_id = "list_workflows", tag = "workflows", params(WorkflowQuery), responses((status = 200, body = List<Workflow>)))]
pub(crate) async fn list(
    State(app): State<App>,
    who: Principal,
    Params(query): Params<WorkflowQuery>,
) -> Result<Json<List<Workflow>>> {
    let status = query.status.as_deref().filter(|word| !word.is_empty()).map(str::parse).transpose()?;
    let filter = WorkflowFilter { status, name: query.q.filter(|text| !text.is_empty()) };
    let found = app.store().workflows(who.workspace, &filter, page(query.limit, query.cursor.as_deref())?).await?;
    let ids: Vec<_> = found.items.iter().map(|workflow| workflow.id).collect();
    let mut last = app.store().last_runs(who.workspace, &ids).await?;
    let items = found.items.into_iter().map(|record| workflow(record, &mut last)).collect();
    Ok(Json(List { items, next_cursor: found.next.map(|id| id.simple().to_string()) }))
}

/// Saves a new workflow; its graph becomes version 1.
#[utoipa::path(post, path = "/workflows", operation_id = "create_workflow", tag = "workflows", request_body = NewWorkflow, responses(
    (status = 201, body = Workflow),
    (status = 400, description = "the graph cannot be run: see `problems`", body = ProblemBody<'_>),
    (status = 413, body = ProblemBody<'_>),
))]
pub(crate) async fn create(State(app): State<App>, Editor(who): Editor, Body(ask): Body<NewWorkflow>) -> Result<Response> {
    let name = check_name("name", &ask.name)?;
    let description = check_description(ask.description)?;
    let graph = graph::checked(app.engine.catalog(), ask.graph).await?;
    let first = NewVersion { graph, note: String::new(), created_by: Some(who.user), at: app.engine.clock().now() };
    let saved = app.store().create_workflow(who.workspace, name, description, first).await?;
    Ok((StatusCode::CREATED, Json(workflow(saved, &mut HashMap::new()))).into_response())
}

/// Shows a workflow.
#[utoipa::path(get, path = "/workflows/{id}", operation_id = "get_workflow", tag = "workflows", params(("id" = String, Path)), responses(
    (status = 200, body = Workflow),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn show(State(app): State<App>, who: Principal, Ids(id): Ids<WorkflowId>) -> Result<Json<Workflow>> {
    let record = app.store().workflow(who.workspace, id).await?;
    with_last_run(&app, &who, record).await
}

/// Changes the name, the description or the status of a workflow.
#[utoipa::path(patch, path = "/workflows/{id}", operation_id = "update_workflow", tag = "workflows", params(("id" = String, Path)), request_body = WorkflowChange,
    responses((status = 200, body = Workflow), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn update(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<WorkflowId>,
    Body(ask): Body<WorkflowChange>,
) -> Result<Json<Workflow>> {
    let patch = WorkflowPatch {
        name: ask.name.map(|name| check_name("name", &name)).transpose()?,
        description: ask.description.map(check_description).transpose()?,
        status: ask.status.map(|word| word.parse()).transpose()?,
    };
    let record = app.store().update_workflow(who.workspace, id, patch, app.engine.clock().now()).await?;
    app.engine.workflow_changed(id);
    app.names.forget(id);
    with_last_run(&app, &who, record).await
}

/// Archives a workflow: it is no longer listed and starts no runs; its versions and runs stay.
#[utoipa::path(delete, path = "/workflows/{id}", operation_id = "archive_workflow", tag = "workflows", params(("id" = String, Path)), responses(
    (status = 204, description = "archived"),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn archive(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<WorkflowId>) -> Result<StatusCode> {
    let patch = WorkflowPatch { status: Some(WorkflowStatus::Archived), ..WorkflowPatch::default() };
    app.store().update_workflow(who.workspace, id, patch, app.engine.clock().now()).await?;
    app.engine.workflow_changed(id);
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a version the one that triggers start.
#[utoipa::path(post, path = "/workflows/{id}/publish", operation_id = "publish_version", tag = "workflows", params(("id" = String, Path)), request_body = Publish,
    responses((status = 200, body = Workflow), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn publish(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<WorkflowId>,
    Body(ask): Body<Publish>,
) -> Result<Json<Workflow>> {
    let record = app.store().publish(who.workspace, id, ask.version, app.engine.clock().now()).await?;
    app.engine.workflow_changed(id);
    with_last_run(&app, &who, record).await
}

/// Checks a graph without saving it.
#[utoipa::path(post, path = "/workflows/validate", operation_id = "validate_graph", tag = "workflows", request_body = Validate, responses((status = 200, body = Validation)))]
pub(crate) async fn validate(State(app): State<App>, _: Principal, Body(ask): Body<Validate>) -> Result<Json<Validation>> {
    let (_, problems) = graph::problems(app.engine.catalog(), ask.graph).await?;
    Ok(Json(Validation { valid: problems.is_empty(), problems }))
}

async fn with_last_run(app: &App, who: &Principal, record: WorkflowRecord) -> Result<Json<Workflow>> {
    let mut last = app.store().last_runs(who.workspace, &[record.id]).await?;
    Ok(Json(workflow(record, &mut last)))
}

fn workflow(record: WorkflowRecord, last: &mut HashMap<WorkflowId, RunRecord>) -> Workflow {
    Workflow {
        id: record.id.to_string(),
        name: record.name,
        description: record.description,
        status: record.status.as_str(),
        version: record.version,
        published_version: record.published_version,
        created_at: iso(record.created_at),
        updated_at: iso(record.updated_at),
        last_run: last.remove(&record.id).map(last_run),
    }
}

fn last_run(run: RunRecord) -> LastRun {
    LastRun { id: run.id.to_string(), status: run.status.as_str(), created_at: iso(run.created_at) }
}

fn check_description(text: String) -> Result<String> {
    const MAX: usize = 10_000;
    if text.len() <= MAX {
        return Ok(text);
    }
    Err(ApiError::bad_request("invalid_description", format!("`description` must have at most {MAX} bytes")))
}
