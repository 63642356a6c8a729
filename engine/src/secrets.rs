//! Secrets: kept encrypted, by workspace, and opened at the moment of use. What was opened is held for one attempt and written
//! nowhere; a changed secret is used by the next attempt.

mod key;
mod uses;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use flowforge_core::{
    Timestamp, UserId, WorkspaceId,
    node::NodeError,
    secret::{HostPattern, SecretHosts, SecretValue},
    template::Secrets,
};

pub use self::{
    key::MasterKey,
    uses::{SecretUse, names_in},
};
use crate::{
    clock,
    error::{Error, Result},
    shared::on_its_own,
    store::{
        Store,
        secrets::{Sealed, SecretRow},
    },
};

/// The fewest characters of a value: shorter ones would be masked in the middle of ordinary words, or not at all.
pub const SHORTEST_SECRET: usize = 8;
/// The most bytes of a value.
const LONGEST: usize = 64 << 10;
/// The most characters of a name.
const LONGEST_NAME: usize = 64;
/// The most hosts of a secret.
const MOST_HOSTS: usize = 100;
/// The wait before the database is asked again that did not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// A secret as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Its name.
    pub name: String,
    /// Where its value may be sent; anywhere when empty.
    pub hosts: Vec<HostPattern>,
    /// Who saved it first.
    pub created_by: Option<UserId>,
    /// When that was.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A secret to be saved.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// What workflows call it: a letter or `_`, then letters, digits and `_`.
    pub name: String,
    /// Its value, of 8 characters or more.
    pub value: SecretValue,
    /// Where it may be sent; anywhere when empty.
    pub hosts: Vec<HostPattern>,
    /// Who saves it.
    pub created_by: Option<UserId>,
}

/// What is to change in a secret; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SecretChange {
    /// A new value.
    pub value: Option<SecretValue>,
    /// A new list of hosts. Only who knows the value may have it sent to further ones.
    pub hosts: Option<Vec<HostPattern>>,
}

/// Refuses a master key that does not open what is in the database.
///
/// # Errors
/// `Conflict` with words that say what to do, `Storage` when the database does not answer.
pub async fn check_master_key(store: &Store, key: Option<&MasterKey>) -> Result<()> {
    let mut others = store.secret_key_ids().await?;
    if let Some(key) = key {
        others.remove(key.id());
    }
    if others.is_empty() {
        return Ok(());
    }
    let others: Vec<_> = others.into_iter().collect();
    let ours = key.map_or_else(|| "no master key".to_owned(), |key| format!("the master key {}", key.id()));
    let message = format!(
        "the database holds secrets that are encrypted under the master key {}, and this process has {ours}; give it the right one with \
         FLOWFORGE_MASTER_KEY or --master-key-file: nothing else opens them, and no new key is made while they are there",
        others.join(" and ")
    );
    Err(Error::Conflict { code: "other_master_key", message })
}

/// Encrypts all secrets under another key, all of them or none, and says how many there are.
///
/// # Errors
/// `Conflict` when one of them cannot be decrypted, `Storage` when the database does not do its part.
pub async fn rotate_master_key(store: &Store, old: &MasterKey, new: &MasterKey) -> Result<usize> {
    let seal = |row: &SecretRow| {
        let value = opened(Some(old), row).map_err(Fault::into_error)?;
        new.seal(row, &value).map_err(Error::Storage)
    };
    store.reseal_secrets(seal).await
}

/// What is wrong with the secrets in the database, in words; nothing when all of them can be used.
///
/// # Errors
/// When the database does not answer.
pub async fn unreadable_secrets(store: &Store, key: Option<&MasterKey>) -> Result<Vec<String>> {
    let rows = store.all_secret_rows().await?;
    let fault = |row: &SecretRow| opened(key, row).err().map(|fault| format!("workspace {}: {}", row.workspace, fault.told()));
    Ok(rows.iter().filter_map(fault).collect())
}

/// Why a secret's value cannot be had although its row is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "the secret `{0}` cannot be decrypted: this process has no master key; give it FLOWFORGE_MASTER_KEY or --master-key-file"
    )]
    NoKey(String),
    #[error(
        "the secret `{name}` cannot be decrypted: it is encrypted under the master key {theirs}, and this process has {ours}; give all \
         processes the same FLOWFORGE_MASTER_KEY"
    )]
    OtherKey { name: String, theirs: String, ours: String },
    #[error("the secret `{0}` cannot be decrypted: its row was cut, changed or moved in the database; save its value again")]
    Broken(String),
}

impl Fault {
    fn told(&self) -> String {
        self.to_string()
    }

    fn into_error(self) -> Error {
        Error::Conflict { code: "secret_unreadable", message: self.told() }
    }
}

impl From<Fault> for NodeError {
    fn from(fault: Fault) -> Self {
        Self::fatal("SECRET_UNREADABLE", fault.told())
    }
}

