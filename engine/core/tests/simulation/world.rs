//! The simulated world: one heap of events, one source of chance, and everything that exists.

mod database;
mod time;

use std::{cmp::Reverse, collections::BinaryHeap};

use flowforge_core::StepIx;

use crate::{
    bug::Bug,
    client::{Request, Try},
    cover::{Cover, Rare},
    ghost::{Checked, Ghost, Violation},
    messages::{Answer, Op},
    plan::{Call, Compiled},
    process::{Process, Queue},
    rng::{Rng, mix},
    store::{Parent, StepKey, Store, WorkerId},
    swarm::Swarm,
    watcher::Watcher,
};

/// How long after the faults have stopped everything has to be over, in milliseconds.
const PATIENCE: u64 = 3_600_000;
/// The most events of a history.
const RUNAWAY: u64 = 300_000;

/// A worker's process, in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) worker: usize,
    pub(crate) boot: u32,
}

/// What a hint speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    Run(u32),
    Step(StepKey),
}

/// What is going to happen. What happens to a process happens only while it lives.
pub(crate) enum Ev {
    Beat(At),
    Sweep(At),
    /// A request reaches the database.
    AtDb(At, Box<Op>),
    /// Its answer reaches the process.
    Answer(At, Box<Answer>),
    /// A hint comes out of the queue: for this process, or for any; put in before so many wipes.
    Hint(Hint, Option<At>, u32),
    /// The owner of a run that is to be created begins.
    Prepared(At, u32, u64),
    /// An owner's timer.
    Timer(At, u32, u64),
    /// A call inside an owner's process has come to its end.
    CallDone(At, u32, u64, Call),
    /// A parent calls for a child once more.
    CallChild(At, u64, Parent),
    /// A run whose owner lost track of it is to be claimed again.
    Recover(At, u32, u64),
    /// A call in the lane has come to its end.
    LaneDone(At, StepKey, u64),
    LaneLog(At, StepKey, u64),
    /// The lane tries again what the database did not take.
    LaneAgain(At, StepKey, u64),
    /// A process is asked to leave, is out of grace, looks whether it can go.
    Leave(At),
    GraceOver(At),
    LeaveCheck(At, u64),
    /// A step kills its worker.
    Killed(At),
    Restart(usize),
    /// A client acts; a process takes its request; the answer, or nothing, comes back.
    Client(usize),
    Accept(At, Try),
    Reply(Try, Result<u32, ()>),
    GaveUp(Try),
    Watch(usize),
    /// An effect reaches the world outside: of this run, under this claim.
    Effect(u32, u64),
    Heal,
}

impl Ev {
    /// The process that it happens to.
    fn at(&self) -> Option<At> {
        match self {
            Self::Beat(at)
            | Self::Sweep(at)
            | Self::Answer(at, _)
            | Self::Prepared(at, ..)
            | Self::Timer(at, ..)
            | Self::CallDone(at, ..)
            | Self::Recover(at, ..)
            | Self::CallChild(at, ..)
            | Self::LaneDone(at, ..)
            | Self::LaneLog(at, ..)
            | Self::LaneAgain(at, ..)
            | Self::Leave(at)
            | Self::GraceOver(at)
            | Self::LeaveCheck(at, _)
            | Self::Killed(at)
            | Self::Accept(at, _)
            | Self::Hint(_, Some(at), _) => Some(*at),
            Self::AtDb(..)
            | Self::Hint(_, None, _)
            | Self::Restart(_)
            | Self::Client(_)
            | Self::Reply(..)
            | Self::GaveUp(_)
            | Self::Watch(_)
            | Self::Effect(..)
            | Self::Heal => None,
        }
    }

    /// A number for the trace.
    fn kind(&self) -> u64 {
        match self {
            Self::Beat(_) => 1,
            Self::Sweep(_) => 2,
            Self::AtDb(..) => 3,
            Self::Answer(..) => 4,
            Self::Hint(..) => 5,
            Self::Prepared(..) => 6,
            Self::Timer(..) => 7,
            Self::CallDone(..) => 8,
            Self::Recover(..) => 9,
            Self::LaneDone(..) => 10,
            Self::LaneLog(..) => 11,
            Self::LaneAgain(..) => 12,
            Self::Leave(_) => 13,
            Self::GraceOver(_) => 14,
            Self::LeaveCheck(..) => 15,
            Self::Killed(_) => 16,
            Self::Restart(_) => 17,
            Self::Client(_) => 18,
            Self::Accept(..) => 19,
            Self::Reply(..) => 20,
            Self::GaveUp(_) => 21,
            Self::Watch(_) => 22,
            Self::Effect(..) => 23,
            Self::Heal => 24,
            Self::CallChild(..) => 25,
        }
    }
}

/// When an event happens, which one made it is, and where it is kept: one number, since most of a history is putting them in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u128);

