//! Where a process has its secrets from: rows, or its environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use flowforge_core::{
    WorkspaceId,
    node::NodeError,
    secret::{HostPattern, SecretHosts, SecretValue},
    template::Secrets,
};

use super::{Fault, MasterKey, opened};
use crate::{error::Result, shared::on_its_own, store::Store};

/// The wait before the database is asked again that did not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// The secrets that were looked up for one attempt.
#[derive(Default)]
pub(crate) struct Found {
    secrets: BTreeMap<String, Secret>,
    faults: BTreeMap<String, Fault>,
}

struct Secret {
    value: SecretValue,
    hosts: Vec<HostPattern>,
}

impl Secrets for Found {
    fn get(&self, name: &str) -> Option<&str> {
        self.secrets.get(name).map(|secret| secret.value.expose())
    }
}

impl Found {
    /// The values of all, for a mask.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.secrets.values().map(|secret| secret.value.expose())
    }

    /// Where those with these names may be sent.
    ///
    /// # Errors
    /// `SECRET_UNREADABLE` when one of them is there and cannot be had.
    pub(crate) fn hosts(&self, names: &BTreeSet<String>) -> Result<SecretHosts, NodeError> {
        let mut hosts = SecretHosts::default();
        for name in names {
            if let Some(fault) = self.faults.get(name) {
                return Err(fault.clone().into());
            }
            if let Some(secret) = self.secrets.get(name) {
                hosts.bind(name, secret.hosts.clone());
            }
        }
        Ok(hosts)
    }
}

/// Where this process has its secrets from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vault {
    pub(super) store: Store,
    pub(super) key: Option<Arc<MasterKey>>,
    /// Those that every workspace may use, unless it has its own of that name.
    environment: Arc<dyn Secrets>,
}

impl Vault {
    pub(crate) fn new(store: Store, key: Option<MasterKey>, environment: Arc<dyn Secrets>) -> Self {
        Self { store, key: key.map(Arc::new), environment }
    }

    /// Looks secrets up for an attempt. Waits for a database that does not do its part.
    ///
    /// # Errors
    /// `SECRET_UNREADABLE` when looking them up stops on a fault in FlowForge itself.
    pub(crate) async fn found_at_last(&self, workspace: WorkspaceId, names: BTreeSet<String>) -> Result<Found, NodeError> {
        let vault = self.clone();
        let found = on_its_own(async move {
            loop {
                match vault.found(workspace, &names).await {
                    Ok(found) => return found,
                    Err(fault) => tracing::warn!(%workspace, %fault, "secrets could not be read; trying again"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
        let broken = || NodeError::fatal("SECRET_UNREADABLE", "looking up secrets stopped on a fault in FlowForge itself");
        found.await.ok_or_else(broken)
    }

    async fn found(&self, workspace: WorkspaceId, names: &BTreeSet<String>) -> Result<Found> {
        let mut found = Found::default();
        for row in self.store.secret_rows_named(workspace, names).await? {
            match opened(self.key.as_deref(), &row) {
                Ok(value) => drop(found.secrets.insert(row.name, Secret { value, hosts: row.hosts })),
                Err(fault) => drop(found.faults.insert(row.name, fault)),
            }
        }
        for name in names {
            if !found.secrets.contains_key(name)
                && !found.faults.contains_key(name)
                && let Some(value) = self.environment.get(name)
            {
                let value = SecretValue::new(value.to_owned());
                found.secrets.insert(name.clone(), Secret { value, hosts: Vec::new() });
            }
        }
        Ok(found)
    }

    /// Whether the environment of this process has a secret for every workspace that has none of its own by this name.
    pub(crate) fn is_of_operator(&self, name: &str) -> bool {
        self.environment.get(name).is_some()
    }

    /// The values of those of these secrets that are there and can be decrypted.
    ///
    /// # Errors
    /// `Storage` when the database does not answer.
    pub(crate) async fn values(&self, workspace: WorkspaceId, names: &BTreeSet<String>) -> Result<BTreeMap<String, SecretValue>> {
        let found = self.found(workspace, names).await?;
        Ok(found.secrets.into_iter().map(|(name, secret)| (name, secret.value)).collect())
    }

    /// The value of one secret.
    ///
    /// # Errors
    /// `Conflict` when it is there and cannot be decrypted, `Storage` when the database does not answer.
    pub(crate) async fn value(&self, workspace: WorkspaceId, name: &str) -> Result<Option<SecretValue>> {
        let mut found = self.found(workspace, &BTreeSet::from([name.to_owned()])).await?;
        match found.faults.remove(name) {
            Some(fault) => Err(fault.into_error()),
            None => Ok(found.secrets.remove(name).map(|secret| secret.value)),
        }
    }
}
