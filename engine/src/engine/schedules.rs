//! What people ask of schedules: when they fire, and to fire for a time that has passed.

use flowforge_core::{
    Timestamp, TriggerId, WorkspaceId,
    trigger::{
        TriggerKind,
        schedule::{Overlap, Schedule},
    },
};

use super::Engine;
use crate::{
    error::{Error, Result},
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus},
        triggers::{TriggerRecord, TriggerStatus},
    },
    triggers::{process_of, scheduler},
};

/// The most slots that one backfill fires.
const MOST: usize = 1_000;

/// What a backfill has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfill {
    /// How many slots there are in the range.
    pub slots: usize,
    /// How many of them fire now, or wait for their turn.
    pub started: usize,
    /// How many had fired, or been decided, before.
    pub already: usize,
}

impl Engine {
    /// The schedule of a trigger.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such trigger, `BadInput` when it is no schedule.
    pub async fn schedule(&self, workspace: WorkspaceId, trigger: TriggerId) -> Result<(TriggerRecord, Schedule)> {
        let record = self.shared.store.trigger(workspace, trigger).await?;
        if record.kind != TriggerKind::Schedule {
            return Err(Error::BadInput(format!("{trigger} is no schedule")));
        }
        let unreadable = || Error::BadInput(format!("the schedule of {trigger} cannot be read; publish its workflow again"));
        let schedule = scheduler::schedule(&record).ok_or_else(unreadable)?;
        Ok((record, schedule))
    }

    /// Fires the slots of a range, both ends included, that have not fired. Answers when all of them are on disk.
    ///
    /// # Errors
    /// As [`Engine::schedule`], and `BadInput` when the range ends in the future or holds too many slots, `Conflict` when the
    /// trigger is not active.
    pub async fn backfill(&self, workspace: WorkspaceId, trigger: TriggerId, from: Timestamp, to: Timestamp) -> Result<Backfill> {
        let (record, schedule) = self.schedule(workspace, trigger).await?;
        if record.status != TriggerStatus::Active {
            let message = format!("{trigger} is not active; publish its workflow to fire it");
            return Err(Error::Conflict { code: "trigger_not_active", message });
        }
        let now = self.shared.clock.now();
        if from > to || to > now {
            return Err(Error::BadInput("a backfill goes from an earlier to a later time, both in the past".to_owned()));
        }
        let slots: Vec<_> = schedule.slots_between(Timestamp(from.0 - 1), to).take(MOST + 1).collect();
        if slots.len() > MOST {
            return Err(Error::BadInput(format!("the range holds more than {MOST} slots; ask for a shorter one")));
        }
        // With a policy for overlaps they fire one after the other.
        let waits = schedule.params().overlap != Overlap::Allow;
        let status = if waits { DeliveryStatus::Queued } else { DeliveryStatus::Received };
        let row = |slot: &Timestamp| DeliveryRecord { status, ..scheduler::of_slot(&record, *slot, now) };
        let new = self.shared.store.backfill(record.id, slots.iter().map(row).collect()).await?;
        for delivery in new.iter().filter(|_| !waits) {
            // The slot is on disk: whoever looks after deliveries begins what this process has no room for.
            if let Err(fault) = Box::pin(process_of(&self.shared, &record, delivery)).await {
                tracing::warn!(delivery = %delivery.id, %fault, "the run of a slot could not be started yet");
            }
        }
        Ok(Backfill { slots: slots.len(), started: new.len(), already: slots.len() - new.len() })
    }
}
