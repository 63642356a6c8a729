//! Runs that a step starts: calling for them, asking them to stop, gathering what they have come to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flowforge_core::{
    Awaiting, Input, NodeId, RunId, RunStatus, StepIx, StepState,
    awaiting::{ChildSource, Children, OnItemError, Outer},
    graph::OuterReads,
    node::{Await, NodeError, Outcome},
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::{Owner, Place};
use crate::{
    error::{Error, Result},
    executor::{self, Executed},
    failpoint::{Point, reached},
    record::{Parent, RunRecord, child_id},
    shared::Shared,
    start::{self, Accept, DEEPEST},
    store::{inbox::Message, runs::ChildResult},
};

/// The wait before a child is called for again that the database did not take; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A child that was called for, or why it cannot be.
pub(super) struct Called {
    pub(super) step: StepIx,
    pub(super) attempt: u32,
    pub(super) result: Result<(), NodeError>,
}

impl Owner {
    /// Freezes what a body sees of the graph around it: the step is about to wait for its runs.
    pub(super) fn freeze(&self, step: StepIx, outcome: &mut Outcome) {
        let Outcome::Await(Await { what: Awaiting::Children(children), .. }) = outcome else { return };
        if let (ChildSource::Body, Some(body)) = (&children.source, &self.compiled.graph.step(step).body) {
            children.outer = Some(Outer { trigger: self.trigger_seen(), steps: self.outputs_seen(body.outer()) });
        }
    }

    fn trigger_seen(&self) -> Arc<Value> {
        self.place.as_ref().map_or_else(|| self.record.input.clone(), |place| place.outer.trigger.clone())
    }

    fn outputs_seen(&self, reads: &OuterReads) -> BTreeMap<NodeId, Arc<Value>> {
        let graph = &self.compiled.graph;
        let around = self.place.iter().flat_map(|place| &place.outer.steps).map(|(node, value)| (node.clone(), value.clone()));
        let here = graph.steps().filter_map(|(step, spec)| Some((spec.id.clone(), self.run.output(step)?)));
        let is_read = |node: &NodeId| match reads {
            OuterReads::All => true,
            OuterReads::Only(names) => names.contains(node),
        };
        around.chain(here).filter(|(node, _)| is_read(node)).collect()
    }

    fn parent(&self, step: StepIx, attempt: u32, index: u32) -> Parent {
        Parent { run: self.id, node: self.compiled.graph.step(step).id.clone(), attempt, index }
    }

    /// Calls for a run for an item.
    pub(super) fn call_child(&mut self, step: StepIx, attempt: u32, index: u32) {
        let StepState::Waiting { attempt: current, awaiting: Some(awaiting), .. } = self.run.state(step) else { return };
        if let Awaiting::Children(children) = &**awaiting
            && *current == attempt
        {
            let call = self.child_call(step, attempt, index, children);
            self.calling.push(call);
        }
    }

    fn child_call(&self, step: StepIx, attempt: u32, index: u32, children: &Children) -> BoxFuture<'static, Called> {
        let parent = self.parent(step, attempt, index);
        let item = children.items.get(index as usize).cloned().unwrap_or_default();
        let (shared, lapses, record) = (self.shared.clone(), self.lapses, self.record.clone());
        let body = match &children.source {
            ChildSource::Body => self.compiled.within(&parent.node).map(Arc::new),
            ChildSource::Workflow { .. } => None,
        };
        let source = children.source.clone();
        let place = children.outer.clone().map(|outer| Place { index, outer: Arc::new(outer) });
        // Where other processes work too, a list is spread over them.
        let here = shared.config.exclusive || children.single;
        let child = Child { parent, item, body, source, place, here };
        let call = on_its_own(async move { child.call(&shared, &record, lapses).await });
        call.map(move |result| Called { step, attempt, result: result.unwrap_or_else(|| Err(broken())) }).boxed()
    }

    /// What came of calling for a child.
    pub(super) fn called(&mut self, called: Called) {
        if let Err(error) = called.result {
            self.apply(Input::Report { step: called.step, attempt: called.attempt, result: Err(error) }, None);
        }
    }

    /// Asks the open children of a step to stop, with the commit that gives them up.
    pub(super) fn cancel_children(&mut self, step: StepIx, attempt: u32) {
        let Some(progress) = self.run.children(step) else { return };
        let open: Vec<RunId> = progress.open().map(|index| child_id(&self.parent(step, attempt, index))).collect();
        let now = self.shared.clock.now();
        for child in open {
            self.draft.send(Message::Cancel.letter(child, now));
            self.rings.push(child);
        }
    }

    /// Gathers what the children of an attempt have come to, instead of calling its node.
    pub(super) fn gather(&self, step: StepIx, attempt: u32, children: &Children) -> BoxFuture<'static, Option<Executed>> {
        let (shared, run, node) = (self.shared.clone(), self.id, self.compiled.graph.step(step).id.clone());
        let (policy, single, total) = (children.on_item_error, children.single, children.items.len());
        on_its_own(async move {
            reached(Point::Gather);
            let started_at = shared.clock.now();
            let results = results(&shared, run, &node, attempt).await;
            let result = gathered(results, policy, single, total);
            executor::finished(step, attempt, started_at, shared.clock.now(), result)
        })
    }
}

