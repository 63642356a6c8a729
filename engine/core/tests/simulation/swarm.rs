//! Which faults a history has, and how often: a random subset, so that faults that hide each other also come alone (swarm
//! testing: Groce and others, 2012).

use crate::rng::Rng;

/// How long a worker may be silent before its runs are taken over, in milliseconds.
pub(crate) const LEASE: u64 = 30_000;

/// Chances are in ten thousand; 0 switches a fault off.
#[derive(Debug, Clone, Default)]
pub(crate) struct Swarm {
    pub(crate) workers: usize,
    pub(crate) runs: usize,
    /// Between two heartbeats.
    pub(crate) beat: u64,
    /// Between two sweeps.
    pub(crate) sweep: u64,
    /// How long a message takes at most.
    pub(crate) net: u64,
    /// When the faults stop.
    pub(crate) heal_at: u64,
    /// Whether all workers read hints from one queue.
    pub(crate) shared_queue: bool,
    /// How many steps of the lane a worker executes at once.
    pub(crate) slots: usize,
    /// Pure steps that answer at once.
    pub(crate) at_once: u64,
    /// A worker dies at any step.
    pub(crate) crash: u64,
    /// A worker stops for up to five leases at any step.
    pub(crate) pause: u64,
    /// A worker leaves in good order.
    pub(crate) leave: u64,
    /// Steps that kill their worker do.
    pub(crate) deadly: bool,
    /// The database does not answer for a while.
    pub(crate) down: u64,
    /// What was done is not answered.
    pub(crate) unknown: u64,
    /// What was asked is neither done nor answered.
    pub(crate) lost: u64,
    /// A delta of a batch is refused.
    pub(crate) conflict: u64,
    /// A message takes up to two leases.
    pub(crate) slow: u64,
    pub(crate) hint_lost: u64,
    pub(crate) hint_doubled: u64,
    pub(crate) hint_late: u64,
    pub(crate) wipe: u64,
    /// An effect arrives late.
    pub(crate) late_effect: u64,
    /// Clocks run at half to double speed; else within a twentieth of the database's.
    pub(crate) drift: bool,
    pub(crate) cancel: u64,
    /// A run is paused for a while.
    pub(crate) pauses: u64,
    /// A start that can be repeated.
    pub(crate) keyed: u64,
    /// A run keeps steps of an earlier one.
    pub(crate) keeps: u64,
    /// A repeated start that does not wait for the answer.
    pub(crate) doubled: u64,
    /// A run is accepted by a process that does not work on it.
    pub(crate) remote: u64,
    pub(crate) watchers: u64,
    /// A subscriber's connection breaks.
    pub(crate) drop: u64,
}

impl Swarm {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let calm = rng.chance(500);
        let mut swarm = Self {
            workers: rng.between(1, 5) as usize,
            runs: rng.pick(&[1, 1, 2, 2, 3, 5]),
            beat: rng.pick(&[LEASE / 10, LEASE / 6, LEASE / 6]),
            sweep: rng.pick(&[2_000, 5_000, 10_000]),
            net: rng.pick(&[2, 20, 200]),
            heal_at: rng.between(60_000, 240_000),
            shared_queue: rng.chance(5_000),
            slots: rng.between(1, 4) as usize,
            at_once: rng.pick(&[10_000, 10_000, 5_000, 0]),
            keyed: 5_000,
            keeps: 2_000,
            remote: rng.pick(&[0, 2_000, 10_000]),
            watchers: 5_000,
            deadly: rng.chance(5_000),
            ..Self::default()
        };
        if !calm {
            swarm.draw_faults(rng);
        }
        swarm
    }

    fn draw_faults(&mut self, rng: &mut Rng) {
        let mut maybe = |most: u64| if rng.chance(4_500) { 1 + rng.below(most) } else { 0 };
        self.crash = maybe(200);
        self.pause = maybe(100);
        self.leave = maybe(60);
        self.down = maybe(50);
        self.unknown = maybe(600);
        self.lost = maybe(400);
        self.conflict = maybe(1_500);
        self.slow = maybe(200);
        self.hint_lost = maybe(6_000);
        self.hint_doubled = maybe(4_000);
        self.hint_late = maybe(4_000);
        self.wipe = maybe(600);
        self.late_effect = maybe(5_000);
        self.cancel = maybe(8_000);
        self.pauses = maybe(8_000);
        self.doubled = maybe(8_000);
        self.drop = maybe(5_000);
        self.drift = maybe(1) == 1;
        if self.slow > 0 && rng.chance(5_000) {
            self.slow *= 20;
        }
    }

    /// Whether nothing can go wrong but what the plans say.
    pub(crate) fn is_calm(&self) -> bool {
        let chances = [self.crash, self.pause, self.leave, self.down, self.unknown, self.lost, self.conflict, self.slow];
        let more =
            [self.hint_lost, self.hint_late, self.wipe, self.cancel, self.pauses, u64::from(self.deadly), u64::from(self.drift)];
        chances.iter().chain(&more).all(|chance| *chance == 0)
    }
}
