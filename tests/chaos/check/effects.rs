//! The ledger against the rows.

use std::collections::{BTreeSet, HashMap, HashSet};

use flowforge_tests::Effect;

use crate::{
    workload::{Scenario, effect_key},
    world::{RunRow, StepRow, World},
};

pub(super) fn outputs_are_effects(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for due in world.dues() {
        let lines = world.effects_of(&due.key);
        for step in completed(world.steps_of(&due.run.id), due.node) {
            if winner(step, lines).is_none() {
                let output = step.output.as_ref().map(ToString::to_string).unwrap_or_default();
                faults.push(format!("{} is completed with an answer that the ledger never gave: {output}", due.key));
            }
        }
    }
    faults.extend(keys_that_change(world));
    faults
}

/// One `Idempotency-Key` for all calls of a step, and another one for every other step.
fn keys_that_change(world: &World) -> Vec<String> {
    let mut owner: HashMap<&str, &str> = HashMap::new();
    let mut faults = Vec::new();
    for (key, lines) in &world.effects {
        let sent: BTreeSet<_> = lines.iter().map(|line| line.idempotency_key.as_deref().unwrap_or("none")).collect();
        if sent.len() != 1 || sent.contains("none") {
            faults.push(format!("{key} was called with the keys {sent:?}"));
        }
        for one in sent {
            if let Some(other) = owner.insert(one, key) {
                faults.push(format!("{key} and {other} were called with the same key {one}"));
            }
        }
    }
    faults
}

pub(super) fn no_unexplained_effects(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let mut explained: HashSet<String> = HashSet::new();
    for due in world.dues() {
        let attempts = world.steps_of(&due.run.id).iter().filter(|step| step.node == due.node).count() as i64;
        // Each owner begins what it found under way once more.
        let takeovers = (due.run.epoch - 1).max(0);
        let calls = i64::from(world.calls.get(&due.key).copied().unwrap_or_default());
        if calls > attempts + takeovers {
            faults.push(format!("{} was called {calls} times, with {attempts} attempts and {takeovers} takeovers", due.key));
        }
        explained.insert(due.key);
    }
    let strangers = world.calls.keys().filter(|key| !explained.contains(*key));
    faults.extend(strangers.map(|key| format!("{key} was called, and no run of that trigger and node exists")));
    faults
}

pub(super) fn order(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for (run, trigger, scenario) in world.known() {
        let steps = world.steps_of(&run.id);
        for (before, after) in scenario.edges() {
            let end = steps.iter().filter(|step| step.node == before).filter_map(|step| step.finished_seq).max();
            let open = steps.iter().any(|step| step.node == before && step.finished_seq.is_none());
            let begin = steps.iter().filter(|step| step.node == after).filter_map(|step| step.started_seq).min();
            if begin.is_some_and(|begin| open || end.is_none_or(|end| end > begin)) {
                faults.push(format!("{after} of {} began at {begin:?}, {before} ended at {end:?}", run.id));
            }
        }
        for (before, after) in ledger_pairs(scenario) {
            let (wins, firsts) = (wins(world, run, &trigger.key, scenario, before), firsts(world, &trigger.key, scenario, after));
            if let (Some(win), Some(first)) = (wins.into_iter().max(), firsts.into_iter().min())
                && first < win
            {
                faults.push(format!("{after} of {} took effect ({first}) before {before} had ({win})", trigger.key));
            }
        }
    }
    faults
}

/// Where in the ledger the answers stand that a step, or its children, put out.
fn wins(world: &World, run: &RunRow, run_key: &str, scenario: &Scenario, node: &str) -> Vec<usize> {
    let own =
        completed(world.steps_of(&run.id), node).filter_map(|step| winner(step, world.effects_of(&effect_key(run_key, node))));
    let of_children = scenario.children.iter().filter(|children| children.node == node).flat_map(|children| {
        world.children(&run.id, node).into_iter().enumerate().filter_map(|(index, child)| {
            let step = completed(world.steps_of(&child.id), children.effect).next()?;
            winner(step, world.effects_of(&children.key(run_key, index)))
        })
    });
    own.chain(of_children).map(|line| line.n).collect()
}

/// Where in the ledger the first calls of a step, or of its children, stand.
fn firsts(world: &World, run_key: &str, scenario: &Scenario, node: &str) -> Vec<usize> {
    let of_children = scenario.children.iter().filter(|children| children.node == node);
    let keys = of_children.flat_map(|children| (0..children.count).map(|index| children.key(run_key, index)));
    let keys = keys.chain([effect_key(run_key, node)]);
    keys.filter_map(|key| world.effects_of(&key).first().map(|line| line.n)).collect()
}

pub(super) fn exact_when_calm(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for due in world.dues().into_iter().filter(|due| due.calm && due.run.status != "cancelled") {
        let (lines, calls) = (world.effects_of(&due.key).len(), world.calls.get(&due.key).copied().unwrap_or_default());
        if lines != 1 || calls != due.refused + 1 {
            faults
                .push(format!("{} was called {calls} times and took effect {lines} times although nothing went wrong", due.key));
        }
    }
    faults
}

fn completed<'s>(steps: &'s [StepRow], node: &str) -> impl Iterator<Item = &'s StepRow> {
    steps.iter().filter(move |step| step.node == node && step.status == "completed")
}

/// The ledger's line whose answer a step put out.
fn winner<'l>(step: &StepRow, lines: &'l [Effect]) -> Option<&'l Effect> {
    let nonce = step.output.as_ref()?["body"]["nonce"].as_str()?;
    lines.iter().find(|line| line.nonce == nonce)
}

/// Pairs of nodes that write into the ledger, themselves or by their children, the second one reachable from the first.
fn ledger_pairs(scenario: &Scenario) -> Vec<(&str, &str)> {
    let edges = scenario.edges();
    let writes = || scenario.effects.iter().map(|(node, _)| *node).chain(scenario.children.iter().map(|children| children.node));
    let mut pairs = Vec::new();
    for from in writes() {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            open.extend(
                edges.iter().filter(|(source, target)| *source == node && reached.insert(target)).map(|(_, target)| *target),
            );
        }
        pairs.extend(writes().filter(|to| reached.contains(to)).map(|to| (from, to)));
    }
    pairs
}
