//! The names of workflows, remembered for half a minute: every answer about a run shows one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flowforge_core::{Timestamp, WorkflowId, WorkspaceId};
use flowforge_engine::{Result, Store};

/// How long a name is believed.
const FRESH_MS: u64 = 30_000;
/// How many are kept. When there are more, all are forgotten and come back as they are needed.
const KEPT: usize = 4_096;

/// The names that were asked for lately.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<WorkflowId, Known>>);

#[derive(Debug)]
struct Known {
    workspace: WorkspaceId,
    name: Arc<str>,
    asked: Timestamp,
}

impl Names {
    /// The name of a workflow; empty when the workspace has none of that id.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn get(&self, store: &Store, workspace: WorkspaceId, id: WorkflowId, now: Timestamp) -> Result<Arc<str>> {
        let fresh = |known: &&Known| known.workspace == workspace && now.ms_since(known.asked) < FRESH_MS;
        let known = self.known().get(&id).filter(fresh).map(|known| known.name.clone());
        if let Some(name) = known {
            return Ok(name);
        }
        let found = store.workflow_names(workspace, &[id]).await?;
        let name: Arc<str> = found.into_iter().next().map(|(_, name)| name.into()).unwrap_or_default();
        let mut known = self.known();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(id, Known { workspace, name: name.clone(), asked: now });
        Ok(name)
    }

    /// Takes note that a workflow was renamed.
    pub(crate) fn forget(&self, id: WorkflowId) {
        self.known().remove(&id);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<WorkflowId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
