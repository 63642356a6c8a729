//! An owned run: its state in memory, its steps under way, and what of it is not on disk yet.
//!
//! The loop does the same three things over and over: everything that can be done at once; then hand over what is not
//! committed, if no commit is under way; then wait for whatever comes first. An effect begins only after the commit that
//! recorded its causes. A pure step may begin as soon as its causes are known, since running it again is harmless; so a
//! chain of pure steps is written in one commit.

mod draft;
mod load;
mod log;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flowforge_core::{
    Command, Event, Input, Run, RunId, RunStatus, StepIx, StepState, Timestamp,
    graph::Reads,
    node::{Lane, LogSink, NodeError},
    run::Rejected,
    template::Scope,
};
use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, Aborted, BoxFuture},
    stream::FuturesUnordered,
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use self::{draft::Draft, load::seed, log::Line};
pub(crate) use self::{load::Loaded, log::admitted};
use crate::{
    clock,
    committer::{Guard, NewRunRow, answered},
    compiled::Compiled,
    engine::Shared,
    error::{Error, Result},
    executor::{Executed, Task},
    queue::{Hint, Priority, StepRef},
    record::RunRecord,
    store::inbox::{Message, Report},
};

/// How long log lines are gathered, and an inline attempt may be under way, before they are written for those who watch.
const SHOW_AFTER: Duration = Duration::from_millis(100);
/// A run that only waits lets go of its worker when the wait is longer than this.
const PARK_AFTER: Duration = Duration::from_secs(5);
/// A draft that has grown so large is committed before more is done.
const LARGE_DRAFT: usize = 500;
/// How many effects of one run are under way at once in its owner.
const EFFECTS_AT_ONCE: usize = 64;
/// How many log lines wait for the owner before the steps that write them wait too.
const LINES_WAITING: usize = 256;

/// How ownership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The run is over.
    Over,
    /// The owner let go of a run that waits.
    Parked,
    /// Another worker owns the run now, or nobody does because the process shuts down.
    Gone,
    /// It is not known what was written; the run has to be read again.
    Lost,
}

/// A run and its worker.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    compiled: Arc<Compiled>,
    run: Run,
    id: RunId,
    epoch: i64,
    record: RunRecord,
    deadline: Option<Timestamp>,
    new: Option<Box<NewRunRow>>,
    about: Arc<Value>,
    draft: Draft,
    /// What may begin when the draft is on disk.
    after_draft: Vec<Begin>,
    commit: Option<Commit>,
    under_way: FuturesUnordered<BoxFuture<'static, Result<Executed, Aborted>>>,
    aborts: HashMap<StepIx, AbortHandle>,
    effects: Arc<Semaphore>,
    lines: mpsc::Receiver<Line>,
    log: Arc<log::OwnerLog>,
    bell: Arc<Notify>,
    trigger: Option<StepIx>,
    /// When what has begun and what was logged is to be written at the latest.
    show_at: Option<Instant>,
    /// How ownership has ended.
    over: Option<Ended>,
    accepted: Option<oneshot::Sender<Result<RunRecord>>>,
    ended: Option<oneshot::Sender<RunRecord>>,
}

/// A commit under way.
struct Commit {
    answer: oneshot::Receiver<Result<()>>,
    /// What may begin when it has succeeded.
    then: Vec<Begin>,
    has_effects: bool,
    /// How ownership ends with it, when it lets the run go.
    lets_go: Option<Ended>,
}

/// What begins when its causes are on disk.
enum Begin {
    Attempt { step: StepIx, attempt: u32 },
    Hint(StepRef),
}

/// Who waits for a run that was just accepted.
pub(crate) struct Waiting {
    /// Told when the run is on disk.
    pub(crate) accepted: oneshot::Receiver<Result<RunRecord>>,
    /// Told when it has ended.
    pub(crate) ended: oneshot::Receiver<RunRecord>,
}

