//! Hints, and what finds what they should have spoken of.

use crate::{
    bug::Bug,
    cover::Rare,
    messages::Op,
    store::Found,
    swarm::LEASE,
    world::{At, Ev, Hint, World},
};

impl World {
    /// Puts a hint into the queue: one of all processes, or this one's own.
    pub(crate) fn push(&mut self, at: At, hint: Hint) {
        let to = (!self.swarm.shared_queue).then_some(at);
        if self.bug == Bug::HintOnce {
            if self.queue.seen.contains(&hint) {
                return;
            }
            self.queue.seen.push(hint);
        }
        if self.fault(self.swarm.hint_lost) {
            return self.cover.sometimes(Rare::HintLost);
        }
        self.deliver(hint, to);
        if self.fault(self.swarm.hint_doubled) {
            self.deliver(hint, to);
        }
    }

    fn deliver(&mut self, hint: Hint, to: Option<At>) {
        let wait = if self.fault(self.swarm.hint_late) { self.rng.below(2 * LEASE) } else { self.rng.below(20) };
        self.queue.waiting += u32::from(to.is_none());
        let wipes = self.queue.wipes;
        self.later(wait, Ev::Hint(hint, to, wipes));
    }

    /// A hint that only this process can make use of.
    pub(crate) fn push_here(&mut self, at: At, hint: Hint) {
        let wait = self.rng.below(20);
        let wipes = self.queue.wipes;
        self.later(wait, Ev::Hint(hint, Some(at), wipes));
    }

    pub(crate) fn hint_came(&mut self, hint: Hint, to: Option<At>, wipes: u32) {
        if let Some(at) = to {
            return self.take_up(at, hint);
        }
        self.queue.waiting = self.queue.waiting.saturating_sub(1);
        if wipes < self.queue.wipes {
            return;
        }
        let ready = |worker: &usize| self.processes[*worker].works && !self.processes[*worker].leaving;
        let ready: Vec<usize> = (0..self.processes.len()).filter(ready).collect();
        if ready.is_empty() {
            self.queue.waiting += 1;
            return self.later(1_000, Ev::Hint(hint, None, wipes));
        }
        let worker = self.rng.pick(&ready);
        // A process that stands still may have fetched it all the same.
        if self.processes[worker].paused_until > self.now {
            return self.push_here(self.here(worker), hint);
        }
        self.take_up(self.here(worker), hint);
    }

    fn take_up(&mut self, at: At, hint: Hint) {
        match hint {
            Hint::Run(run) => {
                if self.ghosts[run as usize].finished.is_some() {
                    self.cover.sometimes(Rare::HintForEnded);
                }
                self.own(at, run);
            }
            Hint::Step(key) => self.execute_step(at, key),
        }
    }

    pub(crate) fn sweep(&mut self, at: At) {
        if self.processes[at.worker].leaving || self.bug == Bug::NoSweeper {
            return;
        }
        if self.fault(self.swarm.wipe) && self.swarm.shared_queue {
            if self.queue.waiting > 0 {
                self.cover.sometimes(Rare::QueueWiped);
            }
            self.queue.wipes += 1;
            if self.bug == Bug::DedupeInQueue {
                self.store.forget_keys();
            }
        }
        self.ask(at, Op::Sweep);
    }

    pub(super) fn swept(&mut self, at: At, found: Result<Found, ()>) {
        let pause = self.own_time(at.worker, self.swarm.sweep);
        let wait = pause * 4 / 5 + self.rng.below(pause * 2 / 5 + 1);
        self.later(wait, Ev::Sweep(at));
        let Ok(found) = found else { return };
        found.runs.into_iter().for_each(|run| self.push(at, Hint::Run(run)));
        found.steps.into_iter().for_each(|key| self.push(at, Hint::Step(key)));
        for (run, called) in found.held {
            let is_live = if called { self.ring(at, run) } else { self.processes[at.worker].is_live(run) };
            if !is_live {
                self.push_here(at, Hint::Run(run));
            }
        }
        for key in found.held_steps {
            if !self.processes[at.worker].is_executed(key) {
                self.push_here(at, Hint::Step(key));
            }
        }
        if self.rng.chance(500) {
            self.store.forget_late_messages();
            for run in self.store.cancel_orphans() {
                self.ghosts[run as usize].was_cancelled = true;
                self.cover.sometimes(Rare::Orphan);
            }
        }
    }
}
