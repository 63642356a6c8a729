//! What a request is by its trigger's own rules: what it is called, whether it begins a run, and what that run is given.

use bytes::Bytes;
use flowforge_core::{
    Timestamp,
    trigger::{
        github::{self, Event, Verdict},
        headers::Headers,
        signature::{Scheme, hex},
        webhook::{self, Called},
    },
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Arrival, NotTaken, content,
    door::{Ask, Door},
    inbox::PAUSED,
    off_thread,
};
use crate::{
    executor::{self, is_too_deep, storable, storable_text},
    start::DEEPEST,
    store::deliveries::{DeliveryRecord, DeliveryStatus},
};

/// The header that says how many triggers and calls led to a request.
const DEPTH: &str = "flowforge-depth";

/// How many levels the input of a run has around the body.
const AROUND: usize = 1;

/// A believed request as a row, the value of its body, and what its sender wants to be answered to see that somebody reads.
pub(super) async fn read(
    door: &Door,
    arrival: Arrival,
    once: Option<String>,
    now: Timestamp,
) -> Result<(DeliveryRecord, Value, Option<String>), NotTaken> {
    let depth = depth(&arrival.headers)?;
    let kept = door.kept(&arrival.headers);
    let (body, hash) = body(door, &kept, &arrival.body).await?;
    let Judged { called, verdict, challenge } = judge(&door.ask, &arrival.headers, &body)?;
    let (status, reason) = status(door, verdict);
    // What is tested uses up no ids.
    let space = |key: String| if door.is_test { format!("\u{1f}test\u{1f}{key}") } else { key };
    let new = DeliveryRecord::new(door.trigger.workspace, door.trigger.id, now);
    let row = DeliveryRecord {
        status,
        reason,
        dedupe_key: called.clone().map(space),
        delivery_id: called,
        signed_hash: once.map(space),
        is_test: door.is_test,
        version: Some(door.trigger.version),
        run: new.run.filter(|_| status != DeliveryStatus::Filtered),
        depth,
        decided_at: (status != DeliveryStatus::Received).then_some(now),
        remote_addr: arrival.remote_addr,
        body_hash: Some(hash),
        body_size: arrival.body.len() as u64,
        headers: kept,
        query: query(&arrival.query),
        body: Some(arrival.body.into()),
        ..new
    };
    Ok((row, body, challenge))
}

/// Where a delivery begins.
fn status(door: &Door, verdict: Verdict) -> (DeliveryStatus, Option<String>) {
    match verdict {
        Verdict::Filtered(reason) => (DeliveryStatus::Filtered, Some(storable_text(&reason))),
        Verdict::Held(reason) => (DeliveryStatus::Held, Some(storable_text(&reason))),
        Verdict::Start if door.trigger.paused_at.is_some() && !door.is_test => (DeliveryStatus::Held, Some(PAUSED.to_owned())),
        Verdict::Start => (DeliveryStatus::Received, None),
    }
}

/// How deep the run lies that a request begins.
fn depth(headers: &Headers) -> Result<u32, NotTaken> {
    let Some(above) = headers.get(DEPTH) else { return Ok(0) };
    let depth = above.trim().parse::<u32>().map_or(u32::MAX, |above| above.saturating_add(1));
    if depth > DEEPEST { Err(NotTaken::Loop) } else { Ok(depth) }
}

/// What stood behind the `?`, as it is kept.
pub(super) fn query(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| storable(content::form(text.as_bytes())))
}

/// The value of a body, by the headers that are kept of it, and the hash of what came.
async fn body(door: &Door, kept: &Value, raw: &Bytes) -> Result<(Value, String), NotTaken> {
    let (kept, bytes, limit) = (kept.clone(), raw.clone(), door.max_body_bytes());
    let is_github = matches!(door.ask, Ask::Github(_));
    let work = move || Ok((value(&kept, &bytes, limit, is_github)?, hex(&Sha256::digest(&bytes))));
    off_thread(raw.len(), work).await?
}

/// The value of a body, by the headers that are kept of it.
pub(super) fn value(kept: &Value, raw: &[u8], limit: u64, is_github: bool) -> Result<Value, NotTaken> {
    let header = |name: &str| kept.get(name).and_then(Value::as_str);
    let body = content::read(&header, raw, limit)?;
    // GitHub can be told to send a form with the JSON in it.
    let body = match body.get("payload").and_then(Value::as_str).filter(|_| is_github) {
        Some(payload) => {
            content::read(&|name| (name == "content-type").then_some("application/json"), payload.as_bytes(), limit)?
        }
        None => body,
    };
    if is_too_deep(&body, AROUND) {
        let most = executor::DEEPEST - AROUND;
        let message = format!("the body is nested more than {most} levels deep; send what lies deeper as a text that holds it");
        return Err(NotTaken::Unreadable(message));
    }
    Ok(body)
}

/// What is to become of what came, as far as its trigger's own rules say.
struct Judged {
    called: Option<String>,
    verdict: Verdict,
    challenge: Option<String>,
}

fn judge(ask: &Ask, headers: &Headers, body: &Value) -> Result<Judged, NotTaken> {
    match ask {
        Ask::Github(params) => of_github(params, headers, body),
        Ask::Webhook(params) if params.auth.scheme == Scheme::Slack && body["type"] == "url_verification" => {
            let verdict = Verdict::Filtered("Slack asks whether anybody reads what it sends".to_owned());
            Ok(Judged { called: None, verdict, challenge: body["challenge"].as_str().map(ToOwned::to_owned) })
        }
        Ask::Webhook(params) => {
            let called = match params.called(headers, body) {
                Called::Id(id) => Some(id),
                Called::Nothing => None,
                Called::Missing(place) => return Err(NotTaken::NoId(place)),
            };
            Ok(Judged { called, verdict: Verdict::Start, challenge: None })
        }
    }
}

fn of_github(params: &github::Params, headers: &Headers, body: &Value) -> Result<Judged, NotTaken> {
    let name = headers.get("x-github-event").ok_or_else(|| NotTaken::NoId("X-GitHub-Event".to_owned()))?;
    let as_webhook = webhook::Params { auth: params.auth(), ..webhook::Params::default() };
    let Called::Id(id) = as_webhook.called(headers, body) else {
        return Err(NotTaken::NoId("X-GitHub-Delivery".to_owned()));
    };
    Ok(Judged { called: Some(id), verdict: params.judge(&Event { name, payload: body }), challenge: None })
}

/// What the run of a delivery is given.
pub(super) fn input(ask: &Ask, delivery: &DeliveryRecord, body: Value) -> Value {
    let event = delivery.headers["x-github-event"].as_str().unwrap_or_default();
    let summary = match ask {
        Ask::Github(_) => Event { name: event, payload: &body }.summary(),
        Ask::Webhook(_) => Map::new(),
    };
    let query = delivery.query.clone().unwrap_or_else(|| json!({}));
    let mut input = json!({ "headers": delivery.headers, "query": query, "delivery_id": delivery.id });
    if let Some(fields) = input.as_object_mut() {
        fields.insert("body".to_owned(), body);
        fields.extend(summary);
    }
    input
}