impl Owner {
    /// Takes a run that does not exist yet: the first commit creates it.
    pub(crate) fn create(shared: Arc<Shared>, compiled: Arc<Compiled>, record: RunRecord, row: NewRunRow) -> (Self, Waiting) {
        let (accepted, on_accepted) = oneshot::channel();
        let (ended, on_ended) = oneshot::channel();
        let run = Run::new(compiled.graph.clone(), seed(record.id));
        let deadline = row.deadline_at;
        let mut owner = Self::new(shared, compiled, run, record, row.epoch(), deadline);
        owner.trigger = row.trigger_node.as_ref().and_then(|node| owner.compiled.graph.find(node));
        owner.new = Some(Box::new(row));
        owner.accepted = Some(accepted);
        owner.ended = Some(ended);
        (owner, Waiting { accepted: on_accepted, ended: on_ended })
    }

    /// Takes over a run that was claimed.
    pub(crate) fn resume(shared: Arc<Shared>, loaded: Loaded) -> Self {
        let Loaded { row, compiled, run, open } = loaded;
        let trigger = row.trigger_node.as_deref().and_then(|node| compiled.graph.find(&node.into()));
        let mut owner = Self::new(shared, compiled, run, row.record, row.epoch, row.deadline_at);
        owner.trigger = trigger;
        open.into_iter().for_each(|(step, attempt, slept)| owner.draft.reopen(step, attempt, slept));
        owner
    }

    fn new(
        shared: Arc<Shared>,
        compiled: Arc<Compiled>,
        run: Run,
        record: RunRecord,
        epoch: i64,
        deadline: Option<Timestamp>,
    ) -> Self {
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        let about =
            json!({ "id": record.id, "workflow_id": record.workflow, "version": record.version, "trigger": record.trigger });
        Self {
            id: record.id,
            run,
            epoch,
            deadline,
            new: None,
            about: Arc::new(about),
            draft: Draft::default(),
            after_draft: Vec::new(),
            commit: None,
            under_way: FuturesUnordered::new(),
            aborts: HashMap::new(),
            effects: Arc::new(Semaphore::new(EFFECTS_AT_ONCE)),
            lines,
            log: Arc::new(log::OwnerLog::new(sender, shared.clock.clone())),
            bell: Arc::new(Notify::new()),
            trigger: None,
            show_at: None,
            over: None,
            accepted: None,
            ended: None,
            shared,
            compiled,
            record,
        }
    }

    /// What rings when something has come into the run's inbox.
    pub(crate) fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    /// Works on the run until it is over, waits for long, or is no longer this worker's.
    pub(crate) async fn drive(&mut self, crashes: u32) -> Ended {
        match self.begin(crashes).await {
            Ok(()) => {}
            Err(fault) => return self.give_up(&fault),
        }
        loop {
            self.do_what_is_ready().await;
            if let Some(ended) = self.is_ended() {
                return ended;
            }
            self.hand_over().await;
            if let Err(fault) = self.wait().await {
                return self.give_up(&fault);
            }
        }
    }

    async fn begin(&mut self, crashes: u32) -> Result<()> {
        if self.run.status() == RunStatus::Pending {
            let trigger = self.trigger;
            if self.new.is_none() {
                self.read_inbox().await?;
            }
            self.apply(Input::Start { trigger }, None);
            return Ok(());
        }
        self.read_inbox().await?;
        let commands = self.run.commands();
        self.apply(Input::TakenOver { crashes }, None);
        for command in commands {
            if self.still_demanded(command) {
                self.obey(command, true);
            }
        }
        self.apply(Input::Wake, None);
        Ok(())
    }

    /// Whether a command of the replayed facts was not overtaken by what the takeover and the inbox said since.
    fn still_demanded(&self, command: Command) -> bool {
        match command {
            Command::Execute { step, attempt } => {
                matches!(self.run.state(step), StepState::Running { attempt: now, .. } if *now == attempt)
            }
            _ => false,
        }
    }

