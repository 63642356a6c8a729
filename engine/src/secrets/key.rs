//! The master key: what opens the secrets of all workspaces. It never lies in the database.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, KeyInit, Payload},
};
use flowforge_core::secret::SecretValue;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::store::secrets::{Sealed, SecretRow};

/// How long the key is, in bytes.
const KEY: usize = 32;
/// How long a nonce is, in bytes: long enough to be drawn at random for ever.
const NONCE: usize = 24;
/// What the id of a key is hashed with, so that it tells nothing else about the key.
const ID_PURPOSE: &[u8] = b"flowforge master key id\0";
/// What ciphertexts are bound to beside their workspace and their id.
const PURPOSE: &[u8] = b"flowforge secret\0";
/// How to make one.
const ADVICE: &str = "make one with `openssl rand -base64 32`";

/// The master key.
#[derive(Clone)]
pub struct MasterKey {
    key: Zeroizing<[u8; KEY]>,
    id: String,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl MasterKey {
    /// Reads a key: 32 bytes in base64.
    ///
    /// # Errors
    /// Words that fit behind `FLOWFORGE_MASTER_KEY` or the name of a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = BASE64_STANDARD.decode(text.trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| format!("does not hold a key in base64; {ADVICE}"))?;
        let key = <[u8; KEY]>::try_from(bytes.as_slice());
        let key = key.map_err(|_| format!("holds a key of {} bytes, not {KEY}; {ADVICE}", bytes.len()))?;
        Ok(Self::of(Zeroizing::new(key)))
    }

    fn of(key: Zeroizing<[u8; KEY]>) -> Self {
        let hash = Sha256::new().chain_update(ID_PURPOSE).chain_update(key.as_slice()).finalize();
        let id = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { key, id }
    }

    /// Reads the key in a file; nothing when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => Self::parse(&text).map(Some).map_err(|fault| format!("{} {fault}", path.display())),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(format!("{} cannot be read: {fault}", path.display())),
        }
    }

    /// Makes a key and a file that holds it, which only this user can read. A key that is there already is never replaced.
    ///
    /// # Errors
    /// When there is such a file, it cannot be written, or the system gives no randomness.
    pub fn make(path: &Path) -> Result<Self, String> {
        let failed = |fault: String| format!("a master key cannot be made in {}: {fault}", path.display());
        let key = <[u8; KEY]>::try_generate().map(Zeroizing::new).map_err(|fault| failed(fault.to_string()))?;
        let text = Zeroizing::new(BASE64_STANDARD.encode(key.as_slice()));
        write_new(path, text.as_bytes()).map_err(|fault| failed(fault.to_string()))?;
        Ok(Self::of(key))
    }

    /// What tells this key from others.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts a value for one row.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn seal(&self, row: &SecretRow, value: &SecretValue) -> Result<Sealed, String> {
        let nonce = XNonce::try_generate().map_err(|fault| format!("the system gives no randomness: {fault}"))?;
        let bound = binding(row);
        let payload = Payload { msg: value.expose().as_bytes(), aad: &bound };
        let sealed = self.cipher().encrypt(&nonce, payload).map_err(|_| "a secret cannot be encrypted".to_owned())?;
        Ok(Sealed { ciphertext: [nonce.as_slice(), &sealed].concat(), key_id: self.id.clone() })
    }

    /// Decrypts the value of a row; nothing when it is not what was written there with this key.
    pub(crate) fn open(&self, row: &SecretRow) -> Option<SecretValue> {
        let (nonce, sealed) = row.sealed.ciphertext.split_at_checked(NONCE)?;
        let bound = binding(row);
        let payload = Payload { msg: sealed, aad: &bound };
        let bytes = self.cipher().decrypt(&XNonce::try_from(nonce).ok()?, payload).ok()?;
        let text = String::from_utf8(bytes).map_err(|fault| fault.into_bytes().zeroize());
        text.ok().map(SecretValue::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }
}

/// Where alone a ciphertext is good.
fn binding(row: &SecretRow) -> Vec<u8> {
    [PURPOSE, row.workspace.uuid().as_bytes(), row.id.as_bytes()].concat()
}

/// Written beside and linked into place, so that there is never half a key, and of two who begin at once one is told.
fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use flowforge_core::{Timestamp, WorkspaceId};
    use uuid::Uuid;

    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::parse(&BASE64_STANDARD.encode([byte; KEY])).unwrap()
    }

    fn row(id: u128, workspace: u128) -> SecretRow {
        SecretRow {
            id: Uuid::from_u128(id),
            workspace: WorkspaceId::new(Uuid::from_u128(workspace)),
            name: "TOKEN".to_owned(),
            sealed: Sealed { ciphertext: Vec::new(), key_id: String::new() },
            hosts: Vec::new(),
            created_by: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn opened(key: &MasterKey, row: SecretRow, sealed: &Sealed) -> Option<String> {
        key.open(&SecretRow { sealed: sealed.clone(), ..row }).map(|value| value.expose().to_owned())
    }

    #[test]
    fn a_value_is_opened_in_its_own_row_and_with_its_own_key_only() {
        let value = SecretValue::new("correct horse".to_owned());
        let sealed = key(1).seal(&row(1, 1), &value).unwrap();
        assert_eq!(opened(&key(1), row(1, 1), &sealed).as_deref(), Some("correct horse"));
        assert_eq!(opened(&key(2), row(1, 1), &sealed), None);
        assert_eq!(opened(&key(1), row(2, 1), &sealed), None);
        assert_eq!(opened(&key(1), row(1, 2), &sealed), None);
        assert_ne!(key(1).seal(&row(1, 1), &value).unwrap(), sealed, "every nonce is another one");
    }

    #[test]
    fn what_was_cut_or_changed_is_not_opened() {
        let sealed = key(1).seal(&row(1, 1), &SecretValue::new("correct horse".to_owned())).unwrap();
        for length in 0..sealed.ciphertext.len() {
            let cut = Sealed { ciphertext: sealed.ciphertext[..length].to_vec(), ..sealed.clone() };
            assert_eq!(opened(&key(1), row(1, 1), &cut), None, "{length}");
        }
        for at in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[at] ^= 1;
            assert_eq!(opened(&key(1), row(1, 1), &changed), None, "{at}");
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_for_this_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        assert!(MasterKey::read(&path).unwrap().is_none());
        let made = MasterKey::make(&path).unwrap();
        assert_eq!(MasterKey::read(&path).unwrap().unwrap().id(), made.id());
        assert!(MasterKey::make(&path).is_err());
        assert_eq!(MasterKey::read(&path).unwrap().unwrap().id(), made.id());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for text in ["", "nonsense!", "c2hvcnQ=", &"A".repeat(88)] {
            let fault = MasterKey::parse(text).unwrap_err();
            assert!(fault.contains("openssl") && (text.is_empty() || !fault.contains(text)), "{fault}");
        }
        assert_eq!(format!("{:?}", key(7)), format!("MasterKey({})", key(7).id()));
    }
}
