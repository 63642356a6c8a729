//! The secret that all tokens are signed with.
//!
//! It comes from `FLOWFORGE_JWT_KEY`, or from a file in the data folder that the first start makes. It is not kept in the
//! database, so that who can read the database cannot sign in as somebody. Processes that share a database must be given
//! the same key; the server says so at start when it runs on PostgreSQL with a key of its own.

use std::{fmt, fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret;

/// The shortest key that is accepted, in bytes.
const MIN_LEN: usize = 32;

/// The secret.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key that the operator gives.
    ///
    /// # Errors
    /// When it is too short to be safe.
    pub(crate) fn from_setting(text: &str) -> Result<Self, String> {
        if text.len() < MIN_LEN {
            let advice = "make one with `openssl rand -base64 48`";
            return Err(format!("FLOWFORGE_JWT_KEY has {} bytes and needs {MIN_LEN} or more; {advice}", text.len()));
        }
        Ok(Self(text.as_bytes().to_vec()))
    }

    /// The key in a file that only this user can read; made when there is none.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds no key: a new one is never made silently, as it would sign
    /// everybody out.
    pub(crate) fn from_file(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => make(path),
            read => read,
        };
        let text = text.map_err(|fault| format!("the key of the tokens, {}, cannot be read or made: {fault}", path.display()))?;
        let key = BASE64_STANDARD.decode(text.trim()).ok().filter(|key| key.len() >= MIN_LEN);
        let advice = "restore it, or remove it to have a new one made, which signs everybody out";
        key.map(Self).ok_or_else(|| format!("{} does not hold a key; {advice}", path.display()))
    }

    /// A key for one purpose: a token of one kind never passes for another.
    pub(super) fn for_purpose(&self, purpose: &str) -> Vec<u8> {
        mac(&self.0).chain_update(purpose).finalize().into_bytes().to_vec()
    }
}

/// Written beside and renamed, so that a crash leaves no half key behind.
fn make(path: &Path) -> io::Result<String> {
    use std::io::Write;
    let text = BASE64_STANDARD.encode(secret::bytes::<48>()?);
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    Ok(text)
}

/// HMAC-SHA-256 with this key.
pub(super) fn mac(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(key).expect("any length will do")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_this_user_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.key");
        let first = Key::from_file(&path).unwrap();
        assert_eq!(first.0, Key::from_file(&path).unwrap().0);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_short_key_and_a_spoilt_file_are_refused() {
        assert!(Key::from_setting("too short").is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.key");
        fs::write(&path, "nonsense").unwrap();
        assert!(Key::from_file(&path).is_err());
    }
}
