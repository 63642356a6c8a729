//! An owned run: its state in memory, its steps under way, and what of it is not on disk yet.
//!
//! The loop does the same three things over and over: everything that can be done at once; then hand over what is not
//! committed, if no commit is under way; then wait for whatever comes first. An effect begins only after the commit that
//! recorded its causes. A pure step may begin as soon as its causes are known, since running it again is harmless; so a
//! chain of pure steps is written in one commit.

mod children;
mod draft;
mod gather;
mod heavy;
mod inbox;
mod kept;
mod limits;
mod load;
mod log;
mod look;
mod moments;
mod obey;
mod task;
mod write;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use flowforge_core::{Command, Input, Run, RunId, RunStatus, StepIx, StepState, Timestamp};
use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, Aborted, BoxFuture},
    stream::FuturesUnordered,
};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use uuid::Uuid;

use self::{children::Called, draft::Draft, log::Line, write::Commit};
pub(crate) use self::{
    draft::EVENT,
    kept::begun,
    load::{Loaded, facts, has_begun, seed},
    log::admitted,
    obey::{HANDLER, ended, handler},
    task::{Attempt, Place, Surroundings, about},
};
use crate::{
    blob::{Pages, is_plain},
    clock,
    committer::{KeyedLimit, NewRunRow, answered},
    compiled::Compiled,
    error::{Error, Result},
    executor::Executed,
    queue::StepRef,
    record::RunRecord,
    shared::Shared,
};

/// How long log lines are gathered, and an inline attempt may be under way, before they are written for those who watch.
const SHOW_AFTER: Duration = Duration::from_millis(100);
/// A run that only waits lets go of its worker when the wait is longer than this.
const PARK_AFTER: Duration = Duration::from_secs(5);
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
    /// The database will never take what the run has come to; it has to fail.
    Unwritable,
}

/// A run and its worker.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    compiled: Arc<Compiled>,
    run: Run,
    id: RunId,
    epoch: i64,
    /// The lapses of this worker's heartbeat before it was given the run.
    lapses: u64,
    /// Whether owners have died with the run since a step last ended: then not even a pure step begins before its causes are
    /// on disk, and that something begins.
    suspect: bool,
    /// Whether the database was told that something begins.
    begins: bool,
    record: RunRecord,
    /// Whether everything in the run is what users wrote: nothing lies elsewhere.
    plain: bool,
    deadline: Option<Timestamp>,
    new: Option<Box<NewRunRow>>,
    about: Arc<Value>,
    draft: Draft,
    /// What may begin when the draft is on disk.
    after_draft: Vec<Begin>,
    commit: Option<Commit>,
    /// Each answers nothing when it was not begun because the run may be another worker's.
    under_way: FuturesUnordered<BoxFuture<'static, Result<Option<Executed>, Aborted>>>,
    aborts: BTreeMap<StepIx, AbortHandle>,
    /// Runs that steps have called for, until they exist.
    calling: FuturesUnordered<BoxFuture<'static, Called>>,
    /// The lists that its steps call for runs from, where they are too long to stand in a row.
    pages: Arc<Pages>,
    /// Runs that have a message waiting once the draft is on disk.
    rings: Vec<RunId>,
    /// Whether the draft calls for a run that handles the failure of this one.
    handler_called: bool,
    /// Where in its parent's list the run stands, if it executes a graph within a node.
    place: Option<Place>,
    /// What the run is counted under, if it has a limit.
    line: Option<String>,
    /// What its steps are counted under, where that depends on an input that lies elsewhere.
    limits: BTreeMap<StepIx, KeyedLimit>,
    /// When something last happened.
    moved_at: Instant,
    effects: Arc<Semaphore>,
    lines: mpsc::Receiver<Line>,
    log: Arc<log::OwnerLog>,
    bell: Arc<Notify>,
    /// Whether there may be messages that nobody has rung for.
    called: bool,
    /// Messages that were read: until a commit has deleted them they are found again and again.
    read: HashSet<Uuid>,
    trigger: Option<StepIx>,
    /// When what has begun and what was logged is to be written at the latest.
    show_at: Option<Instant>,
    /// When the grace is over, once the process leaves.
    leave_at: Option<Instant>,
    /// How ownership has ended.
    over: Option<Ended>,
    accepted: Option<oneshot::Sender<Result<RunRecord>>>,
    ended: Option<oneshot::Sender<RunRecord>>,
}

