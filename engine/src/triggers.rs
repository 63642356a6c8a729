//! What begins runs by itself. Whatever comes to a trigger is a row before it is anything else; the row already says which run
//! it starts, so starting it is repeated until it is known to exist, by whoever looks, and happens once.

mod content;
pub(crate) mod door;
pub(crate) mod from_github;
pub(crate) mod inbox;
mod judged;
mod limits;
mod marks;
mod refusal;
pub(crate) mod replay;
pub(crate) mod scheduler;

use std::{sync::Arc, time::Duration};

use flowforge_core::{RunId, Timestamp, trigger::TriggerKind};
use futures::{FutureExt, StreamExt, stream};
use serde_json::Value;

use self::door::of_version;
pub use self::{
    door::Door,
    inbox::{Arrival, Receipt},
    refusal::NotTaken,
};
pub(crate) use self::{limits::Limits, marks::Marks};
use crate::{
    error::{Error, Result},
    executor::storable_input,
    failpoint::{Point, reached},
    shared::Shared,
    start::{self, Accept, Accepted},
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus},
        triggers::TriggerRecord,
    },
};

/// How long the process that wrote a delivery down may take to start its run before others do.
const OWN_TIME: Duration = Duration::from_secs(2);
/// How many deliveries are found at once.
const BATCH: u64 = 200;
/// How many such lots one look takes at the most.
const LOTS: u32 = 20;
/// How many deliveries are worked on at once; the bodies of so many are in memory.
const AT_ONCE: usize = 8;
/// Bodies above this size are worked through off the threads that answer requests, in bytes.
const LONG: usize = 128 << 10;

/// Starts the runs of deliveries whose process has not come to it, beside whatever else the sweeper does: filters take their time.
pub(crate) fn look_after(shared: &Arc<Shared>) {
    let shared = shared.clone();
    tokio::spawn(async move {
        // The one that is at it has not seen what came since; the next will.
        let Ok(_one) = shared.looking_after.try_lock() else { return };
        tokio::select! {
            looked = look(&shared) => if let Err(fault) = looked {
                tracing::warn!(%fault, "deliveries could not be looked after; the next sweep will");
            },
            () = shared.leaving.cancelled() => {}
        }
    });
}

/// One that cannot be started yet does not stand in the way of those that came after it.
async fn look(shared: &Arc<Shared>) -> Result<()> {
    let before = Timestamp(shared.clock.now().0 - OWN_TIME.as_millis() as i64);
    let mut after = None;
    for _ in 0..LOTS {
        let lot = shared.store.open_deliveries(before, after, BATCH).await?;
        let (count, last) = (lot.len() as u64, lot.last().map(|last| (last.received_at, last.id)));
        stream::iter(lot).for_each_concurrent(AT_ONCE, |delivery| make_good(shared.clone(), delivery)).await;
        if count < BATCH {
            break;
        }
        after = last;
    }
    Ok(())
}

/// Does what was not done with a delivery, which is given without its body.
async fn make_good(shared: Arc<Shared>, delivery: DeliveryRecord) {
    if let Err(fault) = try_to_make_good(&shared, &delivery).await {
        tracing::warn!(delivery = %delivery.id, %fault, "the run of a delivery could not be started yet");
    }
}

async fn try_to_make_good(shared: &Arc<Shared>, delivery: &DeliveryRecord) -> Result<()> {
    let run = delivery.run.into_iter().collect::<Vec<_>>();
    if !shared.store.existing(&run).await?.is_empty() {
        // Only the mark is missing; a filter that is asked again might say something else.
        return shared.store.mark_started(&[delivery.id], shared.clock.now()).await;
    }
    let whole = shared.store.delivery(delivery.workspace, delivery.id).await?;
    process(shared, &whole).boxed().await.map(drop)
}

/// Does with a delivery that stands at `received` whatever its trigger asks for.
pub(crate) async fn process(shared: &Arc<Shared>, delivery: &DeliveryRecord) -> Result<Option<Accepted>> {
    let trigger = shared.store.trigger_of(delivery.trigger).await?.ok_or(Error::NotFound("trigger"))?;
    process_of(shared, &trigger, delivery).await
}

/// Like [`process`], for a trigger that was read already. What counts is the node as the delivery's version has it: the trigger
/// may have become another one since.
pub(crate) async fn process_of(
    shared: &Arc<Shared>,
    trigger: &TriggerRecord,
    delivery: &DeliveryRecord,
) -> Result<Option<Accepted>> {
    let version = delivery.version.unwrap_or(trigger.version);
    let reason = match of_version(shared, trigger, version).await {
        Ok(Some(trigger)) if is_of_kind(delivery, trigger.kind) => {
            return match trigger.kind {
                TriggerKind::Webhook | TriggerKind::Github => inbox::process(shared, &trigger, delivery).await,
                TriggerKind::Schedule => begin(shared, &trigger, delivery, scheduler::input(&trigger, delivery)).await,
            };
        }
        Ok(Some(other)) => format!("`{}` is a {} trigger in version {version}, and this is none of its", other.node, other.kind),
        Ok(None) => format!("version {version} has no trigger `{}`", trigger.node),
        Err(Error::NotFound(_)) => format!("there is no version {version} of its workflow"),
        Err(fault) => return Err(fault),
    };
    decide(shared, delivery, DeliveryStatus::Failed, Some(&reason)).await?;
    Ok(None)
}

/// Whether a delivery is what triggers of a kind begin runs of: slots are of schedules, and schedules have nothing else.
fn is_of_kind(delivery: &DeliveryRecord, kind: TriggerKind) -> bool {
    delivery.slot.is_some() == (kind == TriggerKind::Schedule)
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
    reached(Point::Begun);
    shared.marks.started(delivery.id, shared.clock.now());
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
    let new = Accept::new(trigger.workspace, compiled, Arc::new(storable_input(input)?), trigger.kind.as_str());
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

/// Does what takes its time for a long body where it holds nobody up.
///
/// # Errors
/// When it panics.
async fn off_thread<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if size < LONG {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|fault| Error::Storage(format!("a body was not worked through: {fault}")))
}