/// Does it on a task of its own, which is stopped when the answer is not wanted any more; no answer when it stopped on a fault.
/// What waits for the database must not be polled by the owner itself: it may wait in line behind the owner, which then waits for it.
fn on_its_own<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, Option<T>> {
    let task = AbortOnDropHandle::new(tokio::spawn(work));
    async move { task.await.ok() }.boxed()
}

fn broken() -> NodeError {
    NodeError::fatal("CALL_BROKEN", "calling for a run stopped on a fault in FlowForge itself")
}

/// A run to be called for.
struct Child {
    parent: Parent,
    item: Value,
    body: Option<Arc<crate::compiled::Compiled>>,
    source: ChildSource,
    place: Option<Place>,
    here: bool,
}

impl Child {
    /// Calls until it is known that the run exists, or that it cannot.
    async fn call(self, shared: &Arc<Shared>, record: &RunRecord, lapses: u64) -> Result<(), NodeError> {
        if record.depth >= DEEPEST {
            let message = format!("runs may stand at most {DEEPEST} deep below each other; does the workflow call itself?");
            return Err(NodeError::fatal("CALL_TOO_DEEP", message));
        }
        let mut wait = FIRST_WAIT;
        loop {
            // The run may be another worker's by now: that one calls.
            if !shared.is_trusted_since(lapses) {
                return Ok(());
            }
            match self.try_call(shared, record).await {
                // Fenced: it was called for before.
                Ok(()) | Err(Error::Fenced) => return Ok(()),
                Err(fault @ (Error::NotFound(_) | Error::Invalid(_) | Error::Conflict { .. } | Error::BadInput(_))) => {
                    return Err(refused(&self.source, &fault));
                }
                Err(fault) => {
                    tracing::warn!(run = %record.id, node = %self.parent.node, %fault, "a child could not be started; trying again")
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn try_call(&self, shared: &Arc<Shared>, record: &RunRecord) -> Result<()> {
        let compiled = match (&self.body, &self.source) {
            (Some(body), _) => body.clone(),
            (None, ChildSource::Workflow { workflow, version }) => {
                start::compiled(shared, record.workspace, workflow, *version).await?
            }
            (None, ChildSource::Body) => return Err(Error::NotFound("body")),
        };
        let parent = Some((self.parent.clone(), self.place.clone()));
        let (id, priority, depth) = (child_id(&self.parent), Some(record.priority), record.depth + 1);
        let new = Accept::new(record.workspace, compiled, self.item.clone(), "step");
        reached(Point::Call);
        start::accept(shared, Accept { id, parent, priority, depth, here: self.here, ..new }).await?;
        reached(Point::Called);
        Ok(())
    }
}

fn refused(source: &ChildSource, fault: &Error) -> NodeError {
    match (source, fault) {
        (ChildSource::Workflow { workflow, .. }, Error::NotFound(_)) => NodeError::fatal(
            "CALL_UNKNOWN_WORKFLOW",
            format!("there is no workflow `{workflow}` in this workspace, or not that version"),
        ),
        (ChildSource::Workflow { workflow, .. }, fault) => {
            NodeError::fatal("CALL_REFUSED", format!("`{workflow}` cannot be started: {fault}"))
        }
        (ChildSource::Body, fault) => {
            NodeError::fatal("CALL_REFUSED", format!("the graph in the step cannot be started: {fault}"))
        }
    }
}

/// Reads until the database answers: what was reached must not be lost to a moment's fault.
async fn results(shared: &Shared, run: RunId, node: &NodeId, attempt: u32) -> Vec<ChildResult> {
    let mut wait = FIRST_WAIT;
    loop {
        match shared.store.child_results(run, node, attempt).await {
            Ok(results) => return results,
            Err(fault) => tracing::warn!(%run, %node, %fault, "what the children have come to could not be read; trying again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// The outputs in the order of the items, as the policy wants failures to be told.
fn gathered(results: Vec<ChildResult>, policy: OnItemError, single: bool, total: usize) -> Result<Outcome, NodeError> {
    let failed = results.iter().find(|child| child.status != RunStatus::Completed);
    if let Some(child) = failed.filter(|_| policy == OnItemError::Fail) {
        return Err(failure(child, single));
    }
    let mut outputs = vec![Value::Null; total];
    for child in results {
        let value = match (child.status, policy) {
            (RunStatus::Completed, _) => child.output.unwrap_or_default(),
            (_, OnItemError::Collect) => json!({ "error": child.error, "status": child.status, "run_id": child.id }),
            _ => Value::Null,
        };
        if let Some(place) = outputs.get_mut(child.index as usize) {
            *place = value;
        }
    }
    let value = if single { outputs.pop().unwrap_or_default() } else { Value::Array(outputs) };
    Ok(Outcome::done(value))
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
