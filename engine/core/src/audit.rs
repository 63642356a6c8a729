//! Invariants as a library: what must hold of any record of facts, whoever wrote it.

use std::{collections::HashMap, sync::Arc};

use crate::{
    event::Event,
    graph::{Graph, StepIx},
    run::Run,
};

/// One broken invariant, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

/// Checks a record against its graph. An empty answer means that no invariant is broken.
pub fn audit(graph: &Arc<Graph>, facts: &[Event]) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Err(illegal) = Run::replay(graph.clone(), 0, facts) {
        found.push(Violation(format!("the record does not replay: {illegal}")));
    }
    found.extend(order(graph, facts));
    found.extend(ends(graph, facts));
    found
}

/// A step begins after every step before it has ended, and within its attempts.
fn order(graph: &Graph, facts: &[Event]) -> Vec<Violation> {
    let mut ended: HashMap<StepIx, usize> = HashMap::new();
    let mut found = Vec::new();
    for (at, fact) in facts.iter().enumerate() {
        match fact {
            Event::StepStarted { step, attempt } => {
                let spec = graph.step(*step);
                let early = spec.incoming.iter().filter(|link| !ended.contains_key(&link.step));
                found.extend(early.map(|link| Violation(format!("{} began before {} ended", spec.id, graph.step(link.step).id))));
                if *attempt > spec.retry.max_attempts {
                    found.push(Violation(format!("{} made attempt {attempt} of {}", spec.id, spec.retry.max_attempts)));
                }
            }
            Event::StepCompleted { step, .. }
            | Event::StepFailed { step, retry_at: None, .. }
            | Event::StepSkipped { step }
            | Event::StepKept { step, .. }
            | Event::StepCancelled { step, .. } => {
                if let Some(first) = ended.insert(*step, at) {
                    found.push(Violation(format!("{} ended twice, at {first} and {at}", graph.step(*step).id)));
                }
            }
            _ => {}
        }
    }
    found
}

/// A run begins once, ends once, and nothing follows its end.
fn ends(graph: &Graph, facts: &[Event]) -> Vec<Violation> {
    let mut found = Vec::new();
    let begun = facts.iter().filter(|fact| matches!(fact, Event::RunStarted { .. })).count();
    if begun > 1 {
        found.push(Violation(format!("the run began {begun} times")));
    }
    if let Some(end) = facts.iter().position(|fact| matches!(fact, Event::RunFinished { .. })) {
        found.extend(facts[end + 1..].iter().map(|fact| Violation(format!("{fact:?} follows the run's end"))));
        if let Event::RunFinished { status: crate::RunStatus::Completed, .. } = &facts[end]
            && let Ok(run) = Run::replay(Arc::new(graph.clone()), 0, &facts[..end])
        {
            let open = graph.steps().filter(|(ix, _)| !run.state(*ix).is_terminal());
            found.extend(open.map(|(_, step)| Violation(format!("the run completed while {} had not ended", step.id))));
        }
    }
    found
}
