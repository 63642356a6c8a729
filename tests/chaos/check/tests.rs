//! Each invariant is shown a world that holds, and the same world spoilt: a checker that cannot fail proves nothing.

use std::time::Duration;

use flowforge_tests::{Effect, Event};
use serde_json::json;

use super::*;
use crate::{
    journal::Entry,
    plan::{Quota, Trigger},
    workload::{Children, Scenario},
    world::{LogRow, Parent, RunRow, StepRow},
};

const RUN: &str = "run_1";
const KEY: &str = "k";

/// One run of `start -> a -> b`, whose two effects are in the ledger, and whose reader saw everything.
fn good() -> World {
    let graph = json!({
        "nodes": [{"id": "start"}, {"id": "a"}, {"id": "b"}],
        "edges": [{"source": "start", "target": "a"}, {"source": "a", "target": "b"}]
    });
    let scenario = Scenario {
        graph,
        effects: vec![("a", 0), ("b", 0)],
        skipped: vec![],
        outputs: vec![("start", json!(6))],
        children: vec![],
        signal: None,
        approval: None,
    };
    let run = RunRow {
        id: RUN.to_owned(),
        key: Some(KEY.to_owned()),
        status: "completed".to_owned(),
        epoch: 1,
        next_seq: 10,
        started_seq: Some(1),
        finished_seq: Some(9),
        finished_at_ms: Some(100),
        ..RunRow::default()
    };
    let mut world = World { runs: vec![run], scenarios: vec![scenario], calm: vec![KEY.to_owned()], ..World::default() };
    let step = |node: &str, begin: i64, end: i64, output| StepRow {
        node: node.to_owned(),
        attempt: 1,
        status: "completed".to_owned(),
        started_seq: Some(begin),
        finished_seq: Some(end),
        output: Some(output),
        ..StepRow::default()
    };
    let answer = |nonce: &str| json!({"body": {"nonce": nonce}});
    world.steps.insert(
        RUN.to_owned(),
        vec![step("a", 4, 6, answer("na")), step("b", 7, 8, answer("nb")), step("start", 2, 3, json!(6))],
    );
    let line = LogRow { seq: 5, node: "a".to_owned(), attempt: 1, event: String::new() };
    world.logs.insert(RUN.to_owned(), vec![line]);
    for (n, node) in [(1, "a"), (2, "b")] {
        let key = format!("{KEY}-{node}");
        world.effects.insert(key.clone(), vec![effect(n, &key, &format!("n{node}"))]);
        world.calls.insert(key, 1);
    }
    let trigger = Trigger {
        at: Duration::ZERO,
        kind: 0,
        key: KEY.to_owned(),
        copies: vec![Duration::ZERO],
        gives_up: false,
        cancel: None,
        answer: Duration::ZERO,
        recorded: true,
    };
    world.triggers.insert(KEY.to_owned(), trigger);
    world.journal.insert(KEY.to_owned(), Entry { sent: 1, acks: vec![RUN.to_owned()], ..Entry::default() });
    world.recordings.insert(RUN.to_owned(), recording());
    world
}

fn effect(n: usize, key: &str, nonce: &str) -> Effect {
    let idempotency_key = Some(format!("ff-{key}"));
    Effect { n, key: key.to_owned(), idempotency_key, nonce: nonce.to_owned(), authorization: None, at_ms: n as u64 }
}

fn recording() -> Vec<Event> {
    let event = |id: u64, kind: &str, node: &str| {
        let data = if node.is_empty() { json!({}) } else { json!({"node_id": node, "attempt": 1}) };
        Event { id, kind: kind.to_owned(), data }
    };
    vec![
        event(1, "run_started", ""),
        event(2, "step_started", "start"),
        event(3, "step_succeeded", "start"),
        event(4, "step_started", "a"),
        event(5, "step_log", "a"),
        event(6, "step_succeeded", "a"),
        event(7, "step_started", "b"),
        event(8, "step_succeeded", "b"),
        event(9, "run_finished", ""),
    ]
}

fn found(world: &World) -> Vec<&'static str> {
    let mut ids: Vec<_> = check(world).iter().map(|violation| violation.id).collect();
    ids.dedup();
    ids
}

/// The spoilt world violates this invariant.
#[track_caller]
fn violates(id: &'static str, spoil: impl FnOnce(&mut World)) {
    let mut world = good();
    spoil(&mut world);
    assert!(found(&world).contains(&id), "{id} is not among {:?}", check(&world));
}