fn opened(key: Option<&MasterKey>, row: &SecretRow) -> Result<SecretValue, Fault> {
    let name = || row.name.clone();
    let key = key.ok_or_else(|| Fault::NoKey(name()))?;
    if key.id() != row.sealed.key_id {
        return Err(Fault::OtherKey { name: name(), theirs: row.sealed.key_id.clone(), ours: key.id().to_owned() });
    }
    key.open(row).ok_or_else(|| {
        tracing::error!(workspace = %row.workspace, secret = row.name, "a secret's row is not what was written");
        Fault::Broken(name())
    })
}

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
    store: Store,
    key: Option<Arc<MasterKey>>,
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

    pub(crate) async fn list(&self, workspace: WorkspaceId) -> Result<Vec<SecretRecord>> {
        Ok(self.store.secret_rows(workspace).await?.into_iter().map(shown).collect())
    }

    pub(crate) async fn create(&self, workspace: WorkspaceId, new: NewSecret, at: Timestamp) -> Result<SecretRecord> {
        check_name(&new.name)?;
        check_value(&new.value)?;
        let mut row = SecretRow {
            id: clock::new_uuid(),
            workspace,
            name: new.name,
            sealed: Sealed { ciphertext: Vec::new(), key_id: String::new() },
            hosts: tidied(new.hosts)?,
            created_by: new.created_by,
            created_at: at,
            updated_at: at,
        };
        row.sealed = self.sealed(&row, &new.value)?;
        self.store.add_secret(&row).await?;
        Ok(shown(row))
    }

    pub(crate) async fn change(
        &self,
        workspace: WorkspaceId,
        name: &str,
        change: SecretChange,
        at: Timestamp,
    ) -> Result<SecretRecord> {
        check_name(name).map_err(|_| Error::NotFound("secret"))?;
        let before = self.store.secret_rows_named(workspace, &BTreeSet::from([name.to_owned()])).await?.pop();
        let before = before.ok_or(Error::NotFound("secret"))?;
        let mut after = before.clone();
        if let Some(hosts) = change.hosts {
            after.hosts = tidied(hosts)?;
            if change.value.is_none() && is_wider(&before.hosts, &after.hosts) {
                let message = "`hosts` would let the value be sent to further hosts: give `value` along with it";
                return Err(Error::BadInput(message.to_owned()));
            }
        }
        if let Some(value) = change.value {
            check_value(&value)?;
            after.sealed = self.sealed(&after, &value)?;
        }
        // Two changes within a millisecond are told apart too.
        after.updated_at = at.max(before.updated_at.plus_ms(1));
        self.store.change_secret(&before, &after).await?;
        Ok(shown(after))
    }

    pub(crate) async fn delete(&self, workspace: WorkspaceId, name: &str) -> Result<()> {
        check_name(name).map_err(|_| Error::NotFound("secret"))?;
        self.store.remove_secret(workspace, name).await
    }

    fn sealed(&self, row: &SecretRow, value: &SecretValue) -> Result<Sealed> {
        let message = "there is no master key to encrypt secrets with; give all processes the same FLOWFORGE_MASTER_KEY, 32 bytes in \
                       base64, as `openssl rand -base64 32` makes it, and start them again";
        let key = self.key.as_ref().ok_or_else(|| Error::Conflict { code: "no_master_key", message: message.to_owned() })?;
        key.seal(row, value).map_err(Error::Storage)
    }
}

fn shown(row: SecretRow) -> SecretRecord {
    let SecretRow { name, hosts, created_by, created_at, updated_at, .. } = row;
    SecretRecord { name, hosts, created_by, created_at, updated_at }
}

/// Whether a list lets a value go where the other one does not.
fn is_wider(before: &[HostPattern], after: &[HostPattern]) -> bool {
    !before.is_empty() && (after.is_empty() || after.iter().any(|host| !before.contains(host)))
}

fn tidied(mut hosts: Vec<HostPattern>) -> Result<Vec<HostPattern>> {
    hosts.sort();
    hosts.dedup();
    if hosts.len() > MOST_HOSTS {
        return Err(Error::BadInput(format!("`hosts` has {} entries; the most is {MOST_HOSTS}", hosts.len())));
    }
    Ok(hosts)
}

fn check_name(name: &str) -> Result<()> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && name.len() <= LONGEST_NAME && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(Error::BadInput(format!(
        "`name` must be a letter or `_`, then letters, digits and `_`, {LONGEST_NAME} characters at most, like SLACK_TOKEN"
    )))
}

fn check_value(value: &SecretValue) -> Result<()> {
    let value = value.expose();
    let length = value.trim().chars().count();
    let fault = if length < SHORTEST_SECRET {
        format!(
            "`value` has {length} characters and needs {SHORTEST_SECRET} or more: a shorter one turns up in ordinary words, so it cannot \
             be masked reliably in logs and outputs"
        )
    } else if value.len() > LONGEST {
        format!("`value` has {} bytes; the most is {LONGEST}", value.len())
    } else if value.contains('\0') {
        "`value` holds the character U+0000, which no header and no variable can carry".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::BadInput(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_have_their_bounds() {
        for name in ["A", "_", "slack_TOKEN_2", &"a".repeat(64)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "2A", "A-B", "A B", "Ä", "A.B", "A\n", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let check = |value: &str| check_value(&SecretValue::new(value.to_owned()));
        assert!(check("12345678").is_ok() && check(&"x".repeat(LONGEST)).is_ok());
        for value in ["", "1234567", "      1      ", "12345678\0", &"x".repeat(LONGEST + 1)] {
            let fault = check(value).unwrap_err().to_string();
            assert!(value.trim().len() < 4 || !fault.contains(value), "{fault}");
        }
    }

    #[test]
    fn a_list_of_hosts_is_wider_when_it_has_one_more_or_none() {
        let hosts = |text: &str| text.split_whitespace().map(|host| host.parse().unwrap()).collect::<Vec<HostPattern>>();
        let wider = |before: &str, after: &str| is_wider(&hosts(before), &hosts(after));
        assert!(wider("a.org", "") && wider("a.org", "a.org b.org") && wider("a.org", "*.a.org") && wider("a.b.org", "b.org"));
        assert!(!wider("", "a.org") && !wider("a.org b.org", "b.org") && !wider("a.org", "a.org") && !wider("", ""));
    }
}
