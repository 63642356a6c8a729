//! What begins runs by itself. Whatever comes to a trigger is a row before it is anything else; the row already says which run
//! it starts, so starting it is repeated until it is known to exist, by whoever looks, and happens once.

use std::{sync::Arc, time::Duration};

use flowforge_core::{RunId, Timestamp, trigger::TriggerKind};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    executor::storable,
    shared::Shared,
    start::{self, Accept, Accepted},
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus},
        triggers::TriggerRecord,
    },
};

/// How long the process that wrote a delivery down may take to start its run before others do.
const OWN_TIME: Duration = Duration::from_secs(2);
/// The most deliveries that are looked after at once.
const BATCH: u64 = 100;

/// Starts the runs of deliveries whose process has not come to it.
pub(crate) async fn look_after(shared: &Arc<Shared>) -> Result<()> {
    let before = Timestamp(shared.clock.now().0 - OWN_TIME.as_millis() as i64);
    for delivery in shared.store.open_deliveries(before, BATCH).await? {
        if let Err(fault) = process(shared, &delivery).await {
            tracing::warn!(delivery = %delivery.id, %fault, "the run of a delivery could not be started yet");
        }
    }
    Ok(())
}

/// Does with a delivery that stands at `received` whatever its trigger asks for.
async fn process(shared: &Arc<Shared>, delivery: &DeliveryRecord) -> Result<Option<Accepted>> {
    let trigger = shared.store.trigger_of(delivery.trigger).await?.ok_or(Error::NotFound("trigger"))?;
    match trigger.kind {
        TriggerKind::Webhook | TriggerKind::Github => begin(shared, &trigger, delivery, Value::Null).await,
        TriggerKind::Schedule => begin(shared, &trigger, delivery, Value::Null).await,
    }
}

/// Starts the run of a delivery that stands at `received`; nothing when it exists already, or when it never can.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    trigger: &TriggerRecord,
    delivery: &DeliveryRecord,
    input: Value,
) -> Result<Option<Accepted>> {
    let Some(run) = delivery.run else { return Ok(None) };
    let accepted = match accept(shared, trigger, delivery, run, input).await {
        Ok(accepted) => Some(accepted),
        // It exists: this process or another one was quicker.
        Err(Error::Fenced) => None,
        Err(fault @ (Error::NotFound(_) | Error::Invalid(_) | Error::Conflict { .. } | Error::BadInput(_))) => {
            decide(shared, delivery, DeliveryStatus::Failed, Some(&fault.to_string())).await?;
            return Ok(None);
        }
        Err(fault) => return Err(fault),
    };
    decide(shared, delivery, DeliveryStatus::Started, None).await?;
    Ok(accepted)
}

async fn accept(
    shared: &Arc<Shared>,
    trigger: &TriggerRecord,
    delivery: &DeliveryRecord,
    run: RunId,
    input: Value,
) -> Result<Accepted> {
    let version = delivery.version.unwrap_or(trigger.version);
    // What was accepted is started, even when its workflow has been archived since.
    let compiled = shared.versions.of_run(&shared.store, trigger.workspace, trigger.workflow, version, None).await?;
    let step = compiled.graph.find(&trigger.node);
    let new = Accept::new(trigger.workspace, compiled, Arc::new(storable(input)), trigger.kind.as_str());
    let mut new = Accept { id: run, trigger_step: step, depth: delivery.depth, ..new };
    if new.has_values() {
        start::put_away(shared, &mut new).await?;
    }
    start::accept(shared, new).await
}

async fn decide(shared: &Shared, delivery: &DeliveryRecord, to: DeliveryStatus, reason: Option<&str>) -> Result<()> {
    let at = shared.clock.now();
    shared.store.decide_delivery(delivery.id, &[DeliveryStatus::Received], to, reason, at).await?;
    Ok(())
}
