//! What a node has answered, made fit to be recorded: a large value is put away, one that is too large or too deep is refused.

use std::sync::Arc;

use flowforge_core::{
    Awaiting,
    awaiting::Children,
    node::{Await, NodeError, Outcome, Output},
};
use serde_json::Value;

use super::{
    Executor, LONGEST_MESSAGE, Task,
    storable::{self, DEEPEST, json_text, storable},
};
use crate::{
    blob::{INLINE, LARGEST, Origin},
    shared::on_its_own,
};

/// A value that seems to be larger is not written out on a thread that others wait for.
const AT_ONCE: usize = 1024 * 1024;

/// An answer, and its output as JSON.
pub(super) type Checked = (Result<Outcome, NodeError>, Option<String>);

impl Executor {
    /// The answer as it can be recorded. Waits for a blob store that does not do its part.
    pub(super) async fn checked(&self, task: &Task, result: Result<Outcome, NodeError>) -> Checked {
        match result {
            Ok(Outcome::Done(output)) => match self.output(task, output).await {
                Ok((output, json)) => (Ok(Outcome::Done(output)), Some(json)),
                Err(error) => (Err(error), None),
            },
            Ok(Outcome::Await(Await { what, until })) => {
                (self.wait(task, what).await.map(|what| Outcome::Await(Await { what, until })), None)
            }
            Err(error) => (Err(told(error)), None),
            sleep => (sleep, None),
        }
    }

    async fn output(&self, task: &Task, output: Output) -> Result<(Output, String), NodeError> {
        let Output { value, port } = output;
        if let Some(kept) = task.kept_input.as_ref().filter(|_| Arc::ptr_eq(&value, &task.input)) {
            // What is handed on as it came lies there already.
            return Ok((Output { value: kept.clone(), port }, json_text(kept)));
        }
        let (value, json) = written(value).await?;
        if json.len() <= INLINE {
            return Ok((Output { value, port }, json));
        }
        let kept = self.put(task, json).await?;
        let json = json_text(&kept);
        Ok((Output { value: Arc::new(kept), port }, json))
    }

    async fn put(&self, task: &Task, json: String) -> Result<Value, NodeError> {
        if json.len() > LARGEST {
            return Err(too_large("the output", json.len(), LARGEST));
        }
        let (blobs, origin) = (self.blobs.clone(), task.origin());
        on_its_own(async move { blobs.put(origin, json).await }).await.ok_or_else(broken)
    }

    /// What is waited for is recorded like an output.
    async fn wait(&self, task: &Task, what: Awaiting) -> Result<Awaiting, NodeError> {
        let mut value = Arc::new(serde_json::json!(what));
        let has_changed = storable::is_unstorable(&value);
        let json;
        (value, json) = written(value).await?;
        let mut what = what;
        if has_changed {
            what = serde_json::from_value(Arc::unwrap_or_clone(value)).map_err(|fault| unreadable(&fault))?;
        }
        match what {
            what if json.len() <= INLINE => Ok(what),
            Awaiting::Children(children) => self.put_items(task, children).await.map(Awaiting::Children),
            _ => Err(too_large("what is waited for", json.len(), INLINE)),
        }
    }

    async fn put_items(&self, task: &Task, mut children: Children) -> Result<Children, NodeError> {
        let (blobs, origin, items) = (self.blobs.clone(), task.origin(), std::mem::take(&mut children.items));
        children.pages = on_its_own(async move { blobs.put_list(&origin, items).await }).await.ok_or_else(broken)??;
        Ok(children)
    }
}

impl Task {
    fn origin(&self) -> Origin {
        Origin { workspace: self.workspace, run: self.run, node: self.node.clone(), attempt: self.attempt }
    }
}

/// A value as it is kept, and as JSON.
async fn written(value: Arc<Value>) -> Result<(Arc<Value>, String), NodeError> {
    match storable::size(&value, DEEPEST) {
        None => {
            let message = format!("the output is nested more than {DEEPEST} levels deep: put out less, or a text that holds it");
            Err(NodeError::fatal("OUTPUT_TOO_DEEP", message))
        }
        Some(size) if size <= AT_ONCE => Ok(write(value)),
        Some(_) => tokio::task::spawn_blocking(|| write(value)).await.map_err(|_| broken()),
    }
}

fn write(mut value: Arc<Value>) -> (Arc<Value>, String) {
    if storable::is_unstorable(&value) {
        value = Arc::new(storable(Arc::unwrap_or_clone(value)));
    }
    let json = json_text(&value);
    (value, json)
}

/// An error as it can be recorded.
pub(super) fn told(mut error: NodeError) -> NodeError {
    error.message.truncate(error.message.floor_char_boundary(LONGEST_MESSAGE));
    error.message = storable::text(&error.message);
    error.details = storable::noted(error.details);
    error
}

fn too_large(what: &str, bytes: usize, most: usize) -> NodeError {
    NodeError::fatal("OUTPUT_TOO_LARGE", format!("{what} has {bytes} bytes; the most is {most}: put out less"))
}

fn unreadable(fault: &serde_json::Error) -> NodeError {
    NodeError::fatal("OUTPUT_UNREADABLE", format!("what is handed over cannot be kept: {fault}"))
}

fn broken() -> NodeError {
    NodeError::fatal("OUTPUT_UNWRITTEN", "putting the output away stopped on a fault in FlowForge itself")
}
