//! Fires schedules. Every process that works does so: whoever comes first decides a slot, and the slot's row makes it one run.

use std::{sync::Arc, time::Duration};

use flowforge_core::{
    RunId, Timestamp, TriggerId,
    trigger::schedule::{Due, Overlap, Params, Schedule},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{begin, process_of};
use crate::{
    clock,
    error::Result,
    shared::Shared,
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus},
        inbox::Message,
        schedules::{Decided, Standing},
        triggers::TriggerRecord,
    },
};

/// The longest pause: another process may have published a schedule.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause, for many schedules that are due one after the other.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// The most schedules that are looked at before the clock is asked again.
const BATCH: u64 = 200;
/// How many schedules are decided, and runs begun, at once.
const AT_ONCE: usize = 8;
/// The most slots that wait for their turn.
const MOST_QUEUED: u64 = 1_000;
/// What a schedule that cannot be read any more is looked at again after, in milliseconds.
const UNREADABLE_MS: i64 = 60_000;

const SUPERSEDED: &str = "a later slot has taken its place, since the policy cancels what came before";

/// Fires schedules until the process leaves.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut seen = None;
    while !shared.leaving.is_cancelled() {
        let pause = match fire_due(&shared, &mut seen).await {
            Ok(next) => next.map_or(LONGEST_PAUSE, |at| shared.clock.until(at).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)),
            Err(fault) => {
                tracing::warn!(%fault, "schedules could not be looked at; they will be in a moment");
                clock::spread(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.leaving.cancelled() => {}
        }
    }
}

/// Fires what is due, and goes on with those that wait for their turn, after the last that was `seen`. When the next is due.
async fn fire_due(shared: &Arc<Shared>, seen: &mut Option<TriggerId>) -> Result<Option<Timestamp>> {
    let (due, next) = shared.store.due_schedules(BATCH).await?;
    let is_more = due.len() as u64 == BATCH;
    each(due, |id| fire(shared, id)).await;
    each(shared.store.waiting_schedules(seen, BATCH).await?, |id| go_on(shared, id)).await;
    Ok(if is_more { Some(shared.clock.now()) } else { next })
}

async fn each<F: Future<Output = Result<()>>>(ids: Vec<TriggerId>, act: impl Fn(TriggerId) -> F) {
    let acts = stream::iter(ids).map(|id| {
        let acted = act(id);
        async move { (id, acted.await) }
    });
    let mut acts = acts.buffer_unordered(AT_ONCE);
    while let Some((trigger, acted)) = acts.next().await {
        if let Err(fault) = acted {
            tracing::warn!(%trigger, %fault, "a schedule could not be fired; it will be in a moment");
        }
    }
}

async fn fire(shared: &Arc<Shared>, id: TriggerId) -> Result<()> {
    let mut earlier = Vec::new();
    let decided = shared.store.decide_schedule(id, minds_overlaps, |trigger, standing, now| {
        let (decided, cancel) = decide(trigger, standing, now);
        earlier = cancel;
        decided
    });
    let Some((trigger, deliveries)) = decided.await? else { return Ok(()) };
    for run in earlier {
        shared.store.send(run, &Message::Cancel).await?;
        shared.call(run);
    }
    for delivery in deliveries.iter().filter(|delivery| delivery.status == DeliveryStatus::Received) {
        begin(shared, &trigger, delivery, input(&trigger, delivery)).await?;
    }
    Ok(())
}

async fn go_on(shared: &Arc<Shared>, id: TriggerId) -> Result<()> {
    if let Some((trigger, delivery)) = shared.store.next_slot_in_line(id).await? {
        // It may be of an earlier version.
        Box::pin(process_of(shared, &trigger, &delivery)).await?;
    }
    Ok(())
}

/// Whether it matters to a schedule that an earlier run is under way.
fn minds_overlaps(trigger: &TriggerRecord) -> bool {
    schedule(trigger).is_some_and(|schedule| schedule.params().overlap != Overlap::Allow)
}

