//! Budgets: what may be spent on turns of models, what was, and adding to it.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use flowforge_core::{
    BudgetId, NodeId, RunId, WorkflowId,
    money::{Micros, Period, Tokens, Zone},
};
use flowforge_engine::store::money::{
    BudgetChange, BudgetRecord, BudgetScope, NewBudget, NewTopUp, RunBudget as RunRecord, StepCost as StepRecord, TopUpRecord,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::List;
use crate::{
    app::App,
    auth::principal::{Editor, Owner, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Body, Ids, Raw, parse},
    routes::runs::dedupe,
    time::iso,
};

/// A budget, and where it stands in its current period. Money is in dollars.
#[derive(Serialize, ToSchema)]
pub(crate) struct Budget {
    /// Its id.
    id: String,
    /// `workspace` or `workflow`.
    scope: &'static str,
    /// The workflow whose runs it is about, with the runs that these start.
    #[schema(required = true)]
    workflow_id: Option<String>,
    /// Its name.
    #[schema(required = true)]
    workflow_name: Option<String>,
    /// `day`, `week`, `month` or `total`.
    #[schema(value_type = String, example = "month")]
    period: Period,
    /// Whose midnight counts.
    time_zone: &'static str,
    /// How much may be spent in each period.
    limit_usd: f64,
    /// How much was added to that in the current one.
    topped_up_usd: f64,
    /// How much was spent in the current one.
    spent_usd: f64,
    /// How much is set aside for turns under way.
    reserved_usd: f64,
    /// Since when the current period is; null when it has no beginning.
    #[schema(required = true)]
    period_from: Option<String>,
    /// When the next period begins; null when there is none.
    #[schema(required = true)]
    resets_at: Option<String>,
    /// How many steps wait for it.
    waiting_steps: u64,
    /// When it was made.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
}

/// A budget to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateBudget {
    /// The workflow that it is for; the whole workspace when absent.
    #[serde(default)]
    workflow_id: Option<String>,
    /// `day`, `week`, `month` or `total`.
    #[schema(value_type = String, example = "month")]
    period: Period,
    /// How much may be spent in each period, in dollars.
    limit_usd: f64,
    /// Whose midnight counts, like `Europe/Berlin`; UTC when absent.
    #[serde(default)]
    time_zone: Option<String>,
}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBudget {
    /// How much may be spent in each period, in dollars.
    #[serde(default)]
    limit_usd: Option<f64>,
}

/// Money to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddMoney {
    /// How much, in dollars.
    amount_usd: f64,
    /// Why, for people.
    #[serde(default)]
    note: String,
}

/// Money to be added to a run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddRunMoney {
    /// How much, in dollars.
    amount_usd: f64,
    /// The step whose own cap is raised; the run's when absent.
    #[serde(default)]
    node_id: Option<String>,
    /// Why, for people.
    #[serde(default)]
    note: String,
}

/// Money that was added.
#[derive(Serialize, ToSchema)]
pub(crate) struct TopUp {
    /// Its id.
    id: String,
    /// The step that it was for; null for the whole.
    #[schema(required = true)]
    node_id: Option<String>,
    /// How much, in dollars.
    amount_usd: f64,
    /// Why, for people.
    note: String,
    /// The e-mail address of who has added it.
    #[schema(required = true)]
    by: Option<String>,
    /// When.
    at: String,
}

/// What a run has spent, with the runs that its steps have started. Money is in dollars.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunBudget {
    /// What the settings of its workflow allow; null when they name no limit.
    #[schema(required = true)]
    budget_usd: Option<f64>,
    /// How much was added to that.
    topped_up_usd: f64,
    /// How much was spent.
    spent_usd: f64,
    /// How much is set aside for turns under way.
    reserved_usd: f64,
    /// The steps that have paid for turns, or whose runs have, in the order in which they began to.
    steps: Vec<StepCost>,
    /// What was added, the newest first.
    top_ups: Vec<TopUp>,
}

/// What a step has spent, with the runs that it has started. Money is in dollars.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepCost {
    /// The node.
    node_id: String,
    /// How much was spent.
    cost_usd: f64,
    /// How much of that nobody has said for certain: turns that were cut short count in full.
    estimated_usd: f64,
    /// How much is set aside for turns under way.
    reserved_usd: f64,
    /// How much was added to what its author allows it.
    topped_up_usd: f64,
    /// How many turns.
    turns: u64,
    /// What was read and written.
    #[schema(value_type = UsageTokens)]
    tokens: Tokens,
}

/// What a model has read and written.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes `flowforge_core::money::Tokens`, which knows nothing of OpenAPI")]
pub(crate) struct UsageTokens {
    /// Read at the full price.
    input: u64,
    /// Written.
    output: u64,
    /// Read from the provider's cache.
    cache_read: u64,
    /// Put into the provider's cache.
    cache_write: u64,
}

