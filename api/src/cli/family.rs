//! A run and the runs that its steps have started, as `flowforge run` looks at them.

use flowforge_core::{RunId, RunStatus, StepStatus, WorkspaceId};
use flowforge_engine::{AttemptRecord, PageRequest, RunRecord, Store, store::runs::RunFilter};
use futures::future::BoxFuture;

use super::progress::{Line, indented};
use crate::failure::Failure;

/// How many items of a list are shown, each by a line.
const ITEMS_SHOWN: u64 = 20;

/// A line for each attempt of a run. Below a list stand its items; below a call, the attempts of the run that was called.
pub(super) fn lines(
    store: &Store,
    workspace: WorkspaceId,
    run: RunId,
    depth: usize,
) -> BoxFuture<'_, Result<Vec<Line>, Failure>> {
    Box::pin(async move {
        let mut lines = Vec::new();
        for attempt in store.steps(workspace, run).await? {
            lines.push(Line::of(&attempt, depth));
            let Some(awaiting) = attempt.awaiting.as_ref().filter(|awaiting| awaiting["kind"] == "children") else { continue };
            let is_call = awaiting["single"] == true;
            let filter = RunFilter { parent: Some(run), node: Some(attempt.node.clone()), ..RunFilter::default() };
            let page = PageRequest { limit: ITEMS_SHOWN, ..PageRequest::default() };
            let children = store.runs(workspace, filter, page).await?;
            for child in children.items.iter().filter(|child| is_of(child, &attempt)) {
                match is_call {
                    true => lines.extend(self::lines(store, workspace, child.id, depth + 1).await?),
                    false => lines.push(item(child, depth + 1)),
                }
            }
            if children.next.is_some() {
                lines.push(Line { name: indented("…", depth + 1), status: "", times: None });
            }
        }
        Ok(lines)
    })
}

fn is_of(child: &RunRecord, attempt: &AttemptRecord) -> bool {
    child.parent.as_ref().is_some_and(|parent| parent.attempt == attempt.attempt)
}

fn item(child: &RunRecord, depth: usize) -> Line {
    let name = child.parent.as_ref().map(|parent| format!("{}[{}]", parent.node, parent.index)).unwrap_or_default();
    Line { name: indented(&name, depth), status: child.status.as_str(), times: child.started_at.zip(child.finished_at) }
}

/// What a run, or one that it has started, waits for without a limit and nobody can give it without a server.
pub(super) async fn unanswerable(store: &Store, workspace: WorkspaceId, run: RunId) -> Result<Option<String>, Failure> {
    let mut open = vec![run];
    while let Some(run) = open.pop() {
        let attempts = store.steps(workspace, run).await?;
        for attempt in attempts.into_iter().filter(|attempt| attempt.status == StepStatus::Waiting) {
            let Some(awaiting) = &attempt.awaiting else { continue };
            let forever = attempt.wake_at.is_none();
            match awaiting["kind"].as_str() {
                Some("signal") if forever => return Ok(Some(unanswered(&attempt, "a signal that nobody can send here"))),
                Some("approval") if forever => return Ok(Some(unanswered(&attempt, "a decision that nobody can make here"))),
                Some("children") => {
                    let (parent, node, status) = (Some(run), Some(attempt.node), Some(RunStatus::Waiting));
                    let filter = RunFilter { parent, node, status, ..RunFilter::default() };
                    let page = PageRequest { limit: PageRequest::MAX, ..PageRequest::default() };
                    open.extend(store.runs(workspace, filter, page).await?.items.iter().map(|child| child.id));
                }
                _ => {}
            }
        }
    }
    Ok(None)
}

fn unanswered(attempt: &AttemptRecord, what: &str) -> String {
    format!(
        "the step `{}` waits for {what}; run the workflow on a server (`flowforge serve`), or give the step `timeout_s`",
        attempt.node
    )
}
