//! Whether the secrets in the database can be decrypted.

use flowforge_engine::{Store, check_master_key, unreadable_secrets};

use super::{Finding, Level};
use crate::{config::Data, failure::Failure, secrets::master_key};

const NAME: &str = "secrets";

/// What keeps secrets from being used, a finding each; one good one when nothing does.
pub(super) async fn check(data: &Data, store: &Store) -> Vec<Finding> {
    match look(data, store).await {
        Ok(findings) => findings,
        Err(failure) => vec![Finding::new(NAME, Level::Missing, failure.to_string())],
    }
}

async fn look(data: &Data, store: &Store) -> Result<Vec<Finding>, Failure> {
    let key = master_key(store, data, false).await?;
    check_master_key(store, key.as_ref()).await?;
    let unreadable = unreadable_secrets(store, key.as_ref()).await?;
    if !unreadable.is_empty() {
        return Ok(unreadable.into_iter().map(|text| Finding::new(NAME, Level::Broken, text)).collect());
    }
    let good = match key {
        Some(key) => format!("all can be decrypted with the master key {}", key.id()),
        None => "there are none, and no master key to keep any with".to_owned(),
    };
    Ok(vec![Finding::new(NAME, Level::Good, good)])
}
