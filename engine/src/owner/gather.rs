//! What the runs that a step has started have come to, as the step's own output. It is written out page by page: together the
//! outputs of a long list may be far more than their step may put out.

use std::sync::Arc;

use flowforge_core::{
    NodeId, RunId, RunStatus,
    awaiting::OnItemError,
    node::{NodeError, Outcome, Output},
};
use serde_json::{Value, json};

use super::children::{FIRST_WAIT, LONGEST_WAIT};
use crate::{
    blob::{INLINE, LARGEST, Origin},
    error::Error,
    executor::json_text,
    shared::Shared,
    store::runs::{ChildResult, Children as ChildrenOf},
};

/// How many results are read at once.
const PAGE: u64 = 100;

/// The step whose runs are gathered.
pub(super) struct Gathering {
    pub(super) origin: Origin,
    pub(super) policy: OnItemError,
    pub(super) single: bool,
    pub(super) total: u32,
}

impl Gathering {
    /// The outputs in the order of the items, as the policy wants failures to be told, and as JSON. Waits for a database that
    /// does not do its part.
    ///
    /// # Errors
    /// The failure of an item, or `OUTPUT_TOO_LARGE`.
    pub(super) async fn gather(&self, shared: &Shared) -> Result<(Outcome, String), NodeError> {
        let mut text = Text { json: String::new(), next: 0 };
        let mut after = None;
        loop {
            let results = self.page(shared, after).await;
            let is_last = (results.len() as u64) < PAGE;
            after = results.last().map(|child| child.index);
            for child in results {
                if child.status != RunStatus::Completed && self.policy == OnItemError::Fail {
                    return Err(failure(&child, self.single));
                }
                text.push(child.index, &json_text(&self.told(child)))?;
            }
            if is_last {
                break;
            }
        }
        let json = if self.single { text.json } else { text.array(self.total)? };
        self.kept(shared, if json.is_empty() { "null".to_owned() } else { json }).await
    }

    fn told(&self, child: ChildResult) -> Value {
        match (child.status, self.policy) {
            (RunStatus::Completed, _) => child.output.unwrap_or_default(),
            (_, OnItemError::Collect) => json!({ "error": child.error, "status": child.status, "run_id": child.id }),
            _ => Value::Null,
        }
    }

    async fn kept(&self, shared: &Shared, json: String) -> Result<(Outcome, String), NodeError> {
        let unreadable = |fault: serde_json::Error| NodeError::fatal("OUTPUT_UNREADABLE", fault.to_string());
        let (value, json) = if json.len() <= INLINE {
            (serde_json::from_str(&json).map_err(unreadable)?, json)
        } else {
            let kept = shared.blobs.put(self.origin.clone(), json).await;
            let json = json_text(&kept);
            (kept, json)
        };
        Ok((Outcome::Done(Output { value: Arc::new(value), port: None }), json))
    }

    /// Reads until the database answers: what was reached must not be lost to a moment's fault.
    async fn page(&self, shared: &Shared, after: Option<u32>) -> Vec<ChildResult> {
        let Origin { run, node, attempt, .. } = &self.origin;
        let mut wait = FIRST_WAIT;
        loop {
            let of = ChildrenOf { run: *run, node, attempt: *attempt };
            match shared.store.child_results(of, after, PAGE).await {
                Ok(results) => return results,
                Err(fault) => unread(*run, node, &fault),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

fn unread(run: RunId, node: &NodeId, fault: &Error) {
    tracing::warn!(%run, %node, %fault, "what the children have come to could not be read; trying again");
}

/// A list as JSON while it grows.
struct Text {
    json: String,
    next: u32,
}

impl Text {
    /// Adds an item; those that are left out are `null`.
    fn push(&mut self, index: u32, item: &str) -> Result<(), NodeError> {
        self.fill(index)?;
        self.add(item)
    }

    fn fill(&mut self, until: u32) -> Result<(), NodeError> {
        while self.next < until {
            self.add("null")?;
        }
        Ok(())
    }

    fn add(&mut self, item: &str) -> Result<(), NodeError> {
        if self.next > 0 {
            self.json.push(',');
        }
        self.json.push_str(item);
        self.next += 1;
        if self.json.len() > LARGEST {
            let message = format!("the outputs of the items have more than {LARGEST} bytes together: put out less");
            return Err(NodeError::fatal("OUTPUT_TOO_LARGE", message));
        }
        Ok(())
    }

    fn array(mut self, total: u32) -> Result<String, NodeError> {
        self.fill(total)?;
        Ok(format!("[{}]", self.json))
    }
}

fn failure(child: &ChildResult, single: bool) -> NodeError {
    let ChildResult { id, index, status, error, .. } = child;
    let because = error.as_ref().and_then(|error| Some(format!(": {}", error["message"].as_str()?))).unwrap_or_default();
    let details = json!({ "run_id": id, "index": index, "status": status, "error": error });
    let (code, message) = if single {
        ("CALL_FAILED", format!("the run {id} that was called ended as {status}{because}"))
    } else {
        ("MAP_ITEM_FAILED", format!("the run {id} of item {index} ended as {status}{because}"))
    };
    NodeError::retry(code, message).with_details(details)
}
