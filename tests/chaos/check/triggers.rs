//! What clients were told, against what became of it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::world::{Parent, RunRow, World};

/// How long a cancellation may take when nothing goes wrong, in milliseconds. While faults are injected every worker may be down at
/// once: then it is counted from their end.
const SOON_MS: i64 = 5_000;
/// How long it takes at the least until it is late, in a round with faults, in milliseconds.
const LATE_MS: i64 = 20_000;

pub(super) fn acknowledged_runs_end(world: &World) -> Vec<String> {
    let runs: HashMap<&str, &RunRow> = world.runs.iter().map(|run| (run.id.as_str(), run)).collect();
    let acks = world.journal.iter().flat_map(|(key, entry)| entry.acks.iter().map(move |run| (key, run)));
    let faults = acks.filter_map(|(key, id)| match runs.get(id.as_str()) {
        None => Some(format!("{id} was acknowledged for {key} and does not exist")),
        Some(run) if !is_over(run) => Some(format!("{id} ({key}) was acknowledged and is {} at the end", run.status)),
        Some(_) => None,
    });
    faults.collect::<BTreeSet<_>>().into_iter().collect()
}

pub(super) fn one_run_a_trigger(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let mut by_key: HashMap<&str, Vec<&str>> = HashMap::new();
    for run in world.runs.iter().filter(|run| run.parent.is_none()) {
        match &run.key {
            Some(key) if world.journal.contains_key(key) => by_key.entry(key).or_default().push(&run.id),
            key => faults.push(format!("nobody asked for {} with the key {key:?}", run.id)),
        }
    }
    for (key, entry) in &world.journal {
        let answers: BTreeSet<_> = entry.acks.iter().collect();
        let rows = by_key.get(key.as_str()).map_or(0, Vec::len);
        if answers.len() > 1 || rows > 1 {
            faults.push(format!("{key} was answered with {answers:?} and has {rows} rows"));
        }
        faults.extend(entry.refused.iter().map(|answer| format!("{key} was refused: {answer}")));
    }
    faults
}

pub(super) fn cancellations(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for run in &world.runs {
        let Some(cancelled) = run.cancel_seq else { continue };
        if run.status != "cancelled" {
            faults.push(format!("{} recorded its cancellation and is {}", run.id, run.status));
        }
        let begun = world.steps_of(&run.id).iter().filter(|step| step.started_seq.is_some_and(|seq| seq > cancelled));
        faults.extend(begun.map(|step| format!("{} began {} after its cancellation was recorded", run.id, step.node)));
    }
    for (run, trigger, scenario) in world.known() {
        let Some(acknowledged) = world.journal.get(&trigger.key).and_then(|entry| entry.cancelled_at) else { continue };
        let acknowledged = acknowledged as i64;
        let is_calm = world.calm.contains(&trigger.key);
        let limit = if is_calm { SOON_MS } else { LATE_MS.max(world.healed_ms - acknowledged + SOON_MS) };
        let late = run.finished_at_ms.is_some_and(|end| end > acknowledged + limit);
        if late {
            faults
                .push(format!("{} ({}) ended more than {limit} ms after its cancellation was acknowledged", run.id, run.status));
        }
        for (node, _) in &scenario.effects {
            let lines = world.effects_of(&crate::workload::effect_key(&trigger.key, node));
            let after = lines.iter().filter(|line| line.at_ms as i64 > acknowledged + limit);
            faults.extend(
                after.map(|line| {
                    format!("{} took effect {} ms after the cancellation", line.key, line.at_ms as i64 - acknowledged)
                }),
            );
        }
    }
    faults
}

