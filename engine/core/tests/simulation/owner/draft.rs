//! The facts of a run since its last commit, gathered into rows, as in `engine/src/owner/draft.rs`.

use std::sync::Arc;

use flowforge_core::{Awaiting, Event, Graph, Run, RunStatus, StepIx, StepStatus, Timestamp, node::Lane};

use crate::{
    bug::Bug,
    delta::{Delta, Guard, LogWrite, StepWrite},
    ghost::Kind,
    store::Body,
};

/// What has not been committed yet.
pub(crate) struct Draft {
    delta: Delta,
    touched: bool,
    /// Inline attempts that have begun and whose row is not written yet.
    unwritten: Vec<(StepIx, u32)>,
    /// Attempts whose row is written and open, and whether it says that they slept.
    open: Vec<(StepIx, u32, bool)>,
    /// Whether a step that is not pure has ended.
    effects: bool,
    /// A planted bug.
    keeps_dispatch: bool,
}

impl Draft {
    pub(crate) fn new(run: u32, bug: Bug) -> Self {
        let keeps_dispatch = bug == Bug::SleepKeepsDispatch;
        let delta = Delta::of_run(run, Guard::Owner(0), 0);
        Self { delta, touched: false, unwritten: Vec::new(), open: Vec::new(), effects: false, keeps_dispatch }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.touched
    }

