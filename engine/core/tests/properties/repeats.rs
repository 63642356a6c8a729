//! Runs that are repeated, on the same graph or another one: what is kept changes nothing of what they come to.

use std::{cell::RefCell, collections::BTreeMap};

use flowforge_core::{
    Graph, Run,
    rerun::{self, Ask, Begin, Decision, Past},
};
use proptest::{prelude::*, sample::Index};

use super::{
    compared,
    plan::{Plan, plans},
    reference::Reference,
    seeded::check,
    world::{Trouble, World},
};

/// How the graph differs from the one that has run.
#[derive(Debug, Clone)]
enum Change {
    Nothing,
    /// What ended the run does not fail any more.
    Mended,
    DropEdge(Index),
    /// An edge leaves by another port.
    MoveEdge(Index, Index),
    AddEdge(Index, Index),
}

/// What is repeated: how far the first run comes, and where the second one begins.
#[derive(Debug, Clone)]
struct Repeat {
    seed: u64,
    /// The turn before which the first run is cancelled.
    cancel: Option<u32>,
    begin: Option<Index>,
    change: Change,
}

#[test]
fn a_run_that_keeps_steps_comes_to_what_it_would_without() {
    let met = RefCell::new(BTreeMap::new());
    check(2_000, &(plans(), repeats()), |(plan, repeat)| {
        for situation in compare_repeat(&plan, &repeat) {
            *met.borrow_mut().entry(situation).or_insert(0) += 1;
        }
    });
    for situation in
        ["some kept", "all kept", "a skipped step kept", "another graph, some kept", "a kept step after a skipped one"]
    {
        assert!(met.borrow().get(situation).is_some_and(|times| *times >= 5), "`{situation}` is rare: {met:?}");
    }
}

fn compare_repeat(plan: &Plan, repeat: &Repeat) -> Vec<&'static str> {
    let old = World::run(plan, Trouble { seed: repeat.seed, cancel: repeat.cancel, ..Trouble::default() });
    let changed = changed(plan, &repeat.change);
    let new = changed.graph();
    let past: Vec<Past> = new_past(&old.run);
    let begin = match repeat.begin {
        None => Begin::Failed,
        Some(at) => Begin::Step(changed.step(&new, at.index(changed.nodes.len()))),
    };
    let trigger = changed.fired.map(|node| changed.step(&new, node));
    let ask = Ask { old: old.run.graph(), past: &past, new: &new, trigger, begin, has_other_input: false, files: &[] };
    let planned = rerun::plan(&ask);
    check_plan(&new, &planned, begin);
    let trouble = Trouble { seed: !repeat.seed, crashes: 5, pauses: 5, ..Trouble::default() };
    compared(&changed, trouble, World::keeping(&changed, trouble, planned.kept.clone()));
    situations(&new, &planned, &repeat.change)
}

/// Nothing is kept after what runs again, nor where the new run begins.
fn check_plan(new: &Graph, plan: &rerun::Plan, begin: Begin) {
    let is_kept = |step: flowforge_core::StepIx| plan.kept.iter().any(|kept| kept.step == step);
    for planned in &plan.steps {
        for link in &new.step(planned.step).incoming {
            let before = plan.steps[link.step.index()].decision;
            assert!(planned.decision != Decision::Keep || before == Decision::Keep, "{planned:?} comes after {before:?}");
        }
        assert!(!(begin == Begin::Step(planned.step) && is_kept(planned.step)), "{planned:?} is where the run begins");
    }
}

fn new_past(run: &Run) -> Vec<Past> {
    run.graph().steps().map(|(step, _)| Past::from(run.state(step))).collect()
}

fn situations(new: &Graph, plan: &rerun::Plan, change: &Change) -> Vec<&'static str> {
    let is_kept = |at: usize| plan.kept.iter().any(|kept| kept.step.index() == at);
    let is_skipped = |at: usize| plan.steps[at].decision == Decision::Keep && !is_kept(at);
    let after_skipped =
        |at: &usize| is_kept(*at) && new.step(plan.steps[*at].step).incoming.iter().any(|link| is_skipped(link.step.index()));
    let is_partial = !plan.kept.is_empty() && plan.steps.iter().any(|planned| planned.decision != Decision::Keep);
    let has_other_edges = matches!(change, Change::DropEdge(_) | Change::MoveEdge(..) | Change::AddEdge(..));
    let found = [
        ("some kept", is_partial),
        ("all kept", plan.steps.iter().all(|planned| planned.decision == Decision::Keep)),
        ("a skipped step kept", (0..new.len()).any(is_skipped)),
        ("another graph, some kept", is_partial && has_other_edges),
        ("a kept step after a skipped one", (0..new.len()).any(|at| after_skipped(&at))),
    ];
    found.into_iter().filter(|(_, found)| *found).map(|(situation, _)| situation).collect()
}

fn changed(plan: &Plan, change: &Change) -> Plan {
    let mut new = plan.clone();
    match change {
        Change::Nothing => {}
        Change::Mended => {
            for culprit in Reference::new(plan).culprits() {
                new.nodes[culprit].failures.clear();
            }
        }
        Change::DropEdge(_) | Change::MoveEdge(..) if plan.edges.is_empty() => {}
        Change::DropEdge(at) => drop(new.edges.remove(at.index(plan.edges.len()))),
        Change::MoveEdge(at, port) => {
            let edge = &mut new.edges[at.index(plan.edges.len())];
            edge.1 = *port.get(&plan.nodes[edge.0].ports());
        }
        Change::AddEdge(..) if plan.nodes.len() < 2 => {}
        Change::AddEdge(from, to) => {
            let to = 1 + to.index(plan.nodes.len() - 1);
            let from = from.index(to);
            if !plan.nodes[to].is_trigger() {
                new.edges.push((from, plan.nodes[from].ports()[0], to));
            }
        }
    }
    // Every node comes after a trigger, if there are any.
    for (to, node) in new.nodes.iter().enumerate() {
        let is_lost = plan.fired.is_some() && !node.is_trigger() && !new.edges.iter().any(|(.., target)| *target == to);
        if is_lost {
            new.edges.push((0, "out", to));
        }
    }
    new.edges.sort_unstable();
    new.edges.dedup();
    new
}

fn repeats() -> impl Strategy<Value = Repeat> {
    let index = any::<Index>;
    let change = prop_oneof![
        2 => Just(Change::Nothing),
        2 => Just(Change::Mended),
        1 => index().prop_map(Change::DropEdge),
        1 => (index(), index()).prop_map(|(at, port)| Change::MoveEdge(at, port)),
        1 => (index(), index()).prop_map(|(from, to)| Change::AddEdge(from, to)),
    ];
    let cancel = proptest::option::weighted(0.3, 0..30_u32);
    (any::<u64>(), cancel, proptest::option::of(index()), change).prop_map(|(seed, cancel, begin, change)| Repeat {
        seed,
        cancel,
        begin,
        change,
    })
}
