//! The way of a request: believed, counted, written down, judged, and its run started. What is written down is never lost after
//! that; what is refused is written down as well, without its body.

use bytes::Bytes;
use flowforge_core::{
    DeliveryId, RunId, WorkspaceId,
    trigger::{
        github::{Event, Verdict},
        headers::Headers,
        signature::hex,
        webhook::{Called, Method},
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::{
    NotTaken, begin, content,
    door::{Ask, Door, of_version, prove},
    off_thread,
};
use crate::{
    error::{Error, Result},
    executor::{storable, storable_text},
    failpoint::{Point, reached},
    shared::Shared,
    start::{Accepted, DEEPEST},
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus},
        triggers::TriggerRecord,
    },
};

/// The header that says how many triggers and calls led to a request.
const DEPTH: &str = "flowforge-depth";
/// Why a delivery is held whose trigger is paused.
pub(crate) const PAUSED: &str = "the trigger is paused";

/// A request, read to its end.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The method.
    pub method: Method,
    /// The headers.
    pub headers: Headers,
    /// What stood behind the `?`.
    pub query: String,
    /// The body, as it came.
    pub body: Bytes,
    /// Where it came from.
    pub remote_addr: Option<String>,
}

/// What became of a request that was taken.
#[derive(Debug)]
pub struct Receipt {
    /// The delivery; the first one when it came before.
    pub delivery: DeliveryId,
    /// Where that stands.
    pub status: DeliveryStatus,
    /// The run that it starts.
    pub run: Option<RunId>,
    /// What the sender wants to be answered, to see that somebody reads what it sends.
    pub challenge: Option<String>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) accepted: Option<Box<Accepted>>,
}

impl Receipt {
    pub(super) fn of(delivery: &DeliveryRecord) -> Self {
        let begins = matches!(delivery.status, DeliveryStatus::Received | DeliveryStatus::Started);
        Self {
            delivery: delivery.id,
            status: delivery.status,
            run: delivery.run.filter(|_| begins),
            challenge: None,
            workspace: delivery.workspace,
            accepted: None,
        }
    }
}

/// Takes a request, or refuses it: then that is on disk, unless too much is refused.
pub(crate) async fn receive(shared: &Arc<Shared>, door: &Door, arrival: Arrival) -> Result<Receipt, NotTaken> {
    let head = Arrival { body: Bytes::new(), ..arrival.clone() };
    let size = arrival.body.len() as u64;
    let taken = match Box::pin(prove(shared, door, &arrival)).await {
        Ok(proof) => Box::pin(believed(shared, door, arrival, proof.once)).await,
        Err(refused) => Err(refused),
    };
    if let Err(refused) = &taken {
        refuse(shared, door, &head, size, refused).await;
    }
    taken
}

/// Takes a request whose sender is believed.
pub(super) async fn believed(
    shared: &Arc<Shared>,
    door: &Door,
    arrival: Arrival,
    once: Option<String>,
) -> Result<Receipt, NotTaken> {
    let rate = shared.limits.request(door.trigger.id, door.ask.rate_per_minute());
    rate.map_err(|wait| NotTaken::TooMany { retry_after_s: wait.as_secs() + 1 })?;
    let depth = depth(&arrival.headers)?;
    let kept = door.kept(&arrival.headers);
    let body = read(door, &kept, &arrival.body).await?;
    let (called, judged) = judge(door, &arrival.headers, &body)?;
    let now = shared.clock.now();
    let new = DeliveryRecord::new(door.trigger.workspace, door.trigger.id, now);
    let (status, reason) = match judged {
        Judged { verdict: Verdict::Filtered(reason), .. } => (DeliveryStatus::Filtered, Some(storable_text(&reason))),
        Judged { verdict: Verdict::Held(reason), .. } => (DeliveryStatus::Held, Some(storable_text(&reason))),
        _ if door.trigger.paused_at.is_some() && !door.is_test => (DeliveryStatus::Held, Some(PAUSED.to_owned())),
        _ => (DeliveryStatus::Received, None),
    };
    let space = |key: String| if door.is_test { format!("\u{1f}test\u{1f}{key}") } else { key };
    let new = DeliveryRecord {
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
        body_hash: Some(hex(&Sha256::digest(&arrival.body))),
        body_size: arrival.body.len() as u64,
        headers: kept,
        query: query(&arrival.query),
        body: Some(arrival.body.into()),
        ..new
    };
    let receipt = match shared.store.insert_delivery(&new).await? {
        Some(first) => repeated(shared, first, new).await?,
        None => {
            reached(Point::Delivered);
            settle(shared, door, new, body).await?
        }
    };
    Ok(Receipt { challenge: judged.challenge, ..receipt })
}

