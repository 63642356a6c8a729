//! Rebuilds a run from its rows: the rows become the facts that they record, and the core replays them.

use std::{borrow::Cow, sync::Arc};

use flowforge_core::{Awaiting, Event, Graph, NodeId, Run, RunId, RunStatus, StepIx, StepStatus, node::NodeError};
use serde::Deserialize;
use serde_json::Value;

use super::Place;
use crate::{
    blob::is_plain,
    compiled::Compiled,
    error::{Error, Result},
    record::AttemptRecord,
    shared::Shared,
    store::runs::{ChildRow, RunRow},
};

/// The first number of a run's record.
const FIRST: i64 = 1;

/// A run in memory, with what its rows say beside the facts.
pub(crate) struct Loaded {
    pub(crate) row: RunRow,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) run: Run,
    /// Attempts whose row is open, and whether it says that they slept.
    pub(crate) open: Vec<(StepIx, u32, bool)>,
    /// Steps that have completed and whose output is not stored any more.
    pub(crate) lost: Vec<StepIx>,
    pub(crate) place: Option<Place>,
    /// Whether everything in the run is what users wrote: nothing lies elsewhere.
    pub(crate) plain: bool,
}

impl Loaded {
    /// Reads a run.
    pub(crate) async fn read(shared: &Shared, id: RunId) -> Result<Self> {
        Self::of_row(shared, shared.store.run_row(None, id).await?).await
    }

    /// Reads what belongs to a row that was read.
    pub(crate) async fn of_row(shared: &Shared, row: RunRow) -> Result<Self> {
        let (record, id) = (&row.record, row.record.id);
        let body = row.body.as_deref();
        let compiled = shared.versions.of_run(&shared.store, record.workspace, record.workflow, record.version, body).await?;
        let attempts = if has_begun(&row) { shared.store.attempts(id).await? } else { Vec::new() };
        let mut facts = facts(&compiled.graph, &row, &attempts)?;
        if attempts.iter().any(awaits_children) {
            facts.extend(children_facts(&compiled.graph, &attempts, &shared.store.children(id).await?));
        }
        let place = Place::read(shared, &row).await?;
        let plain = holds_plain(&row, &attempts) && place.as_ref().is_none_or(Place::is_plain);
        let run =
            Run::replay(compiled.graph.clone(), seed(id), &facts).map_err(|fault| broken("started_seq", fault.to_string()))?;
        let open = attempts
            .iter()
            .filter(|attempt| attempt.seqs.finished.is_none())
            .filter_map(|attempt| Some((compiled.graph.find(&attempt.node)?, attempt.attempt, attempt.seqs.waiting.is_some())));
        let open = open.collect();
        let is_lost = |attempt: &&AttemptRecord| attempt.status == StepStatus::Completed && attempt.output.is_none();
        let lost = attempts.iter().filter(is_lost).filter_map(|attempt| compiled.graph.find(&attempt.node)).collect();
        Ok(Self { row, compiled, run, open, lost, place, plain })
    }
}

/// Whether anything has happened to a run: whatever does takes a number of its record. One that was only created is all in its
/// row.
pub(crate) fn has_begun(row: &RunRow) -> bool {
    row.next_seq > FIRST
}

/// Whether what steps may be given stands in the rows, as users wrote it.
fn holds_plain(row: &RunRow, attempts: &[AttemptRecord]) -> bool {
    let of_attempt = |attempt: &AttemptRecord| {
        attempt.output.as_ref().is_none_or(is_plain) && attempt.error.as_ref().is_none_or(|error| is_plain(&error.details))
    };
    is_plain(&row.record.input) && row.signals.iter().all(|kept| is_plain(&kept.payload)) && attempts.iter().all(of_attempt)
}

/// What decides the jitter of a run's retries.
pub(crate) fn seed(run: RunId) -> u64 {
    run.uuid().as_u64_pair().1
}