    /// Everything that needs no waiting: attempts that answer at once, and what follows from them.
    async fn do_what_is_ready(&mut self) {
        while let Some(Some(done)) = self.under_way.next().now_or_never() {
            self.finished(done);
            if self.draft.rows() >= LARGE_DRAFT {
                self.hand_over().await;
                tokio::task::yield_now().await;
            }
        }
    }

    fn is_ended(&self) -> Option<Ended> {
        let settled = self.draft.is_empty() && self.commit.is_none();
        self.over.or_else(|| (settled && self.run.status().is_terminal()).then_some(Ended::Over))
    }

    /// Hands the draft to the committer, unless a commit is under way or the draft can wait for more.
    async fn hand_over(&mut self) {
        if self.commit.is_some() {
            return;
        }
        let lets_go = self.let_go_if_idle();
        if self.draft.is_empty() || self.may_wait() {
            return;
        }
        let guard = match self.new.take() {
            Some(row) => Guard::New(row),
            None => Guard::Owner(self.epoch),
        };
        let has_effects = self.draft.has_effects();
        let delta = self.draft.take(self.id, guard);
        let answer = self.shared.committer.submit(delta).await;
        self.show_at = None;
        self.commit = Some(Commit { answer, then: std::mem::take(&mut self.after_draft), has_effects, lets_go });
    }

    /// Log lines alone are gathered for a moment.
    fn may_wait(&self) -> bool {
        let moment_came = self.show_at.is_none_or(|at| at <= clock::monotonic());
        self.draft.has_only_logs() && self.draft.rows() < LARGE_DRAFT && !moment_came
    }

    /// A run that waits for long needs no owner; nor does any run when the process leaves.
    fn let_go_if_idle(&mut self) -> Option<Ended> {
        let status = self.run.status();
        if status.is_terminal() || !self.under_way.is_empty() || !self.after_draft.is_empty() {
            return None;
        }
        let wake_at = self.run.next_wake().into_iter().chain(self.deadline).min();
        let waits_long = wake_at.is_some_and(|at| self.shared.clock.until(at) > PARK_AFTER);
        if status == RunStatus::Waiting && waits_long {
            self.draft.release(RunStatus::Waiting, wake_at);
            return Some(Ended::Parked);
        }
        // Whoever comes next finds it at once, and no crash is counted.
        self.shared.is_leaving().then(|| self.draft.release(status, Some(self.shared.clock.now()))).map(|()| Ended::Gone)
    }

