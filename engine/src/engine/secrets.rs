//! Secrets, as HTTP and triggers use them.

use std::collections::BTreeMap;

use flowforge_core::{WorkspaceId, secret::SecretValue};

use super::Engine;
use crate::{
    error::Result,
    secrets::{NewSecret, SecretChange, SecretRecord, SecretUse},
};

impl Engine {
    /// The value of a workspace's secret, or of the environment's when the workspace has none of that name.
    ///
    /// # Errors
    /// `Conflict` with the code `secret_unreadable` when it is there and cannot be decrypted: whoever needs it must refuse.
    /// `Storage` when the database does not answer.
    pub async fn secret(&self, workspace: WorkspaceId, name: &str) -> Result<Option<SecretValue>> {
        self.shared.executor.vault.value(workspace, name).await
    }

    /// A workspace's secrets, in the order of their names, without their values.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn secrets(&self, workspace: WorkspaceId) -> Result<Vec<SecretRecord>> {
        self.shared.executor.vault.list(workspace).await
    }

    /// The workflows that name secrets in their newest or published versions, by the name of the secret.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn secret_uses(&self, workspace: WorkspaceId) -> Result<BTreeMap<String, Vec<SecretUse>>> {
        self.shared.executor.vault.uses(workspace).await
    }

    /// Saves a new secret.
    ///
    /// # Errors
    /// `BadInput` for a name or a value that cannot be, `Conflict` when the name is taken or there is no master key.
    pub async fn create_secret(&self, workspace: WorkspaceId, new: NewSecret) -> Result<SecretRecord> {
        self.shared.executor.vault.create(workspace, new, self.shared.clock.now()).await
    }

    /// Changes a secret. The next attempt of any step uses the new value.
    ///
    /// # Errors
    /// `NotFound`, `BadInput` for a value that cannot be or hosts that are wider without one, `Conflict` when it was changed meanwhile.
    pub async fn change_secret(&self, workspace: WorkspaceId, name: &str, change: SecretChange) -> Result<SecretRecord> {
        self.shared.executor.vault.change(workspace, name, change, self.shared.clock.now()).await
    }

    /// Deletes a secret. Where the operator has one of the same name for all workspaces, steps use that one from then on: so that
    /// nobody does this unawares, it has to be said with `falls_back`.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when the operator has one of that name and that was not said.
    pub async fn delete_secret(&self, workspace: WorkspaceId, name: &str, falls_back: bool) -> Result<()> {
        self.shared.executor.vault.delete(workspace, name, falls_back).await
    }
}