impl Due {
    fn new(at: u64, number: u32, place: u32) -> Self {
        Self(u128::from(at) << 64 | u128::from(number) << 32 | u128::from(place))
    }

    fn at(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The same, later.
    fn put_off(self, at: u64) -> Self {
        Self(u128::from(at) << 64 | self.0 & u128::from(u64::MAX))
    }

    fn place(self) -> u32 {
        self.0 as u32
    }
}

pub(crate) struct World {
    pub(crate) now: u64,
    /// What is due; events of one moment happen in the order in which they were made.
    due: BinaryHeap<Reverse<Due>>,
    events: Vec<Option<Ev>>,
    free: Vec<u32>,
    numbers: u32,
    pub(crate) rng: Rng,
    pub(crate) swarm: Swarm,
    pub(crate) bug: Bug,
    pub(crate) store: Store,
    pub(crate) processes: Vec<Process>,
    pub(crate) queue: Queue,
    /// By the run's number, from the moment when the number was given out.
    pub(crate) ghosts: Vec<Ghost>,
    /// When each worker's last heartbeat was written, by its identity.
    pub(crate) beats: Vec<Option<u64>>,
    pub(crate) requests: Vec<Request>,
    pub(crate) watchers: Vec<Watcher>,
    /// Dedupe keys and the runs that were created with them.
    pub(crate) keys: Vec<(u32, u32)>,
    /// How often steps have killed their workers.
    pub(crate) kills: Vec<(u32, StepIx)>,
    pub(crate) cover: Cover,
    /// Everything that happened, in one number.
    pub(crate) trace: u64,
    /// Whether what happens is printed.
    pub(crate) prints: bool,
    pub(crate) down_until: u64,
    pub(crate) shared_ids: u64,
    tokens: u64,
    claims: u64,
    pub(crate) violation: Option<Violation>,
}

/// What a history came to.
pub(crate) struct History {
    pub(crate) trace: u64,
    pub(crate) cover: Cover,
    pub(crate) violation: Option<Violation>,
}

impl World {
    /// Lives through the history of a seed.
    pub(crate) fn live(seed: u64, bug: Option<Bug>, prints: bool) -> History {
        let mut rng = Rng::new(seed);
        let swarm = Swarm::draw(&mut rng);
        let mut world = Self::new(rng, swarm, bug, prints);
        world.say(|world| format!("{:?}", world.swarm));
        world.people();
        (0..world.swarm.workers).for_each(|worker| world.boot(worker));
        world.later(world.swarm.heal_at, Ev::Heal);
        while !world.is_over() {
            world.turn();
        }
        if world.violation.is_none() {
            let checked = world.at_the_end();
            world.check(checked);
        }
        world.cover.time_ms = world.now;
        History { trace: world.trace, cover: world.cover, violation: world.violation }
    }

    fn new(rng: Rng, swarm: Swarm, bug: Option<Bug>, prints: bool) -> Self {
        Self {
            now: 0,
            due: BinaryHeap::with_capacity(64),
            events: Vec::with_capacity(64),
            free: Vec::new(),
            numbers: 0,
            rng,
            swarm,
            bug: bug.unwrap_or(Bug::None),
            store: Store::default(),
            processes: Vec::new(),
            queue: Queue::default(),
            ghosts: Vec::new(),
            beats: Vec::new(),
            requests: Vec::new(),
            watchers: Vec::new(),
            keys: Vec::new(),
            kills: Vec::new(),
            cover: Cover::default(),
            trace: 0,
            prints,
            down_until: 0,
            shared_ids: 0,
            tokens: 0,
            claims: 0,
            violation: None,
        }
    }

    fn turn(&mut self) {
        let Some(Reverse(due)) = self.due.pop() else {
            return self.check(crate::ghost::broken("D12", "nothing is left to happen"));
        };
        let place = due.place();
        let Some(event) = self.events[place as usize].take() else { return };
        self.now = self.now.max(due.at());
        self.cover.events += 1;
        self.mark(self.now ^ event.kind() << 56);
        if let Some(at) = event.at() {
            let process = &self.processes[at.worker];
            if process.boot == at.boot && process.paused_until > self.now {
                // The order in which things happened to it stays as it was.
                self.due.push(Reverse(due.put_off(process.paused_until)));
                self.events[place as usize] = Some(event);
                return;
            }
            self.free.push(place);
            if process.boot != at.boot {
                if matches!(&event, Ev::Answer(_, answer) if matches!(**answer, Answer::Commit(_))) {
                    self.cover.sometimes(Rare::DiedAfterCommit);
                }
                return;
            }
            if self.strikes(at) {
                return;
            }
        } else {
            self.free.push(place);
        }
        self.happen(event);
        if self.now > self.swarm.heal_at + PATIENCE || self.cover.events > RUNAWAY {
            let text = self.stuck();
            self.check(crate::ghost::broken("D12", text));
        }
    }

