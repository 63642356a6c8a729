//! What an attempt is given that lies elsewhere: it is fetched for as long as the attempt takes.

use std::sync::Arc;

use flowforge_core::{
    WorkspaceId,
    expression::{Expression, Root},
    graph::Param,
    node::NodeError,
};
use serde_json::Value;

use super::{Executor, Task, expressions};
use crate::{blob::Opened, shared::on_its_own};

impl Executor {
    /// Fetches what the task holds references to: its input, and what its expressions can see. The answer holds the room that
    /// it takes.
    ///
    /// # Errors
    /// `BLOB_MISSING`, `INPUT_TOO_LARGE`.
    pub(super) async fn opened(&self, task: &mut Task) -> Result<Opened, NodeError> {
        let mut scope = (*task.scope).clone();
        let kept_input = task.input.clone();
        let mut places = vec![&mut task.input];
        places.extend(scope.steps.values_mut());
        if reads(&task.params, Root::Trigger) {
            places.push(&mut scope.trigger);
        }
        if let Some(item) = scope.item.as_mut().filter(|_| reads(&task.params, Root::Item)) {
            places.push(item);
        }
        let opened = self.fetched(task.workspace, &places).await?;
        for (place, value) in places.into_iter().zip(&opened.values) {
            place.clone_from(value);
        }
        task.scope = Arc::new(scope);
        task.kept_input = Some(kept_input).filter(|kept| !Arc::ptr_eq(kept, &task.input));
        Ok(opened)
    }

    async fn fetched(&self, workspace: WorkspaceId, places: &[&mut Arc<Value>]) -> Result<Opened, NodeError> {
        let values: Vec<Arc<Value>> = places.iter().map(|value| (**value).clone()).collect();
        let blobs = self.blobs.clone();
        let broken = || NodeError::fatal("INPUT_UNREAD", "reading large values stopped on a fault in FlowForge itself");
        on_its_own(async move { blobs.read(workspace, values).await }).await.ok_or_else(broken)?
    }
}

/// Whether an expression can see a name; a script sees them all.
fn reads(params: &[(String, Param)], name: Root) -> bool {
    params.iter().any(|(_, param)| match param {
        Param::Script(_) => true,
        param => expressions(param).into_iter().any(|expression| match expression {
            Expression::Path(root, _) => *root == name,
            Expression::Script(_) => true,
        }),
    })
}