/// A run ends as its graph says, except one that was cancelled, and one whose steps saw too many workers die.
pub(super) fn outcomes(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for (run, _, scenario) in world.known().filter(|(run, ..)| run.status != "cancelled" && !is_crashed(run)) {
        if run.status != "completed" {
            let error = run.error.as_ref().map(ToString::to_string).unwrap_or_default();
            faults.push(format!("{} ({}) is {} {error}", run.id, run.key.as_deref().unwrap_or("?"), run.status));
            continue;
        }
        let steps = world.steps_of(&run.id);
        for node in scenario.nodes() {
            let wanted = if scenario.skipped.contains(&node) { "skipped" } else { "completed" };
            let found = steps.iter().rfind(|step| step.node == node).map(|step| step.status.as_str());
            if found != Some(wanted) {
                faults.push(format!("{node} of {} is {found:?} and not {wanted}", run.id));
            }
        }
        for (node, wanted) in &scenario.outputs {
            let output = steps.iter().rfind(|step| step.node == *node).and_then(|step| step.output.as_ref());
            if output != Some(wanted) {
                faults.push(format!("{node} of {} put out {output:?} and not {wanted}", run.id));
            }
        }
    }
    faults
}

/// Of several decisions one counts, and the run goes on by it.
fn decisions(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for (run, trigger, scenario) in world.known() {
        let Some(node) = scenario.approval else { continue };
        let accepted: BTreeSet<_> = world.journal.get(&trigger.key).iter().flat_map(|entry| entry.decided.clone()).collect();
        let step = world.steps_of(&run.id).iter().rfind(|step| step.node == node && step.status == "completed");
        let counted = step.and_then(|step| step.output.as_ref()?["decision"].as_str());
        if accepted.len() > 1 || counted.is_some_and(|counted| accepted.iter().any(|one| one != counted)) {
            faults.push(format!("{node} of {} accepted {accepted:?} and counted {counted:?}", run.id));
        }
        if run.status == "completed" && counted.is_none() {
            faults.push(format!("{node} of {} has ended without a decision", run.id));
        }
    }
    faults
}

/// Each item of a list has one run, which came to what it should; and the results stand in the order of the items.
pub(super) fn children(world: &World) -> Vec<String> {
    let mut faults = decisions(world);
    let mut places: HashMap<&Parent, &str> = HashMap::new();
    for child in &world.runs {
        let Some(parent) = &child.parent else { continue };
        if let Some(other) = places.insert(parent, &child.id) {
            faults.push(format!("{other} and {} are both the run of {parent:?}", child.id));
        }
        if !world.runs.iter().any(|run| run.id == parent.run) {
            faults.push(format!("the parent of {} does not exist", child.id));
        }
    }
    for (run, trigger, scenario) in world.known().filter(|(run, ..)| run.status == "completed") {
        for children in &scenario.children {
            let found = world.children(&run.id, children.node);
            if found.len() != children.count {
                faults.push(format!("{} of {} has {} runs and not {}", children.node, run.id, found.len(), children.count));
            }
            for child in found {
                let steps = world.steps_of(&child.id);
                let is_done = |node: &str| steps.iter().any(|step| step.node == *node && step.status == "completed");
                if child.status != "completed" || !children.nodes.iter().all(|node| is_done(node)) {
                    faults.push(format!("{} of {} is {} and its parent is completed", child.id, run.id, child.status));
                }
            }
            let step = world.steps_of(&run.id).iter().rfind(|step| step.node == children.node);
            let output = step.and_then(|step| step.output.as_ref());
            for index in 0..children.count {
                // A call puts out what its one run did, a map a list.
                let result = output.map(|output| output.get(index).unwrap_or(output));
                let (wanted, key) = (children.key(&trigger.key, index), result.map(|result| &result["body"]["key"]));
                if key.and_then(Value::as_str) != Some(&wanted) {
                    faults.push(format!("{} of {} put out {key:?} in the place of {wanted}", children.node, run.id));
                }
            }
        }
    }
    faults
}

/// Whether a run failed because its steps saw too many workers die: that is what the crash budget is for.
pub(super) fn is_crashed(run: &RunRow) -> bool {
    // A parent repeats what its child said, in words.
    let says_so = |error: &Value| error["code"] == "WORKER_CRASHED" || error.to_string().contains("workers died while");
    run.status == "failed" && run.error.as_ref().is_some_and(says_so)
}

pub(super) fn is_over(run: &RunRow) -> bool {
    matches!(run.status.as_str(), "completed" | "failed" | "cancelled")
}