    async fn wait(&mut self) -> Result<()> {
        let until = self.next_moment();
        let letting_go = self.commit.as_ref().is_some_and(|commit| commit.lets_go.is_some());
        let leaving = self.shared.is_leaving();
        let timer = async {
            match until {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let committed = async {
            match &mut self.commit {
                Some(commit) => answered((&mut commit.answer).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = committed => {
                answer?;
                self.committed();
            }
            // What is let go of is nobody's to change any more.
            Some(done) = self.under_way.next(), if !letting_go => self.finished(done),
            Some(line) = self.lines.recv(), if !letting_go => self.take_line(line),
            () = self.bell.notified(), if !letting_go => self.read_inbox().await?,
            () = self.shared.leaving.cancelled(), if !letting_go && !leaving => {}
            () = timer, if !letting_go => self.moment_came(),
        }
        Ok(())
    }

    /// How long until something is due: a timer, the deadline, or showing what has not been shown yet.
    fn next_moment(&mut self) -> Option<Duration> {
        if self.show_at.is_none() && (self.draft.has_unwritten() && !self.under_way.is_empty() || self.draft.has_only_logs()) {
            self.show_at = Some(clock::monotonic() + SHOW_AFTER);
        }
        let due = self.run.next_wake().into_iter().chain(self.deadline).min().map(|at| self.shared.clock.until(at));
        let show = self.show_at.map(|at| at.saturating_duration_since(clock::monotonic()));
        let leave = self.shared.is_leaving().then_some(self.shared.config.grace);
        due.into_iter().chain(show).chain(leave).min()
    }

    fn moment_came(&mut self) {
        let now = self.shared.clock.now();
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            self.apply(Input::Expire, None);
        }
        if self.run.next_wake().is_some_and(|at| at <= now) && !self.shared.is_leaving() {
            self.apply(Input::Wake, None);
        }
        if self.show_at.is_some_and(|at| at <= clock::monotonic()) {
            self.draft.write_all_begun(&self.compiled.graph);
        } else if self.shared.is_leaving() {
            // The grace is over: what is still under way is stopped and begins again elsewhere.
            self.under_way.clear();
            self.aborts.clear();
        }
    }

    fn committed(&mut self) {
        let Some(commit) = self.commit.take() else { return };
        self.over = commit.lets_go;
        if let Some(accepted) = self.accepted.take() {
            let _ = accepted.send(Ok(self.record.clone()));
        }
        commit.then.into_iter().for_each(|begin| self.start(begin));
        let over = self.run.status().is_terminal() && self.draft.is_empty();
        if let Some(ended) = over.then(|| self.ended.take()).flatten() {
            let _ = ended.send(self.record.clone());
        }
    }

    fn finished(&mut self, done: Result<Executed, Aborted>) {
        let Ok(mut executed) = done else { return };
        while let Ok(line) = self.lines.try_recv() {
            self.take_line(line);
        }
        self.aborts.remove(&executed.step);
        let result = std::mem::replace(&mut executed.result, Err(NodeError::fatal("TAKEN", "")));
        let input = Input::Report { step: executed.step, attempt: executed.attempt, result };
        self.apply(input, Some(&executed));
    }

    fn take_line(&mut self, line: Line) {
        if matches!(self.run.state(line.step), StepState::Running { attempt, .. } if *attempt == line.attempt) {
            self.draft.log(&self.compiled.graph, line.step, line.attempt, line.stream, line.text, line.at);
        }
    }

    /// Tells the planner, adds its facts to the draft and obeys the commands that they demand.
    fn apply(&mut self, input: Input, executed: Option<&Executed>) {
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

    fn obey(&mut self, command: Command, replayed: bool) {
        match command {
            Command::Execute { step, attempt } => self.execute(step, attempt, replayed),
            Command::Abort { step, attempt } => {
                if let Some(abort) = self.aborts.remove(&step) {
                    abort.abort();
                }
                self.shared.abort_step(&self.step_ref(step, attempt));
            }
            Command::WakeAt(_) | Command::Announce => {}
        }
    }

    fn execute(&mut self, step: StepIx, attempt: u32, replayed: bool) {
        let spec = self.compiled.graph.step(step);
        if spec.kind.spec.lane == Lane::Dispatched {
            return self.after_draft.push(Begin::Hint(self.step_ref(step, attempt)));
        }
        let effects_uncommitted = self.draft.has_effects() || self.commit.as_ref().is_some_and(|commit| commit.has_effects);
        let nothing_uncommitted = self.draft.is_empty() && self.commit.is_none() && self.new.is_none();
        let at_once = replayed || nothing_uncommitted || (spec.is_pure() && !effects_uncommitted);
        let begin = Begin::Attempt { step, attempt };
        if at_once { self.start(begin) } else { self.after_draft.push(begin) }
    }

    fn start(&mut self, begin: Begin) {
        match begin {
            // A hint that finds no room is no loss: the sweeper sees the lease.
            Begin::Hint(step) => drop(self.shared.queue.push(Hint::Step(step), Priority::High)),
            Begin::Attempt { step, attempt } => {
                let StepState::Running { attempt: current, woken } = *self.run.state(step) else { return };
                if current == attempt && !self.shared.is_leaving() {
                    self.attempt(step, attempt, woken);
                }
            }
        }
    }

    fn attempt(&mut self, step: StepIx, attempt: u32, woken: Option<Timestamp>) {
        let log = Arc::new(log::StepLog::new(self.log.clone(), step, attempt));
        let task =
            task(&self.run, &self.compiled, &self.record, &self.about, &self.shared, Attempt { step, attempt, woken }, log);
        let (shared, permits) = (self.shared.clone(), self.effects.clone());
        let pure = self.compiled.graph.step(step).is_pure();
        if !pure && !shared.is_trusted() {
            // Too long since the last heartbeat: the run may be another worker's already, so no effect begins.
            self.over = Some(Ended::Lost);
            return;
        }
        let future = async move {
            // A permit is only missing when the semaphore is closed, which nobody does.
            let _permit = if pure { None } else { permits.acquire_owned().await.ok() };
            shared.executor.execute(task).await
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(step, abort);
        self.under_way.push(Abortable::new(future, registration).boxed());
    }

    async fn read_inbox(&mut self) -> Result<()> {
        for (id, message) in self.shared.store.messages(self.id).await? {
            self.draft.consume(id);
            match message {
                Message::Cancel => self.apply(Input::Cancel, None),
                Message::Report(report) => self.take_report(report),
            }
        }
        Ok(())
    }

    fn take_report(&mut self, report: Report) {
        let Some(step) = self.compiled.graph.find(&report.node) else { return };
        // A step that slept in its lane is called again by its timer; its report comes from the call.
        if matches!(self.run.state(step), StepState::Waiting { .. }) {
            self.apply(Input::Wake, None);
        }
        let result = report.answer.into_result();
        let output_json = match &result {
            Ok(flowforge_core::node::Outcome::Done(output)) => Some(output.value.to_string()),
            _ => None,
        };
        let executed = Executed {
            step,
            attempt: report.attempt,
            started_at: report.started_at,
            finished_at: report.finished_at,
            input: report.input,
            result: Err(NodeError::fatal("TAKEN", "")),
            output_json,
        };
        self.apply(Input::Report { step, attempt: report.attempt, result }, Some(&executed));
    }

    fn step_ref(&self, step: StepIx, attempt: u32) -> StepRef {
        StepRef { run: self.id, node: self.compiled.graph.step(step).id.clone(), item: String::new(), attempt }
    }

    fn give_up(&mut self, fault: &Error) -> Ended {
        let accepted = self.accepted.take();
        match fault {
            Error::Fenced => {
                tracing::debug!(run = %self.id, "the run is another worker's now");
                accepted.map(|accepted| accepted.send(Err(Error::Fenced)));
                Ended::Gone
            }
            fault => {
                tracing::warn!(run = %self.id, %fault, "it is not known what of the run was written; reading it again");
                accepted.map(|accepted| accepted.send(Err(Error::Storage(fault.to_string()))));
                Ended::Lost
            }
        }
    }

    /// The epoch under which the run is owned.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch
    }
}

/// Which attempt is to be made.
pub(crate) struct Attempt {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) woken: Option<Timestamp>,
}

/// Gathers what an attempt is given.
pub(crate) fn task(
    run: &Run,
    compiled: &Compiled,
    record: &RunRecord,
    about: &Arc<Value>,
    shared: &Shared,
    attempt: Attempt,
    log: Arc<dyn LogSink>,
) -> Task {
    let spec = compiled.graph.step(attempt.step);
    let reads = |step: StepIx| Some((compiled.graph.step(step).id.clone(), run.output(step)?));
    let steps = match &spec.reads {
        Reads::Only(steps) => steps.iter().filter_map(|step| reads(*step)).collect(),
        Reads::All => compiled.graph.steps().filter_map(|(step, _)| reads(step)).collect(),
    };
    let scope = Scope {
        trigger: record.input.clone(),
        steps,
        run: about.clone(),
        workflow: compiled.about.clone(),
        item: None,
        secrets: shared.executor.secrets.clone(),
    };
    Task {
        workspace: compiled.workspace,
        workflow: compiled.workflow,
        run: record.id,
        step: attempt.step,
        node: spec.id.clone(),
        kind: spec.kind.clone(),
        params: spec.params.clone(),
        timeout_s: spec.timeout_s,
        attempt: attempt.attempt,
        woken: attempt.woken,
        input: run.input(attempt.step).unwrap_or_else(|| record.input.clone()),
        scope: Arc::new(scope),
        log,
    }
}
