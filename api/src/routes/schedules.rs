//! When schedules fire, and firing for a time that has passed.

use axum::{Json, extract::State, http::StatusCode};
use chrono::DateTime;
use flowforge_core::{
    Timestamp, TriggerId,
    trigger::schedule::{Params as Schedule, Schedule as Checked},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Body, Ids, Params, limit_up_to},
    time::iso,
};

/// How many fires are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FireQuery {
    /// How many at most, 1 to 100; 10 without it.
    count: Option<u64>,
}

/// When a schedule fires.
#[derive(Serialize, ToSchema)]
pub(crate) struct Fires {
    /// The next slots, the nearest first.
    items: Vec<Fire>,
    /// The expression in words.
    words: String,
    /// What becomes of missed slots, of overlaps, and of clock changes, in words.
    policy: String,
}

/// A slot to come.
#[derive(Serialize, ToSchema)]
pub(crate) struct Fire {
    /// The instant, in UTC.
    slot: String,
    /// What the clock on the wall shows then, with its offset.
    local: String,
    /// `gap`: the clock skips the time that was asked for, and it fires at the change; `overlap`: the clock shows this time twice;
    /// `offset_changes`: the clock was changed since the slot before.
    #[schema(required = true)]
    dst: Option<&'static str>,
}

/// A schedule to be looked at: the parameters of `trigger.schedule`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Preview {
    /// The cron expression.
    #[schema(value_type = String)]
    cron: Value,
    /// How many fires are wanted, 1 to 100; 10 without it.
    #[serde(default)]
    count: Option<u64>,
    /// `timezone`, `missed`, `missed_within_s`, `overlap`, `jitter_s`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    more: Map<String, Value>,
}

/// A range of time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    /// Its beginning, RFC 3339.
    from: String,
    /// Its end, RFC 3339; not in the future.
    to: String,
}

/// What a backfill has come to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Backfilled {
    /// How many slots the range holds.
    slots: usize,
    /// How many of them fire now, or wait for their turn.
    started: usize,
    /// How many had been decided before.
    already: usize,
}

/// Shows when a schedule fires next.
#[utoipa::path(get, path = "/triggers/{id}/fires", operation_id = "list_fires", tag = "triggers", params(("id" = String, Path), FireQuery), responses(
    (status = 200, body = Fires),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn fires(
    State(app): State<App>,
    who: Principal,
    Ids(id): Ids<TriggerId>,
    Params(query): Params<FireQuery>,
) -> Result<Json<Fires>> {
    let count = limit_up_to(query.count, 10, 100)?;
    let (trigger, schedule) = app.engine.schedule(who.workspace, id).await?;
    let now = app.engine.clock().now();
    // What has passed and was not decided yet is still to come.
    let after = trigger.last_slot.filter(|_| trigger.next_fire_at.is_some()).unwrap_or(now);
    Ok(Json(shown(&schedule, after, count)))
}

/// Shows when a schedule would fire, without saving it.
#[utoipa::path(post, path = "/schedules/preview", operation_id = "preview_schedule", tag = "triggers", request_body = Preview, responses(
    (status = 200, body = Fires),
    (status = 400, description = "the schedule cannot be used: `detail` names the field", body = ProblemBody<'_>),
))]
pub(crate) async fn preview(State(app): State<App>, _: Principal, Body(ask): Body<Preview>) -> Result<Json<Fires>> {
    let count = limit_up_to(ask.count, 10, 100)?;
    let mut fields = ask.more;
    fields.insert("cron".to_owned(), ask.cron);
    let params: Schedule = serde_json::from_value(Value::Object(fields)).map_err(|fault| invalid(&fault.to_string()))?;
    let schedule = Checked::new(params, 0)
        .map_err(|problems| invalid(&problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")))?;
    Ok(Json(shown(&schedule, app.engine.clock().now(), count)))
}

/// Fires the slots of a range that have not fired.
#[utoipa::path(post, path = "/triggers/{id}/backfill", operation_id = "backfill_schedule", tag = "triggers", params(("id" = String, Path)), request_body = Range, responses(
    (status = 202, body = Backfilled),
    (status = 400, body = ProblemBody<'_>),
    (status = 404, body = ProblemBody<'_>),
    (status = 409, description = "`trigger_not_active`", body = ProblemBody<'_>),
))]
pub(crate) async fn backfill(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(id): Ids<TriggerId>,
    Body(ask): Body<Range>,
) -> Result<(StatusCode, Json<Backfilled>)> {
    let (from, to) = (moment("from", &ask.from)?, moment("to", &ask.to)?);
    let done = app.engine.backfill(who.workspace, id, from, to).await?;
    Ok((StatusCode::ACCEPTED, Json(Backfilled { slots: done.slots, started: done.started, already: done.already })))
}

fn shown(schedule: &Checked, after: Timestamp, count: u64) -> Fires {
    let fire = |fire: flowforge_core::trigger::schedule::Fire| Fire {
        slot: iso(fire.slot),
        local: fire.local,
        dst: fire.dst.map(|dst| dst.as_str()),
    };
    let fires = schedule.upcoming(after, usize::try_from(count).unwrap_or(usize::MAX));
    Fires { items: fires.into_iter().map(fire).collect(), words: schedule.words(), policy: schedule.policy() }
}

fn moment(field: &str, text: &str) -> Result<Timestamp> {
    let fault = |_| invalid(&format!("`{field}` is no time like 2026-11-20T07:00:00Z"));
    DateTime::parse_from_rfc3339(text).map(|at| Timestamp(at.timestamp_millis())).map_err(fault)
}

fn invalid(detail: &str) -> ApiError {
    ApiError::bad_request("invalid_schedule", detail)
}
