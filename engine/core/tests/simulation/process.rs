//! A worker's process: it boots, beats its heart, sweeps, takes up hints, leaves in good order, dies and stands still, as in
//! `engine/src/worker.rs`, `sweeper.rs` and `shared.rs`.

mod hints;
mod leave;
mod runs;

use crate::{
    bug::Bug,
    lane::Execution,
    messages::{Answer, Op, Order},
    owner::Owner,
    store::{StepKey, WorkerId},
    swarm::LEASE,
    world::{At, Ev, Hint, World},
};

pub(crate) struct Process {
    pub(crate) identity: WorkerId,
    /// Which life it lives.
    pub(crate) boot: u32,
    pub(crate) up: bool,
    /// Whether it has said that it is alive, and works.
    pub(crate) works: bool,
    pub(crate) paused_until: u64,
    /// What its clock shows of a second, in milliseconds.
    pub(crate) rate: u64,
    /// When it last learned the database's time, and what it was told.
    pub(crate) observed: (u64, i64),
    /// When the last heartbeat that was answered was sent.
    pub(crate) beaten: u64,
    pub(crate) lapses: u32,
    pub(crate) leaving: bool,
    pub(crate) live: Vec<Live>,
    pub(crate) lane: Vec<Execution>,
    /// Deltas that wait for the commit under way.
    pub(crate) waiting: Vec<Order>,
    pub(crate) writing: bool,
}

/// A run that is claimed or owned here.
pub(crate) struct Live {
    pub(crate) run: u32,
    /// Tells the answers of this phase from those of earlier ones.
    pub(crate) token: u64,
    pub(crate) owner: Option<Box<Owner>>,
    pub(crate) bell: bool,
    pub(crate) reading: bool,
    /// Whether its owner lost track of it, and the wait before it is claimed again.
    pub(crate) recovers: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Queue {
    /// How often it was wiped.
    pub(crate) wipes: u32,
    pub(crate) waiting: u32,
    /// What a planted bug does not send twice.
    pub(crate) seen: Vec<Hint>,
}

impl Process {
    fn new(worker: usize, boot: u32, rate: u64) -> Self {
        Self {
            identity: boot * 8 + worker as u32,
            boot,
            up: true,
            works: false,
            paused_until: 0,
            rate,
            observed: (0, 0),
            beaten: 0,
            lapses: 0,
            leaving: false,
            live: Vec::new(),
            lane: Vec::new(),
            waiting: Vec::new(),
            writing: false,
        }
    }

    /// The identity that it has or had in one of its lives.
    pub(crate) fn identity_of(&self, boot: u32) -> WorkerId {
        boot * 8 + self.identity % 8
    }

    pub(crate) fn live(&mut self, run: u32) -> Option<&mut Live> {
        self.live.iter_mut().find(|live| live.run == run)
    }

    pub(crate) fn is_live(&self, run: u32) -> bool {
        self.live.iter().any(|live| live.run == run)
    }

    pub(crate) fn is_executed(&self, key: StepKey) -> bool {
        self.lane.iter().any(|execution| execution.key == key)
    }
}

impl World {
    /// A process begins to live: it says so before it does anything else.
    pub(crate) fn boot(&mut self, worker: usize) {
        let rate = if self.swarm.drift { self.rng.between(500, 2_000) } else { self.rng.between(950, 1_050) };
        match self.processes.get(worker) {
            Some(old) if old.up => return,
            Some(old) => self.processes[worker] = Process::new(worker, old.boot + 1, rate),
            None => self.processes.push(Process::new(worker, 0, rate)),
        }
        let at = self.here(worker);
        self.processes[worker].observed = (self.now, self.now as i64);
        self.say(|_| format!("{at:?} boots"));
        self.beat(at);
    }

    pub(crate) fn here(&self, worker: usize) -> At {
        At { worker, boot: self.processes[worker].boot }
    }

    /// Whether a fault strikes a process at this moment.
    pub(crate) fn strikes(&mut self, at: At) -> bool {
        if !self.faulty() {
            return false;
        }
        if self.rng.chance(self.swarm.crash) {
            self.crash(at.worker);
            return true;
        }
        if self.rng.chance(self.swarm.pause) {
            let pause = self.rng.below(5 * LEASE);
            self.processes[at.worker].paused_until = self.now + pause;
            self.say(|_| format!("{at:?} stands still for {pause}"));
        }
        if self.rng.chance(self.swarm.leave) {
            self.later(0, Ev::Leave(at));
        }
        false
    }

    /// A process dies. What it has asked of the database may still be done.
    pub(crate) fn crash(&mut self, worker: usize) {
        self.say(|_| format!("worker {worker} dies"));
        self.die(worker);
        let wait = if self.faulty() { self.rng.below(2 * LEASE) } else { self.rng.between(100, 2_000) };
        self.later(wait, Ev::Restart(worker));
    }

