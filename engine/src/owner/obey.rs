//! Telling the planner, and obeying the commands that its facts demand.

use std::sync::Arc;

use flowforge_core::{
    Command, Event, Input, RunStatus, StepIx, StepState, Timestamp,
    node::{Lane, NodeError},
    run::Rejected,
};
use futures::{
    FutureExt,
    future::{AbortHandle, Abortable, Aborted},
};

use super::{
    Begin, Ended, Owner, SHOW_AFTER,
    log::{Line, StepLog},
    task::{Attempt, Surroundings},
};
use crate::{
    clock,
    executor::Executed,
    queue::{Hint, Priority, StepRef},
};

impl Owner {
    pub(super) fn finished(&mut self, done: Result<Option<Executed>, Aborted>) {
        let Ok(done) = done else { return };
        let Some(mut executed) = done else {
            self.over = Some(Ended::Lost);
            return;
        };
        while let Ok(line) = self.lines.try_recv() {
            self.take_line(line);
        }
        self.aborts.remove(&executed.step);
        let result = std::mem::replace(&mut executed.result, Err(NodeError::fatal("TAKEN", "")));
        let input = Input::Report { step: executed.step, attempt: executed.attempt, result };
        self.apply(input, Some(&executed));
    }

    pub(super) fn take_line(&mut self, line: Line) {
        if matches!(self.run.state(line.step), StepState::Running { attempt, .. } if *attempt == line.attempt) {
            self.show_at.get_or_insert_with(|| clock::monotonic() + SHOW_AFTER);
            self.draft.log(&self.compiled.graph, line.step, line.attempt, line.stream, line.text, line.at);
        }
    }

    /// Tells the planner, adds its facts to the draft and obeys the commands that they demand.
    pub(super) fn apply(&mut self, input: Input, executed: Option<&Executed>) {
        let now = self.shared.clock.now();
        let facts = match self.run.step(input, now) {
            Ok(facts) => facts,
            Err(Rejected::StaleAttempt | Rejected::Finished) => return,
            Err(rejected) => return tracing::debug!(run = %self.id, %rejected, "an input changed nothing"),
        };
        for fact in &facts {
            let about = executed.filter(|executed| fact.step() == Some(executed.step));
            self.draft.record(&self.compiled.graph, fact, about, now);
            self.note(fact, now);
        }
        for command in facts.iter().filter_map(Event::command) {
            self.obey(command, false);
        }
    }

    /// Keeps the record that is handed to those who wait for the run.
    fn note(&mut self, fact: &Event, now: Timestamp) {
        match fact {
            Event::RunStarted { .. } => {
                self.record.status = RunStatus::Running;
                self.record.started_at = Some(now);
            }
            Event::CancelRequested => self.record.cancel_requested_at = Some(now),
            Event::RunFinished { status, output, error } => {
                self.record.status = *status;
                self.record.output = Some(output.clone());
                self.record.error.clone_from(error);
                self.record.finished_at = Some(now);
            }
            _ => {}
        }
    }

    pub(super) fn obey(&mut self, command: Command, replayed: bool) {
        match command {
            Command::Execute { step, attempt } => self.execute(step, attempt, replayed),
            Command::Abort { step, attempt } => {
                if let Some(abort) = self.aborts.remove(&step) {
                    abort.abort();
                }
                self.shared.abort_step(&self.step_ref(step, attempt));
            }
            Command::WakeAt(_) | Command::Announce | Command::StartChild { .. } | Command::CancelChildren { .. } => {}
        }
    }

    fn execute(&mut self, step: StepIx, attempt: u32, replayed: bool) {
        let spec = self.compiled.graph.step(step);
        if spec.lane() == Lane::Dispatched {
            return self.after_draft.push(Begin::Hint(self.step_ref(step, attempt)));
        }
        let effects_uncommitted = self.draft.has_effects() || self.commit.as_ref().is_some_and(|commit| commit.has_effects);
        let nothing_uncommitted = self.draft.is_empty() && self.commit.is_none() && self.new.is_none();
        let at_once = replayed || nothing_uncommitted || (spec.is_pure() && !effects_uncommitted && !self.suspect);
        let begin = Begin::Attempt { step, attempt };
        if at_once { self.start(begin) } else { self.after_draft.push(begin) }
    }

    pub(super) fn start(&mut self, begin: Begin) {
        match begin {
            // A hint that finds no room is no loss: the sweeper sees the lease.
            Begin::Hint(step) => drop(self.shared.queue.push(Hint::Step(step), Priority::High)),
            Begin::Attempt { step, attempt } => {
                let StepState::Running { attempt: current, woken, .. } = *self.run.state(step) else { return };
                if current == attempt && !self.shared.is_leaving() {
                    self.attempt(step, attempt, woken);
                }
            }
        }
    }

    fn attempt(&mut self, step: StepIx, attempt: u32, woken: Option<Timestamp>) {
        let log = Arc::new(StepLog::new(self.log.clone(), step, attempt));
        let secrets = &self.shared.executor.secrets;
        let (run, compiled, record, about) = (&self.run, &self.compiled, &self.record, &self.about);
        let surroundings = Surroundings { run, compiled, record, about, secrets };
        let task = surroundings.task(Attempt { step, attempt, woken }, log);
        let (shared, permits) = (self.shared.clone(), self.effects.clone());
        let (pure, lapses) = (self.compiled.graph.step(step).is_pure(), self.lapses);
        let future = async move {
            // A permit is only missing when the semaphore is closed, which nobody does.
            let _permit = if pure { None } else { permits.acquire_owned().await.ok() };
            // Too long without a heartbeat: the run may be another worker's already, so no effect begins.
            if !pure && !shared.is_trusted_since(lapses) {
                return None;
            }
            Some(shared.executor.execute(task).await)
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(step, abort);
        self.under_way.push(Abortable::new(future, registration).boxed());
    }

    fn step_ref(&self, step: StepIx, attempt: u32) -> StepRef {
        StepRef { run: self.id, node: self.compiled.graph.step(step).id.clone(), item: String::new(), attempt }
    }
}
