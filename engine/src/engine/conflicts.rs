//! People's answers to the conflicts of a rebase.

use flowforge_core::{
    Rejected, RunId, WorkspaceId,
    conflict::{Answer, Check, Method, Resolution},
};
use uuid::Uuid;

use super::Engine;
use crate::{
    error::{Error, Result},
    store::conflicts::ConflictRecord,
};

impl Engine {
    /// One conflict of a run.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run, or the run no such conflict.
    pub async fn conflict(&self, workspace: WorkspaceId, run: RunId, id: Uuid) -> Result<ConflictRecord> {
        let all = self.shared.store.conflicts(workspace, run).await?;
        all.into_iter().find(|record| record.id == id).ok_or(Error::NotFound("conflict"))
    }

    /// Takes a person's answer, which has passed `checks`, and calls the step that waits for it.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is resolved (`conflict_resolved`) or not asked now (`conflict_not_asked`); `Rejected` when the
    /// run has ended.
    pub async fn answer_conflict(
        &self,
        (workspace, run, id): (WorkspaceId, RunId, Uuid),
        by: String,
        answer: Answer,
        checks: Vec<Check>,
    ) -> Result<ConflictRecord> {
        if self.shared.store.run(workspace, run).await?.status.is_terminal() {
            return Err(Error::Rejected(Rejected::Finished));
        }
        let resolution = Resolution { method: Method::Person, by, prompt: None, answer: Some(answer), checks, accepted: true };
        self.shared.store.answer_conflict(workspace, run, id, &resolution).await?;
        self.worker.call(run);
        self.conflict(workspace, run, id).await
    }
}