    fn happen(&mut self, event: Ev) {
        match event {
            Ev::Beat(at) => self.beat(at),
            Ev::Sweep(at) => self.sweep(at),
            Ev::AtDb(at, op) => self.at_db(at, *op),
            Ev::Answer(at, answer) => self.answered(at, *answer),
            Ev::Hint(hint, to, wipes) => self.hint_came(hint, to, wipes),
            Ev::Prepared(at, run, token) => self.prepared(at, run, token),
            Ev::Timer(at, run, token) => self.timer(at, run, token),
            Ev::CallDone(at, run, token, call) => self.call_done(at, run, token, call),
            Ev::Recover(at, run, token) => self.recover(at, run, token),
            Ev::CallChild(at, token, child) => self.call_child_again(at, token, child),
            Ev::LaneDone(at, key, token) => self.lane_done(at, key, token),
            Ev::LaneLog(at, key, token) => self.lane_log(at, key, token),
            Ev::LaneAgain(at, key, token) => self.lane_again(at, key, token),
            Ev::Leave(at) => self.leave(at),
            Ev::GraceOver(at) => self.grace_over(at),
            Ev::LeaveCheck(at, until) => self.leave_check(at, until),
            Ev::Killed(at) => self.crash(at.worker),
            Ev::Restart(worker) => self.boot(worker),
            Ev::Client(request) => self.client(request),
            Ev::Accept(at, of) => self.accept(at, of),
            Ev::Reply(of, answer) => self.reply(of, answer),
            Ev::GaveUp(of) => self.gave_up(of),
            Ev::Watch(watcher) => self.watch(watcher),
            Ev::Effect(run, claim) => self.effect(run, claim),
            Ev::Heal => self.heal(),
        }
    }

    /// Whether everything that was asked for is over, and nobody who slept through it is still to wake up.
    fn is_over(&self) -> bool {
        if self.violation.is_some() {
            return true;
        }
        // A look now and then is enough.
        if !self.cover.events.is_multiple_of(8) {
            return false;
        }
        let is_done = self.requests.iter().all(Request::is_done) && self.watchers.iter().all(|watcher| watcher.over);
        is_done
            && self.ghosts.iter().all(|ghost| !ghost.exists || ghost.finished.is_some())
            && self.processes.iter().all(|process| process.paused_until + 1_000 <= self.now)
    }

    fn stuck(&self) -> String {
        let open = self.ghosts.iter().enumerate().filter(|(_, ghost)| ghost.exists && ghost.finished.is_none());
        let runs: Vec<String> = open.map(|(run, ghost)| format!("run {run}: {:?}", ghost.steps)).collect();
        let requests: Vec<&Request> = self.requests.iter().filter(|request| !request.is_done()).collect();
        format!("not over after {} events: {} {requests:?}", self.cover.events, runs.join("; "))
    }

    /// The effect that was sent arrives, whatever has become of its sender.
    fn effect(&mut self, run: u32, claim: u64) {
        let ghost = &self.ghosts[run as usize];
        if ghost.claim != claim && ghost.held.iter().all(|held| held.claim != claim) {
            self.cover.sometimes(Rare::LateEffect);
        }
    }

    /// A run gets its number.
    pub(crate) fn ticket(&mut self, compiled: &'static Compiled) -> u32 {
        self.ghosts.push(Ghost::new(compiled));
        self.ghosts.len() as u32 - 1
    }

    /// A number that no other phase of anything has.
    pub(crate) fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// A number for a claim.
    pub(crate) fn claim(&mut self) -> u64 {
        self.claims += 1;
        self.claims
    }

    /// Whether a worker could still be at what it was given, going by its last heartbeat.
    pub(crate) fn could_live(beats: &[Option<u64>], worker: WorkerId, now: u64) -> bool {
        beats.get(worker as usize).copied().flatten().is_some_and(|at| at + crate::swarm::LEASE > now)
    }

    pub(crate) fn later(&mut self, wait: u64, event: Ev) {
        self.numbers += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() as u32 - 1
        });
        self.events[place as usize] = Some(event);
        self.due.push(Reverse(Due::new(self.now + wait, self.numbers, place)));
    }

    /// Adds to the trace.
    pub(crate) fn mark(&mut self, what: u64) {
        self.trace = mix(self.trace.rotate_left(7) ^ what);
    }

    /// Keeps the first violation.
    pub(crate) fn check(&mut self, checked: Checked) {
        if let Err(violation) = checked {
            self.violation.get_or_insert(violation);
        }
    }

    pub(crate) fn say(&self, what: impl FnOnce(&Self) -> String) {
        if self.prints {
            println!("{:>9} {}", self.now, what(self));
        }
    }

    /// Whether anything may go wrong.
    pub(crate) fn faulty(&self) -> bool {
        self.now < self.swarm.heal_at
    }

    /// Whether a fault happens now.
    pub(crate) fn fault(&mut self, chance: u64) -> bool {
        chance > 0 && self.faulty() && self.rng.chance(chance)
    }
}
