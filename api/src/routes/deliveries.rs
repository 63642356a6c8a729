//! Deliveries: what came to triggers, what became of it, and having it played again.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flowforge_core::DeliveryId;
use flowforge_engine::store::deliveries::{DeliveryFilter, DeliveryRecord, DeliveryStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::{Ids, Params, page},
    routes::{List, triggers::read},
    time::iso,
};

/// How much of a body is shown, in bytes.
const PREVIEW: usize = 16 << 10;

/// A delivery, without what came.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliverySummary {
    /// `dlv_…`
    id: String,
    /// What it came to: `trg_…`
    trigger_id: String,
    /// `received`, `started`, `filtered`, `duplicate`, `refused`, `held`, `queued`, `skipped` or `failed`.
    status: &'static str,
    /// Why.
    #[schema(required = true)]
    reason: Option<String>,
    /// What its sender calls it.
    #[schema(required = true)]
    delivery_id: Option<String>,
    /// The moment of a schedule that it stands for.
    #[schema(required = true)]
    slot: Option<String>,
    /// Which delivery it repeats.
    #[schema(required = true)]
    duplicate_of: Option<String>,
    /// Which delivery a person has had played again.
    #[schema(required = true)]
    replay_of: Option<String>,
    /// Whether it came to the address for tests.
    is_test: bool,
    /// The version that its run executes.
    #[schema(required = true)]
    version: Option<u32>,
    /// The run that it has started, or is about to.
    #[schema(required = true)]
    run_id: Option<String>,
    /// How many triggers and calls led to it.
    depth: u32,
    /// When it came.
    received_at: String,
    /// When it was decided what becomes of it.
    #[schema(required = true)]
    decided_at: Option<String>,
    /// Where it came from.
    #[schema(required = true)]
    remote_addr: Option<String>,
    /// How many bytes came.
    body_size: u64,
}

/// A delivery.
#[derive(Serialize, ToSchema)]
pub(crate) struct Delivery {
    /// What lists show.
    #[serde(flatten)]
    summary: DeliverySummary,
    /// The headers that are kept: without those that prove who sends.
    #[schema(value_type = Object)]
    headers: Value,
    /// What stood behind the `?`.
    #[schema(required = true, value_type = Option<Object>)]
    query: Option<Value>,
    /// The beginning of the body as it came; null when it is not kept.
    #[schema(required = true)]
    body_preview: Option<String>,
    /// `text` or `base64`.
    body_encoding: &'static str,
    /// Whether there is more of it.
    body_truncated: bool,
}

/// Which deliveries are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// Only to this trigger.
    trigger_id: Option<String>,
    /// Only to triggers of this workflow.
    workflow_id: Option<String>,
    /// Only those that stand here.
    status: Option<String>,
    /// How many at most, 1 to 200; 50 without it.
    limit: Option<u64>,
    /// The `next_cursor` of the list before.
    cursor: Option<String>,
}

/// Lists deliveries, newest first.
#[utoipa::path(get, path = "/deliveries", operation_id = "list_deliveries", tag = "deliveries", params(DeliveryQuery),
    responses((status = 200, body = List<DeliverySummary>)))]
pub(crate) async fn list(
    State(app): State<App>,
    who: Principal,
    Params(query): Params<DeliveryQuery>,
) -> Result<Json<List<DeliverySummary>>> {
    let filter = DeliveryFilter {
        trigger: read(query.trigger_id, "trigger_id")?,
        workflow: read(query.workflow_id, "workflow_id")?,
        status: query.status.filter(|word| !word.is_empty()).map(|word| status(&word)).transpose()?,
    };
    let found = app.store().deliveries(who.workspace, filter, page(query.limit, query.cursor.as_deref())?).await?;
    let items = found.items.iter().map(summary).collect();
    Ok(Json(List { items, next_cursor: found.next.map(|id| id.simple().to_string()) }))
}

