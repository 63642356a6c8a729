//! Secrets: kept encrypted, by workspace, and opened at the moment of use. What was opened is held for one attempt and written
//! nowhere; a changed secret is used by the next attempt.

mod change;
mod key;
mod uses;
mod vault;

use flowforge_core::{
    Timestamp, UserId,
    node::NodeError,
    secret::{HostPattern, SecretValue},
};

pub(crate) use self::vault::{Found, Vault};
pub use self::{
    key::MasterKey,
    uses::{SecretUse, names_in},
};
use crate::{
    error::{Error, Result},
    store::{Store, secrets::SecretRow},
};

/// The fewest characters of a value: shorter ones would be masked in the middle of ordinary words, or not at all.
pub const SHORTEST_SECRET: usize = 8;

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
