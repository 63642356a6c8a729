//! Runs that a step starts: calling for them, asking them to stop, gathering what they have come to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flowforge_core::{
    Awaiting, Input, NodeId, RunId, StepIx, StepState, WorkspaceId,
    awaiting::{ChildSource, Children, Outer},
    graph::OuterReads,
    node::{Await, NodeError, Outcome},
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;

use super::{Ended, Owner, Place, gather::Gathering};
use crate::{
    blob::{Origin, Pages},
    error::{Error, Result},
    executor::{self, Executed},
    failpoint::{Point, reached},
    record::{Parent, RunRecord, child_id},
    shared::{Shared, on_its_own},
    start::{self, Accept, DEEPEST},
    store::inbox::Message,
};

/// The wait before a child is called for again that the database did not take; it doubles up to the longest.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A child that was called for, or why it cannot be.
pub(super) struct Called {
    pub(super) step: StepIx,
    pub(super) attempt: u32,
    /// Whether it was called for: not when the run may be another worker's.
    pub(super) result: Result<bool, NodeError>,
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
        let item = self.item(children, index);
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

    fn item(&self, children: &Children, index: u32) -> Item {
        let mut at = index as usize;
        if let Some(item) = children.items.get(at) {
            return Item::Here(item.clone());
        }
        at -= children.items.len();
        for page in &children.pages {
            match at.checked_sub(page.count as usize) {
                None => return Item::Paged { pages: self.pages.clone(), page: page.kept.clone(), at },
                Some(rest) => at = rest,
            }
        }
        Item::Here(Value::Null)
    }

    /// What came of calling for a child.
    pub(super) fn called(&mut self, called: Called) {
        match called.result {
            Ok(true) => {}
            // Nobody may have taken the run over: whoever claims it next calls for what has no row.
            Ok(false) => self.over = Some(Ended::Lost),
            Err(error) => self.apply(Input::Report { step: called.step, attempt: called.attempt, result: Err(error) }, None),
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
        let (shared, node) = (self.shared.clone(), self.compiled.graph.step(step).id.clone());
        let origin = Origin { workspace: self.record.workspace, run: self.id, node, attempt };
        let (policy, single, total) = (children.on_item_error, children.single, children.total());
        on_its_own(async move {
            reached(Point::Gather);
            let started_at = shared.clock.now();
            let result = Gathering { origin, policy, single, total }.gather(&shared).await;
            executor::finished(step, attempt, started_at, shared.clock.now(), result)
        })
    }
}

fn broken() -> NodeError {
    NodeError::fatal("CALL_BROKEN", "calling for a run stopped on a fault in FlowForge itself")
}

/// What a child is given, as it is kept.
enum Item {
    Here(Value),
    /// So far down a page of a list.
    Paged {
        pages: Arc<Pages>,
        page: Value,
        at: usize,
    },
}

impl Item {
    async fn read(&self, shared: &Shared, workspace: WorkspaceId) -> Result<Value, NodeError> {
        match self {
            Self::Here(item) => Ok(item.clone()),
            Self::Paged { pages, page, at } => pages.item(&shared.blobs, workspace, page, *at).await,
        }
    }
}

/// A run to be called for.
struct Child {
    parent: Parent,
    item: Item,
    body: Option<Arc<crate::compiled::Compiled>>,
    source: ChildSource,
    place: Option<Place>,
    here: bool,
}

impl Child {
    /// Calls until it is known that the run exists, or that it cannot.
    async fn call(self, shared: &Arc<Shared>, record: &RunRecord, lapses: u64) -> Result<bool, NodeError> {
        if record.depth >= DEEPEST {
            let message = format!("runs may stand at most {DEEPEST} deep below each other; does the workflow call itself?");
            return Err(NodeError::fatal("CALL_TOO_DEEP", message));
        }
        let item = Arc::new(self.item.read(shared, record.workspace).await?);
        let mut wait = FIRST_WAIT;
        loop {
            if !shared.is_trusted_since(lapses) {
                return Ok(false);
            }
            match self.try_call(shared, record, item.clone()).await {
                // Fenced: it was called for before.
                Ok(()) | Err(Error::Fenced) => return Ok(true),
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

    async fn try_call(&self, shared: &Arc<Shared>, record: &RunRecord, item: Arc<Value>) -> Result<()> {
        let compiled = match (&self.body, &self.source) {
            (Some(body), _) => body.clone(),
            (None, ChildSource::Workflow { workflow, version }) => {
                start::compiled(shared, record.workspace, workflow, *version).await?
            }
            (None, ChildSource::Body) => return Err(Error::NotFound("body")),
        };
        let parent = Some((self.parent.clone(), self.place.clone()));
        let (id, priority, depth) = (child_id(&self.parent), Some(record.priority), record.depth + 1);
        let new = Accept::new(record.workspace, compiled, item, "step");
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
