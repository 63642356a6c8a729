//! Fetching what references stand for, where values are used.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use flowforge_core::{WorkspaceId, node::NodeError};
use object_store::{ObjectStoreExt, path::Path};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{Blobs, FIRST_WAIT, LONGEST_WAIT, ROOM, Reference, keep::hex, mark};

/// Values as their users wrote them, and the room that they take until this is dropped.
#[derive(Debug)]
pub(crate) struct Opened {
    /// In the order in which they were asked for.
    pub(crate) values: Vec<Arc<Value>>,
    _room: Option<OwnedSemaphorePermit>,
}

/// What was fetched so far, as it is kept, by its key.
type Fetched = BTreeMap<String, Arc<Value>>;

impl Blobs {
    /// Kept values as their users wrote them, with everything in the place of its reference. Waits for room, and for a store
    /// that does not do its part.
    ///
    /// # Errors
    /// `BLOB_MISSING` when a value is gone or is not what was put away, `INPUT_TOO_LARGE` when they do not fit into memory.
    pub(crate) async fn read(&self, workspace: WorkspaceId, values: Vec<Arc<Value>>) -> Result<Opened, NodeError> {
        let mut needed = 0;
        loop {
            // Whoever waits for room holds none, or two would wait for each other.
            let mut room = self.wait_for_room(needed).await?;
            let mut fetched = Fetched::new();
            let mut has_room = true;
            loop {
                let open = unfetched(&values, &fetched);
                if open.is_empty() {
                    break;
                }
                let total = size(&values, &fetched)?;
                if total > needed {
                    let more = self.0.room.clone().try_acquire_many_owned(kib(total) - kib(needed));
                    needed = total;
                    match (more, &mut room) {
                        (Ok(more), Some(room)) => room.merge(more),
                        (Ok(more), room) => *room = Some(more),
                        (Err(_), _) => {
                            has_room = false;
                            break;
                        }
                    }
                }
                for reference in open {
                    let value = self.fetch(workspace, &reference).await?;
                    fetched.insert(reference.key, Arc::new(value));
                }
            }
            if has_room {
                return Ok(Opened { values: whole(&values, &fetched), _room: room });
            }
        }
    }

    async fn wait_for_room(&self, needed: usize) -> Result<Option<OwnedSemaphorePermit>, NodeError> {
        if needed == 0 {
            return Ok(None);
        }
        // Nobody closes it.
        Ok(self.0.room.clone().acquire_many_owned(kib(needed)).await.ok())
    }

    /// One value as it is kept.
    pub(crate) async fn fetch(&self, workspace: WorkspaceId, reference: &Reference) -> Result<Value, NodeError> {
        let path = Path::parse(&reference.key).ok().filter(|_| mark::run_of(workspace, &reference.key).is_some());
        let path = path.ok_or_else(|| missing(reference, "is not this workspace's"))?;
        let bytes = self.bytes(&path, reference).await?;
        let wanted = reference.clone();
        let read = move || {
            let is_whole = bytes.len() == wanted.size && hex(&bytes) == wanted.sha256;
            is_whole.then(|| serde_json::from_slice(&bytes).ok()).flatten()
        };
        let value = tokio::task::spawn_blocking(read).await.ok().flatten();
        value.ok_or_else(|| missing(reference, "is not what was put away"))
    }

