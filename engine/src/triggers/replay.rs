//! What a person has done with a delivery: played again, or let go.

use std::sync::Arc;

use flowforge_core::{
    DeliveryId, WorkspaceId,
    trigger::github::{Event, Verdict},
};

use super::{
    door::{Ask, newest, of_version},
    is_of_kind,
    judged::value,
    process,
};
use crate::{
    error::{Error, Result},
    shared::Shared,
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus},
        triggers::{TriggerRecord, TriggerStatus},
    },
};

/// Plays a delivery again: a new one, which no earlier one stands in the way of.
pub(crate) async fn replay(shared: &Arc<Shared>, workspace: WorkspaceId, id: DeliveryId) -> Result<DeliveryId> {
    let old = shared.store.delivery(workspace, id).await?;
    let trigger = answering(shared, &old).await?;
    same_kind(shared, &trigger, &old).await?;
    if old.slot.is_none() && old.body.is_none() {
        let message = format!("the delivery {id} was {}, so what came is not kept; have it sent again", old.status.as_str());
        return Err(Error::Conflict { code: "delivery_without_body", message });
    }
    let now = shared.clock.now();
    let fresh = DeliveryRecord::new(workspace, old.trigger, now);
    let mut new = DeliveryRecord {
        id: fresh.id,
        run: fresh.run,
        status: DeliveryStatus::Received,
        reason: None,
        dedupe_key: None,
        signed_hash: None,
        duplicate_of: None,
        replay_of: Some(id),
        version: Some(trigger.version),
        depth: 0,
        received_at: now,
        decided_at: None,
        started_at: None,
        ..old
    };
    (new.status, new.reason) = judged(&trigger, &new)?;
    if new.status != DeliveryStatus::Received {
        new.decided_at = Some(now);
    }
    shared.store.insert_delivery(&new).await?;
    start(shared, &new).await;
    Ok(new.id)
}

/// Starts the run of a delivery that is held back.
pub(crate) async fn release(shared: &Arc<Shared>, workspace: WorkspaceId, id: DeliveryId) -> Result<()> {
    let held = shared.store.delivery(workspace, id).await?;
    let now = shared.clock.now();
    let from = [DeliveryStatus::Held];
    if !shared.store.decide_delivery(id, &from, DeliveryStatus::Received, None, now).await? {
        return Err(not_held(&held));
    }
    start(shared, &DeliveryRecord { status: DeliveryStatus::Received, ..held }).await;
    Ok(())
}

/// Drops a delivery that is held back.
pub(crate) async fn drop(shared: &Shared, workspace: WorkspaceId, id: DeliveryId) -> Result<()> {
    let held = shared.store.delivery(workspace, id).await?;
    match shared.store.drop_delivery(id, "somebody dropped it", shared.clock.now()).await? {
        true => Ok(()),
        false => Err(not_held(&held)),
    }
}

fn not_held(delivery: &DeliveryRecord) -> Error {
    let message = format!("the delivery {} is not held back: it is {}", delivery.id, delivery.status.as_str());
    Error::Conflict { code: "delivery_not_held", message }
}

/// It is on disk: what fails here is made good by whoever looks after it.
async fn start(shared: &Arc<Shared>, delivery: &DeliveryRecord) {
    if delivery.status == DeliveryStatus::Received
        && let Err(fault) = process(shared, delivery).await
    {
        tracing::warn!(delivery = %delivery.id, %fault, "the run of a delivery is not started yet; the sweeper will start it");
    }
}

/// The trigger of a delivery as it answers now.
async fn answering(shared: &Shared, old: &DeliveryRecord) -> Result<TriggerRecord> {
    let trigger = shared.store.trigger(old.workspace, old.trigger).await?;
    let found = match old.is_test {
        true => newest(shared, trigger).await?,
        false => Some(trigger).filter(|trigger| trigger.status == TriggerStatus::Active),
    };
    let message = "its trigger does not answer now; publish a version that has it";
    found.ok_or_else(|| Error::Conflict { code: "trigger_stopped", message: message.to_owned() })
}

/// What another kind of trigger was sent, it was told and proved in another way: it is not played to this one.
async fn same_kind(shared: &Shared, trigger: &TriggerRecord, old: &DeliveryRecord) -> Result<()> {
    let version = old.version.unwrap_or(trigger.version);
    let then = match of_version(shared, trigger, version).await {
        Ok(then) => then.map_or(trigger.kind, |then| then.kind),
        Err(Error::NotFound(_)) => trigger.kind,
        Err(fault) => return Err(fault),
    };
    if then == trigger.kind && is_of_kind(old, trigger.kind) {
        return Ok(());
    }
    let (id, node, now) = (old.id, &trigger.node, trigger.kind);
    let message = format!(
        "the delivery {id} came to `{node}` when that was a {then} trigger, and it is a {now} trigger now; publish a version in which \
         it is a {then} trigger, or have it sent again"
    );
    Err(Error::Conflict { code: "trigger_kind_changed", message })
}

/// What the trigger's own rules say of it now.
fn judged(trigger: &TriggerRecord, new: &DeliveryRecord) -> Result<(DeliveryStatus, Option<String>)> {
    let Some(Ask::Github(params)) = Ask::of(trigger)? else { return Ok((DeliveryStatus::Received, None)) };
    let raw = new.body.as_deref().unwrap_or_default();
    let body = value(&new.headers, raw, params.max_body_bytes(), true);
    let body = body.map_err(|fault| Error::Conflict { code: "delivery_without_body", message: fault.to_string() })?;
    let name = new.headers["x-github-event"].as_str().unwrap_or_default();
    Ok(match params.judge(&Event { name, payload: &body }) {
        Verdict::Start => (DeliveryStatus::Received, None),
        Verdict::Filtered(reason) => (DeliveryStatus::Filtered, Some(reason)),
        Verdict::Held(reason) => (DeliveryStatus::Held, Some(reason)),
    })
}