    pub(crate) fn has_effects(&self) -> bool {
        self.effects
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Takes note that the run's row says that it waits, which the next commit changes.
    pub(crate) fn go_on(&mut self) {
        self.delta.patch.status = Some(RunStatus::Running);
    }

    /// Takes note of an attempt whose row is written already.
    pub(crate) fn reopen(&mut self, step: StepIx, attempt: u32, slept: bool) {
        self.open.push((step, attempt, slept));
    }

    /// Takes what is to be committed and leaves an empty draft behind.
    pub(crate) fn take(&mut self, guard: Guard, claim: u64) -> Delta {
        let empty = Delta::of_run(self.delta.run, Guard::Owner(0), 0);
        let mut delta = std::mem::replace(&mut self.delta, empty);
        (delta.guard, delta.claim) = (guard, claim);
        (self.touched, self.effects) = (false, false);
        delta
    }

    /// Adds a fact.
    pub(crate) fn record(&mut self, run: &Run, event: &Event) {
        let graph = run.graph();
        match event {
            Event::RunStarted { .. } => {
                self.delta.patch.started = Some(self.seq());
                self.delta.patch.status = Some(RunStatus::Running);
            }
            Event::CancelRequested => {
                // What began before stands before it.
                self.write_all_begun();
                self.delta.patch.cancelled = Some(self.seq());
            }
            Event::RunFinished { status, output, error } => {
                self.delta.patch.status = Some(*status);
                self.delta.patch.output = Some(output.clone());
                self.delta.patch.error.clone_from(error);
                self.delta.patch.finished = Some(self.seq());
                self.delta.patch.release = true;
            }
            Event::StepStarted { step, attempt } => self.begin(graph, *step, *attempt),
            Event::StepResumed { step, attempt } => {
                if is_dispatched(graph, *step) {
                    self.touched = true;
                    self.delta.recall.retain(|recalled| recalled != &(*step, *attempt));
                    self.delta.dispatch.push((*step, *attempt));
                }
            }
            Event::StepWaiting { step, attempt, until, awaiting } => self.pause(graph, *step, *attempt, *until, awaiting.clone()),
            Event::StepSkipped { step } => {
                let seq = self.seq();
                self.row(*step, 1, StepStatus::Skipped).finished = Some(seq);
            }
            Event::StepCompleted { step, attempt, port, output } => {
                let row = self.end(graph, *step, *attempt, StepStatus::Completed);
                row.port = Some(port.clone());
                row.output = Some(output.clone());
            }
            Event::StepFailed { step, attempt, error, retry_at } => {
                let row = self.end(graph, *step, *attempt, StepStatus::Failed);
                row.error = Some(error.clone());
                row.wake_at = retry_at.map(|at| at.0);
            }
            // Between two attempts there is no open row to close: the failed attempt's says all there is.
            Event::StepCancelled { step, attempt } => {
                let is_open = self.open.iter().any(|(open, ..)| open == step);
                if is_open || self.unwritten.iter().any(|(begun, _)| begun == step) {
                    self.end(graph, *step, *attempt, StepStatus::Cancelled);
                }
            }
            Event::RunPaused => self.note(Kind::RunPaused, true),
            Event::RunResumed => self.note(Kind::RunResumed, false),
            // The children's own rows say it; signals are written as what is left of them.
            Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::ChildrenCancelled { .. }
            | Event::SignalKept { .. } => {}
            Event::StepKept { step, output, port } => {
                let seq = self.seq();
                let row = self.row(*step, 1, StepStatus::Completed);
                (row.finished, row.port, row.output) = (Some(seq), Some(port.clone()), Some(output.clone()));
            }
        }
    }

    /// Adds that the run was paused or goes on.
    fn note(&mut self, kind: Kind, paused: bool) {
        let offset = self.seq();
        self.delta.patch.paused = Some(paused);
        self.delta.logs.push(LogWrite { offset, kind, step: StepIx(0), attempt: 0 });
    }

    /// Adds what is left of the signals.
    pub(crate) fn signals(&mut self, run: &Run) {
        self.touched = true;
        self.delta.patch.signals = Some(run.signals().map(|(name, payload)| (name.to_owned(), payload.clone())).collect());
    }

    /// Adds a message to another run.
    pub(crate) fn send(&mut self, to: u32, body: Body) {
        self.touched = true;
        self.delta.outbox.push((to, body));
    }

    /// Leaves dispatched steps to whoever finds them, which only a planted bug does.
    pub(crate) fn forget_recalls(&mut self) {
        self.delta.recall.clear();
    }

    pub(crate) fn consume(&mut self, id: u64) {
        self.touched = true;
        self.delta.consumed.push(id);
    }

    /// Writes the rows of all attempts that have begun, for those who watch.
    pub(crate) fn write_all_begun(&mut self) {
        while let Some((step, _)) = self.unwritten.first().copied() {
            self.write_begun(step);
        }
    }

    /// Adds that something is about to be executed.
    pub(crate) fn begins(&mut self) {
        self.touched = true;
        self.delta.patch.begins = true;
    }

    /// Adds that the owner lets go, and when the run is to be woken.
    pub(crate) fn release(&mut self, status: RunStatus, wake_at: Option<Timestamp>) {
        self.touched = true;
        self.delta.patch.release = true;
        self.delta.patch.status = Some(status);
        self.delta.patch.wake_at = wake_at.map(|at| at.0);
    }

    fn begin(&mut self, graph: &Graph, step: StepIx, attempt: u32) {
        self.unwritten.push((step, attempt));
        if is_dispatched(graph, step) {
            self.write_begun(step);
            self.delta.dispatch.push((step, attempt));
        }
    }

    fn pause(&mut self, graph: &Graph, step: StepIx, attempt: u32, until: Option<Timestamp>, awaiting: Option<Arc<Awaiting>>) {
        self.write_begun(step);
        let slept =
            self.open.iter_mut().find(|(open, ..)| *open == step).is_some_and(|open| std::mem::replace(&mut open.2, true));
        let seq = (!slept).then(|| self.seq());
        // What sleeps is nobody's to execute, whoever dispatched it again in the meantime.
        if is_dispatched(graph, step) && !self.keeps_dispatch {
            self.delta.dispatch.retain(|dispatched| *dispatched != (step, attempt));
            self.delta.recall.push((step, attempt));
        }
        let row = self.row(step, attempt, StepStatus::Waiting);
        row.waiting = seq.or(row.waiting);
        row.wake_at = until.map(|at| at.0);
        row.awaiting = awaiting;
    }

    fn end(&mut self, graph: &Graph, step: StepIx, attempt: u32, status: StepStatus) -> &mut StepWrite {
        self.write_begun(step);
        self.open.retain(|(open, ..)| *open != step);
        self.effects |= !graph.step(step).is_pure();
        if is_dispatched(graph, step) {
            self.delta.dispatch.retain(|dispatched| *dispatched != (step, attempt));
            self.delta.recall.push((step, attempt));
        }
        self.delta.patch.progress = true;
        let seq = self.seq();
        let row = self.row(step, attempt, status);
        row.finished = Some(seq);
        row
    }

    fn write_begun(&mut self, step: StepIx) {
        let Some(at) = self.unwritten.iter().position(|(begun, _)| *begun == step) else { return };
        let (_, attempt) = self.unwritten.remove(at);
        self.open.push((step, attempt, false));
        let seq = self.seq();
        self.row(step, attempt, StepStatus::Running).started = Some(seq);
    }

    /// The row of an attempt: one a draft, whatever happens to it in between.
    fn row(&mut self, step: StepIx, attempt: u32, status: StepStatus) -> &mut StepWrite {
        self.touched = true;
        let steps = &mut self.delta.steps;
        let at = steps.iter().rposition(|row| row.step == step && row.attempt == attempt).unwrap_or_else(|| {
            steps.push(empty_row(step, attempt));
            steps.len() - 1
        });
        steps[at].status = status;
        &mut steps[at]
    }

    /// The next record number, as an offset.
    fn seq(&mut self) -> i64 {
        self.touched = true;
        self.delta.seqs += 1;
        self.delta.seqs - 1
    }
}

fn is_dispatched(graph: &Graph, step: StepIx) -> bool {
    graph.step(step).lane() == Lane::Dispatched
}

fn empty_row(step: StepIx, attempt: u32) -> StepWrite {
    let (output, error, port, awaiting, started, waiting, finished, wake_at) = Default::default();
    StepWrite { step, attempt, status: StepStatus::Pending, output, error, port, awaiting, started, waiting, finished, wake_at }
}