/// The workspace's budgets: its own first, then those of its workflows.
#[utoipa::path(get, path = "/budgets", operation_id = "list_budgets", tag = "budgets", responses((status = 200, body = List<Budget>)))]
pub(crate) async fn list(State(app): State<App>, who: Principal) -> Result<Json<List<Budget>>> {
    let items = app.store().budgets(who.workspace).await?.into_iter().map(Budget::from).collect();
    Ok(Json(List { items, next_cursor: None }))
}

/// Makes a budget. What was spent in its current period counts from the beginning.
#[utoipa::path(post, path = "/budgets", operation_id = "create_budget", tag = "budgets", request_body = CreateBudget, responses(
    (status = 201, body = Budget),
    (status = 400, description = "a limit or a time zone that cannot be (`invalid_input`)", body = ProblemBody<'_>),
    (status = 403, description = "not an owner", body = ProblemBody<'_>),
    (status = 404, description = "there is no such workflow", body = ProblemBody<'_>),
    (status = 409, description = "`budget_exists` for the same period, or `too_many_budgets`", body = ProblemBody<'_>),
))]
pub(crate) async fn create(
    State(app): State<App>,
    Owner(who): Owner,
    Body(ask): Body<CreateBudget>,
) -> Result<(StatusCode, Json<Budget>)> {
    let no_workflow = |_| ApiError::not_found("workflow");
    let workflow = ask.workflow_id.map(|id| id.parse::<WorkflowId>()).transpose().map_err(no_workflow)?;
    let new = NewBudget {
        workspace: who.workspace,
        scope: workflow.map_or(BudgetScope::Workspace, BudgetScope::Workflow),
        period: ask.period,
        zone: zone(ask.time_zone.as_deref())?,
        limit: dollars(ask.limit_usd)?,
        created_by: Some(who.user),
    };
    let record = app.engine.create_budget(new).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, budget = %record.id, limit = %record.limit, "a budget was made");
    Ok((StatusCode::CREATED, Json(record.into())))
}

/// Changes a budget. Steps that wait for it go on at once if there is room now.
#[utoipa::path(patch, path = "/budgets/{id}", operation_id = "change_budget", tag = "budgets", params(("id" = String, Path)), request_body = ChangeBudget,
    responses(
        (status = 200, body = Budget),
        (status = 400, description = "a limit that cannot be (`invalid_input`)", body = ProblemBody<'_>),
        (status = 403, description = "not an owner", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
    ))]
pub(crate) async fn change(
    State(app): State<App>,
    Owner(who): Owner,
    Ids(id): Ids<BudgetId>,
    Body(ask): Body<ChangeBudget>,
) -> Result<Json<Budget>> {
    let change = BudgetChange { limit: ask.limit_usd.map(dollars).transpose()? };
    let record = app.engine.change_budget(who.workspace, id, change).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, budget = %id, limit = %record.limit, "a budget was changed");
    Ok(Json(record.into()))
}

