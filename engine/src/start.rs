//! Accepting a run: its row, and who is to own it.

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::{
    Input, NodeId, Priority, RunId, RunStatus, StepIx, Timestamp, UserId, WorkflowId, WorkspaceId,
    graph::Limit,
    node::NodeError,
    run::Kept,
    template::{NoSecrets, Scope},
};
use futures::FutureExt;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

use crate::{
    blob::{self, is_plain, is_small},
    clock,
    committer::{Delta, Guard, KeyedLimit, NewRunRow, RunPatch},
    compiled::Compiled,
    engine::Dedupe,
    error::{Error, Result},
    executor::json_text,
    owner::{self, Origin, Owner, Place, Waiting},
    queue::{self, Hint},
    record::{Parent, RunRecord},
    shared::Shared,
    worker,
};

/// How deep runs may stand below each other.
pub(crate) const DEEPEST: u32 = 8;

/// A run to be accepted.
pub(crate) struct Accept {
    pub(crate) id: RunId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) input: Arc<Value>,
    pub(crate) trigger: &'static str,
    /// The trigger that it begins by, if its graph has any.
    pub(crate) trigger_step: Option<StepIx>,
    pub(crate) dedupe: Option<Dedupe>,
    pub(crate) priority: Option<Priority>,
    pub(crate) depth: u32,
    pub(crate) parent: Option<(Parent, Option<Place>)>,
    pub(crate) origin: Option<RunId>,
    /// Steps that count as completed from the beginning.
    pub(crate) kept: Vec<Kept>,
    /// The message that called for it.
    pub(crate) called_by: Option<Uuid>,
    /// Whether it may begin in this process at once.
    pub(crate) here: bool,
    /// The person who starts it.
    pub(crate) started_by: Option<UserId>,
}

impl Accept {
    /// A run that nobody but its caller has called for. The input is given as it is kept.
    pub(crate) fn new(workspace: WorkspaceId, compiled: Arc<Compiled>, input: Arc<Value>, trigger: &'static str) -> Self {
        Self {
            id: RunId::new(clock::new_uuid()),
            workspace,
            trigger_step: compiled.graph.manual_trigger(),
            compiled,
            input,
            trigger,
            dedupe: None,
            priority: None,
            depth: 0,
            parent: None,
            origin: None,
            kept: Vec::new(),
            called_by: None,
            here: true,
            started_by: None,
        }
    }
}

impl Accept {
    /// Whether it comes with values that do not stand in its row.
    pub(crate) fn has_values(&self) -> bool {
        self.origin.is_some() || !is_small(&self.input)
    }
}

/// Puts away what is too large for a run's row, and makes its own what it takes over from another run.
pub(crate) async fn put_away(shared: &Shared, new: &mut Accept) -> Result<()> {
    let (blobs, origin) = (&shared.blobs, blob::Origin::of_run(new.workspace, new.id));
    let gone = |fault: NodeError| Error::Conflict { code: "blob_missing", message: fault.message };
    let input = std::mem::take(&mut new.input);
    let input = if new.origin.is_some() { blobs.adopt(&origin, input).await.map_err(gone)? } else { input };
    for kept in &mut new.kept {
        kept.output = blobs.adopt(&origin, std::mem::take(&mut kept.output)).await.map_err(gone)?;
    }
    new.input = Arc::new(blobs.keep(origin, Arc::unwrap_or_clone(input)).await?);
    Ok(())
}

/// A run that is on disk.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) record: RunRecord,
    /// Told when it has ended or answered, if it is owned by this process.
    pub(crate) ended: Option<oneshot::Receiver<RunRecord>>,
}

/// Accepts a run. Answers when it is on disk.
pub(crate) async fn accept(shared: &Arc<Shared>, new: Accept) -> Result<Accepted> {
    let limit = match new.compiled.graph.concurrency() {
        Some(limit) => Some(run_limit(limit, &new.compiled, &seen(shared, limit, &new).boxed().await?)),
        None => None,
    };
    let (record, row) = rows(shared, &new, limit);
    // Who is counted is let in by whoever claims it.
    let may_begin = new.here && row.limit.is_none() && new.kept.is_empty() && shared.config.works;
    let Some(room) = may_begin.then(|| shared.room()).flatten() else {
        return leave_to_others(shared, record, row, new).await;
    };
    let row = NewRunRow { owner: Some(shared.worker), ..row };
    let place = new.parent.and_then(|(_, place)| place);
    let (owner, waiting) = Owner::create(shared.clone(), new.compiled, record, row, Origin { place, called_by: new.called_by });
    own(shared, owner, room, waiting).await
}

/// The input as a limit's key sees it.
async fn seen(shared: &Shared, limit: &Limit, new: &Accept) -> Result<Arc<Value>> {
    if limit.key.is_none() || is_plain(&new.input) {
        return Ok(new.input.clone());
    }
    let opened = shared.blobs.read(new.workspace, vec![new.input.clone()]).await;
    let opened = opened.map_err(|fault| Error::Conflict { code: "blob_missing", message: fault.message })?;
    Ok(opened.values.into_iter().next().unwrap_or_default())
}

