//! What is asserted when everything is over.

use flowforge_core::{Event, RunStatus, StepIx, StepState, StepStatus, audit::audit, node::Outcome};
use serde_json::Value;

use crate::{
    cover::Rare,
    ghost::{Checked, Ghost, Violation, broken},
    owner::{gathered, payload},
    plan::{Awaits, CRASHED, ITEM_FAILED, Plan, Scripted},
    reference::{Fate, Reference},
    store::{RunRow, StepRow, Store},
    world::World,
};

impl World {
    pub(crate) fn at_the_end(&mut self) -> Checked {
        for run in 0..self.ghosts.len() {
            self.cover.runs += u64::from(self.ghosts[run].exists);
            let ghost = &self.ghosts[run];
            let Some(row) = self.store.run(run as u32) else {
                if ghost.exists || ghost.acked {
                    return broken("D13", format!("run {run} is gone"));
                }
                continue;
            };
            is_whole(run, row)?;
            ends_as_the_reference_says(run, row, ghost, &self.store)?;
            calls_are_counted(run, row, ghost, self.swarm.is_calm())?;
            if row.status == RunStatus::Completed && ghost.claims > 0 {
                self.cover.sometimes(Rare::CompletedTakenOver);
            }
        }
        if self.swarm.is_calm() {
            self.cover.sometimes(Rare::Calm);
        }
        Ok(())
    }
}

/// The record replays to its end and breaks none of the core's own invariants.
fn is_whole(run: usize, row: &RunRow) -> Checked {
    if let Some(violation) = audit(&row.compiled.graph, &row.facts()).first() {
        return broken("D9", format!("run {run}: {}", violation.0));
    }
    if row.owner.is_some() {
        return broken("D1", format!("run {run} has ended and is owned"));
    }
    Ok(())
}

/// What became of every step is what the reference says; a run that ended early never contradicts it.
fn ends_as_the_reference_says(run: usize, row: &RunRow, ghost: &Ghost, store: &Store) -> Checked {
    let compiled = row.compiled;
    let exactly = ghost.crashed.is_empty();
    let resolved = (!exactly || compiled.waits_for_others()).then(|| Resolved::of(run, row, ghost, store)).transpose()?;
    let fates = resolved.as_ref().map_or(&compiled.fates, |resolved| &resolved.fates);
    let culprits = resolved.as_ref().map_or(&compiled.culprits, |resolved| &resolved.culprits);
    let expected = resolved.as_ref().map_or(&compiled.output, |resolved| &resolved.output);
    let facts = row.facts();
    let Ok(replayed) = flowforge_core::Run::replay(compiled.graph.clone(), 0, &facts) else { return Ok(()) };
    for (step, spec) in compiled.graph.steps() {
        let (fate, state) = (&fates[step.index()], replayed.state(step));
        if !agree(fate, state, row.status, exactly) {
            return broken("D14", format!("run {run}: {} is {state:?} and should be {fate:?}", spec.id));
        }
    }
    let ended = |fact: &&Event| matches!(fact, Event::RunFinished { .. });
    match facts.iter().find(ended) {
        Some(Event::RunFinished { status: RunStatus::Completed, output, error: None }) => {
            if !culprits.is_empty() || (exactly && **output != *expected) {
                return broken("D14", format!("run {run} completed with {output}, and {expected} was expected"));
            }
            Ok(())
        }
        Some(Event::RunFinished { status: RunStatus::Failed, error: Some(error), .. }) => match &error.node_id {
            Some(node) if culprits.iter().any(|step| compiled.graph.step(*step).id == *node) => Ok(()),
            None if compiled.plan.timeout_s.is_some() && error.code == "RUN_TIMEOUT" => Ok(()),
            _ => broken("D14", format!("run {run} failed with {error:?}")),
        },
        Some(Event::RunFinished { status: RunStatus::Cancelled, .. }) if ghost.was_cancelled => Ok(()),
        end => broken("D14", format!("run {run} ended with {end:?}")),
    }
}

fn agree(fate: &Fate, state: &StepState, run: RunStatus, exactly: bool) -> bool {
    let early = run != RunStatus::Completed;
    match (fate, state) {
        (Fate::Completed { port, output }, StepState::Completed { port: by, output: with }) => {
            by == port && (!exactly || *output == **with)
        }
        (Fate::Failed { code, .. }, StepState::Failed { error }) => error.code == *code,
        (Fate::Skipped, StepState::Skipped) => true,
        (Fate::Never, state) => early && *state == StepState::Pending,
        (_, StepState::Pending | StepState::Cancelled | StepState::Backoff { .. }) => early,
        _ => false,
    }
}