fn step<'w>(world: &'w mut World, node: &str) -> &'w mut StepRow {
    world.steps.get_mut(RUN).expect("the run").iter_mut().find(|step| step.node == node).expect("the step")
}

#[test]
fn a_world_that_holds_holds() {
    assert!(check(&good()).is_empty(), "{:?}", check(&good()));
}

#[test]
fn what_clients_know_is_checked() {
    violates("I1", |world| world.runs.clear());
    violates("I1", |world| world.runs[0].status = "running".to_owned());
    violates("I2", |world| world.runs.push(RunRow { id: "run_2".to_owned(), ..world.runs[0].clone() }));
    violates("I2", |world| world.journal.get_mut(KEY).expect("known").acks.push("run_2".to_owned()));
    violates("I2", |world| world.journal.get_mut(KEY).expect("known").refused.push("404".to_owned()));
    violates("I2", |world| drop(world.journal.remove(KEY)));
    violates("D14", |world| world.runs[0].status = "failed".to_owned());
    violates("D14", |world| step(world, "start").output = Some(json!(7)));
    violates("D14", |world| step(world, "b").status = "skipped".to_owned());
}

/// The good world, and in it a map over one item.
fn with_child(world: &mut World) {
    world.scenarios[0].children.push(Children { node: "b", count: 1, nodes: &["work"], effect: "work" });
    world.scenarios[0].effects.pop();
    let parent = Some(Parent { run: RUN.to_owned(), node: "b".to_owned(), attempt: 1, index: 0 });
    let child = RunRow { id: "run_2".to_owned(), key: None, next_seq: 5, finished_seq: Some(4), parent, ..world.runs[0].clone() };
    world.runs.push(child);
    let answer = json!({"body": {"nonce": "nb", "key": "k-b-0-work"}});
    let work = StepRow {
        node: "work".to_owned(),
        started_seq: Some(2),
        finished_seq: Some(3),
        output: Some(answer.clone()),
        ..step(world, "b").clone()
    };
    world.steps.insert("run_2".to_owned(), vec![work]);
    step(world, "b").output = Some(json!([answer]));
    world.calls.remove("k-b");
    world.effects.remove("k-b");
    world.calls.insert("k-b-0-work".to_owned(), 1);
    world.effects.insert("k-b-0-work".to_owned(), vec![effect(2, "k-b-0-work", "nb")]);
}

#[test]
fn children_are_checked() {
    let mut world = good();
    with_child(&mut world);
    assert!(check(&world).is_empty(), "{:?}", check(&world));
    let spoilt = |id, spoil: fn(&mut World)| {
        violates(id, |world| {
            with_child(world);
            spoil(world);
        });
    };
    spoilt("I13", |world| world.runs.push(RunRow { id: "run_3".to_owned(), ..world.runs[1].clone() }));
    spoilt("I13", |world| drop(world.runs.pop()));
    spoilt("I13", |world| world.runs[1].parent.as_mut().expect("a parent").run = "run_9".to_owned());
    spoilt("I13", |world| world.runs[1].status = "failed".to_owned());
    spoilt("I13", |world| step(world, "b").output = Some(json!([{"body": {"nonce": "nb", "key": "k-b-1-work"}}])));
    spoilt("I3", |world| world.effects.get_mut("k-b-0-work").expect("known")[0].nonce = "other".to_owned());
    spoilt("I4", |world| {
        world.calls.insert("k-b-0-work".to_owned(), 2);
    });
    spoilt("I5", |world| world.effects.get_mut("k-b-0-work").expect("known")[0].n = 0);
}

#[test]
fn decisions_are_checked() {
    let decided = |accepted: &[&str], counted: &str| {
        let mut world = good();
        world.scenarios[0].approval = Some("start");
        world.scenarios[0].outputs.clear();
        step(&mut world, "start").output = Some(json!({"decision": counted}));
        world.journal.get_mut(KEY).expect("known").decided = accepted.iter().map(|one| (*one).to_owned()).collect();
        check(&world).len()
    };
    assert_eq!((decided(&["approved"], "approved"), decided(&[], "rejected")), (0, 0), "an answer may be lost");
    assert_eq!((decided(&["approved"], "rejected"), decided(&["approved", "rejected"], "approved")), (1, 1));
}

