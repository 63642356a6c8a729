//! Triggers, as HTTP uses them: what comes in, and what people do with it.

use std::time::Duration;

use flowforge_core::{DeliveryId, RunId, TriggerId, WorkspaceId};
use futures::FutureExt;
use serde_json::Value;

use super::{Engine, Started};
use crate::{
    error::{Error, Result},
    record::RunRecord,
    store::{
        deliveries::{DeliveryRecord, DeliveryStatus},
        triggers::TriggerRecord,
    },
    triggers::{Arrival, Door, NotTaken, Receipt, door, from_github, inbox, replay},
};

/// What becomes of what was held back while a trigger was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    /// Its runs are started.
    Start,
    /// It begins nothing.
    Drop,
}

impl Engine {
    /// The trigger behind an address: an active one, or whatever was saved last for the address for tests.
    ///
    /// # Errors
    /// When the database does not answer, or the trigger cannot be read.
    pub async fn door(&self, token: &str, is_test: bool) -> Result<Option<Door>> {
        door::open(&self.shared, token, is_test).await
    }

    /// Takes a request. Answers when it is on disk, with what became of it.
    ///
    /// # Errors
    /// Why it was not taken; `Fault` when that is not known, so that it has to be sent again.
    pub async fn receive(&self, door: &Door, arrival: Arrival) -> Result<Receipt, NotTaken> {
        inbox::receive(&self.shared, door, arrival).boxed().await
    }

    /// Writes down that a request was refused before it was read to its end.
    pub async fn refuse(&self, door: &Door, head: &Arrival, size: u64, why: &NotTaken) {
        inbox::refuse(&self.shared, door, head, size, why).await;
    }

    /// Refuses an event of GitHub, unread, that nobody can have signed: its signature has another form, or no active trigger listens.
    ///
    /// # Errors
    /// The same as for an event that no secret has signed.
    pub async fn refuse_unless_github_is_heard(&self, head: &Arrival) -> Result<(), NotTaken> {
        from_github::refuse_unless_heard(&self.shared, head).await
    }

    /// Takes an event of GitHub for every trigger whose secret has signed it.
    ///
    /// # Errors
    /// As for one trigger; when no secret has signed it, nothing is written down.
    pub async fn receive_from_github(&self, arrival: Arrival) -> Result<Vec<Receipt>, NotTaken> {
        from_github::receive(&self.shared, arrival).boxed().await
    }

    /// Waits until the run of a delivery has answered or ended, or for so long. What it has answered, if it has: `{status, headers,
    /// body}`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn response(&self, receipt: Receipt, limit: Duration) -> Result<Option<Value>> {
        let record = match (receipt.accepted, receipt.run) {
            (Some(accepted), _) => {
                self.wait(Started { record: accepted.record, is_new: true, ended: accepted.ended }, limit).await
            }
            (None, Some(run)) => self.wait_if_there(receipt.workspace, run, limit).await,
            (None, None) => return Ok(None),
        };
        match record {
            Ok(RunRecord { workspace, response: Some(response), .. }) => {
                self.whole(workspace, response).await.map(|whole| Some((*whole).clone()))
            }
            Ok(_) | Err(Error::NotFound(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn wait_if_there(&self, workspace: WorkspaceId, run: RunId, limit: Duration) -> Result<RunRecord> {
        self.shared.store.run(workspace, run).await?;
        self.wait_for(workspace, run, limit).await
    }

    /// Holds back from now on what comes to a trigger.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pause_trigger(&self, workspace: WorkspaceId, id: TriggerId) -> Result<TriggerRecord> {
        self.shared.store.pause_trigger(workspace, id, self.shared.clock.now()).await
    }

    /// Lets what comes to a trigger pass again. What was held back is decided in the same transaction; its runs are started soon.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn resume_trigger(&self, workspace: WorkspaceId, id: TriggerId, backlog: Backlog) -> Result<(TriggerRecord, u64)> {
        let (to, why) = match backlog {
            Backlog::Start => (DeliveryStatus::Received, None),
            Backlog::Drop => (DeliveryStatus::Skipped, Some("dropped when the trigger was resumed")),
        };
        let held = (inbox::PAUSED, to, why);
        let resumed = self.shared.store.resume_trigger(workspace, id, held, self.shared.clock.now()).await?;
        self.shared.sweep_now.notify_one();
        Ok(resumed)
    }

    /// Has a delivery played again, as one that has just come: with the trigger as it is now, and a run of its own.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when it was kept without what came, or its trigger does not answer.
    pub async fn replay(&self, workspace: WorkspaceId, id: DeliveryId) -> Result<DeliveryRecord> {
        let new = replay::replay(&self.shared, workspace, id).boxed().await?;
        self.shared.store.delivery(workspace, new).await
    }

    /// Drops a delivery that is held back: it begins nothing.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when it is not held back.
    pub async fn drop_delivery(&self, workspace: WorkspaceId, id: DeliveryId) -> Result<DeliveryRecord> {
        replay::drop(&self.shared, workspace, id).await?;
        self.shared.store.delivery(workspace, id).await
    }

    /// Lets a delivery go that is held back, whatever for.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when it is not held back.
    pub async fn release(&self, workspace: WorkspaceId, id: DeliveryId) -> Result<DeliveryRecord> {
        replay::release(&self.shared, workspace, id).boxed().await?;
        self.shared.store.delivery(workspace, id).await
    }
}
