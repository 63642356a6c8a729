//! The deterministic simulation: the real `Run` inside a simulated world of workers, clocks, queues, a database and clients, in
//! which everything that can go wrong does. One number gives a whole history; the same number gives the same history again.
//!
//! `FLOWFORGE_SIM_SEED=7` prints the history of a seed, with `FLOWFORGE_SIM_BUG=HintOnce` that of a planted bug;
//! `FLOWFORGE_SIM_SEEDS=1000000` lives through more of them than by default.
#![expect(clippy::expect_used, reason = "a test that cannot go on says why")]

mod bug;
mod client;
mod cover;
mod delta;
mod finish;
mod ghost;
mod kinds;
mod lane;
mod messages;
mod owner;
mod plan;
mod process;
mod reference;
mod rng;
mod store;
mod survey;
mod swarm;
mod watcher;
mod world;

use std::process::Command;

use mimalloc::MiMalloc;

use crate::{
    bug::Bug,
    cover::Rare,
    survey::{number, survey, trace_of},
    world::World,
};

/// The program's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How many histories are lived through when nobody says otherwise.
const SEEDS: u64 = 300_000;
/// How many of them a planted bug is looked for in: all of the first, and if none of these shows it up to the last.
const BUG_SEEDS: (u64, u64) = (1_000, 80_000);

#[test]
fn no_history_breaks_a_promise() {
    if let Some(seed) = number("FLOWFORGE_SIM_SEED") {
        let bug = std::env::var("FLOWFORGE_SIM_BUG").ok();
        let bug = bug.map(|name| Bug::ALL.iter().map(|(bug, _)| *bug).find(|bug| format!("{bug:?}") == name).expect("a bug"));
        let history = World::live(seed, bug, true);
        assert!(history.violation.is_none(), "{:?}", history.violation);
        return;
    }
    let seeds = number("FLOWFORGE_SIM_SEEDS").unwrap_or(SEEDS);
    let found = survey(0..seeds, None);
    println!("{}", found.figures(seeds));
    if let Some((seed, violation)) = found.violations.first() {
        found
            .first_of_each()
            .iter()
            .for_each(|(seed, violation)| println!("seed {seed}: {}: {}", violation.rule, violation.text));
        let count = found.violations.len();
        panic!("{count} of {seeds} histories break a promise; FLOWFORGE_SIM_SEED={seed} shows {violation:?}");
    }
    let never: Vec<&Rare> = Rare::ALL.iter().filter(|rare| found.cover.times(**rare) == 0).collect();
    assert!(seeds < SEEDS || never.is_empty(), "never met: {never:?}");
}

/// A check that misses a planted bug is itself broken.
#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    println!("{:<22} {:>10} {:>16}  caught by", "planted bug", "first seed", "failing seeds");
    for (bug, rules) in Bug::ALL {
        let (all, last) = BUG_SEEDS;
        let mut found = survey(0..all, Some(*bug));
        let failing = found.violations.len();
        let mut from = all;
        while found.violations.is_empty() && from < last {
            found = survey(from..from + all, Some(*bug));
            from += all;
        }
        let Some((seed, violation)) = found.violations.first() else {
            missed.push(format!("{bug:?} in {last} seeds"));
            continue;
        };
        println!("{:<22} {seed:>10} {failing:>8} of {all:>4}  {}: {}", format!("{bug:?}"), violation.rule, violation.text);
        if !rules.contains(&violation.rule) {
            missed.push(format!("{bug:?} is caught by {} and not by any of {rules:?}", violation.rule));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// The same seeds give the same histories: a second time, and in a process with another environment and another stack.
#[test]
fn a_seed_gives_one_history() {
    let trace = trace_of(0..300);
    if std::env::var_os("FLOWFORGE_SIM_TRACE").is_some() {
        return println!("trace={trace:016x}");
    }
    assert_eq!(trace, trace_of(0..300), "a second time");
    let itself = std::env::current_exe().expect("a path");
    for (name, value) in [("RUST_MIN_STACK", "8388608"), ("FLOWFORGE_PADDING", "a longer environment than the one before it")] {
        let mut other = Command::new(&itself);
        other.args(["--exact", "a_seed_gives_one_history", "--nocapture"]).env("FLOWFORGE_SIM_TRACE", "1").env(name, value);
        let told = String::from_utf8(other.output().expect("another process").stdout).expect("text");
        assert!(told.contains(&format!("trace={trace:016x}")), "another process tells another history: {told}");
    }
}
