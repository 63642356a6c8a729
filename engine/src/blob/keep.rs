//! Putting away what is too large for a row.

use bytes::Bytes;
use flowforge_core::{NodeId, RunId, WorkspaceId};
use object_store::{ObjectStoreExt, path::Path};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Blobs, FIRST_WAIT, INLINE, LARGEST, LONGEST_WAIT, Reference, failed};
use crate::{
    error::{Error, Result},
    executor::json_text,
};

/// How much of the hash stands in the key.
const HASH: usize = 32;

/// Where a value comes from: the beginning of its key.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) workspace: WorkspaceId,
    pub(crate) run: RunId,
    /// A node, or a word that no node has for its id.
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
}

impl Origin {
    /// Of a value that is the run's own: what it was given, or what it came to.
    pub(crate) fn of_run(workspace: WorkspaceId, run: RunId) -> Self {
        Self { workspace, run, node: NodeId::new(".run"), attempt: 0 }
    }

    fn path(&self, sha256: &str) -> Path {
        let name = format!("{}-{}", self.attempt, &sha256[..HASH]);
        Path::from_iter([self.workspace.to_string(), self.run.to_string(), self.node.to_string(), name])
    }
}

impl Blobs {
    /// A value as it stands in a row: itself, or a reference to it once it is put away.
    ///
    /// # Errors
    /// `Storage` when the store does not do its part, `BadInput` when the value is too large for it.
    pub(crate) async fn keep(&self, origin: Origin, value: Value) -> Result<Value> {
        let text = json_text(&value);
        match text.len() {
            bytes if bytes <= INLINE => Ok(value),
            bytes if bytes <= LARGEST => self.try_put(origin, text).await,
            bytes => Err(Error::BadInput(format!("a value has {bytes} bytes; the most is {LARGEST}"))),
        }
    }

    /// Puts a value away, which is given as JSON.
    ///
    /// # Errors
    /// `Storage` when the store does not do its part.
    pub(crate) async fn try_put(&self, origin: Origin, text: impl Into<Bytes>) -> Result<Value> {
        let (reference, value, bytes) = hashed(origin, text.into()).await?;
        self.write(&reference, bytes).await.map(|()| value)
    }

    /// The same until the store has done its part.
    pub(crate) async fn put(&self, origin: Origin, text: String) -> Value {
        let text = Bytes::from(text);
        let mut wait = FIRST_WAIT;
        loop {
            match self.try_put(origin.clone(), text.clone()).await {
                Ok(value) => return value,
                Err(fault) => {
                    tracing::warn!(run = %origin.run, node = %origin.node, %fault, "a large value could not be put away; trying again")
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn write(&self, reference: &Reference, bytes: Bytes) -> Result<()> {
        let path = Path::parse(&reference.key).map_err(|fault| Error::BadInput(fault.to_string()))?;
        self.0.objects.put(&path, bytes.into()).await.map(drop).map_err(failed)
    }
}

/// Whether a value, as it would be kept, is the one that is kept already, itself or as a reference.
pub(crate) fn is_kept_as(kept: &Value, value: Value) -> bool {
    match Reference::of(kept) {
        Some(reference) => hex(json_text(&value).as_bytes()) == reference.sha256,
        None => value == *kept,
    }
}

/// The reference of a value, which is given as JSON, and what stands in a row for it.
async fn hashed(origin: Origin, bytes: Bytes) -> Result<(Reference, Value, Bytes)> {
    let hash = move || {
        let sha256 = hex(&bytes);
        let reference = Reference { key: origin.path(&sha256).to_string(), size: bytes.len(), sha256 };
        let value = reference.to_value(&bytes);
        (reference, value, bytes)
    };
    tokio::task::spawn_blocking(hash).await.map_err(|fault| Error::Storage(fault.to_string()))
}

/// The SHA-256 of bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
