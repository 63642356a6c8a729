//! Triggers: what begins runs by itself, and holding it back.

use std::collections::{BTreeMap, HashMap};

use axum::{Json, extract::State};
use flowforge_core::{TriggerId, WorkflowId, trigger::TriggerKind};
use flowforge_engine::{
    Backlog,
    store::{
        accounts::Role,
        deliveries::DeliveryRecord,
        triggers::{TriggerFilter, TriggerRecord, TriggerStatus},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Ids, Params, Raw, page, parse},
    routes::List,
    time::iso,
};

/// How long a schedule may be behind before it is called late, in milliseconds.
const LATE_MS: u64 = 10_000;

/// A trigger.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trigger {
    /// `trg_…`
    id: String,
    /// What it begins runs of: `wf_…`
    workflow_id: String,
    /// The workflow's name.
    workflow_name: String,
    /// Its node.
    node_id: String,
    /// What its author calls the node; its id when that is nothing.
    node_name: String,
    /// `webhook`, `github` or `schedule`.
    kind: &'static str,
    /// `draft`, `active` or `stopped`.
    status: &'static str,
    /// Since when what comes is held back.
    #[schema(required = true)]
    paused_at: Option<String>,
    /// The version that its runs execute.
    version: u32,
    /// Its address; null for a schedule, and for those who may only look: whoever knows it may call.
    #[schema(required = true)]
    url: Option<String>,
    /// The address of the version that was saved last.
    #[schema(required = true)]
    test_url: Option<String>,
    /// What its author asks for.
    #[schema(value_type = Object)]
    params: Value,
    /// When a schedule fires next.
    #[schema(required = true)]
    next_fire_at: Option<String>,
    /// Whether a schedule should have fired by now.
    late: bool,
    /// How many deliveries are held back, until it is resumed or somebody lets them go.
    held: u64,
    /// What came last.
    #[schema(required = true)]
    last_delivery: Option<LastDelivery>,
}

/// What came last.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastDelivery {
    /// `dlv_…`
    id: String,
    /// What became of it.
    status: &'static str,
    /// Why.
    #[schema(required = true)]
    reason: Option<String>,
    /// The moment of a schedule that it stands for.
    #[schema(required = true)]
    slot: Option<String>,
    /// When it came.
    received_at: String,
}

/// Which triggers are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TriggerQuery {
    /// Only of this workflow.
    workflow_id: Option<String>,
    /// Only of this kind: `webhook`, `github` or `schedule`.
    kind: Option<String>,
    /// How many at most, 1 to 200; 50 without it.
    limit: Option<u64>,
    /// The `next_cursor` of the list before.
    cursor: Option<String>,
}

/// What becomes of what was held back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeTrigger {
    /// `start` begins its runs, `drop` leaves it out.
    #[serde(default)]
    #[schema(required = false)]
    held: Held,
}

/// What becomes of what was held back.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Held {
    /// Its runs are started.
    #[default]
    Start,
    /// It begins nothing.
    Drop,
}

/// A trigger that goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResumedTrigger {
    /// The trigger.
    #[serde(flatten)]
    trigger: Trigger,
    /// How many deliveries were held back.
    held: u64,
}

/// Lists triggers, newest first.
#[utoipa::path(get, path = "/triggers", operation_id = "list_triggers", tag = "triggers", params(TriggerQuery),
    responses((status = 200, body = List<Trigger>)))]
pub(crate) async fn list(
    State(app): State<App>,
    who: Principal,
    Params(query): Params<TriggerQuery>,
) -> Result<Json<List<Trigger>>> {
    let filter =
        TriggerFilter { workflow: read(query.workflow_id, "workflow_id")?, kind: read::<TriggerKind>(query.kind, "kind")? };
    let found = app.store().triggers(who.workspace, filter, page(query.limit, query.cursor.as_deref())?).await?;
    let items = shown(&app, who, found.items).await?;
    Ok(Json(List { items, next_cursor: found.next.map(|id| id.simple().to_string()) }))
}