    pub(crate) fn die(&mut self, worker: usize) {
        let process = &mut self.processes[worker];
        (process.up, process.works, process.boot, process.paused_until) = (false, false, process.boot + 1, 0);
        process.live.clear();
        process.lane.clear();
        process.waiting.clear();
    }

    /// The faults stop: everybody is up and goes on.
    pub(crate) fn heal(&mut self) {
        self.say(|_| "the faults stop".to_owned());
        for worker in 0..self.processes.len() {
            self.processes[worker].paused_until = 0;
            if !self.processes[worker].up {
                let wait = self.rng.below(1_000);
                self.later(wait, Ev::Restart(worker));
            }
        }
    }

    pub(crate) fn beat(&mut self, at: At) {
        let sent = self.now;
        self.ask(at, Op::Beat { sent });
    }

    /// What counts is when the message was sent, not when it was answered.
    pub(super) fn beaten(&mut self, at: At, sent: u64, now: Result<u64, ()>) {
        let wait = self.own_time(at.worker, self.swarm.beat);
        self.later(wait, Ev::Beat(at));
        let Ok(told) = now else { return };
        let lapsed = !self.is_trusted(at.worker);
        let process = &mut self.processes[at.worker];
        let was_working = std::mem::replace(&mut process.works, !process.leaving);
        process.lapses += u32::from(lapsed && was_working && self.bug != Bug::BeatForgetsLapse);
        process.beaten = sent;
        process.observed = (self.now, told as i64);
        if !was_working && !process.leaving {
            let wait = self.rng.below(self.swarm.sweep);
            self.later(wait, Ev::Sweep(at));
        }
        self.look_for_lost_steps(at);
    }

    /// What came back from the database.
    pub(crate) fn answered(&mut self, at: At, answer: Answer) {
        match answer {
            Answer::Beat { sent, now } => self.beaten(at, sent, now),
            Answer::Sweep(found) => self.swept(at, found),
            Answer::ClaimRun { run, token, lapses, given } => self.claimed_run(at, run, token, lapses, given),
            Answer::LoadRun { run, token, given, loaded } => self.loaded_run(at, run, token, given, loaded),
            Answer::ReadInbox { run, token, messages } => self.inbox_read(at, run, token, messages),
            Answer::LookAfterPark { run, called } => {
                if called {
                    self.call(at, run);
                }
            }
            Answer::Commit(fates) => self.batch_answered(at, fates),
            Answer::CommitAgain(batch) => self.ask(at, Op::Commit(batch)),
            Answer::ClaimStep { key, token, given } => self.step_given(at, key, token, given),
            Answer::LoadStep { key, token, loaded } => self.step_loaded(at, key, token, loaded),
            Answer::Report { key, token, reported, body } => self.step_reported(at, key, token, reported, body),
            Answer::LetGo { key, token } => self.drop_step(at, key, token),
            Answer::Holds(lost) => lost.into_iter().for_each(|(key, token)| self.drop_step(at, key, token)),
            Answer::Lookup { of, found } => self.found_key(of, found),
            Answer::LookBefore { of, run, body, open } => self.looked(at, of, run, body, open),
            Answer::Sent { of, run, sent } => self.sent(at, of, run, sent),
            Answer::Gather { run, token, call, results } => {
                self.with_owner(at, run, token, |world, owner| owner.gathered(world, call, results));
            }
        }
    }

    /// Hands a delta to the process's committer.
    pub(crate) fn submit(&mut self, at: At, order: Order) {
        let process = &mut self.processes[at.worker];
        process.waiting.push(order);
        if !process.writing {
            self.write_batch(at);
        }
    }

    /// Takes what waits, at most one delta a run.
    fn write_batch(&mut self, at: At) {
        let may_repeat = self.bug == Bug::RunTwiceInBatch;
        let waiting = std::mem::take(&mut self.processes[at.worker].waiting);
        let mut batch: Vec<Order> = Vec::with_capacity(waiting.len());
        for mut order in waiting {
            if !may_repeat && batch.iter().any(|other| other.delta.run == order.delta.run) {
                self.processes[at.worker].waiting.push(order);
                continue;
            }
            self.shared_ids += 1;
            order.shared_id = self.shared_ids;
            batch.push(order);
        }
        self.processes[at.worker].writing = !batch.is_empty();
        if !batch.is_empty() {
            self.ask(at, Op::Commit(batch));
        }
    }

    fn batch_answered(&mut self, at: At, fates: Vec<(crate::messages::To, crate::messages::Fate)>) {
        self.write_batch(at);
        for (to, fate) in fates {
            self.order_answered(at, to, fate);
        }
    }
}
