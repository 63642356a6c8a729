//! Lists that are too long for a row: they are put away in pages, each of which is read by itself.

use std::sync::Arc;

use flowforge_core::{WorkspaceId, awaiting::Page, node::NodeError};
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Blobs, INLINE, LARGEST, Origin, Reference};
use crate::executor::json_text;

/// How many pages are put away at once.
const AT_ONCE: usize = 4;

impl Blobs {
    /// Puts a list away, as it is kept. An item that is too large for a row is put away on its own.
    ///
    /// # Errors
    /// `OUTPUT_TOO_LARGE` when the list is larger than any value may be.
    pub(crate) async fn put_list(&self, origin: &Origin, items: Vec<Value>) -> Result<Vec<Page>, NodeError> {
        let mut pages = Vec::new();
        let (mut text, mut count, mut total) = (String::from("["), 0, 0_usize);
        for item in items {
            let mut item = json_text(&item);
            total = total.saturating_add(item.len());
            if total > LARGEST {
                return Err(too_large(total));
            }
            if item.len() > INLINE {
                item = json_text(&self.put(origin.clone(), item).await);
            }
            if count > 0 && text.len() + item.len() > INLINE {
                pages.push((count, std::mem::replace(&mut text, String::from("["))));
                count = 0;
            }
            if count > 0 {
                text.push(',');
            }
            text.push_str(&item);
            count += 1;
        }
        pages.push((count, text));
        let put = |(count, text): (u32, String)| async move { Page { count, kept: self.put(origin.clone(), text + "]").await } };
        Ok(stream::iter(pages).map(put).buffered(AT_ONCE).collect().await)
    }
}

fn too_large(bytes: usize) -> NodeError {
    let message = format!("what is handed over has {bytes} bytes and more; the most is {LARGEST}: hand over less");
    NodeError::fatal("OUTPUT_TOO_LARGE", message)
}

/// The pages of one run's lists. The last one that was read is kept: items are mostly read one after the other.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<Option<(String, Arc<Vec<Value>>)>>);

impl Pages {
    /// An item of a page.
    ///
    /// # Errors
    /// `BLOB_MISSING` when the page is gone.
    pub(crate) async fn item(&self, blobs: &Blobs, workspace: WorkspaceId, page: &Value, at: usize) -> Result<Value, NodeError> {
        let broken = || NodeError::fatal("BLOB_MISSING", "the list of items is not what was put away");
        let reference = Reference::of(page).ok_or_else(broken)?;
        let mut last = self.0.lock().await;
        let items = match &*last {
            Some((key, items)) if *key == reference.key => items.clone(),
            _ => {
                let Value::Array(items) = blobs.fetch(workspace, &reference).await? else { return Err(broken()) };
                last.insert((reference.key, Arc::new(items))).1.clone()
            }
        };
        items.get(at).cloned().ok_or_else(broken)
    }
}