/// Shows a trigger.
#[utoipa::path(get, path = "/triggers/{id}", operation_id = "get_trigger", tag = "triggers", params(("id" = String, Path)),
    responses((status = 200, body = Trigger), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn show(State(app): State<App>, who: Principal, Ids(id): Ids<TriggerId>) -> Result<Json<Trigger>> {
    let trigger = app.store().trigger(who.workspace, id).await?;
    one(&app, who, trigger).await.map(Json)
}

/// Holds back from now on what comes to a trigger. It is still answered with 202.
#[utoipa::path(post, path = "/triggers/{id}/pause", operation_id = "pause_trigger", tag = "triggers", params(("id" = String, Path)),
    responses((status = 200, body = Trigger), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn pause(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<TriggerId>) -> Result<Json<Trigger>> {
    let trigger = app.engine.pause_trigger(who.workspace, id).await?;
    one(&app, who, trigger).await.map(Json)
}

/// Lets what comes to a trigger pass again, and decides what becomes of what was held back.
#[utoipa::path(post, path = "/triggers/{id}/resume", operation_id = "resume_trigger", tag = "triggers", params(("id" = String, Path)),
    request_body = Option<ResumeTrigger>,
    responses((status = 200, body = ResumedTrigger), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn resume(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<TriggerId>,
    Raw(body): Raw,
) -> Result<Json<ResumedTrigger>> {
    let asked: ResumeTrigger = if body.is_empty() { ResumeTrigger::default() } else { parse(&body)? };
    let backlog = match asked.held {
        Held::Start => Backlog::Start,
        Held::Drop => Backlog::Drop,
    };
    let (trigger, held) = app.engine.resume_trigger(who.workspace, id, backlog).await?;
    Ok(Json(ResumedTrigger { trigger: one(&app, who, trigger).await?, held }))
}

/// Gives a trigger another address. The old one answers nobody from now on.
#[utoipa::path(post, path = "/triggers/{id}/rotate", operation_id = "rotate_trigger", tag = "triggers", params(("id" = String, Path)),
    responses((status = 200, body = Trigger), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn rotate(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<TriggerId>) -> Result<Json<Trigger>> {
    let trigger = app.store().rotate_trigger(who.workspace, id).await?;
    one(&app, who, trigger).await.map(Json)
}

async fn one(app: &App, who: Principal, trigger: TriggerRecord) -> Result<Trigger> {
    let shown = shown(app, who, vec![trigger]).await?.pop();
    shown.ok_or_else(|| ApiError::not_found("trigger"))
}

/// Triggers as the API shows them.
async fn shown(app: &App, who: Principal, triggers: Vec<TriggerRecord>) -> Result<Vec<Trigger>> {
    let ids: Vec<_> = triggers.iter().map(|trigger| trigger.id).collect();
    let last = app.store().last_deliveries(&ids).await?;
    let held = app.store().held_at(who.workspace, &ids).await?;
    let workflows: Vec<_> = triggers.iter().map(|trigger| trigger.workflow).collect();
    let names: HashMap<WorkflowId, String> = app.store().workflow_names(who.workspace, &workflows).await?.into_iter().collect();
    Ok(triggers.into_iter().map(|trigger| as_shown(app, who, trigger, (&last, &held), &names)).collect())
}

fn as_shown(
    app: &App,
    who: Principal,
    trigger: TriggerRecord,
    (last, held): (&BTreeMap<TriggerId, DeliveryRecord>, &BTreeMap<TriggerId, u64>),
    names: &HashMap<WorkflowId, String>,
) -> Trigger {
    let has_address = trigger.kind != TriggerKind::Schedule && who.role >= Role::Editor;
    let url = has_address.then(|| format!("{}/hooks/{}", app.settings.public_address(), trigger.token));
    let is_ticking = trigger.status == TriggerStatus::Active && trigger.paused_at.is_none();
    let now = app.engine.clock().now();
    Trigger {
        id: trigger.id.to_string(),
        workflow_id: trigger.workflow.to_string(),
        workflow_name: names.get(&trigger.workflow).cloned().unwrap_or_default(),
        node_name: trigger.name.unwrap_or_else(|| trigger.node.to_string()),
        node_id: trigger.node.to_string(),
        kind: trigger.kind.as_str(),
        status: trigger.status.as_str(),
        paused_at: trigger.paused_at.map(iso),
        version: trigger.version,
        test_url: url.as_ref().map(|url| format!("{url}/test")),
        url,
        params: trigger.params,
        next_fire_at: trigger.next_fire_at.map(iso),
        late: is_ticking && trigger.next_fire_at.is_some_and(|at| now.ms_since(at) > LATE_MS),
        held: held.get(&trigger.id).copied().unwrap_or(0),
        last_delivery: last.get(&trigger.id).map(|last| LastDelivery {
            id: last.id.to_string(),
            status: last.status.as_str(),
            reason: last.reason.clone(),
            slot: last.slot.map(iso),
            received_at: iso(last.received_at),
        }),
    }
}

/// A parameter after the `?`.
pub(crate) fn read<T: std::str::FromStr<Err: std::fmt::Display>>(text: Option<String>, name: &str) -> Result<Option<T>> {
    let parse =
        |text: String| text.parse().map_err(|fault| ApiError::bad_request("invalid_parameter", format!("`{name}`: {fault}")));
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}
