//! The ledger against the rows.

use std::collections::{BTreeSet, HashMap, HashSet};

use flowforge_tests::Effect;

use crate::{
    workload::{Scenario, effect_key},
    world::{StepRow, World},
};

pub(super) fn outputs_are_effects(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for (run, trigger, scenario) in world.known() {
        for (node, _) in &scenario.effects {
            let key = effect_key(&trigger.key, node);
            let lines = world.effects_of(&key);
            for step in completed(world.steps_of(&run.id), node) {
                if winner(step, lines).is_none() {
                    let output = step.output.as_ref().map(ToString::to_string).unwrap_or_default();
                    faults.push(format!("{key} is completed with an answer that the ledger never gave: {output}"));
                }
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
    for (run, trigger, scenario) in world.known() {
        for (node, _) in &scenario.effects {
            let key = effect_key(&trigger.key, node);
            let attempts = world.steps_of(&run.id).iter().filter(|step| step.node == *node).count() as i64;
            // Each owner begins what it found under way once more.
            let takeovers = (run.epoch - 1).max(0);
            let calls = i64::from(world.calls.get(&key).copied().unwrap_or_default());
            if calls > attempts + takeovers {
                faults.push(format!("{key} was called {calls} times, with {attempts} attempts and {takeovers} takeovers"));
            }
            explained.insert(key);
        }
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
            let lines = world.effects_of(&effect_key(&trigger.key, before));
            let win = completed(steps, before).next().and_then(|step| winner(step, lines));
            let first = world.effects_of(&effect_key(&trigger.key, after)).first();
            if let (Some(win), Some(first)) = (win, first)
                && first.n < win.n
            {
                faults.push(format!("{} took effect ({}) before {} had ({})", first.key, first.n, win.key, win.n));
            }
        }
    }
    faults
}

pub(super) fn exact_when_calm(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for (run, trigger, scenario) in world.known() {
        if !world.calm.contains(&trigger.key) || run.status == "cancelled" {
            continue;
        }
        for (node, refused) in &scenario.effects {
            let key = effect_key(&trigger.key, node);
            let (lines, calls) = (world.effects_of(&key).len(), world.calls.get(&key).copied().unwrap_or_default());
            if lines != 1 || calls != refused + 1 {
                faults.push(format!("{key} was called {calls} times and took effect {lines} times although nothing went wrong"));
            }
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

/// Pairs of nodes that write into the ledger, the second one reachable from the first.
fn ledger_pairs(scenario: &Scenario) -> Vec<(&str, &str)> {
    let edges = scenario.edges();
    let mut pairs = Vec::new();
    for (from, _) in &scenario.effects {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![*from];
        while let Some(node) = open.pop() {
            open.extend(
                edges.iter().filter(|(source, target)| *source == node && reached.insert(target)).map(|(_, target)| *target),
            );
        }
        pairs.extend(scenario.effects.iter().filter(|(to, _)| reached.contains(to)).map(|(to, _)| (*from, *to)));
    }
    pairs
}