/// What begins when its causes are on disk.
enum Begin {
    Attempt { step: StepIx, attempt: u32 },
    Child { step: StepIx, attempt: u32, index: u32 },
    Hint(StepRef),
}

/// Where a run that does not exist yet comes from.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Where in its parent's list it stands.
    pub(crate) place: Option<Place>,
    /// The message that called for it.
    pub(crate) called_by: Option<Uuid>,
}

/// Who waits for a run that was just accepted.
pub(crate) struct Waiting {
    /// Told when the run is on disk.
    pub(crate) accepted: oneshot::Receiver<Result<RunRecord>>,
    /// Told when it has ended or answered.
    pub(crate) ended: oneshot::Receiver<RunRecord>,
}

impl Owner {
    /// Takes a run that does not exist yet: the first commit creates it.
    pub(crate) fn create(
        shared: Arc<Shared>,
        compiled: Arc<Compiled>,
        record: RunRecord,
        row: NewRunRow,
        origin: Origin,
    ) -> (Box<Self>, Waiting) {
        let (accepted, on_accepted) = oneshot::channel();
        let (ended, on_ended) = oneshot::channel();
        let run = Run::new(compiled.graph.clone(), seed(record.id));
        let deadline = row.deadline_at;
        let mut owner = Self::new(shared, compiled, run, record, row.epoch(), deadline);
        owner.trigger = row.trigger_node.as_ref().and_then(|node| owner.compiled.graph.find(node));
        owner.new = Some(Box::new(row));
        owner.plain &= origin.place.as_ref().is_none_or(Place::is_plain);
        owner.place = origin.place;
        if let Some(message) = origin.called_by {
            owner.draft.consume(message);
        }
        owner.accepted = Some(accepted);
        owner.ended = Some(ended);
        (owner, Waiting { accepted: on_accepted, ended: on_ended })
    }

    /// Takes over a run that was claimed; `called` says whether something was in its inbox then. `lapses` of this worker's heartbeat
    /// were counted before it asked for the run.
    pub(crate) fn resume(shared: Arc<Shared>, loaded: Loaded, called: bool, lapses: u64) -> Box<Self> {
        let Loaded { row, compiled, run, open, place, plain, .. } = loaded;
        let trigger = row.trigger_node.as_deref().and_then(|node| compiled.graph.find(&node.into()));
        let mut owner = Self::new(shared, compiled, run, row.record, row.epoch, row.deadline_at);
        owner.lapses = lapses;
        owner.called = called;
        owner.plain = plain;
        owner.line = row.limit.map(|limit| limit.key);
        owner.trigger = trigger;
        owner.place = place;
        if owner.record.status == RunStatus::Waiting {
            owner.record.status = RunStatus::Running;
            owner.draft.go_on();
        }
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
    ) -> Box<Self> {
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        Box::new(Self {
            id: record.id,
            run,
            epoch,
            lapses: shared.lapses(),
            suspect: false,
            begins: false,
            plain: is_plain(&record.input),
            deadline,
            new: None,
            about: task::about(&record),
            draft: Draft::default(),
            after_draft: Vec::new(),
            commit: None,
            under_way: FuturesUnordered::new(),
            aborts: BTreeMap::new(),
            calling: FuturesUnordered::new(),
            pages: Arc::default(),
            rings: Vec::new(),
            handler_called: false,
            place: None,
            line: None,
            limits: BTreeMap::new(),
            moved_at: clock::monotonic(),
            effects: Arc::new(Semaphore::new(EFFECTS_AT_ONCE)),
            lines,
            log: Arc::new(log::OwnerLog::new(sender, shared.clock.clone())),
            bell: Arc::default(),
            called: true,
            read: HashSet::new(),
            trigger: None,
            show_at: None,
            leave_at: None,
            over: None,
            accepted: None,
            ended: None,
            shared,
            compiled,
            record,
        })
    }

