//! The conflicts of one step: written down with its secrets masked, and read again after a crash or an answer.

use flowforge_core::{
    NodeId, RunId, WorkspaceId,
    conflict::{Conflict, Conflicts, Recorded, Resolution},
    node::{BoxFuture, NodeError},
};
use futures::FutureExt;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{error::Error, executor::Mask, store::Store};

/// The space of the ids of conflicts.
const CONFLICTS: Uuid = Uuid::from_u128(0x6f1d_54c1_8a52_4f0b_9a37_2e6c_71b0_d9e4);

/// Where a step writes its conflicts down.
#[derive(Clone)]
pub(crate) struct StepConflicts {
    pub(crate) store: Store,
    pub(crate) workspace: WorkspaceId,
    pub(crate) run: RunId,
    pub(crate) node: NodeId,
    pub(crate) mask: Mask,
}

impl StepConflicts {
    /// The same for the same collision in the same step, however often it is met.
    fn id(&self, conflict: &Conflict) -> Uuid {
        let name = format!("{}/{}/{}", self.run, self.node, conflict.key());
        Uuid::new_v5(&CONFLICTS, name.as_bytes())
    }

    async fn write(&self, conflict: Conflict, resolution: Option<Resolution>) -> Result<(), NodeError> {
        let id = self.id(&conflict);
        let place = (self.workspace, self.run, &self.node);
        self.store.add_conflict(place, id, &self.masked(&conflict)?).await.map_err(told)?;
        let Some(resolution) = resolution else { return Ok(()) };
        let masked = self.masked(&resolution)?;
        if resolution.accepted && masked.answer != resolution.answer {
            let message = format!("the resolution of `{}` holds the value of a secret, and is not taken", conflict.path);
            return Err(NodeError::fatal("SECRET_IN_RESOLUTION", message));
        }
        self.store.add_resolution(self.run, id, &masked).await.map_err(told)
    }

    fn masked<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T, NodeError> {
        let unreadable = |fault: serde_json::Error| NodeError::fatal("CONFLICT_UNREADABLE", fault.to_string());
        let value = serde_json::to_value(value).map_err(unreadable)?;
        serde_json::from_value(self.mask.value(value)).map_err(unreadable)
    }
}

impl Conflicts for StepConflicts {
    fn record(&self, conflict: Conflict, resolution: Option<Resolution>) -> BoxFuture<'_, Result<(), NodeError>> {
        self.write(conflict, resolution).boxed()
    }

    fn recorded(&self) -> BoxFuture<'_, Result<Vec<Recorded>, NodeError>> {
        async move {
            let rows = self.store.conflicts_of_step(self.run, &self.node).await.map_err(told)?;
            Ok(rows.into_iter().map(|row| row.recorded).collect())
        }
        .boxed()
    }
}

fn told(fault: Error) -> NodeError {
    NodeError::retry("CONFLICTS_UNAVAILABLE", format!("the conflicts of the step could not be written or read: {fault}"))
}