#[test]
fn cancellations_are_checked() {
    violates("I11", |world| world.runs[0].cancel_seq = Some(9));
    violates("I11", |world| {
        world.runs[0].status = "cancelled".to_owned();
        world.runs[0].cancel_seq = Some(6);
    });
    violates("I11", |world| {
        world.journal.get_mut(KEY).expect("known").cancelled_at = Some(10);
        world.runs[0].finished_at_ms = Some(60_000);
    });
    violates("I11", |world| {
        world.journal.get_mut(KEY).expect("known").cancelled_at = Some(10);
        world.effects.get_mut("k-b").expect("known")[0].at_ms = 6_000;
    });
}

#[test]
fn effects_are_checked() {
    violates("I3", |world| step(world, "a").output = Some(json!({"body": {"nonce": "forged"}})));
    violates("I3", |world| {
        world.effects.get_mut("k-a").expect("known").push(Effect { idempotency_key: None, ..effect(3, "k-a", "x") })
    });
    violates("I3", |world| world.effects.get_mut("k-b").expect("known")[0].idempotency_key = Some("ff-k-a".to_owned()));
    violates("I4", |world| {
        world.calls.insert("k-a".to_owned(), 2);
    });
    violates("I4", |world| {
        world.calls.insert("stranger-a".to_owned(), 1);
    });
    violates("I5", |world| world.effects.get_mut("k-a").expect("known")[0].n = 3);
    violates("I5", |world| step(world, "b").started_seq = Some(5));
    violates("I12", |world| world.effects.get_mut("k-a").expect("known").push(effect(3, "k-a", "again")));
}

#[test]
fn more_calls_are_explained_by_takeovers() {
    let mut world = good();
    world.calm.clear();
    world.runs[0].epoch = 2;
    world.calls.insert("k-a".to_owned(), 2);
    assert!(check(&world).is_empty(), "{:?}", check(&world));
}

#[test]
fn the_record_is_checked() {
    violates("I6", |world| drop(world.logs.remove(RUN)));
    violates("I6", |world| world.runs[0].next_seq = 11);
    violates("I6", |world| step(world, "b").finished_seq = Some(7));
    violates("I6", |world| step(world, "b").finished_seq = None);
    violates("I6", |world| step(world, "a").attempt = 2);
    violates("I6", |world| {
        let again = StepRow { attempt: 2, ..step(world, "a").clone() };
        world.steps.get_mut(RUN).expect("the run").insert(1, again);
    });
    violates("I7", |world| drop(world.recordings.get_mut(RUN).expect("read").remove(4)));
    violates("I7", |world| world.recordings.get_mut(RUN).expect("read").swap(3, 4));
    violates("I7", |world| world.recordings.get_mut(RUN).expect("read")[7].kind = "step_failed".to_owned());
}

#[test]
fn what_is_left_is_checked() {
    violates("I8", |world| world.restless = Some("not at rest".to_owned()));
    violates("I8", |world| world.leftovers.leases.push("a lease".to_owned()));
    violates("I8", |world| world.leftovers.messages.push("a message".to_owned()));
    violates("I9", |world| world.observed.reversals.push("changed".to_owned()));
    violates("I15", |world| world.canary_found.push("a log".to_owned()));
    violates("I15", |world| world.observed.leaks.push("a child".to_owned()));
    violates("I16", |world| world.leftovers.processes.push("a sandbox".to_owned()));
    violates("I16", |world| world.leftovers.transactions.push("open".to_owned()));
    violates("I17", |world| {
        world.observed.memory.insert("worker-0".to_owned(), 10_000);
    });
    violates("LOG", |world| world.alarms.push("panicked".to_owned()));
}

#[test]
fn a_round_in_which_nothing_happened_proves_nothing() {
    use clap::Parser;
    let quota = Quota::of(&crate::args::Args::parse_from(["chaos"]));
    let mut world = good();
    world.canary = "canary".to_owned();
    world.observed.snapshots = 5;
    let reasons = vacuous(&world, &Tally::default(), &quota);
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    world.effects.get_mut("k-a").expect("known")[0].authorization = Some("Bearer canary".to_owned());
    let tally = Tally { kills_hit: 9, fruitful: 9, cuts: 99, ..Tally::default() };
    assert!(vacuous(&world, &tally, &quota).is_empty());
    world.runs[0].status = "failed".to_owned();
    assert_eq!(vacuous(&world, &tally, &quota).len(), 1, "nothing completed");
}

#[test]
fn every_invariant_has_a_name_of_its_own() {
    let ids: std::collections::BTreeSet<_> = INVARIANTS.iter().map(|invariant| invariant.id).collect();
    assert_eq!(ids.len(), INVARIANTS.len());
}
