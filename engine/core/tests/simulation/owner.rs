//! An owned run: its state in memory, its calls under way, and what of it is not on disk yet, as in `engine/src/owner.rs`.
//! The run itself is the real one.

mod children;
mod draft;
mod inbox;
mod kept;
mod write;

use std::collections::VecDeque;

use flowforge_core::{Awaiting, Command, Event, Input, Run, RunStatus, StepIx, StepState, Timestamp, node::Lane};

use self::draft::Draft;
pub(crate) use self::{
    children::{gathered, payload},
    kept::begun,
};
use crate::{
    bug::Bug,
    client::Try,
    cover::Rare,
    delta::NewRun,
    ghost::Begun,
    messages::{Given, Loaded, Op},
    plan::{Call, Compiled},
    store::{Message, Parent, StepKey},
    world::{At, Ev, Hint, World},
};

/// How ownership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The run is over.
    Over,
    /// The owner let go of a run that waits.
    Parked,
    /// Another worker owns the run now, or nobody does.
    Gone,
    /// It is not known what was written.
    Lost,
}

/// What begins when its causes are on disk.
enum Begin {
    Attempt { step: StepIx, attempt: u32 },
    Child { step: StepIx, attempt: u32, index: u32 },
    Hint(StepKey),
}

/// A commit under way.
struct Commit {
    then: Vec<Begin>,
    /// Runs that have a message waiting when it has succeeded.
    rings: Vec<u32>,
    has_effects: bool,
    lets_go: Option<Ended>,
    begins_run: bool,
    ends_run: bool,
}

pub(crate) struct Owner {
    pub(crate) id: u32,
    /// Whether the run's own loop has begun.
    pub(crate) begun: bool,
    /// Who waits to be told that the run is on disk.
    pub(crate) request: Option<Try>,
    at: At,
    token: u64,
    epoch: i64,
    claim: u64,
    lapses: u32,
    suspect: bool,
    /// Whether the database was told that something begins.
    begins: bool,
    compiled: &'static Compiled,
    run: Run,
    deadline: Option<i64>,
    new: Option<NewRun>,
    draft: Draft,
    after_draft: Vec<Begin>,
    commit: Option<Commit>,
    /// Calls that were begun and not looked at yet.
    ready: VecDeque<Call>,
    under_way: Vec<Call>,
    /// Runs that steps have called for, until they exist.
    calling: Vec<Parent>,
    /// Runs that have a message waiting once the draft is on disk.
    rings: Vec<u32>,
    /// When something last happened.
    moved_at: u64,
    /// Messages that were read: until a commit has deleted them they are found again and again.
    read: Vec<u64>,
    show_at: Option<u64>,
    armed: Option<u64>,
    over: Option<Ended>,
}

impl Owner {
    /// Takes a run that does not exist yet: the first commit creates it.
    pub(crate) fn create(world: &mut World, at: At, id: u32, token: u64, new: NewRun) -> Self {
        let run = Run::new(new.compiled.graph.clone(), u64::from(id));
        let given = Given { epoch: 1, claim: world.claim(), lapses: world.processes[at.worker].lapses, called: false };
        let mut owner = Self::new(world.bug, at, id, token, given, new.compiled, run);
        owner.deadline = new.deadline_at;
        owner.new = Some(new);
        owner
    }

    /// Takes over a run that was claimed.
    pub(crate) fn resume(world: &World, at: At, id: u32, token: u64, given: Given, loaded: Loaded) -> Self {
        let compiled = world.ghosts[id as usize].compiled;
        let mut owner = Self::new(world.bug, at, id, token, given, compiled, loaded.run);
        owner.deadline = loaded.deadline_at;
        if loaded.waits {
            owner.draft.go_on();
        }
        loaded.open.iter().for_each(|(step, attempt, slept)| owner.draft.reopen(*step, *attempt, *slept));
        owner
    }

    fn new(bug: Bug, at: At, id: u32, token: u64, given: Given, compiled: &'static Compiled, run: Run) -> Self {
        Self {
            id,
            begun: false,
            request: None,
            at,
            token,
            epoch: given.epoch,
            claim: given.claim,
            lapses: given.lapses,
            suspect: false,
            begins: false,
            compiled,
            run,
            deadline: None,
            new: None,
            draft: Draft::new(id, bug),
            after_draft: Vec::new(),
            commit: None,
            ready: VecDeque::new(),
            under_way: Vec::new(),
            calling: Vec::new(),
            rings: Vec::new(),
            moved_at: 0,
            read: Vec::new(),
            show_at: None,
            armed: None,
            over: None,
        }
    }

    pub(crate) fn lets_go(&self) -> bool {
        self.commit.as_ref().is_some_and(|commit| commit.lets_go.is_some())
    }

