//! The record of a run: its numbers, what they fold to, and what readers saw of it.

use std::collections::BTreeMap;

use crate::world::{RunRow, StepRow, World};

/// What an event is known by: its number, kind, node and attempt.
type Known = (i64, String, String, i64);

pub(super) fn dense_and_consistent(world: &World) -> Vec<String> {
    world.runs.iter().flat_map(|run| numbers(world, run).into_iter().chain(fold(run, world.steps_of(&run.id)))).collect()
}

/// The numbers of a run's record are 1, 2, 3, …, and its end is the last.
fn numbers(world: &World, run: &RunRow) -> Vec<String> {
    let mut faults = Vec::new();
    let found: Vec<i64> = expected(world, run).into_iter().map(|(seq, ..)| seq).collect();
    let wanted: Vec<i64> = (1..run.next_seq).collect();
    if found != wanted {
        let missing: Vec<_> = wanted.iter().filter(|seq| !found.contains(seq)).collect();
        let twice: Vec<_> = found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        let beyond: Vec<_> = found.iter().filter(|seq| **seq >= run.next_seq || **seq < 1).collect();
        faults.push(format!("the record of {} lacks {missing:?}, has {twice:?} twice and {beyond:?} beyond its end", run.id));
    }
    if run.finished_seq.is_some_and(|end| end != run.next_seq - 1) {
        faults.push(format!("{} ended at {:?} and its record goes on to {}", run.id, run.finished_seq, run.next_seq - 1));
    }
    faults
}

/// The attempts of each step follow each other, and the last one ended if the run has.
fn fold(run: &RunRow, steps: &[StepRow]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut by_step: BTreeMap<(&str, &str), Vec<&StepRow>> = BTreeMap::new();
    steps.iter().for_each(|step| by_step.entry((&step.node, &step.item)).or_default().push(step));
    for ((node, item), attempts) in by_step {
        let mut fault = |what: String| faults.push(format!("{node}{item} of {}: {what}", run.id));
        for (number, step) in attempts.iter().enumerate() {
            let is_last = number + 1 == attempts.len();
            if step.attempt != number as i32 + 1 {
                fault(format!("attempt {} stands in the place of {}", step.attempt, number + 1));
            }
            let seqs: Vec<i64> = [step.started_seq, step.waiting_seq, step.finished_seq].into_iter().flatten().collect();
            if !seqs.is_sorted() {
                fault(format!("attempt {} has the numbers {seqs:?}", step.attempt));
            }
            let has_ended = matches!(step.status.as_str(), "completed" | "failed" | "skipped" | "cancelled");
            if has_ended != step.finished_seq.is_some() {
                fault(format!("attempt {} is {} and its end is {:?}", step.attempt, step.status, step.finished_seq));
            }
            if !is_last && (step.status != "failed" || step.wake_at.is_none()) {
                fault(format!("attempt {} is {} and another one follows", step.attempt, step.status));
            }
            if run.finished_seq.is_some() && !has_ended {
                fault(format!("attempt {} is {} although the run has ended", step.attempt, step.status));
            }
        }
        let overlap = attempts.windows(2).any(|pair| pair[1].started_seq.is_some_and(|begin| pair[0].finished_seq > Some(begin)));
        if overlap {
            fault("an attempt began before the one before it had ended".to_owned());
        }
    }
    faults
}

pub(super) fn readers_saw_the_record(world: &World) -> Vec<String> {
    let runs: BTreeMap<&str, &RunRow> = world.runs.iter().map(|run| (run.id.as_str(), run)).collect();
    let mut faults = Vec::new();
    for (id, recording) in &world.recordings {
        let Some(run) = runs.get(id.as_str()) else { continue };
        let seen: Vec<Known> = recording
            .iter()
            .map(|event| {
                let text = |name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
                (event.id as i64, event.kind.clone(), text("node_id"), event.data["attempt"].as_i64().unwrap_or_default())
            })
            .collect();
        let wanted = expected(world, run);
        if seen != wanted {
            let place = seen.iter().zip(&wanted).take_while(|(one, other)| one == other).count();
            let (saw, recorded) = (seen.get(place), wanted.get(place));
            let (here, there) = (seen.len(), wanted.len());
            faults.push(format!("a reader of {id} saw {saw:?} where the record has {recorded:?} ({here} events of {there})"));
        }
    }
    faults
}

/// Every event that the rows of a run tell of, in order.
fn expected(world: &World, run: &RunRow) -> Vec<Known> {
    let of_run = [(run.started_seq, "run_started"), (run.cancel_seq, "run_cancelling"), (run.finished_seq, "run_finished")];
    let mut all: Vec<Known> =
        of_run.into_iter().filter_map(|(seq, kind)| Some((seq?, kind.to_owned(), String::new(), 0))).collect();
    for step in world.steps_of(&run.id) {
        let ended = match step.status.as_str() {
            "completed" => "step_succeeded",
            "failed" if step.wake_at.is_some() => "step_retrying",
            "failed" => "step_failed",
            "skipped" => "step_skipped",
            _ => "step_cancelled",
        };
        let of_step = [(step.started_seq, "step_started"), (step.waiting_seq, "step_waiting"), (step.finished_seq, ended)];
        let events = of_step.into_iter().filter_map(|(seq, kind)| Some((seq?, kind)));
        all.extend(events.map(|(seq, kind)| (seq, kind.to_owned(), step.node.clone(), i64::from(step.attempt))));
    }
    for line in world.logs_of(&run.id) {
        let kind = if line.event.is_empty() { "step_log" } else { &line.event };
        all.push((line.seq, kind.to_owned(), line.node.clone(), line.attempt));
    }
    all.sort();
    all
}
