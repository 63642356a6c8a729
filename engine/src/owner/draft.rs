//! The facts of a run since its last commit, gathered into rows. A pure fold: it decides nothing and does nothing.

use std::collections::BTreeMap;

use flowforge_core::{
    Awaiting, Event, Graph, Run, RunId, RunStatus, StepIx, StepStatus, Timestamp,
    event::RunError,
    node::{Lane, Stream},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    committer::{Delta, Dispatch, Guard, Letter, LogWrite, RunPatch, StepWrite},
    executor::{Executed, json_text},
};

/// The stream of what happened to the run itself.
pub(crate) const EVENT: &str = "event";
const RUN_PAUSED: &str = "run_paused";
const RUN_RESUMED: &str = "run_resumed";
/// A draft that has grown so large, in rows, is committed before more is done.
const LARGE_ROWS: usize = 500;
/// The same in bytes of values.
const LARGE_BYTES: usize = 4 * 1024 * 1024;

/// What has not been committed yet.
#[derive(Default)]
pub(super) struct Draft {
    delta: Change,
    /// Inline attempts that have begun and whose row is not written yet: most end before it would be worth it.
    unwritten: BTreeMap<StepIx, (u32, Timestamp)>,
    /// Attempts whose row is written and open, and whether it says that they slept.
    open: BTreeMap<StepIx, (u32, bool)>,
    /// Whether a step that is not pure has ended.
    effects: bool,
}

#[derive(Default)]
struct Change {
    seqs: i64,
    patch: RunPatch,
    steps: Vec<StepWrite>,
    by_step: BTreeMap<(StepIx, u32), usize>,
    dispatch: Vec<Dispatch>,
    recall: Vec<(flowforge_core::NodeId, u32)>,
    logs: Vec<LogWrite>,
    consumed: Vec<Uuid>,
    outbox: Vec<Letter>,
    /// About how many bytes of values there are.
    bytes: usize,
    touched: bool,
}

