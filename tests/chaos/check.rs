//! The checker: each invariant is one function that returns its violations in words.

mod effects;
mod record;
mod rest;
#[cfg(test)]
mod tests;
mod triggers;
mod vacuity;

use crate::world::World;

pub(crate) use self::vacuity::{Tally, crashed, vacuous};

/// Something that must hold after every round.
#[derive(Debug)]
pub(crate) struct Invariant {
    /// Its name in reports.
    pub(crate) id: &'static str,
    /// What it says.
    pub(crate) says: &'static str,
    violations: fn(&World) -> Vec<String>,
}

/// A violation.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// Which invariant.
    pub(crate) id: &'static str,
    /// What was found.
    pub(crate) found: String,
}

/// All of them. Schedules (I10) and the audit chain (I14) come with what they judge.
pub(crate) const INVARIANTS: &[Invariant] = &[
    invariant("I1", "every acknowledged run exists and has ended", triggers::acknowledged_runs_end),
    invariant("I2", "a trigger that is sent many times starts one run", triggers::one_run_a_trigger),
    invariant(
        "I3",
        "what a step put out is what the ledger answered it, under one key that never changes",
        effects::outputs_are_effects,
    ),
    invariant(
        "I4",
        "no effect more often than attempts and takeovers explain, and none that nobody asked for",
        effects::no_unexplained_effects,
    ),
    invariant("I5", "no step begins before those before it have ended, in the record and in the ledger", effects::order),
    invariant("I6", "record numbers are dense, and the record folds to the rows' states", record::dense_and_consistent),
    invariant("I7", "a reader that comes back gets every event once, in order", record::readers_saw_the_record),
    invariant("I8", "nothing hangs: no run, lease or message is left over", rest::nothing_hangs),
    invariant("I9", "no epoch goes backwards and nothing final changes", rest::final_is_final),
    invariant("I11", "a cancellation is honoured and final", triggers::cancellations),
    invariant("I12", "without faults every effect happens exactly as often as the graph says", effects::exact_when_calm),
    invariant(
        "I13",
        "each item of a list has one run, results stand in its order, and of several decisions one counts",
        triggers::children,
    ),
    invariant("I15", "the secret is nowhere", rest::no_secret),
    invariant("I16", "no process, sandbox, transaction or lock is left behind", rest::no_leftovers),
    invariant("I17", "memory stays bounded", rest::memory),
    invariant("D14", "every run comes to what its graph says", triggers::outcomes),
    invariant("LOG", "no panic, deadlock or gap is logged, and no process ends by itself", rest::alarms),
];

const fn invariant(id: &'static str, says: &'static str, violations: fn(&World) -> Vec<String>) -> Invariant {
    Invariant { id, says, violations }
}

/// Every violation of every invariant.
pub(crate) fn check(world: &World) -> Vec<Violation> {
    let all = INVARIANTS.iter().flat_map(|invariant| {
        let found = (invariant.violations)(world);
        found.into_iter().map(|found| Violation { id: invariant.id, found })
    });
    all.collect()
}
