//! How a reference is told from what a user has written.
//!
//! In everything that the engine keeps, an object with the key `$blob` is a reference, and nothing else is. A user's own key of
//! that name is written with another `$` in front of it, and loses it again where values are used and shown.

use std::sync::Arc;

use flowforge_core::{RunId, WorkspaceId};
use serde_json::{Map, Value, json};

/// The key that marks a reference.
const MARK: &str = "$blob";
/// The most bytes of a preview.
const PREVIEW: usize = 200;

/// What stands in a row for a value that lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) key: String,
    /// In bytes, as JSON.
    pub(crate) size: usize,
    /// Of the JSON, in hex.
    pub(crate) sha256: String,
}

impl Reference {
    /// The reference that a kept value is, if it is one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Self::of_fields(value.as_object()?)
    }

    /// The same of an object's fields.
    pub(super) fn of_fields(fields: &Map<String, Value>) -> Option<Self> {
        let key = fields.get(MARK)?.as_str()?.to_owned();
        let size = usize::try_from(fields.get("size")?.as_u64()?).ok()?;
        Some(Self { key, size, sha256: fields.get("sha256")?.as_str()?.to_owned() })
    }

    /// As it stands in a row. `json` is the value.
    pub(crate) fn to_value(&self, json: &[u8]) -> Value {
        let preview = json[..json.len().min(PREVIEW)].utf8_chunks().next().map_or("", |chunk| chunk.valid());
        json!({ MARK: self.key, "size": self.size, "sha256": self.sha256, "preview": preview })
    }
}

/// The run whose values a key is among, if they are this workspace's.
pub(crate) fn run_of(workspace: WorkspaceId, key: &str) -> Option<RunId> {
    let (owner, rest) = key.split_once('/')?;
    let (run, rest) = rest.split_once('/')?;
    let is_whole = rest.split('/').count() == 2 && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    (is_whole && owner == workspace.to_string()).then(|| run.parse().ok()).flatten()
}

/// Whether a key marks a reference, or would without what was put in front of it.
pub(crate) fn is_mark(key: &str) -> bool {
    key.strip_suffix(MARK).is_some_and(|dollars| dollars.bytes().all(|byte| byte == b'$'))
}

/// Whether a kept value is what its user wrote: it holds no reference, and no key that looked like one.
pub(crate) fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(fields) => fields.iter().all(|(key, field)| !is_mark(key) && is_plain(field)),
        _ => true,
    }
}

/// A user's key as it is kept.
pub(crate) fn marked(key: String) -> String {
    if is_mark(&key) { format!("${key}") } else { key }
}

/// A kept value as its user wrote it; references are left as they are.
pub fn shown(value: Arc<Value>) -> Arc<Value> {
    if is_plain(&value) { value } else { Arc::new(unmarked(Arc::unwrap_or_clone(value))) }
}

/// The same of a value that is nobody else's.
pub fn unmarked(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(unmarked).collect()),
        Value::Object(fields) => {
            let field = |(key, field): (String, Value)| match key.strip_prefix('$').filter(|user| is_mark(user)) {
                Some(user) => (user.to_owned(), unmarked(field)),
                None => (key, unmarked(field)),
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::storable;

    #[track_caller]
    fn check(written: Value, kept: Value) {
        assert_eq!(storable(written.clone()), kept);
        assert_eq!(unmarked(kept), written);
    }

    #[test]
    fn what_looks_like_a_reference_is_kept_as_something_else() {
        let forged = json!({"$blob": "ws/run/a/1-x", "size": 1, "sha256": "x", "preview": ""});
        let kept = storable(forged.clone());
        assert_eq!(Reference::of(&kept), None);
        assert!(!is_plain(&kept) && Reference::of(&forged).is_some());
        check(forged, kept);
        check(json!([{"a": {"$blob": null}}]), json!([{"a": {"$$blob": null}}]));
        check(json!({"$$blob": 1, "$blob": 2, "$$$blob": 3}), json!({"$$$blob": 1, "$$blob": 2, "$$$$blob": 3}));
        for plain in [json!({"blob": 1, "a$blob": 2, "$blobs": 3, "$": 4}), json!(["$blob"]), json!(null)] {
            assert!(is_plain(&plain), "{plain}");
            check(plain.clone(), plain);
        }
    }

    #[test]
    fn a_key_is_its_workspaces_and_its_runs() {
        let (workspace, run) = (WorkspaceId::new(crate::clock::new_uuid()), RunId::new(crate::clock::new_uuid()));
        let key = |owner: &str, rest: &str| format!("{owner}/{run}/{rest}");
        let own = workspace.to_string();
        assert_eq!(run_of(workspace, &key(&own, "a/1-x")), Some(run));
        let other = WorkspaceId::new(crate::clock::new_uuid()).to_string();
        for foreign in
            [key(&other, "a/1-x"), key(&own, "a"), key(&own, "a/../x"), key(&own, "../1-x"), key(&own, "a//x"), key(&own, "")]
        {
            assert_eq!(run_of(workspace, &foreign), None, "{foreign}");
        }
    }
}