    /// Works on the run until it is over, waits for long, or is no longer this worker's. The bell rings when something has
    /// come into the run's inbox.
    pub(crate) async fn drive(&mut self, bell: Arc<Notify>, crashes: u32) -> Ended {
        self.bell = bell;
        match self.begin(crashes).await {
            Ok(()) => {}
            Err(fault) => return self.give_up(&fault),
        }
        loop {
            if let Err(fault) = self.do_what_is_ready().await {
                return self.give_up(&fault);
            }
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
        self.suspect = crashes > 0;
        if !self.plain {
            self.see_limits().boxed().await;
        }
        if self.run.status() == RunStatus::Pending {
            let trigger = self.trigger;
            // A child may have been asked to stop before it existed.
            if self.called && (self.new.is_none() || self.record.parent.is_some()) {
                self.read_inbox().await?;
            }
            self.apply(Input::Start { trigger, kept: Vec::new() }, None);
            self.moment_came();
            return Ok(());
        }
        // What the inbox sets going is obeyed as it is told; only what was under way before is begun again.
        let commands = self.run.commands();
        if self.called {
            self.read_inbox().await?;
        }
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
    async fn do_what_is_ready(&mut self) -> Result<()> {
        while let Some(Some(done)) = self.under_way.next().now_or_never() {
            self.finished(done);
            if self.draft.is_large() {
                // While one large commit is under way the next one is gathered, and no more: memory does not grow with the run.
                self.commit_is_answered().await?;
                self.hand_over().await;
            }
        }
        Ok(())
    }

    /// Waits for the commit under way, if there is one.
    async fn commit_is_answered(&mut self) -> Result<()> {
        if let Some(commit) = &mut self.commit {
            answered((&mut commit.answer).await)?;
            self.committed();
        }
        Ok(())
    }

    fn is_ended(&self) -> Option<Ended> {
        let settled = self.draft.is_empty() && self.commit.is_none();
        self.over.or_else(|| (settled && self.run.status().is_terminal()).then_some(Ended::Over))
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
            // What cannot be written as fast as it comes is not gathered without end: the steps that write it wait.
            Some(called) = self.calling.next(), if !letting_go => self.called(called),
            Some(line) = self.lines.recv(), if !letting_go && !self.draft.is_large() => self.take_line(line),
            () = self.bell.notified(), if !letting_go => {
                if let Err(fault) = self.read_inbox().await {
                    tracing::warn!(run = %self.id, %fault, "the inbox could not be read; the sweeper will ring again");
                }
            }
            () = self.shared.leaving.cancelled(), if !letting_go && !leaving => {}
            () = timer, if !letting_go => self.moment_came(),
        }
        Ok(())
    }

    /// The run.
    pub(crate) fn id(&self) -> RunId {
        self.id
    }

    /// What the run is counted under, if it has a limit.
    pub(crate) fn line(&self) -> Option<&str> {
        self.line.as_deref()
    }

    /// The epoch under which the run is owned.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch
    }

    fn give_up(&mut self, fault: &Error) -> Ended {
        let (ended, answer) = match fault {
            Error::Fenced => (Ended::Gone, Error::Fenced),
            // It was refused to create the run: there is none, or it is another owner's, who has it under this same epoch.
            Error::BadInput(fault) if self.accepted.is_some() => (Ended::Gone, Error::BadInput(fault.clone())),
            Error::BadInput(fault) => (Ended::Unwritable, Error::BadInput(fault.clone())),
            fault => (Ended::Lost, Error::Storage(fault.to_string())),
        };
        tracing::warn!(run = %self.id, %fault, ?ended, "the run cannot be gone on with as it stands in memory");
        if let Some(accepted) = self.accepted.take() {
            let _ = accepted.send(Err(answer));
        }
        ended
    }
}