/// Deletes a budget: it holds nothing back any more. What was spent stays in the usage.
#[utoipa::path(delete, path = "/budgets/{id}", operation_id = "delete_budget", tag = "budgets", params(("id" = String, Path)), responses(
    (status = 204),
    (status = 403, description = "not an owner", body = ProblemBody<'_>),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn delete(State(app): State<App>, Owner(who): Owner, Ids(id): Ids<BudgetId>) -> Result<StatusCode> {
    app.engine.delete_budget(who.workspace, id).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, budget = %id, "a budget was deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// What was added to a budget, the newest first.
#[utoipa::path(get, path = "/budgets/{id}/top-ups", operation_id = "list_top_ups", tag = "budgets", params(("id" = String, Path)), responses(
    (status = 200, body = List<TopUp>),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn top_ups(State(app): State<App>, who: Principal, Ids(id): Ids<BudgetId>) -> Result<Json<List<TopUp>>> {
    let items = app.store().top_ups(who.workspace, id).await?.into_iter().map(TopUp::from).collect();
    Ok(Json(List { items, next_cursor: None }))
}

/// Adds money to the current period of a budget. Steps that wait for it go on at once.
///
/// With an `Idempotency-Key`, the same request can be repeated: the money is added once.
#[utoipa::path(post, path = "/budgets/{id}/top-ups", operation_id = "top_up_budget", tag = "budgets",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "at most 255 characters")),
    request_body = AddMoney,
    responses(
        (status = 201, body = Budget),
        (status = 200, description = "the same key and body have added this before", body = Budget),
        (status = 400, description = "an amount that cannot be (`invalid_input`)", body = ProblemBody<'_>),
        (status = 403, description = "not an owner", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "`idempotency_conflict`: the key was used with another body", body = ProblemBody<'_>),
    ))]
pub(crate) async fn top_up(
    State(app): State<App>,
    Owner(who): Owner,
    Ids(id): Ids<BudgetId>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response> {
    let ask: AddMoney = parse(&body)?;
    let new = added(&who, ask.amount_usd, ask.note, dedupe(&headers, id.uuid(), &body)?)?;
    let (record, is_new) = app.engine.top_up_budget(who.workspace, id, new).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, budget = %id, amount_usd = ask.amount_usd, is_new, "money was added");
    Ok((status(is_new), Json(Budget::from(record))).into_response())
}

/// What a run has spent, step by step, and how much more it may.
#[utoipa::path(get, path = "/runs/{id}/budget", operation_id = "get_run_budget", tag = "budgets", params(("id" = String, Path)), responses(
    (status = 200, body = RunBudget),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn of_run(State(app): State<App>, who: Principal, Ids(id): Ids<RunId>) -> Result<Json<RunBudget>> {
    Ok(Json(app.engine.run_budget(who.workspace, id).await?.into()))
}

/// Adds money to what a run may spend, or one of its steps. Steps that wait for it go on at once, with the same attempt.
///
/// With an `Idempotency-Key`, the same request can be repeated: the money is added once.
#[utoipa::path(post, path = "/runs/{id}/budget", operation_id = "top_up_run", tag = "budgets",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "at most 255 characters")),
    request_body = AddRunMoney,
    responses(
        (status = 201, body = RunBudget),
        (status = 200, description = "the same key and body have added this before", body = RunBudget),
        (status = 400, description = "an amount that cannot be (`invalid_input`)", body = ProblemBody<'_>),
        (status = 403, description = "not an editor", body = ProblemBody<'_>),
        (status = 404, description = "there is no such run, or no such node in it", body = ProblemBody<'_>),
        (status = 409, description = "`run_finished`, `no_run_budget`: the run has no cap of its own; or `idempotency_conflict`",
            body = ProblemBody<'_>),
    ))]
pub(crate) async fn top_up_run(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<RunId>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response> {
    let ask: AddRunMoney = parse(&body)?;
    let new = added(&who, ask.amount_usd, ask.note, dedupe(&headers, id.uuid(), &body)?)?;
    let node = ask.node_id.map(NodeId::new);
    let (record, is_new) = app.engine.top_up_run(who.workspace, id, node.as_ref(), new).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, run = %id, amount_usd = ask.amount_usd, is_new, "money was added to a run");
    Ok((status(is_new), Json(RunBudget::from(record))).into_response())
}

fn status(is_new: bool) -> StatusCode {
    if is_new { StatusCode::CREATED } else { StatusCode::OK }
}

fn added(who: &Principal, amount_usd: f64, note: String, dedupe: Option<flowforge_engine::Dedupe>) -> Result<NewTopUp> {
    Ok(NewTopUp { amount: dollars(amount_usd)?, note, by: who.user, dedupe })
}

/// The engine says how much is too much.
fn dollars(amount: f64) -> Result<Micros> {
    if amount.is_finite() && amount >= 0.0 {
        return Ok(Micros::from_usd(amount));
    }
    Err(ApiError::bad_request("invalid_input", "an amount of money is a number of dollars, 0 or more"))
}

/// A time zone by its name; UTC without one.
pub(super) fn zone(name: Option<&str>) -> Result<Zone> {
    let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { return Ok(Zone::UTC) };
    let refused = || ApiError::bad_request("invalid_input", "the time zone is unknown; use a name like Europe/Berlin or UTC");
    Zone::named(name).ok_or_else(refused)
}

impl From<BudgetRecord> for Budget {
    fn from(record: BudgetRecord) -> Self {
        Self {
            id: record.id.to_string(),
            scope: record.scope.as_str(),
            workflow_id: match &record.scope {
                BudgetScope::Workspace => None,
                BudgetScope::Workflow(id) => Some(id.to_string()),
            },
            workflow_name: record.workflow_name,
            period: record.period,
            time_zone: record.zone.name(),
            limit_usd: record.limit.usd(),
            topped_up_usd: record.topped_up.usd(),
            spent_usd: record.spent.usd(),
            reserved_usd: record.reserved.usd(),
            period_from: record.span.until.map(|_| iso(record.span.since)),
            resets_at: record.span.until.map(iso),
            waiting_steps: record.waiting,
            created_at: iso(record.created_at),
            updated_at: iso(record.updated_at),
        }
    }
}

impl From<TopUpRecord> for TopUp {
    fn from(record: TopUpRecord) -> Self {
        let TopUpRecord { id, node, amount, note, by, at } = record;
        Self { id: id.to_string(), node_id: node, amount_usd: amount.usd(), note, by, at: iso(at) }
    }
}

impl From<RunRecord> for RunBudget {
    fn from(record: RunRecord) -> Self {
        Self {
            budget_usd: record.cap.map(Micros::usd),
            topped_up_usd: record.topped_up.usd(),
            spent_usd: record.spent.usd(),
            reserved_usd: record.reserved.usd(),
            steps: record.steps.into_iter().map(StepCost::from).collect(),
            top_ups: record.top_ups.into_iter().map(TopUp::from).collect(),
        }
    }
}

impl From<StepRecord> for StepCost {
    fn from(record: StepRecord) -> Self {
        Self {
            node_id: record.node,
            cost_usd: record.spent.usd(),
            estimated_usd: record.estimated.usd(),
            reserved_usd: record.reserved.usd(),
            topped_up_usd: record.topped_up.usd(),
            turns: record.turns,
            tokens: record.tokens,
        }
    }
}