/// Shows a delivery with its headers and the beginning of its body.
#[utoipa::path(get, path = "/deliveries/{id}", operation_id = "get_delivery", tag = "deliveries", params(("id" = String, Path)),
    responses((status = 200, body = Delivery), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn show(State(app): State<App>, who: Principal, Ids(id): Ids<DeliveryId>) -> Result<Json<Delivery>> {
    Ok(Json(whole(app.store().delivery(who.workspace, id).await?)))
}

/// Has a delivery played again, as one that has just come: with its trigger as it is now, and a run of its own.
#[utoipa::path(post, path = "/deliveries/{id}/replay", operation_id = "replay_delivery", tag = "deliveries", params(("id" = String, Path)),
    responses(
        (status = 201, body = Delivery),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "what came was not kept, or the trigger does not answer now", body = ProblemBody<'_>),
    ))]
pub(crate) async fn replay(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<DeliveryId>) -> Result<Response> {
    let new = app.engine.replay(who.workspace, id).await?;
    Ok((StatusCode::CREATED, Json(whole(new))).into_response())
}

/// Lets a delivery go that is held back: its run is started.
#[utoipa::path(post, path = "/deliveries/{id}/release", operation_id = "release_delivery", tag = "deliveries", params(("id" = String, Path)),
    responses(
        (status = 200, body = Delivery),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "it is not held back", body = ProblemBody<'_>),
    ))]
pub(crate) async fn release(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<DeliveryId>) -> Result<Json<Delivery>> {
    Ok(Json(whole(app.engine.release(who.workspace, id).await?)))
}

/// Drops a delivery that is held back: no run is started.
#[utoipa::path(post, path = "/deliveries/{id}/drop", operation_id = "drop_delivery", tag = "deliveries", params(("id" = String, Path)),
    responses(
        (status = 200, body = Delivery),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "it is not held back", body = ProblemBody<'_>),
    ))]
pub(crate) async fn discard(State(app): State<App>, Editor(who): Editor, Ids(id): Ids<DeliveryId>) -> Result<Json<Delivery>> {
    Ok(Json(whole(app.engine.drop_delivery(who.workspace, id).await?)))
}

fn status(word: &str) -> Result<DeliveryStatus> {
    DeliveryStatus::of(word).ok_or_else(|| {
        let known = DeliveryStatus::ALL.map(DeliveryStatus::as_str).join(", ");
        ApiError::bad_request("invalid_parameter", format!("`status`: `{word}` is none; use one of {known}"))
    })
}

fn whole(record: DeliveryRecord) -> Delivery {
    let raw = record.body.as_deref();
    let shown = raw.map(|raw| preview(&raw[..raw.len().min(PREVIEW)]));
    Delivery {
        summary: summary(&record),
        body_truncated: raw.is_some_and(|raw| raw.len() > PREVIEW),
        body_encoding: shown.as_ref().map_or("text", |(_, encoding)| encoding),
        body_preview: shown.map(|(text, _)| text),
        headers: record.headers,
        query: record.query,
    }
}

/// A text, which may be cut in the middle of a character, or base64.
fn preview(bytes: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), "text"),
        Err(fault) if fault.error_len().is_none() => {
            (String::from_utf8_lossy(&bytes[..fault.valid_up_to()]).into_owned(), "text")
        }
        Err(_) => (STANDARD.encode(bytes), "base64"),
    }
}

fn summary(record: &DeliveryRecord) -> DeliverySummary {
    let has_run = matches!(record.status, DeliveryStatus::Received | DeliveryStatus::Started);
    DeliverySummary {
        id: record.id.to_string(),
        trigger_id: record.trigger.to_string(),
        status: record.status.as_str(),
        reason: record.reason.clone(),
        delivery_id: record.delivery_id.clone(),
        slot: record.slot.map(iso),
        duplicate_of: record.duplicate_of.map(|id| id.to_string()),
        replay_of: record.replay_of.map(|id| id.to_string()),
        is_test: record.is_test,
        version: record.version,
        run_id: record.run.filter(|_| has_run).map(|run| run.to_string()),
        depth: record.depth,
        received_at: iso(record.received_at),
        decided_at: record.decided_at.map(iso),
        remote_addr: record.remote_addr.clone(),
        body_size: record.body_size,
    }
}
