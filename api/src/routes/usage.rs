//! What was spent on turns of models, added up.

use axum::{Json, extract::State};
use chrono::DateTime;
use flowforge_core::{RunId, Timestamp, WorkflowId, money::Tokens};
use flowforge_engine::store::money::{UsageBy, UsageFilter, UsageLine as Record};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::budgets::{UsageTokens, zone};
use crate::{
    app::App,
    auth::principal::Principal,
    error::{ApiError, ProblemBody, Result},
    extract::Params,
    time::iso,
};

/// How far back turns are added up when nobody says, in milliseconds: 30 days.
const USUAL_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// The longest stretch of time at once, in milliseconds: a leap year and a day.
const LONGEST_MS: i64 = 367 * 24 * 3_600 * 1_000;

/// Which turns are added up, and by what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// `node`, `run`, `workflow`, `user`, `model` or `day`; `day` without it.
    #[param(value_type = Option<String>)]
    group_by: Option<UsageBy>,
    /// Turns that began then or later, RFC 3339; 30 days before `to` without it.
    from: Option<String>,
    /// Turns that began before, RFC 3339; now without it.
    to: Option<String>,
    /// Whose midnight counts when days are told apart; UTC without it.
    time_zone: Option<String>,
    /// Only those of one workflow.
    workflow_id: Option<String>,
    /// Only those of one run.
    run_id: Option<String>,
}

/// What was spent.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    /// From when on.
    from: String,
    /// Until when.
    to: String,
    /// At most 500 lines, the dearest first; the days in their order.
    items: Vec<UsageLine>,
    /// Everything, also what has no line.
    total: UsageLine,
}

/// Turns that were added up. Money is in dollars.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageLine {
    /// What they have in common: an id, `workflow/node`, a model's name, or a day like `2026-11-20`; empty when nobody knows.
    key: String,
    /// The same for people: a name or an e-mail address.
    name: String,
    /// How many turns.
    turns: u64,
    /// What they have cost.
    cost_usd: f64,
    /// How much of that nobody has said for certain: turns that were cut short count in full.
    estimated_usd: f64,
    /// What is set aside for those that are under way.
    reserved_usd: f64,
    /// What was read and written.
    #[schema(value_type = UsageTokens)]
    tokens: Tokens,
}

/// Adds up what was spent on turns of models, by node, run, workflow, user, model or day.
#[utoipa::path(get, path = "/usage", operation_id = "get_usage", tag = "budgets", params(UsageQuery), responses(
    (status = 200, body = Usage),
    (status = 400, description = "`invalid_parameter`", body = ProblemBody<'_>),
))]
pub(crate) async fn show(State(app): State<App>, who: Principal, Params(query): Params<UsageQuery>) -> Result<Json<Usage>> {
    let filter = filter(&query, app.store().now().await?)?;
    let (lines, total) = app.store().usage(who.workspace, filter).await?;
    let items = lines.into_iter().map(UsageLine::from).collect();
    Ok(Json(Usage { from: iso(filter.from), to: iso(filter.to), items, total: total.into() }))
}

fn filter(query: &UsageQuery, now: Timestamp) -> Result<UsageFilter> {
    // What began in this very moment belongs to it as well.
    let to = instant(query.to.as_deref(), "to")?.unwrap_or(now.plus_ms(1));
    let from = instant(query.from.as_deref(), "from")?.unwrap_or(Timestamp(to.0.saturating_sub(USUAL_MS)));
    if from >= to || to.0.saturating_sub(from.0) > LONGEST_MS {
        return Err(ApiError::bad_request("invalid_parameter", "`from` must be before `to`, by a year at the most"));
    }
    Ok(UsageFilter {
        by: query.group_by.unwrap_or(UsageBy::Day),
        from,
        to,
        zone: zone(query.time_zone.as_deref())?,
        workflow: id::<WorkflowId>(query.workflow_id.as_deref(), "workflow_id")?,
        run: id::<RunId>(query.run_id.as_deref(), "run_id")?,
    })
}

fn instant(text: Option<&str>, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refused = |_| ApiError::bad_request("invalid_parameter", format!("`{name}` is a time like 2026-11-20T07:00:00Z"));
    Ok(Some(Timestamp(DateTime::parse_from_rfc3339(text).map_err(refused)?.timestamp_millis())))
}

fn id<T: std::str::FromStr>(text: Option<&str>, name: &str) -> Result<Option<T>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| ApiError::bad_request("invalid_parameter", format!("`{name}` is no id")))
}

impl From<Record> for UsageLine {
    fn from(record: Record) -> Self {
        Self {
            key: record.key,
            name: record.name,
            turns: record.turns,
            cost_usd: record.cost.usd(),
            estimated_usd: record.estimated.usd(),
            reserved_usd: record.reserved.usd(),
            tokens: record.tokens,
        }
    }
}