/// The facts that the rows record, in the order of their numbers.
pub(crate) fn facts(graph: &Graph, row: &RunRow, attempts: &[AttemptRecord]) -> Result<Vec<Event>> {
    let mut facts: Vec<(i64, Event)> = Vec::with_capacity(attempts.len() * 2 + 2);
    if let Some(seq) = row.started_seq {
        let trigger = row.trigger_node.as_deref().and_then(|node| graph.find(&NodeId::from(node)));
        facts.push((seq, Event::RunStarted { trigger }));
    }
    for attempt in attempts {
        let step = graph.find(&attempt.node).ok_or_else(|| broken("node_id", format!("{} is not in the graph", attempt.node)))?;
        facts_of(step, attempt, &mut facts)?;
    }
    if let Some(seq) = row.cancel_seq {
        facts.push((seq, Event::CancelRequested));
    }
    if let Some(seq) = row.finished_seq {
        let output = row.record.output.clone().unwrap_or_default();
        facts.push((seq, Event::RunFinished { status: row.record.status, output, error: row.record.error.clone() }));
    }
    facts.sort_by_key(|(seq, _)| *seq);
    // What the row says without a number: it holds now, whenever it came about, and of a run that has ended no more.
    let is_open = row.finished_seq.is_none();
    let signals = row.signals.iter().filter(|_| is_open);
    let signals = signals.map(|kept| Event::SignalKept { name: kept.name.clone(), payload: kept.payload.clone() });
    let paused = row.record.paused_at.filter(|_| is_open).map(|_| Event::RunPaused);
    Ok(facts.into_iter().map(|(_, fact)| fact).chain(signals).chain(paused).collect())
}

fn awaits_children(attempt: &AttemptRecord) -> bool {
    attempt.seqs.finished.is_none() && attempt.awaiting.as_ref().is_some_and(|awaiting| awaiting["kind"] == "children")
}

/// What the children's own rows say of those attempts that wait for them.
fn children_facts(graph: &Graph, attempts: &[AttemptRecord], children: &[ChildRow]) -> Vec<Event> {
    let mut facts = Vec::with_capacity(children.len() * 2);
    for parent in attempts.iter().filter(|attempt| awaits_children(attempt)) {
        let Some(step) = graph.find(&parent.node) else { continue };
        for child in children.iter().filter(|child| child.node == parent.node && child.attempt == parent.attempt) {
            let (attempt, index) = (child.attempt, child.index);
            facts.push(Event::ChildStarted { step, attempt, index });
            if child.status.is_terminal() {
                facts.push(Event::ChildEnded { step, index, failed: child.status != RunStatus::Completed });
            }
        }
    }
    facts
}

fn facts_of(step: StepIx, row: &AttemptRecord, facts: &mut Vec<(i64, Event)>) -> Result<()> {
    let attempt = row.attempt;
    if let Some(seq) = row.seqs.started {
        facts.push((seq, Event::StepStarted { step, attempt }));
    }
    // An attempt that slept and has ended was called again in between: its end follows its beginning just as well.
    if let (Some(seq), None) = (row.seqs.waiting, row.seqs.finished) {
        let awaiting = row.awaiting.as_ref().map(Awaiting::deserialize).transpose();
        let awaiting = awaiting.map_err(|fault| broken("awaiting", fault.to_string()))?.map(Arc::new);
        facts.push((seq, Event::StepWaiting { step, attempt, until: row.wake_at, awaiting }));
    }
    let Some(seq) = row.seqs.finished else { return Ok(()) };
    if row.status == StepStatus::Completed && row.seqs.started.is_none() {
        let output = Arc::new(row.output.clone().unwrap_or(Value::Null));
        facts.push((seq, Event::StepKept { step, output, port: Cow::Owned(row.port.clone().unwrap_or_default()) }));
        return Ok(());
    }
    facts.push((
        seq,
        match row.status {
            StepStatus::Completed => {
                let output = Arc::new(row.output.clone().unwrap_or(Value::Null));
                let port = Cow::Owned(row.port.clone().unwrap_or_default());
                Event::StepCompleted { step, attempt, output, port }
            }
            StepStatus::Failed => {
                let unknown = || NodeError::fatal("UNKNOWN", "the error was not recorded");
                let error = Arc::new(row.error.clone().unwrap_or_else(unknown));
                Event::StepFailed { step, attempt, error, retry_at: row.wake_at }
            }
            StepStatus::Skipped => Event::StepSkipped { step },
            StepStatus::Cancelled => Event::StepCancelled { step, attempt },
            status => return Err(broken("status", format!("{} has ended and is {status}", row.node))),
        },
    ));
    Ok(())
}

fn broken(column: &'static str, fault: String) -> Error {
    Error::Inconsistent { table: "step_runs", column, fault }
}
