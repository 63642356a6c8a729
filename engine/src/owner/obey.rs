//! Telling the planner, and obeying the commands that its facts demand.

use std::sync::Arc;

use flowforge_core::{
    Awaiting, Command, Event, Input, RunId, RunStatus, StepIx, StepState, Timestamp,
    awaiting::Children,
    node::{Lane, NodeError},
    run::Rejected,
};
use futures::{
    FutureExt,
    future::{AbortHandle, Abortable, Aborted, BoxFuture},
};

use super::{
    Begin, Ended, Owner, SHOW_AFTER,
    log::{Line, StepLog},
    task::{Attempt, Surroundings},
};
use crate::{
    blob::is_plain,
    clock,
    committer::Dispatch,
    compiled::Compiled,
    executor::Executed,
    queue::{Hint, Priority, StepRef},
    record::{Parent, RunRecord},
    start::{failure_input, step_limit},
    store::inbox::{Handler, Message},
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
        if let Ok(outcome) = &mut executed.result {
            self.freeze(executed.step, outcome);
        }
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
        let signals = self.run.signals().len();
        let facts = match self.run.step(input, now) {
            Ok(facts) => facts,
            Err(Rejected::StaleAttempt | Rejected::Finished) => return,
            Err(rejected) => return tracing::debug!(run = %self.id, %rejected, "an input changed nothing"),
        };
        self.moved_at = clock::monotonic();
        for fact in &facts {
            let about = executed.filter(|executed| fact.step() == Some(executed.step));
            self.draft.record(&self.compiled.graph, fact, about, now);
            self.note(fact, now);
        }
        // One may be kept while another one is taken.
        if signals != self.run.signals().len() || facts.iter().any(|fact| matches!(fact, Event::SignalKept { .. })) {
            self.draft.signals(&self.run);
        }
        for command in facts.iter().filter_map(Event::command) {
            self.obey(command, false);
        }
    }

    /// Keeps the record that is handed to those who wait for the run, and tells other runs what they have to know.
    fn note(&mut self, fact: &Event, now: Timestamp) {
        self.plain &= match fact {
            Event::StepCompleted { output, .. } | Event::StepKept { output, .. } => is_plain(output),
            Event::StepFailed { error, .. } => is_plain(&error.details),
            _ => true,
        };
        match fact {
            Event::RunPaused => self.record.paused_at = Some(now),
            Event::RunResumed => self.record.paused_at = None,
            Event::StepCompleted { step, output, .. } if self.compiled.graph.step(*step).kind.spec.responds => {
                self.record.response.get_or_insert_with(|| output.clone());
            }
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
                self.tell_of_end(now);
            }
            _ => {}
        }
    }

    /// The parent learns of the end with the commit that records it, and so does whoever handles failures.
    fn tell_of_end(&mut self, now: Timestamp) {
        if let Some(parent) = &self.record.parent {
            self.draft.send(ended(parent, self.record.status).letter(parent.run, now));
            self.rings.push(parent.run);
        }
        if let Some((run, handler)) = handler(&self.compiled, &self.record, now) {
            self.draft.send(Message::Start(Box::new(handler)).letter(run, now));
            self.handler_called = true;
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
            Command::StartChild { step, attempt, index } => self.begin_or_wait(Begin::Child { step, attempt, index }, false),
            Command::CancelChildren { step, attempt } => self.cancel_children(step, attempt),
            Command::WakeAt(_) | Command::Announce => {}
        }
    }

    fn execute(&mut self, step: StepIx, attempt: u32, replayed: bool) {
        let spec = self.compiled.graph.step(step);
        let gathers = self.gathers(step).is_some();
        if spec.lane() == Lane::Dispatched && !gathers {
            if !replayed {
                let known = || self.limits.get(&step).cloned();
                let limit = spec.concurrency.as_ref();
                let limit = limit.map(|it| known().unwrap_or_else(|| step_limit(it, &self.compiled, step, &self.record.input)));
                self.draft.dispatch(Dispatch { node: spec.id.clone(), attempt, limit });
            }
            return self.after_draft.push(Begin::Hint(self.step_ref(step, attempt)));
        }
        let effects_uncommitted = self.draft.has_effects() || self.commit.as_ref().is_some_and(|commit| commit.has_effects);
        let apart = self.shared.config.commit_each_step && self.trigger != Some(step);
        let pure = (spec.is_pure() || gathers) && !effects_uncommitted && !self.suspect && !apart;
        self.begin_or_wait(Begin::Attempt { step, attempt }, replayed || pure);
    }

    /// Begins at once if that is harmless or everything is on disk, else when it is.
    fn begin_or_wait(&mut self, begin: Begin, harmless: bool) {
        let nothing_uncommitted = self.draft.is_empty() && self.commit.is_none() && self.new.is_none();
        // What may kill its worker begins when it is on disk that something does.
        let unsaid = self.suspect && !self.begins && matches!(begin, Begin::Attempt { .. });
        let at_once = if self.suspect { nothing_uncommitted && !unsaid } else { nothing_uncommitted || harmless };
        if at_once { self.start(begin) } else { self.after_draft.push(begin) }
    }

    /// Adds to the draft that something is about to be executed, if anything is and deaths are counted.
    pub(super) fn say_what_begins(&mut self) {
        if self.suspect && !self.begins && self.after_draft.iter().any(|begin| self.is_execution(begin)) {
            self.begins = true;
            self.draft.begins();
        }
    }

    fn is_execution(&self, begin: &Begin) -> bool {
        match begin {
            Begin::Attempt { step, attempt } => {
                matches!(self.run.state(*step), StepState::Running { attempt: now, .. } if now == attempt)
            }
            Begin::Child { .. } | Begin::Hint(_) => false,
        }
    }

    /// The children whose outputs an attempt gathers instead of calling its node.
    fn gathers(&self, step: StepIx) -> Option<&Children> {
        match self.run.state(step) {
            StepState::Running { awaited: Some(awaited), .. } => match &**awaited {
                Awaiting::Children(children) => Some(children),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn start(&mut self, begin: Begin) {
        match begin {
            // A hint that finds no room is no loss: the sweeper sees the lease.
            Begin::Hint(step) => self.shared.queue.offer(Hint::Step(step), Priority::High),
            Begin::Child { step, attempt, index } => self.call_child(step, attempt, index),
            Begin::Attempt { step, attempt } => {
                let StepState::Running { attempt: current, woken, awaited } = self.run.state(step) else { return };
                if *current == attempt && !self.shared.is_leaving() {
                    self.attempt(Attempt { step, attempt, woken: *woken, awaited: awaited.clone(), lease: None });
                }
            }
        }
    }

    fn attempt(&mut self, attempt: Attempt) {
        let step = attempt.step;
        let future = match self.gathers(step) {
            Some(children) => self.gather(step, attempt.attempt, children),
            None => self.call_node(attempt),
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(step, abort);
        self.under_way.push(Abortable::new(future, registration).boxed());
    }

    fn call_node(&self, attempt: Attempt) -> BoxFuture<'static, Option<Executed>> {
        let step = attempt.step;
        let log = Arc::new(StepLog::new(self.log.clone(), step, attempt.attempt));
        let (run, compiled, record, about) = (&self.run, &self.compiled, &self.record, &self.about);
        let surroundings = Surroundings { run, compiled, record, about, place: self.place.as_ref(), plain: self.plain };
        let task = surroundings.task(attempt, log);
        let (shared, permits) = (self.shared.clone(), self.effects.clone());
        let (pure, lapses) = (self.compiled.graph.step(step).is_pure(), self.lapses);
        async move {
            // A permit is only missing when the semaphore is closed, which nobody does.
            let _permit = if pure { None } else { permits.acquire_owned().await.ok() };
            // Too long without a heartbeat: the run may be another worker's already, so no effect begins.
            if !pure && !shared.is_trusted_since(lapses) {
                return None;
            }
            Some(shared.executor.execute(task).await)
        }
        .boxed()
    }

    fn step_ref(&self, step: StepIx, attempt: u32) -> StepRef {
        StepRef { run: self.id, node: self.compiled.graph.step(step).id.clone(), item: String::new(), attempt }
    }
}

/// What a parent is told of a child's end.
pub(crate) fn ended(parent: &Parent, status: RunStatus) -> Message {
    let Parent { node, attempt, index, .. } = parent;
    Message::ChildEnded { node: node.clone(), attempt: *attempt, index: *index, failed: status != RunStatus::Completed }
}

/// The run that a failure calls for, if its workflow names one. A handler's own failure calls for none, and an item's is its
/// list's to handle.
pub(crate) fn handler(compiled: &Compiled, record: &RunRecord, now: Timestamp) -> Option<(RunId, Handler)> {
    let workflow = compiled.graph.on_failure().filter(|_| record.status == RunStatus::Failed && record.trigger != HANDLER)?;
    let input = failure_input(record, &compiled.about["name"], now);
    let handler = Handler { workspace: record.workspace, workflow: workflow.to_owned(), input };
    Some((RunId::new(clock::new_uuid()), handler))
}

/// What starts the run that handles a failure.
pub(crate) const HANDLER: &str = "failure";