/// Goes on with a delivery that has just been written down.
async fn settle(shared: &Arc<Shared>, door: &Door, mut new: DeliveryRecord, body: Value) -> Result<Receipt, NotTaken> {
    if new.status == DeliveryStatus::Held && new.reason.as_deref() == Some(PAUSED) {
        // Whoever has resumed it meanwhile has not seen this one.
        let is_paused = shared.store.trigger_of(new.trigger).await?.is_none_or(|trigger| trigger.paused_at.is_some());
        let from = [DeliveryStatus::Held];
        if is_paused || !shared.store.decide_delivery(new.id, &from, DeliveryStatus::Received, None, new.received_at).await? {
            return Ok(Receipt::of(&new));
        }
        new.status = DeliveryStatus::Received;
    }
    if new.status != DeliveryStatus::Received {
        return Ok(Receipt::of(&new));
    }
    // It is on disk: whatever fails from here on is made good by whoever looks after it.
    let input = input(&door.ask, &new, body);
    match Box::pin(go(shared, &door.ask, &door.trigger, &new, input)).await {
        Ok((status, accepted)) => {
            new.status = status;
            Ok(Receipt { accepted, ..Receipt::of(&new) })
        }
        Err(fault) => {
            tracing::warn!(delivery = %new.id, %fault, "the run of a delivery is not started yet; the sweeper will start it");
            Ok(Receipt::of(&new))
        }
    }
}

/// The same came before: it gets the answer that the first one gets. A name that was used for something else is refused.
async fn repeated(shared: &Shared, first: DeliveryRecord, new: DeliveryRecord) -> Result<Receipt, NotTaken> {
    if first.body_hash != new.body_hash {
        return Err(NotTaken::OtherBody { id: new.delivery_id.unwrap_or_default(), first: first.id });
    }
    let is_renamed = first.dedupe_key != new.dedupe_key;
    let reason = is_renamed.then(|| "the same signed bytes came before under another id".to_owned());
    let row = DeliveryRecord {
        status: DeliveryStatus::Duplicate,
        reason,
        dedupe_key: None,
        signed_hash: None,
        duplicate_of: Some(first.id),
        run: None,
        body: None,
        decided_at: Some(new.received_at),
        ..new
    };
    shared.store.insert_delivery(&row).await?;
    Ok(Receipt::of(&first))
}

/// Writes a refusal down, if not too much is refused.
pub(crate) async fn refuse(shared: &Shared, door: &Door, head: &Arrival, size: u64, why: &NotTaken) {
    let trigger = &door.trigger;
    if !why.is_refusal() {
        return;
    }
    if matches!(why, NotTaken::NoSecret(_)) {
        tracing::warn!(trigger = %trigger.id, workflow = %trigger.workflow, %why, "a delivery was refused: callers cannot be told apart");
    }
    if !shared.limits.refusal(trigger.id) {
        tracing::info!(trigger = %trigger.id, %why, "a delivery was refused, and so many others that it is not written down");
        return;
    }
    let now = shared.clock.now();
    let row = DeliveryRecord {
        status: DeliveryStatus::Refused,
        reason: Some(storable_text(&why.to_string())),
        is_test: door.is_test,
        version: Some(trigger.version),
        run: None,
        decided_at: Some(now),
        remote_addr: head.remote_addr.clone(),
        body_size: size,
        headers: storable(door.kept(&head.headers)),
        query: query(&head.query),
        ..DeliveryRecord::new(trigger.workspace, trigger.id, now)
    };
    if let Err(fault) = shared.store.insert_delivery(&row).await {
        tracing::warn!(trigger = %trigger.id, %why, %fault, "a delivery was refused, which could not be written down");
    }
}

/// How deep the run lies that a request begins.
fn depth(headers: &Headers) -> Result<u32, NotTaken> {
    let Some(above) = headers.get(DEPTH) else { return Ok(0) };
    let depth = above.trim().parse::<u32>().map_or(u32::MAX, |above| above.saturating_add(1));
    if depth > DEEPEST { Err(NotTaken::Loop) } else { Ok(depth) }
}

fn query(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| storable(content::form(text.as_bytes())))
}

/// The value of a body, by the headers that are kept of it.
async fn read(door: &Door, kept: &Value, raw: &Bytes) -> Result<Value, NotTaken> {
    let (kept, bytes, limit) = (kept.clone(), raw.clone(), door.max_body_bytes());
    let is_github = matches!(door.ask, Ask::Github(_));
    off_thread(raw.len(), move || value(&kept, &bytes, limit, is_github)).await?
}

pub(super) fn value(kept: &Value, raw: &[u8], limit: u64, is_github: bool) -> Result<Value, NotTaken> {
    let header = |name: &str| kept.get(name).and_then(Value::as_str);
    let body = content::read(&header, raw, limit)?;
    // GitHub can be told to send a form with the JSON in it.
    match body.get("payload").and_then(Value::as_str).filter(|_| is_github) {
        Some(payload) => content::read(&|name| (name == "content-type").then_some("application/json"), payload.as_bytes(), limit),
        None => Ok(body),
    }
}

/// What is to become of what came, as far as its trigger's own rules say.
struct Judged {
    verdict: Verdict,
    challenge: Option<String>,
}

