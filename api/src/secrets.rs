//! What the secrets of this process stand on: the master key, and environment variables `FLOWFORGE_SECRET_<NAME>`, read at start.

use std::{collections::HashMap, env, fmt, fs, os::unix::fs::PermissionsExt, path::Path};

use flowforge_core::{secret::SecretValue, template::Secrets};
use flowforge_engine::{Location, MasterKey, SHORTEST_SECRET, Store};

use crate::{
    config::{Data, given},
    failure::Failure,
};

const PREFIX: &str = "FLOWFORGE_SECRET_";

/// The master key that the settings name; none when there is none. On SQLite, and while there are no secrets, one is made if it may be.
///
/// # Errors
/// When the setting or the file holds no key, or it cannot be made.
pub(crate) async fn master_key(store: &Store, data: &Data, may_be_made: bool) -> Result<Option<MasterKey>, Failure> {
    if let Some(text) = given(&data.master_key.text) {
        let key = MasterKey::parse(text).map_err(|fault| Failure(format!("FLOWFORGE_MASTER_KEY {fault}")))?;
        return Ok(Some(key));
    }
    let path = data.master_key.file.clone().unwrap_or_else(|| data.data_dir.join("master.key"));
    if let Some(key) = MasterKey::read(&path).map_err(|fault| Failure(format!("the master key's file {fault}")))? {
        warn_of_readers(&path);
        return Ok(Some(key));
    }
    if may_be_made && matches!(store.location(), Location::Sqlite(_)) && store.secret_key_ids().await?.is_empty() {
        return Ok(Some(MasterKey::make(&path)?));
    }
    match &data.master_key.file {
        Some(path) => Err(Failure(format!("the master key's file {} does not exist; put it back", path.display()))),
        None => Ok(None),
    }
}

fn warn_of_readers(path: &Path) {
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        tracing::warn!("others than its owner may read the master key in {0}; run `chmod 600 {0}`", path.display());
    }
}

/// Secrets by name, for every workspace. Never printed.
#[derive(Clone, Default)]
pub(crate) struct EnvironmentSecrets(HashMap<String, SecretValue>);

impl EnvironmentSecrets {
    /// Collects them.
    pub(crate) fn collect(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let named = |(name, value): (String, String)| {
            let name = name.strip_prefix(PREFIX).filter(|name| !name.is_empty())?;
            Some((name.to_owned(), SecretValue::new(value)))
        };
        Self(variables.into_iter().filter_map(named).collect())
    }

    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let text =
            |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let secrets = Self::collect(env::vars_os().filter_map(text));
        let short = |(_, value): &(&String, &SecretValue)| value.expose().trim().chars().count() < SHORTEST_SECRET;
        let mut short: Vec<_> = secrets.0.iter().filter(short).map(|(name, _)| name.as_str()).collect();
        short.sort_unstable();
        if !short.is_empty() {
            let names = short.join(", ");
            tracing::warn!("secrets of fewer than {SHORTEST_SECRET} characters cannot be masked wherever they turn up: {names}");
        }
        secrets
    }
}

impl fmt::Debug for EnvironmentSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets for EnvironmentSecrets {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(SecretValue::expose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_by_its_name_and_not_printed() {
        let variables = [("FLOWFORGE_SECRET_TOKEN", "hush"), ("FLOWFORGE_SECRET_", "x"), ("HOME", "/root")];
        let secrets = EnvironmentSecrets::collect(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(secrets.get("TOKEN"), Some("hush"));
        assert_eq!((secrets.get("HOME"), secrets.get("")), (None, None));
        assert_eq!(format!("{secrets:?}"), r#"{"TOKEN"}"#);
    }
}