/// What becomes of the slots that have come, and which earlier runs are cancelled for them.
fn decide(trigger: &TriggerRecord, standing: &Standing, now: Timestamp) -> (Decided, Vec<RunId>) {
    let last_slot = trigger.last_slot.unwrap_or(now);
    let Some(schedule) = schedule(trigger) else {
        // It was checked when it was saved: an older or newer version of this program has written it.
        tracing::error!(trigger = %trigger.id, "the schedule cannot be read; publish its workflow again");
        let next_fire_at = Some(Timestamp(now.0 + UNREADABLE_MS));
        return (Decided { last_slot, next_fire_at, ..Decided::default() }, Vec::new());
    };
    let due = schedule.due(last_slot, now);
    let mut line =
        Line { overlap: schedule.params().overlap, busy: standing.under_way.first().copied(), queued: standing.queued };
    let mut decided = Decided { last_slot: due.last_slot, next_fire_at: due.next_at, ..Decided::default() };
    decided.deliveries = deliveries(trigger, &due, &mut line, now);
    let cancels =
        line.overlap == Overlap::CancelPrevious && decided.deliveries.iter().any(|one| one.status == DeliveryStatus::Queued);
    decided.drop_queued = cancels.then_some(SUPERSEDED);
    (decided, if cancels { standing.under_way.clone() } else { Vec::new() })
}

fn deliveries(trigger: &TriggerRecord, due: &Due, line: &mut Line, now: Timestamp) -> Vec<DeliveryRecord> {
    let firing = due.slots.iter().filter(|slot| slot.left_out.is_none()).map(|slot| slot.at);
    let last = firing.max();
    let mut rows = Vec::with_capacity(due.slots.len());
    for slot in &due.slots {
        let mut row = of_slot(trigger, slot.at, now);
        let verdict = slot.left_out.clone().map_or_else(|| line.verdict(Some(slot.at) == last, row.run), Verdict::Skip);
        match verdict {
            Verdict::Fire => {}
            Verdict::Wait => row.status = DeliveryStatus::Queued,
            Verdict::Skip(reason) => {
                (row.status, row.run, row.reason, row.decided_at) = (DeliveryStatus::Skipped, None, Some(reason), Some(now));
            }
        }
        rows.push(row);
    }
    rows
}

/// The row of a slot that fires.
pub(crate) fn of_slot(trigger: &TriggerRecord, slot: Timestamp, now: Timestamp) -> DeliveryRecord {
    DeliveryRecord {
        dedupe_key: Some(format!("slot/{}", slot.0)),
        slot: Some(slot),
        version: Some(trigger.version),
        ..DeliveryRecord::new(trigger.workspace, trigger.id, now)
    }
}

/// The runs of a schedule, one after the other.
struct Line {
    overlap: Overlap,
    /// A run that is under way.
    busy: Option<RunId>,
    queued: u64,
}

enum Verdict {
    Fire,
    Wait,
    Skip(String),
}

impl Line {
    fn verdict(&mut self, is_last: bool, run: Option<RunId>) -> Verdict {
        let under_way = |run: RunId| format!("the run of an earlier slot is still under way: {run}");
        let verdict = match (self.overlap, self.busy) {
            (Overlap::CancelPrevious, _) if !is_last => Verdict::Skip(SUPERSEDED.to_owned()),
            (Overlap::Allow, _) | (Overlap::Skip | Overlap::CancelPrevious, None) => Verdict::Fire,
            (Overlap::Queue, None) if self.queued == 0 => Verdict::Fire,
            (Overlap::Skip, Some(run)) => Verdict::Skip(under_way(run)),
            (Overlap::CancelPrevious, Some(_)) => Verdict::Wait,
            (Overlap::Queue, _) if self.queued < MOST_QUEUED => Verdict::Wait,
            (Overlap::Queue, _) => Verdict::Skip(format!("{MOST_QUEUED} slots wait for their turn already")),
        };
        match verdict {
            Verdict::Fire => self.busy = self.busy.or(run),
            Verdict::Wait => self.queued += 1,
            Verdict::Skip(_) => {}
        }
        verdict
    }
}

/// A trigger's schedule, when its parameters can be read.
pub(crate) fn schedule(trigger: &TriggerRecord) -> Option<Schedule> {
    let params: Params = serde_json::from_value(trigger.params.clone()).ok()?;
    Schedule::new(params, trigger.id.uuid().as_u64_pair().1).ok()
}

/// What the run of a slot is given.
pub(crate) fn input(trigger: &TriggerRecord, delivery: &DeliveryRecord) -> Value {
    let (Some(slot), Some(schedule)) = (delivery.slot, schedule(trigger)) else { return Value::Null };
    json!({
        "slot": clock::iso(slot),
        "scheduled_at": schedule.local(slot),
        "timezone": schedule.params().timezone,
        "late_s": delivery.received_at.ms_since(slot) / 1_000,
        "previous_slot": schedule.last_before(slot).map(clock::iso),
    })
}

#[cfg(test)]
mod tests;
