//! Clocks, and how long messages take.

use super::{At, Ev, World};
use crate::{messages::Op, swarm::LEASE};

impl World {
    /// The database's time, as far as a process knows.
    pub(crate) fn guess(&self, worker: usize) -> i64 {
        let process = &self.processes[worker];
        let (at, told) = process.observed;
        told + (self.now.saturating_sub(at) * process.rate / 1_000) as i64
    }

    /// How long it takes until a process's own clock has gone on so far.
    pub(crate) fn own_time(&self, worker: usize, ms: u64) -> u64 {
        (ms * 1_000).div_ceil(self.processes[worker].rate).max(1)
    }

    /// Whether the last heartbeat is recent enough, by the process's own clock.
    pub(crate) fn is_trusted(&self, worker: usize) -> bool {
        let process = &self.processes[worker];
        self.now.saturating_sub(process.beaten) * process.rate / 1_000 < LEASE * 5 / 6
    }

    pub(crate) fn is_trusted_since(&self, worker: usize, lapses: u32) -> bool {
        self.is_trusted(worker) && self.processes[worker].lapses == lapses
    }

    /// Whether a process's clock is no slower than the margin of its trust allows for.
    pub(crate) fn is_honest(&self, worker: usize) -> bool {
        self.processes[worker].rate >= 900
    }

    /// The time, where everybody's clock shows it well enough.
    pub(crate) fn exact_now(&self) -> Option<u64> {
        (!self.swarm.drift).then_some(self.now)
    }

    /// How long a message is on its way.
    pub(crate) fn net(&mut self) -> u64 {
        let slow = self.swarm.slow;
        if self.fault(slow) { self.rng.between(1_000, 2 * LEASE) } else { self.rng.between(1, self.swarm.net) }
    }

    /// Sends a request to the database.
    pub(crate) fn ask(&mut self, at: At, op: Op) {
        let wait = self.net();
        self.later(wait, Ev::AtDb(at, Box::new(op)));
    }
}
