//! Saving, changing and deleting secrets.

use std::collections::BTreeSet;

use flowforge_core::{
    Timestamp, WorkspaceId,
    secret::{HostPattern, SecretValue},
};

use super::{NewSecret, SHORTEST_SECRET, SecretChange, SecretRecord, Vault};
use crate::{
    clock,
    error::{Error, Result},
    store::secrets::{Sealed, SecretRow},
};

/// The most bytes of a value.
const LONGEST: usize = 64 << 10;
/// The most characters of a name.
const LONGEST_NAME: usize = 64;
/// The most hosts of a secret.
const MOST_HOSTS: usize = 100;

impl Vault {
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

    pub(crate) async fn delete(&self, workspace: WorkspaceId, name: &str, falls_back: bool) -> Result<()> {
        check_name(name).map_err(|_| Error::NotFound("secret"))?;
        let is_there = !self.store.secret_rows_named(workspace, &BTreeSet::from([name.to_owned()])).await?.is_empty();
        if is_there && !falls_back && self.is_of_operator(name) {
            let message = format!(
                "the operator has a secret `{name}` for all workspaces, which steps that name it would use from then on; delete it with \
                 `fall_back=true` if that is meant, or give it a value that nobody accepts"
            );
            return Err(Error::Conflict { code: "secret_of_operator", message });
        }
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
