//! The way of a request: believed, counted, written down, judged, and its run started. What is written down is never lost after
//! that; what is refused is written down as well, without its body.

use std::sync::Arc;

use bytes::Bytes;
use flowforge_core::{
    DeliveryId, RunId, WorkspaceId,
    trigger::{headers::Headers, webhook::Method},
};
use serde_json::{Value, json};

use super::{
    NotTaken, begin,
    door::{Ask, Door, prove},
    judged::{self, input, query, value},
    limits, off_thread,
};
use crate::{
    error::{Error, Result},
    executor::{storable, storable_text},
    failpoint::{Point, reached},
    shared::Shared,
    start::Accepted,
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus, Held},
        triggers::TriggerRecord,
    },
};

/// Why a delivery is held whose trigger is paused.
pub(crate) const PAUSED: &str = "the trigger is paused";

/// How much of what strangers ask for may wait for a person's word, by trigger.
const MOST_HELD: Held = Held { count: 1_000, bytes: 256 << 20 };
/// How much may wait while a trigger is paused.
const MOST_PAUSED: Held = Held { count: 10_000, bytes: 1 << 30 };

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
    let per_minute = door.ask.rate_per_minute();
    if let Err(fault) = limits::share(shared, door.trigger.id, per_minute).await {
        tracing::warn!(trigger = %door.trigger.id, %fault, "what other processes have let in is not known; this one counts for itself");
    }
    let rate = shared.limits.request(door.trigger.id, per_minute);
    rate.map_err(|wait| NotTaken::TooMany { retry_after_s: wait.as_secs() + 1 })?;
    let (new, body, challenge) = judged::read(door, arrival, once, shared.clock.now()).await?;
    if new.status == DeliveryStatus::Held {
        room(shared, &new).await?;
    }
    let receipt = match shared.store.insert_delivery(&new).await? {
        Some(first) => repeated(shared, first, new).await?,
        None => {
            reached(Point::Delivered);
            settle(shared, door, new, body).await?
        }
    };
    Ok(Receipt { challenge, ..receipt })
}

/// Whether one more may be held back. What came before gets its answer whether there is room or not.
async fn room(shared: &Shared, new: &DeliveryRecord) -> Result<(), NotTaken> {
    let is_paused = new.reason.as_deref() == Some(PAUSED);
    let most = if is_paused { MOST_PAUSED } else { MOST_HELD };
    let held = shared.store.held_deliveries(new, PAUSED).await?;
    if held.count < most.count && held.bytes + new.body_size <= most.bytes || shared.store.earlier_delivery(new).await?.is_some()
    {
        return Ok(());
    }
    Err(NotTaken::Full { held: held.count })
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

/// Does with a delivery that stands at `received` what was not done when it came. The trigger is as the delivery's version has it.
pub(super) async fn process(
    shared: &Arc<Shared>,
    trigger: &TriggerRecord,
    delivery: &DeliveryRecord,
) -> Result<Option<Accepted>> {
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
