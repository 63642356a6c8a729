//! What a commit would write that is too large for a row: it is put away before the commit that names it.
//!
//! Most of what is large is put away where it comes up. What is left are values that were put together here out of many.

use flowforge_core::WorkspaceId;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::Owner;
use crate::{
    blob::{Blobs, INLINE, Origin},
    committer::{Answer, Delta},
    executor::json_text,
};

/// Where what a step waits for holds values of other steps, as its runs see them.
const OUTER: &str = "/outer/steps";
/// Smaller ones among them are left where they are, in bytes.
const WORTH_IT: usize = 8 * 1024;

impl Owner {
    /// Hands a delta over once its large values are put away; dropping the task gives it up.
    pub(super) fn submit_heavy(&self, delta: Delta) -> (Answer, AbortOnDropHandle<()>) {
        let (done, answer) = oneshot::channel();
        let (blobs, committer) = (self.shared.blobs.clone(), self.shared.committer.clone());
        let workspace = self.record.workspace;
        let task = tokio::spawn(async move {
            let delta = lightened(&blobs, workspace, delta).await;
            // Nobody listens when the owner is gone.
            let _ = done.send(committer.commit(delta).await);
        });
        (answer, AbortOnDropHandle::new(task))
    }
}

/// Whether a delta holds what is too large for a row.
pub(super) fn is_heavy(delta: &Delta) -> bool {
    let is_large = |json: &Option<String>| json.as_ref().is_some_and(|json| json.len() > INLINE);
    let patch = &delta.patch;
    is_large(&patch.output)
        || is_large(&patch.response)
        || delta.steps.iter().any(|step| is_large(&step.output) || is_large(&step.awaiting))
}

async fn lightened(blobs: &Blobs, workspace: WorkspaceId, mut delta: Delta) -> Delta {
    let of_run = Origin::of_run(workspace, delta.run);
    lighten(blobs, &of_run, &mut delta.patch.output).await;
    lighten(blobs, &of_run, &mut delta.patch.response).await;
    for step in &mut delta.steps {
        let origin = Origin { workspace, run: delta.run, node: step.node.clone(), attempt: step.attempt };
        lighten(blobs, &origin, &mut step.output).await;
        lighten_outer(blobs, &origin, &mut step.awaiting).await;
    }
    delta
}

async fn lighten(blobs: &Blobs, origin: &Origin, json: &mut Option<String>) {
    if let Some(large) = json.take_if(|json| json.len() > INLINE) {
        *json = Some(json_text(&blobs.put(origin.clone(), large).await));
    }
}

/// Of what a step waits for only the values of others are put away: the rest is what is waited for.
async fn lighten_outer(blobs: &Blobs, origin: &Origin, json: &mut Option<String>) {
    let Some(large) = json.take_if(|json| json.len() > INLINE) else { return };
    *json = Some(match serde_json::from_str::<Value>(&large) {
        Ok(mut awaiting) => {
            let steps = awaiting.pointer_mut(OUTER).and_then(Value::as_object_mut).into_iter();
            for value in steps.flat_map(|steps| steps.values_mut()) {
                let json = json_text(value);
                if json.len() > WORTH_IT {
                    *value = blobs.put(origin.clone(), json).await;
                }
            }
            json_text(&awaiting)
        }
        Err(_) => large,
    });
}
