//! Owning runs: claim, read, drive, and find out again what was written, as `own` and `recover` in `engine/src/worker.rs`.

use super::Live;
use crate::{
    bug::Bug,
    cover::Rare,
    messages::{Fate, Given, Loaded, Op, To},
    owner::{Ended, Owner},
    plan::Call,
    store::{Claimed, Message},
    world::{At, Ev, Hint, World},
};

/// The wait before a run is read again after the database failed; it doubles up to the longest.
const FIRST_WAIT: u64 = 100;
const LONGEST_WAIT: u64 = 5_000;

impl World {
    /// Drives a run to where its ownership ends. Nobody else in this process claims or drives it meanwhile.
    pub(crate) fn own(&mut self, at: At, run: u32) {
        if self.ring(at, run) || self.processes[at.worker].leaving || !self.is_trusted(at.worker) {
            return;
        }
        let token = self.token();
        self.processes[at.worker].live.push(Live { run, token, owner: None, bell: false, reading: false, recovers: None });
        self.ask_for_run(at, run, token);
    }

    fn ask_for_run(&mut self, at: At, run: u32, token: u64) {
        let lapses = self.processes[at.worker].lapses;
        self.ask(at, Op::ClaimRun { run, token, crashed: false, lapses });
    }

    /// Rings a run's owner, if it is in this process.
    pub(crate) fn ring(&mut self, at: At, run: u32) -> bool {
        let Some(live) = self.processes[at.worker].live(run) else { return false };
        live.bell = true;
        self.hear_bell(at, run);
        true
    }

    /// An owner that is not busy reads its inbox when the bell has rung.
    fn hear_bell(&mut self, at: At, run: u32) {
        let Some(live) = self.processes[at.worker].live(run) else { return };
        let hears = live.owner.as_ref().is_some_and(|owner| owner.begun && !owner.lets_go());
        if live.bell && !live.reading && hears {
            (live.bell, live.reading) = (false, true);
            let token = live.token;
            self.ask(at, Op::ReadInbox { run, token });
        }
    }

    /// Says that there is something in a run's inbox.
    pub(crate) fn call(&mut self, at: At, run: u32) {
        if !self.ring(at, run) {
            self.push(at, Hint::Run(run));
        }
    }

    fn phase(&mut self, at: At, run: u32, token: u64) -> Option<&mut Live> {
        self.processes[at.worker].live(run).filter(|live| live.token == token)
    }

    fn let_go(&mut self, at: At, run: u32) {
        self.processes[at.worker].live.retain(|live| live.run != run);
    }

    pub(super) fn claimed_run(&mut self, at: At, run: u32, token: u64, lapses: u32, given: Result<Option<(Claimed, u64)>, ()>) {
        if self.phase(at, run, token).is_none() {
            return;
        }
        match given {
            Ok(Some((Claimed { epoch, called, .. }, claim))) => {
                self.ask(at, Op::LoadRun { run, token, given: Given { epoch, claim, lapses, called } });
            }
            Ok(None) => self.let_go(at, run),
            Err(()) => self.try_again(at, run),
        }
    }

    /// A claim that failed is left to the sweeper, unless the run is one that this process lost track of.
    fn try_again(&mut self, at: At, run: u32) {
        let Some(live) = self.processes[at.worker].live(run) else { return };
        match live.recovers {
            Some(wait) => {
                live.recovers = Some((wait * 2).min(LONGEST_WAIT));
                let token = live.token;
                let wait = self.own_wait(at, wait);
                self.later(wait, Ev::Recover(at, run, token));
            }
            None => self.let_go(at, run),
        }
    }

    fn own_wait(&self, at: At, ms: u64) -> u64 {
        self.own_time(at.worker, ms)
    }

    pub(super) fn loaded_run(&mut self, at: At, run: u32, token: u64, given: Given, loaded: Result<Option<Box<Loaded>>, ()>) {
        if self.phase(at, run, token).is_none() {
            return;
        }
        match loaded {
            Ok(Some(loaded)) => {
                let late = self.bug == Bug::LapsesAfterClaim;
                let lapses = if late { self.processes[at.worker].lapses } else { given.lapses };
                let given = Given { lapses, ..given };
                let mut loaded = *loaded;
                let (crashes, messages) = (loaded.crashes, std::mem::take(&mut loaded.messages));
                let mut owner = Box::new(Owner::resume(self, at, run, token, given, loaded));
                owner.begin(self, crashes, messages);
                self.go_on(at, owner);
            }
            Ok(None) => self.let_go(at, run),
            Err(()) => self.try_again(at, run),
        }
    }