    pub(crate) fn begin(&mut self, world: &mut World, crashes: u32, messages: Vec<Message>) {
        self.begun = true;
        self.moved_at = world.now;
        self.suspect = crashes > 0;
        if self.suspect && world.bug == Bug::MarkAtClaim {
            self.begins = true;
            self.draft.begins();
        }
        let crashes = if world.bug == Bug::CrashesUncounted { 0 } else { crashes };
        if self.run.status() == RunStatus::Pending {
            self.read(world, messages);
            let trigger = self.compiled.trigger();
            return self.apply(world, Input::Start { trigger, kept: Vec::new() });
        }
        // What the replayed facts demand; what the inbox leads to is obeyed as it comes.
        let mut commands = self.run.commands();
        self.read(world, messages);
        if world.bug == Bug::CommandsAfterInbox {
            commands = self.run.commands();
        }
        self.apply(world, Input::TakenOver { crashes });
        for command in commands {
            if self.still_demanded(command) {
                self.obey(world, command, true);
            }
        }
        self.apply(world, Input::Wake);
    }

    /// Whether a command of the replayed facts was not overtaken by what the takeover and the inbox said since.
    fn still_demanded(&self, command: Command) -> bool {
        match command {
            Command::Execute { step, attempt } => self.is_running(step, attempt),
            _ => false,
        }
    }

    fn is_running(&self, step: StepIx, attempt: u32) -> bool {
        matches!(self.run.state(step), StepState::Running { attempt: now, .. } if *now == attempt)
    }

    /// Everything that can be done at once, and handing over what is not committed. How ownership ended, if it did.
    pub(crate) fn turn(&mut self, world: &mut World) -> Option<Ended> {
        loop {
            self.poll(world);
            if let Some(ended) = self.is_ended() {
                return Some(ended);
            }
            self.hand_over(world);
            if self.ready.is_empty() {
                self.arm(world);
                return None;
            }
        }
    }

    fn is_ended(&self) -> Option<Ended> {
        let settled = self.draft.is_empty() && self.commit.is_none();
        self.over.or_else(|| (settled && self.run.status().is_terminal()).then_some(Ended::Over))
    }

    /// Looks at calls that were begun, and at those that answer at once to their end.
    fn poll(&mut self, world: &mut World) {
        while let Some(call) = self.ready.pop_front() {
            if call.gathers {
                self.under_way.push(call);
                world.ghosts[self.id as usize].is_busy |= world.ghosts[self.id as usize].claim == self.claim;
                let (run, token) = (self.id, self.token);
                world.ask(self.at, Op::Gather { run, token, call });
                continue;
            }
            let is_pure = self.compiled.graph.step(call.step).is_pure();
            if !is_pure && !world.is_trusted_since(self.at.worker, self.lapses) {
                world.cover.sometimes(Rare::FencedItself);
                self.over = Some(Ended::Lost);
                return;
            }
            self.under_way.push(call);
            self.note_begin(world, call);
            if is_pure && world.rng.chance(world.swarm.at_once) {
                self.call_done(world, call);
            } else if !world.kills(self.at, self.id, self.compiled.script(call.step), call) {
                let wait = world.rng.between(1, self.compiled.script(call.step).work_ms);
                world.later(wait, Ev::CallDone(self.at, self.id, self.token, call));
            }
        }
    }

    fn note_begin(&self, world: &mut World, call: Call) {
        let begun = Begun { call, claim: self.claim, key: world.effect_key(self.id, call) };
        let (honest, now) = (world.is_honest(self.at.worker), world.exact_now());
        let ghost = &mut world.ghosts[self.id as usize];
        let again = ghost.was_begun(call);
        let checked = ghost.begin_inline(begun, honest, now);
        world.say(|_| format!("run {}: {call:?} begins under claim {}", self.id, self.claim));
        world.check(checked);
        if !self.compiled.graph.step(call.step).is_pure() {
            world.effect_begins(self.id, self.claim, again);
        }
    }

    /// A call has come to its end.
    pub(crate) fn call_done(&mut self, world: &mut World, call: Call) {
        let Some(at) = self.under_way.iter().position(|other| *other == call) else { return };
        if self.lets_go() {
            return;
        }
        self.under_way.remove(at);
        let result = self.compiled.answer(&self.run, call, world.guess(self.at.worker));
        self.apply(world, Input::Report { step: call.step, attempt: call.attempt, result });
    }

    /// The grace is over: what is still under way is stopped and begins again elsewhere.
    pub(crate) fn give_up_calls(&mut self) {
        self.ready.clear();
        self.under_way.clear();
        self.calling.clear();
    }