/// What the plan means once it is known what came from outside: signals, decisions and their lateness, what other runs have come
/// to, and which steps were given up for the deaths of their workers.
struct Resolved {
    fates: Vec<Fate>,
    culprits: Vec<StepIx>,
    output: Value,
}

impl Resolved {
    fn of(run: usize, row: &RunRow, ghost: &Ghost, store: &Store) -> Result<Self, Violation> {
        let compiled = row.compiled;
        let mut plan: Plan = compiled.plan.clone();
        for attempt in row.steps.iter().filter(|attempt| attempt.finished.is_some()) {
            came_from_outside(&mut plan.nodes[compiled.node(attempt.step)], run, compiled.node(attempt.step), attempt, store)?;
        }
        for (step, attempt) in &ghost.crashed {
            let scripted = &mut plan.nodes[compiled.node(*step)];
            scripted.failures.resize(*attempt as usize - 1, ("NETWORK_ERROR", true));
            scripted.failures.push((CRASHED, false));
        }
        let reference = Reference::new(&plan);
        let steps = || compiled.graph.steps().map(|(step, _)| step);
        let culprits = reference.culprits();
        Ok(Self {
            fates: steps().map(|step| reference.fate(compiled.node(step))).collect(),
            culprits: steps().filter(|step| culprits.contains(&compiled.node(*step))).collect(),
            output: reference.output(),
        })
    }
}

/// Writes into a script what an attempt was given from outside.
fn came_from_outside(scripted: &mut Scripted, run: usize, node: usize, row: &StepRow, store: &Store) -> Checked {
    let is_completed = row.status == StepStatus::Completed;
    match scripted.awaits {
        Awaits::Signal | Awaits::Decision if is_completed => {
            let ports = ["out", "approved", "rejected", "timeout"];
            let port = ports.into_iter().find(|port| row.port.as_deref() == Some(port));
            let may_be_late = scripted.wait_ms.is_some();
            match port {
                Some("timeout") if may_be_late => scripted.port = "timeout",
                Some(port) if port != "timeout" => (scripted.port, scripted.given) = (port, Some((*payload(node)).clone())),
                _ => return broken("D14", format!("run {run}: n{node} left by {:?}", row.port)),
            }
        }
        Awaits::Children { items, on_item_error, .. } if matches!(row.status, StepStatus::Completed | StepStatus::Failed) => {
            let results = store.results(run as u32, row.step, row.attempt);
            let planned = scripted.failures.len() >= row.attempt as usize;
            match gathered(&results, items, on_item_error) {
                _ if planned || row.error.as_ref().is_some_and(|error| error.code == CRASHED) => {}
                Err(_) => scripted.failures.push((ITEM_FAILED, true)),
                Ok(Outcome::Done(output)) if results.len() == items as usize => scripted.given = Some((*output.value).clone()),
                Ok(_) => return broken("D14", format!("run {run}: n{node} went on with {} items of {items}", results.len())),
            }
        }
        _ => {}
    }
    Ok(())
}

/// Effects are sent at least once, and not more often than attempts, sleeps and changes of hands explain.
fn calls_are_counted(run: usize, row: &RunRow, ghost: &Ghost, calm: bool) -> Checked {
    if let Some(begun) = ghost.calls.iter().find(|begun| ghost.kept.contains(&begun.call.step)) {
        return broken("D7", format!("run {run}: step {} was kept and called", begun.call.step.0));
    }
    for (step, spec) in row.compiled.graph.steps().filter(|(_, spec)| !spec.is_pure()) {
        let script = row.compiled.script(step);
        let attempts = row.steps.iter().filter(|attempt| attempt.step == step && attempt.started.is_some()).count();
        let calls = ghost.calls.iter().filter(|begun| begun.call.step == step).count();
        let planned = attempts * (script.sleeps as usize + 1);
        let most = planned + ghost.claims as usize + ghost.step_claims as usize;
        let is_exact = row.status != RunStatus::Completed || calls == planned;
        if calls > most || (calm && !is_exact) {
            return broken("D7", format!("run {run}: {} was called {calls} times, planned were {planned}", spec.id));
        }
    }
    Ok(())
}