    /// The owner of a run that is to be created begins.
    pub(crate) fn prepared(&mut self, at: At, run: u32, token: u64) {
        self.with_owner(at, run, token, |world, owner| owner.begin(world, 0, Vec::new()));
    }

    pub(crate) fn recover(&mut self, at: At, run: u32, token: u64) {
        if self.phase(at, run, token).is_none() {
            return;
        }
        if self.processes[at.worker].leaving {
            return self.let_go(at, run);
        }
        if !self.is_trusted(at.worker) {
            return self.try_again(at, run);
        }
        self.ask_for_run(at, run, token);
    }

    pub(crate) fn timer(&mut self, at: At, run: u32, token: u64) {
        self.with_owner(at, run, token, |world, owner| owner.moment_came(world));
    }

    pub(crate) fn call_done(&mut self, at: At, run: u32, token: u64, call: Call) {
        self.with_owner(at, run, token, |world, owner| owner.call_done(world, call));
    }

    pub(super) fn inbox_read(&mut self, at: At, run: u32, token: u64, messages: Result<Vec<Message>, ()>) {
        let Some(live) = self.phase(at, run, token) else { return };
        live.reading = false;
        let Ok(messages) = messages else { return };
        self.with_owner(at, run, token, |world, owner| owner.read(world, messages));
    }

    pub(super) fn order_answered(&mut self, at: At, to: To, fate: Fate) {
        match to {
            To::Owner { run, token } => self.with_owner(at, run, token, |world, owner| owner.committed(world, fate)),
            To::Start { of, run } => self.start_answered(at, of, run, fate),
            To::Child { run, token, child } => self.with_owner(at, run, token, |world, owner| owner.called(world, child, fate)),
            To::Nobody => {}
        }
    }

    /// Lets every owner of a process look around.
    pub(super) fn every_owner(&mut self, at: At) {
        let live: Vec<(u32, u64)> = self.processes[at.worker].live.iter().map(|live| (live.run, live.token)).collect();
        for (run, token) in live {
            self.with_owner(at, run, token, |_, _| ());
        }
    }

    pub(crate) fn with_owner(&mut self, at: At, run: u32, token: u64, act: impl FnOnce(&mut Self, &mut Owner)) {
        let Some(mut owner) = self.phase(at, run, token).and_then(|live| live.owner.take()) else { return };
        act(self, &mut owner);
        self.go_on(at, owner);
    }

    /// Does what can be done at once, and puts the owner back or ends its ownership.
    fn go_on(&mut self, at: At, mut owner: Box<Owner>) {
        let run = owner.id;
        if !owner.begun {
            return self.put_back(at, owner);
        }
        match owner.turn(self) {
            None => self.put_back(at, owner),
            Some(Ended::Over | Ended::Gone) => self.let_go(at, run),
            Some(Ended::Parked) => {
                self.cover.sometimes(Rare::Parked);
                self.let_go(at, run);
                self.ask(at, Op::LookAfterPark { run });
            }
            Some(Ended::Lost) => self.lose(at, run),
        }
    }

    fn put_back(&mut self, at: At, owner: Box<Owner>) {
        let run = owner.id;
        if let Some(live) = self.processes[at.worker].live(run) {
            live.owner = Some(owner);
            self.hear_bell(at, run);
        }
    }

    /// It is not known what was written: the run is claimed again.
    fn lose(&mut self, at: At, run: u32) {
        let token = self.token();
        let wait = self.own_wait(at, FIRST_WAIT);
        if let Some(live) = self.processes[at.worker].live(run) {
            (live.token, live.reading, live.recovers) = (token, false, Some(FIRST_WAIT * 2));
            self.later(wait, Ev::Recover(at, run, token));
        }
    }
}