    /// Tells the planner, adds its facts to the draft and obeys the commands that they demand.
    fn apply(&mut self, world: &mut World, input: Input) {
        let now = Timestamp(world.guess(self.at.worker));
        world.say(|_| format!("run {}: {input:?}", self.id));
        let signals = self.run.signals().len();
        let Ok(facts) = self.run.step(input, now) else { return };
        // One may have come and another been taken: their number alone does not tell.
        let came = facts.iter().any(|fact| matches!(fact, Event::SignalKept { .. })) && world.bug != Bug::SignalsByCount;
        if came || signals != self.run.signals().len() {
            self.draft.signals(&self.run);
        }
        for fact in &facts {
            self.draft.record(&self.run, fact);
            self.note(world, fact);
        }
        if world.bug == Bug::CancelSparesLane && self.run.status() == RunStatus::Cancelled {
            self.draft.forget_recalls();
        }
        for command in facts.iter().filter_map(Event::command) {
            self.obey(world, command, false);
        }
    }

    fn note(&mut self, world: &mut World, fact: &Event) {
        self.moved_at = world.now;
        let rare = match fact {
            Event::RunFinished { status: RunStatus::Cancelled, .. } => Some(Rare::Cancelled),
            Event::RunFinished { status: RunStatus::Failed, .. } => Some(Rare::Failed),
            Event::SignalKept { .. } => Some(Rare::SignalKept),
            Event::RunPaused => Some(Rare::Paused),
            Event::StepCompleted { port, .. } if port == "timeout" => Some(Rare::WaitTimedOut),
            Event::StepWaiting { awaiting: Some(awaiting), .. } if matches!(**awaiting, Awaiting::Approval(_)) => {
                Some(Rare::Asked)
            }
            _ => None,
        };
        rare.into_iter().for_each(|rare| world.cover.sometimes(rare));
        if let Event::RunFinished { status, .. } = fact {
            self.tell_of_end(world, *status);
        }
    }

    fn obey(&mut self, world: &mut World, command: Command, replayed: bool) {
        match command {
            Command::Execute { step, attempt } => self.execute(world, step, attempt, replayed),
            Command::Abort { step, attempt } => {
                self.ready.retain(|call| call.step != step);
                self.under_way.retain(|call| call.step != step);
                world.abort_step(self.at, self.key(step, attempt));
            }
            Command::WakeAt(_) | Command::Announce => {}
            Command::StartChild { step, attempt, index } => {
                self.begin_or_wait(world, Begin::Child { step, attempt, index }, false);
            }
            Command::CancelChildren { step, attempt } => self.cancel_children(world, step, attempt),
        }
    }

    fn key(&self, step: StepIx, attempt: u32) -> StepKey {
        StepKey { run: self.id, step, attempt }
    }

    fn execute(&mut self, world: &mut World, step: StepIx, attempt: u32, replayed: bool) {
        let spec = self.compiled.graph.step(step);
        let gathers = self.gathers(step);
        if spec.lane() == Lane::Dispatched && !gathers {
            return self.after_draft.push(Begin::Hint(self.key(step, attempt)));
        }
        let effects_uncommitted = self.draft.has_effects() || self.commit.as_ref().is_some_and(|commit| commit.has_effects);
        let pure = (spec.is_pure() || gathers) && !effects_uncommitted && !self.suspect;
        let begin = Begin::Attempt { step, attempt };
        self.begin_or_wait(world, begin, replayed || pure || world.bug == Bug::EffectBeforeCommit);
    }

    /// Begins at once if that is harmless or everything is on disk, else when it is.
    fn begin_or_wait(&mut self, world: &mut World, begin: Begin, harmless: bool) {
        let nothing_uncommitted = self.draft.is_empty() && self.commit.is_none() && self.new.is_none();
        let suspect = self.suspect && world.bug != Bug::BeginsUnmarked;
        // What may kill its worker begins when it is on disk that something does.
        let unsaid = suspect && !self.begins && matches!(begin, Begin::Attempt { .. });
        let at_once = if suspect { nothing_uncommitted && !unsaid } else { nothing_uncommitted || harmless };
        if at_once {
            self.start(world, begin);
        } else {
            self.after_draft.push(begin);
        }
    }

    /// Adds to the draft that something is about to be executed, if anything is and deaths are counted.
    fn say_what_begins(&mut self) {
        if self.suspect && !self.begins && self.after_draft.iter().any(|begin| self.is_execution(begin)) {
            self.begins = true;
            self.draft.begins();
        }
    }

    fn is_execution(&self, begin: &Begin) -> bool {
        matches!(begin, Begin::Attempt { step, attempt } if self.is_running(*step, *attempt))
    }

    fn start(&mut self, world: &mut World, begin: Begin) {
        match begin {
            Begin::Hint(key) => world.push(self.at, Hint::Step(key)),
            Begin::Child { step, attempt, index } => self.call_child(world, step, attempt, index),
            Begin::Attempt { step, attempt } => {
                let StepState::Running { attempt: current, woken, .. } = self.run.state(step) else { return };
                if *current == attempt && !world.processes[self.at.worker].leaving {
                    let gathers = self.gathers(step);
                    self.ready.push_back(Call { step, attempt, woken: *woken, gathers });
                }
            }
        }
    }
}