    async fn bytes(&self, path: &Path, reference: &Reference) -> Result<Bytes, NodeError> {
        let mut wait = FIRST_WAIT;
        loop {
            let read = async { self.0.objects.get(path).await?.bytes().await };
            match read.await {
                Ok(bytes) => return Ok(bytes),
                Err(object_store::Error::NotFound { .. }) => return Err(missing(reference, "is gone")),
                Err(fault) => tracing::warn!(key = reference.key, %fault, "a large value could not be read; trying again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

fn missing(reference: &Reference, how: &str) -> NodeError {
    let message = format!("the value {} ({} bytes) {how}; was the blob store changed or cleared?", reference.key, reference.size);
    NodeError::fatal("BLOB_MISSING", message)
}

/// The references in values, and in what was fetched for them, that were not followed yet.
fn unfetched(values: &[Arc<Value>], fetched: &Fetched) -> Vec<Reference> {
    let mut open: BTreeMap<String, Reference> = BTreeMap::new();
    let mut note = |reference: Reference| {
        if !fetched.contains_key(&reference.key) {
            open.insert(reference.key.clone(), reference);
        }
    };
    values.iter().chain(fetched.values()).for_each(|value| each(value, &mut note));
    open.into_values().collect()
}

fn each(value: &Value, note: &mut impl FnMut(Reference)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| each(item, note)),
        Value::Object(fields) => match Reference::of(value) {
            Some(reference) => note(reference),
            None => fields.values().for_each(|field| each(field, note)),
        },
        _ => {}
    }
}

/// How many bytes the values would have, as far as is known, when everything stands in the place of its reference. A value that
/// is nothing but a reference shares what it stands for with others.
fn size(values: &[Arc<Value>], fetched: &Fetched) -> Result<usize, NodeError> {
    let mut sizes = BTreeMap::new();
    let mut shared = BTreeMap::new();
    let mut total = 0_usize;
    for value in values {
        let mut bytes = 0_usize;
        each(value, &mut |reference| bytes = bytes.saturating_add(expanded(&reference, fetched, &mut sizes)));
        match Reference::of(value) {
            Some(reference) => drop(shared.insert(reference.key, bytes)),
            None => total = total.saturating_add(bytes),
        }
    }
    let total = shared.into_values().fold(total, usize::saturating_add);
    if total > ROOM {
        let message = format!("what the step reads has {total} bytes; the most is {ROOM}: read less at once");
        return Err(NodeError::fatal("INPUT_TOO_LARGE", message));
    }
    Ok(total)
}

/// References cannot stand in a circle: each holds a hash of what it stands for.
fn expanded(reference: &Reference, fetched: &Fetched, sizes: &mut BTreeMap<String, usize>) -> usize {
    if let Some(known) = sizes.get(&reference.key) {
        return *known;
    }
    let mut bytes = reference.size;
    if let Some(value) = fetched.get(&reference.key) {
        each(value, &mut |inner| bytes = bytes.saturating_add(expanded(&inner, fetched, sizes)));
    }
    sizes.insert(reference.key.clone(), bytes);
    bytes
}

/// The values as their users wrote them. What several are nothing but a reference to is one value.
fn whole(values: &[Arc<Value>], fetched: &Fetched) -> Vec<Arc<Value>> {
    let mut shared: BTreeMap<String, Arc<Value>> = BTreeMap::new();
    let mut one = |value: &Arc<Value>| match Reference::of(value).and_then(|it| Some((fetched.get(&it.key)?, it.key))) {
        Some((found, key)) => shared.entry(key).or_insert_with(|| opened(found, fetched)).clone(),
        None => opened(value, fetched),
    };
    values.iter().map(&mut one).collect()
}

fn opened(value: &Arc<Value>, fetched: &Fetched) -> Arc<Value> {
    if super::is_plain(value) { value.clone() } else { Arc::new(mark::unmarked(replaced(value, fetched))) }
}

fn replaced(value: &Value, fetched: &Fetched) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| replaced(item, fetched)).collect(),
        Value::Object(fields) => match Reference::of(value).and_then(|reference| fetched.get(&reference.key)) {
            Some(found) => replaced(found, fetched),
            None => fields.iter().map(|(key, field)| (key.clone(), replaced(field, fetched))).collect(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use flowforge_core::{NodeId, RunId};
    use serde_json::json;

    use super::*;
    use crate::{
        blob::{BlobConfig, Origin},
        clock,
    };

    struct Store {
        blobs: Blobs,
        workspace: WorkspaceId,
        folder: tempfile::TempDir,
    }

    impl Store {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let blobs = Blobs::open(&BlobConfig::Folder(folder.path().to_owned())).unwrap();
            Self { blobs, workspace: WorkspaceId::new(clock::new_uuid()), folder }
        }

        async fn put(&self, value: Value) -> Value {
            let run = RunId::new(clock::new_uuid());
            let origin = Origin { workspace: self.workspace, run, node: NodeId::new("a"), attempt: 1 };
            self.blobs.put(origin, value.to_string()).await
        }

        async fn read(&self, value: Value) -> Result<Value, String> {
            let opened = self.blobs.read(self.workspace, vec![Arc::new(value)]).await;
            opened.map(|opened| (*opened.values[0]).clone()).map_err(|fault| fault.code.into_owned())
        }
    }

    #[tokio::test]
    async fn references_are_followed_as_deep_as_they_stand() {
        let store = Store::new();
        let inner = store.put(json!({"$$blob": "a user's"})).await;
        let outer = store.put(json!([inner, 1, {"again": inner}])).await;
        let users = json!({"$blob": "a user's"});
        let expected = json!({"x": [users, 1, {"again": users}]});
        assert_eq!(store.read(json!({ "x": outer })).await, Ok(expected));
        let value = Arc::new(outer);
        let both = store.blobs.read(store.workspace, vec![value.clone(), value]).await.unwrap().values;
        assert!(Arc::ptr_eq(&both[0], &both[1]), "one value, however often it is read");
    }

    #[tokio::test]
    async fn what_was_changed_or_is_another_workspace_s_is_not_given() {
        let store = Store::new();
        let value = store.put(json!("a")).await;
        let file = store.folder.path().join(value["$blob"].as_str().unwrap());
        assert_eq!(store.read(value.clone()).await, Ok(json!("a")));
        std::fs::write(&file, "\"b\"").unwrap();
        assert_eq!(store.read(value.clone()).await, Err("BLOB_MISSING".to_owned()));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(store.read(value).await, Err("BLOB_MISSING".to_owned()));
        let other =
            Store { workspace: WorkspaceId::new(clock::new_uuid()), blobs: store.blobs.clone(), folder: Store::new().folder };
        let foreign = store.put(json!("c")).await;
        assert_eq!(other.read(foreign).await, Err("BLOB_MISSING".to_owned()));
    }

    #[tokio::test]
    async fn few_bytes_that_stand_for_far_too_many_are_refused() {
        let store = Store::new();
        let mut value = store.put(json!("x".repeat(1_000))).await;
        for _ in 0..8 {
            value = store.put(Value::Array(vec![value; 10])).await;
        }
        assert_eq!(store.read(value).await, Err("INPUT_TOO_LARGE".to_owned()));
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_for_it() {
        let store = Store::new();
        let value = Arc::new(store.put(json!("x".repeat(100_000))).await);
        let first = store.blobs.read(store.workspace, vec![value.clone()]).await.unwrap();
        let rest = store.blobs.0.room.available_permits();
        let taken = store.blobs.0.room.clone().acquire_many_owned(u32::try_from(rest).unwrap()).await.unwrap();
        let (blobs, workspace) = (store.blobs.clone(), store.workspace);
        let second = tokio::spawn(async move { blobs.read(workspace, vec![value]).await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop((taken, first));
        assert!(second.await.unwrap().is_ok());
        assert_eq!(store.blobs.0.room.available_permits(), ROOM / 1024, "everything is given back");
    }
}