impl Draft {
    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        !self.delta.touched
    }

    /// Whether a commit would write so much that it is time for one.
    pub(super) fn is_large(&self) -> bool {
        self.delta.steps.len() + self.delta.logs.len() >= LARGE_ROWS || self.delta.bytes >= LARGE_BYTES
    }

    /// Whether there are log lines to commit and nothing else, except beginnings that they brought along.
    pub(super) fn has_only_logs(&self) -> bool {
        let change = &self.delta;
        let seqs = change.logs.len() + change.steps.iter().filter(|row| row.started.is_some() && row.finished.is_none()).count();
        !change.logs.is_empty()
            && change.seqs as usize == seqs
            && change.consumed.is_empty()
            && change.dispatch.is_empty()
            && change.outbox.is_empty()
            && change.patch.paused.is_none()
    }

    /// Whether the end of a step that is not pure would be committed.
    pub(super) fn has_effects(&self) -> bool {
        self.effects
    }

    /// Whether an attempt has begun whose row is not written yet.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Takes note that the run's row says that it waits, which the next commit changes.
    pub(super) fn go_on(&mut self) {
        self.delta.patch.status = Some(RunStatus::Running);
    }

    /// Takes note of an attempt whose row is written already.
    pub(super) fn reopen(&mut self, step: StepIx, attempt: u32, slept: bool) {
        self.open.insert(step, (attempt, slept));
    }

    /// Takes what is to be committed and leaves an empty draft behind. Attempts that go on are remembered.
    pub(super) fn take(&mut self, run: RunId, guard: Guard) -> Delta {
        let Change { seqs, patch, steps, dispatch, recall, logs, consumed, outbox, .. } = std::mem::take(&mut self.delta);
        self.effects = false;
        Delta { run, guard, seqs, patch, steps, dispatch, recall, logs, consumed, outbox }
    }

    /// Adds a fact; `executed` is what came of the attempt, if the fact is its end.
    pub(super) fn record(&mut self, graph: &Graph, event: &Event, executed: Option<&Executed>, now: Timestamp) {
        match event {
            Event::RunStarted { .. } => {
                self.delta.patch.started = Some((self.seq(), now));
                self.delta.patch.status = Some(RunStatus::Running);
            }
            Event::CancelRequested => {
                // What began before stands before it.
                self.write_all_begun(graph);
                self.delta.patch.cancelled = Some((self.seq(), now));
            }
            Event::RunFinished { status, output, error } => self.finish(*status, output, error.as_ref(), now),
            Event::RunPaused => self.note(RUN_PAUSED, Some(now), now),
            Event::RunResumed => self.note(RUN_RESUMED, None, now),
            Event::StepStarted { step, attempt } => self.begin(graph, *step, *attempt, now),
            // The owner says what is dispatched, since only it knows what a step's limit is counted under.
            Event::StepResumed { .. } => {}
            Event::StepWaiting { step, attempt, until, awaiting } => {
                self.pause(graph, *step, *attempt, *until, awaiting.as_deref(), executed);
            }
            Event::StepKept { step, output, port } => {
                let seq = self.seq();
                let row = self.row(graph, *step, 1, StepStatus::Completed);
                (row.finished, row.finished_at) = (Some(seq), Some(now));
                (row.port, row.output) = (Some(port.to_string()), Some(json_text(output)));
                // An answer is kept like everything else.
                if graph.step(*step).kind.spec.responds && self.delta.patch.response.is_none() {
                    self.delta.patch.response = Some(json_text(output));
                }
            }
            // The children's own rows say it; signals are written as what is left of them.
            Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::ChildrenCancelled { .. }
            | Event::SignalKept { .. } => {}
            Event::StepSkipped { step } => {
                let seq = self.seq();
                let row = self.row(graph, *step, 1, StepStatus::Skipped);
                row.finished = Some(seq);
                row.finished_at = Some(now);
            }
            Event::StepCompleted { step, attempt, output, port } => {
                // What came from outside was not executed, also when it had come before its step asked for it.
                let output = executed.and_then(|executed| executed.output_json.clone()).or_else(|| Some(json_text(output)));
                if graph.step(*step).kind.spec.responds && self.delta.patch.response.is_none() {
                    self.delta.patch.response.clone_from(&output);
                }
                self.delta.bytes += output.as_ref().map_or(0, String::len);
                let row = self.end(graph, *step, *attempt, StepStatus::Completed, executed, now);
                row.port = Some(port.to_string());
                row.output = output;
            }
            Event::StepFailed { step, attempt, error, retry_at } => {
                let row = self.end(graph, *step, *attempt, StepStatus::Failed, executed, now);
                row.error = Some(serde_json::json!(**error).to_string());
                row.wake_at = *retry_at;
            }
            // Between two attempts there is no open row to close: the failed attempt's says all there is.
            Event::StepCancelled { step, attempt } => {
                if self.unwritten.contains_key(step) || self.open.contains_key(step) {
                    self.end(graph, *step, *attempt, StepStatus::Cancelled, None, now);
                }
            }
        }
    }

    fn finish(&mut self, status: RunStatus, output: &Value, error: Option<&RunError>, now: Timestamp) {
        self.delta.patch.status = Some(status);
        self.delta.patch.output = Some(json_text(output));
        self.delta.patch.error = error.map(|error| serde_json::json!(error).to_string());
        self.delta.patch.finished = Some((self.seq(), now));
        self.delta.patch.release = true;
    }

    /// Adds a log line.
    pub(super) fn log(&mut self, graph: &Graph, step: StepIx, attempt: u32, stream: Stream, text: String, at: Timestamp) {
        let node = graph.step(step).id.clone();
        // A line may not stand before the beginning of its attempt.
        self.write_begun(graph, step);
        let offset = self.seq();
        self.delta.bytes += text.len();
        self.delta.logs.push(LogWrite { offset, node, attempt, stream: stream.as_str(), text, at });
    }

    /// Adds that the run was paused or goes on.
    fn note(&mut self, what: &str, paused: Option<Timestamp>, at: Timestamp) {
        let offset = self.seq();
        self.delta.patch.paused = Some(paused);
        self.delta.logs.push(LogWrite { offset, node: "".into(), attempt: 0, stream: EVENT, text: what.to_owned(), at });
    }

    /// Adds what is left of the signals.
    pub(super) fn signals(&mut self, run: &Run) {
        let kept: Vec<_> = run.signals().map(|(name, payload)| json!({ "name": name, "payload": **payload })).collect();
        self.delta.touched = true;
        self.delta.patch.signals = Some(json!(kept).to_string());
    }

    /// Adds a message to another run.
    pub(super) fn send(&mut self, letter: Letter) {
        self.delta.touched = true;
        self.delta.outbox.push(letter);
    }

    /// Adds that any worker may claim an attempt.
    pub(super) fn dispatch(&mut self, dispatch: Dispatch) {
        self.delta.touched = true;
        self.delta.recall.retain(|(node, attempt)| *node != dispatch.node || *attempt != dispatch.attempt);
        self.delta.dispatch.push(dispatch);
    }

    /// Adds that an inbox row's meaning is recorded.
    pub(super) fn consume(&mut self, id: Uuid) {
        self.delta.touched = true;
        self.delta.consumed.push(id);
    }

    /// Writes the rows of all attempts that have begun, for those who watch.
    pub(super) fn write_all_begun(&mut self, graph: &Graph) {
        for step in self.unwritten.keys().copied().collect::<Vec<_>>() {
            self.write_begun(graph, step);
        }
    }

    /// Adds that something is about to be executed.
    pub(super) fn begins(&mut self) {
        self.delta.touched = true;
        self.delta.patch.begins = true;
    }

    /// Adds that the owner lets go, and when the run is to be woken.
    pub(super) fn release(&mut self, status: RunStatus, wake_at: Option<Timestamp>) {
        self.delta.touched = true;
        self.delta.patch.release = true;
        self.delta.patch.status = Some(status);
        self.delta.patch.wake_at = wake_at;
    }

    fn begin(&mut self, graph: &Graph, step: StepIx, attempt: u32, now: Timestamp) {
        self.unwritten.insert(step, (attempt, now));
        if graph.step(step).lane() == Lane::Dispatched {
            self.write_begun(graph, step);
        }
    }

    fn pause(
        &mut self,
        graph: &Graph,
        step: StepIx,
        attempt: u32,
        until: Option<Timestamp>,
        awaiting: Option<&Awaiting>,
        executed: Option<&Executed>,
    ) {
        self.write_begun(graph, step);
        self.recall(graph, step, attempt);
        let slept = self.open.insert(step, (attempt, true)).is_some_and(|(_, slept)| slept);
        let seq = (!slept).then(|| self.seq());
        let row = self.row(graph, step, attempt, StepStatus::Waiting);
        row.waiting = seq.or(row.waiting);
        row.wake_at = until;
        row.awaiting = awaiting.map(|awaiting| json!(awaiting).to_string());
        row.input = executed.and_then(|executed| executed.input.as_ref()).map(json_text);
    }

    fn end(
        &mut self,
        graph: &Graph,
        step: StepIx,
        attempt: u32,
        status: StepStatus,
        executed: Option<&Executed>,
        now: Timestamp,
    ) -> &mut StepWrite {
        if let Some(executed) = executed
            && let Some(begun) = self.unwritten.get_mut(&step)
        {
            begun.1 = executed.started_at;
        }
        self.write_begun(graph, step);
        self.open.remove(&step);
        self.effects |= !graph.step(step).is_pure();
        self.recall(graph, step, attempt);
        self.delta.patch.progress = true;
        let seq = self.seq();
        let input = executed.and_then(|executed| executed.input.as_ref()).map(json_text);
        self.delta.bytes += input.as_ref().map_or(0, String::len);
        let row = self.row(graph, step, attempt, status);
        row.finished = Some(seq);
        row.finished_at = Some(executed.map_or(now, |executed| executed.finished_at));
        row.input = input;
        row
    }

    /// Nobody may go on with a dispatched attempt, not even one who was just told to.
    fn recall(&mut self, graph: &Graph, step: StepIx, attempt: u32) {
        if graph.step(step).lane() == Lane::Dispatched {
            let node = graph.step(step).id.clone();
            self.delta.dispatch.retain(|dispatched| dispatched.node != node || dispatched.attempt != attempt);
            self.delta.recall.push((node, attempt));
        }
    }

    fn write_begun(&mut self, graph: &Graph, step: StepIx) {
        let Some((attempt, at)) = self.unwritten.remove(&step) else { return };
        self.open.insert(step, (attempt, false));
        let seq = self.seq();
        let row = self.row(graph, step, attempt, StepStatus::Running);
        row.started = Some(seq);
        row.started_at = Some(at);
    }

    /// The row of an attempt: one a draft, whatever happens to it in between.
    fn row(&mut self, graph: &Graph, step: StepIx, attempt: u32, status: StepStatus) -> &mut StepWrite {
        self.delta.touched = true;
        let at = *self.delta.by_step.entry((step, attempt)).or_insert_with(|| {
            self.delta.steps.push(empty_row(graph.step(step).id.clone(), attempt));
            self.delta.steps.len() - 1
        });
        let row = &mut self.delta.steps[at];
        row.status = status;
        row
    }

    /// The next record number, as an offset.
    fn seq(&mut self) -> i64 {
        self.delta.touched = true;
        self.delta.seqs += 1;
        self.delta.seqs - 1
    }
}

fn empty_row(node: flowforge_core::NodeId, attempt: u32) -> StepWrite {
    StepWrite {
        node,
        attempt,
        status: StepStatus::Pending,
        input: None,
        output: None,
        error: None,
        port: None,
        started: None,
        waiting: None,
        finished: None,
        started_at: None,
        finished_at: None,
        wake_at: None,
        awaiting: None,
    }
}