fn rows(shared: &Shared, new: &Accept, limit: Option<KeyedLimit>) -> (RunRecord, NewRunRow) {
    let now = shared.clock.now();
    let graph = &new.compiled.graph;
    let trigger_node: Option<NodeId> = new.trigger_step.map(|step| graph.step(step).id.clone());
    let parent = new.parent.as_ref().map(|(parent, _)| parent.clone());
    let priority = new.priority.unwrap_or_else(|| graph.priority());
    let row = NewRunRow {
        workspace: new.workspace,
        workflow: new.compiled.workflow,
        version: new.compiled.version,
        trigger: new.trigger,
        trigger_node,
        input: json_text(&new.input),
        owner: None,
        dedupe_key: new.dedupe.as_ref().map(|dedupe| dedupe.key.clone()),
        dedupe_hash: new.dedupe.as_ref().map(|dedupe| dedupe.hash.clone()),
        created_at: now,
        deadline_at: graph.timeout_s().map(|s| now.plus_ms(s.saturating_mul(1_000))),
        priority,
        parent: parent.clone(),
        body: new.compiled.body.clone(),
        depth: new.depth,
        origin: new.origin,
        limit,
        started_by: new.started_by,
    };
    let record = RunRecord {
        id: new.id,
        workspace: new.workspace,
        workflow: new.compiled.workflow,
        version: new.compiled.version,
        status: RunStatus::Pending,
        trigger: new.trigger.to_owned(),
        input: new.input.clone(),
        output: None,
        error: None,
        created_at: now,
        started_at: None,
        cancel_requested_at: None,
        paused_at: None,
        finished_at: None,
        priority,
        parent,
        depth: new.depth,
        origin: new.origin,
        response: None,
    };
    (record, row)
}

/// Creates a run that this process owns from the first commit on.
async fn own(
    shared: &Arc<Shared>,
    owner: Box<Owner>,
    room: OwnedSemaphorePermit,
    Waiting { accepted, ended }: Waiting,
) -> Result<Accepted> {
    worker::begin(shared, owner, room);
    let record = accepted.await.unwrap_or_else(|_| Err(Error::Busy))?;
    Ok(Accepted { record, ended: Some(ended) })
}

/// Creates a run that nobody owns yet: a worker finds it, by a hint or by looking.
async fn leave_to_others(shared: &Shared, mut record: RunRecord, row: NewRunRow, new: Accept) -> Result<Accepted> {
    let run = record.id;
    let guard = Guard::New(Box::new(row));
    let mut delta = if new.kept.is_empty() {
        Delta::of_run(run, guard, 0, RunPatch::default())
    } else {
        // What is kept is on disk with the run's beginning.
        record.status = RunStatus::Running;
        record.started_at = Some(record.created_at);
        let start = Input::Start { trigger: new.trigger_step, kept: new.kept };
        owner::begun(&new.compiled.graph, run, guard, start, record.created_at)
    };
    delta.consumed.extend(new.called_by);
    shared.committer.commit(delta).await?;
    shared.queue.offer(Hint::Run(run), queue::Priority::of(record.priority));
    Ok(Accepted { record, ended: None })
}

/// What runs of a workflow are counted under.
fn run_limit(limit: &Limit, compiled: &Compiled, input: &Arc<Value>) -> KeyedLimit {
    keyed(limit, &format!("run/{}", compiled.workflow), &scope(compiled, input))
}

/// What steps of a node are counted under.
pub(crate) fn step_limit(limit: &Limit, compiled: &Compiled, step: StepIx, input: &Arc<Value>) -> KeyedLimit {
    let node = &compiled.graph.step(step).id;
    keyed(limit, &format!("step/{}/{node}", compiled.workflow), &scope(compiled, input))
}

fn keyed(limit: &Limit, counted: &str, scope: &Scope) -> KeyedLimit {
    // The key holds plain paths and no secrets, which `Graph::compile` has seen to, so it can always be rendered.
    let value = limit.key.as_ref().map(|key| key.render(scope, &BTreeMap::new()).unwrap_or_default());
    let key = value.map(|value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned));
    let key = key.map(|key| format!("{counted}/{}", shortened(&key))).unwrap_or_else(|| counted.to_owned());
    KeyedLimit { key, limit: limit.limit }
}

/// A key of any length as the index can hold it: a long one keeps its beginning and is told from others by its hash.
fn shortened(key: &str) -> String {
    const LONGEST: usize = 200;
    let key = key.replace('\0', "\\u0000");
    if key.len() <= LONGEST {
        return key;
    }
    let start = &key[..key.floor_char_boundary(LONGEST)];
    format!("{start}…{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).simple())
}

fn scope(compiled: &Compiled, input: &Arc<Value>) -> Scope {
    Scope {
        trigger: input.clone(),
        steps: BTreeMap::new(),
        run: Arc::default(),
        workflow: compiled.about.clone(),
        item: Some(input.clone()),
        index: None,
        secrets: Arc::new(NoSecrets),
    }
}

/// When a failed run is told to its handler: what the handler is given.
pub(crate) fn failure_input(record: &RunRecord, workflow_name: &Value, at: Timestamp) -> Value {
    let RunRecord { id, workflow, version, error, input, trigger, .. } = record;
    serde_json::json!({ "run": {
        "id": id, "workflow_id": workflow, "workflow_name": workflow_name, "version": version, "trigger": trigger, "error": error,
        "input": **input, "failed_at": clock::iso(at),
    }})
}

/// The workflow of an id or a name, ready to start.
pub(crate) async fn compiled(
    shared: &Shared,
    workspace: WorkspaceId,
    workflow: &str,
    version: Option<u32>,
) -> Result<Arc<Compiled>> {
    let id: WorkflowId = shared.store.find_workflow(workspace, workflow).await?;
    shared.versions.to_start(&shared.store, workspace, id, version).await
}

#[cfg(test)]
pub(crate) mod tests;
