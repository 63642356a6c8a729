//! Making values of one run another one's: what a run holds must not go when the run goes that it comes from.

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::node::NodeError;
use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;

use super::{Blobs, Origin, Reference, is_plain, mark};
use crate::executor::json_text;

/// What was adopted so far, by the key that it had.
type Adopted = BTreeMap<String, Value>;

impl Blobs {
    /// A kept value whose references are all to values of this run: those of others are copied.
    ///
    /// # Errors
    /// `BLOB_MISSING` when a value is gone.
    pub(crate) async fn adopt(&self, origin: &Origin, value: Arc<Value>) -> Result<Arc<Value>, NodeError> {
        if is_plain(&value) {
            return Ok(value);
        }
        self.adopted(origin, Arc::unwrap_or_clone(value), &mut Adopted::new()).await.map(Arc::new)
    }

    fn adopted<'a>(&'a self, origin: &'a Origin, value: Value, done: &'a mut Adopted) -> BoxFuture<'a, Result<Value, NodeError>> {
        async move {
            Ok(match value {
                Value::Array(mut items) => {
                    for item in &mut items {
                        *item = self.adopted(origin, item.take(), done).await?;
                    }
                    Value::Array(items)
                }
                Value::Object(mut fields) => match Reference::of_fields(&fields) {
                    Some(reference) => self.copied(origin, &reference, Value::Object(fields), done).await?,
                    None => {
                        for (_, field) in &mut fields {
                            *field = self.adopted(origin, field.take(), done).await?;
                        }
                        Value::Object(fields)
                    }
                },
                other => other,
            })
        }
        .boxed()
    }

    async fn copied(
        &self,
        origin: &Origin,
        reference: &Reference,
        as_it_is: Value,
        done: &mut Adopted,
    ) -> Result<Value, NodeError> {
        if mark::run_of(origin.workspace, &reference.key) == Some(origin.run) {
            return Ok(as_it_is);
        }
        if let Some(known) = done.get(&reference.key) {
            return Ok(known.clone());
        }
        let value = self.fetch(origin.workspace, reference).await?;
        let value = self.adopted(origin, value, done).await?;
        let copy = self.put(origin.clone(), json_text(&value)).await;
        done.insert(reference.key.clone(), copy.clone());
        Ok(copy)
    }
}