fn judge(door: &Door, headers: &Headers, body: &Value) -> Result<(Option<String>, Judged), NotTaken> {
    let start = Judged { verdict: Verdict::Start, challenge: None };
    match &door.ask {
        Ask::Github(params) => {
            let name = headers.get("x-github-event").ok_or_else(|| NotTaken::NoId("X-GitHub-Event".to_owned()))?;
            let by_github = flowforge_core::trigger::webhook::Params { auth: params.auth(), ..Default::default() };
            let Called::Id(id) = by_github.called(headers, body) else {
                return Err(NotTaken::NoId("X-GitHub-Delivery".to_owned()));
            };
            Ok((Some(id), Judged { verdict: params.judge(&Event { name, payload: body }), ..start }))
        }
        Ask::Webhook(params) => {
            let is_slack = params.auth.scheme == flowforge_core::trigger::signature::Scheme::Slack;
            if let (true, "url_verification", Some(text)) =
                (is_slack, body["type"].as_str().unwrap_or_default(), body["challenge"].as_str())
            {
                let verdict = Verdict::Filtered("Slack asks whether anybody reads what it sends".to_owned());
                return Ok((None, Judged { verdict, challenge: Some(text.to_owned()) }));
            }
            match params.called(headers, body) {
                Called::Id(id) => Ok((Some(id), start)),
                Called::Nothing => Ok((None, start)),
                Called::Missing(place) => Err(NotTaken::NoId(place)),
            }
        }
    }
}

/// What the run of a delivery is given.
pub(super) fn input(ask: &Ask, delivery: &DeliveryRecord, body: Value) -> Value {
    let event = delivery.headers["x-github-event"].as_str().unwrap_or_default().to_owned();
    let summary = match ask {
        Ask::Github(_) => Event { name: &event, payload: &body }.summary(),
        Ask::Webhook(_) => serde_json::Map::new(),
    };
    let query = delivery.query.clone().unwrap_or_else(|| json!({}));
    let mut input = json!({ "headers": delivery.headers, "query": query, "delivery_id": delivery.id });
    if let Some(fields) = input.as_object_mut() {
        fields.insert("body".to_owned(), body);
        fields.extend(summary);
    }
    input
}

/// Filters a delivery that stands at `received`, and starts its run.
pub(super) async fn go(
    shared: &Arc<Shared>,
    ask: &Ask,
    trigger: &TriggerRecord,
    delivery: &DeliveryRecord,
    input: Value,
) -> Result<(DeliveryStatus, Option<Box<Accepted>>)> {
    if let Ask::Webhook(params) = ask
        && let Some(code) = &params.filter
        && let Some((status, reason)) = filtered(shared, code, &input).await?
    {
        super::decide(shared, delivery, status, Some(&reason)).await?;
        return Ok((status, None));
    }
    let accepted = begin(shared, trigger, delivery, input).await?;
    let status = match accepted {
        Some(_) => DeliveryStatus::Started,
        None => shared.store.delivery_status(delivery.id).await?,
    };
    Ok((status, accepted.map(Box::new)))
}

/// What becomes of a delivery that its filter does not want, or cannot tell about. Asks again later when the filter could not be
/// asked.
async fn filtered(shared: &Shared, code: &str, input: &Value) -> Result<Option<(DeliveryStatus, String)>> {
    let scope = json!({ "trigger": input });
    match shared.executor.evaluate.evaluate(code, &scope).await {
        Ok(Value::Null | Value::Bool(false)) => {}
        Ok(Value::Number(number)) if number.as_f64() == Some(0.0) => {}
        Ok(Value::String(text)) if text.is_empty() => {}
        Ok(_) => return Ok(None),
        Err(fault) if fault.retryable => return Err(Error::Busy),
        Err(fault) => return Ok(Some((DeliveryStatus::Failed, storable_text(&format!("its filter failed: {fault}"))))),
    }
    Ok(Some((DeliveryStatus::Filtered, "its filter did not want it".to_owned())))
}

/// Does with a delivery that stands at `received` what was not done when it came.
pub(super) async fn process(
    shared: &Arc<Shared>,
    trigger: &TriggerRecord,
    delivery: &DeliveryRecord,
) -> Result<Option<Accepted>> {
    let trigger = &of_version(shared, trigger, delivery.version).await?;
    let Some(ask) = Ask::of(trigger)? else { return Ok(None) };
    let (kept, raw) = (delivery.headers.clone(), delivery.body.clone().unwrap_or_default());
    let (limit, is_github) = (ask.max_body_bytes(), matches!(ask, Ask::Github(_)));
    let body = match off_thread(raw.len(), move || value(&kept, &raw, limit, is_github)).await? {
        Ok(body) => body,
        // It could be read when it came, so somebody has changed what may come.
        Err(fault) => {
            super::decide(shared, delivery, DeliveryStatus::Failed, Some(&storable_text(&fault.to_string()))).await?;
            return Ok(None);
        }
    };
    let input = input(&ask, delivery, body);
    let (_, accepted) = Box::pin(go(shared, &ask, trigger, delivery, input)).await?;
    Ok(accepted.map(|accepted| *accepted))
}
