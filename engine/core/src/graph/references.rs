//! Which outputs a step's expressions read, and whether those steps come before it.

use serde_json::Value;

use crate::{
    expression::references_in_script,
    graph::{Graph, Param, Reads, StepIx, StepSpec},
    id::NodeId,
    problem::Problem,
    template::Template,
};

/// Fills in `reads` and reports references to steps that do not exist or do not come before.
pub(super) fn resolve(graph: &mut Graph) -> Vec<Problem> {
    let mut problems = Vec::new();
    let reads: Vec<Reads> = graph.steps().map(|(ix, step)| reads_of(graph, ix, step, &mut problems)).collect();
    graph.steps.iter_mut().zip(reads).for_each(|(step, reads)| step.reads = reads);
    problems
}

fn reads_of(graph: &Graph, ix: StepIx, step: &StepSpec, problems: &mut Vec<Problem>) -> Reads {
    let mut all = false;
    let mut found = Vec::new();
    for (name, param) in step.params.iter() {
        let Some(ids) = references_of(param) else {
            all = true;
            continue;
        };
        for id in ids {
            match graph.find(&id) {
                Some(read) if comes_before(graph, read, ix) => found.push(read),
                // In a script the word may stand in a string or a comment: not a reason to refuse it.
                _ if matches!(param, Param::Script(_)) => all = true,
                found => problems.push(unknown_reference(step, name, &id, found.is_some())),
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    if all { Reads::All } else { Reads::Only(found) }
}

fn unknown_reference(step: &StepSpec, name: &str, id: &NodeId, exists: bool) -> Problem {
    let fault = if exists { "does not come before it; connect the two or read another step" } else { "does not exist" };
    let message = format!("`params.{name}` of `{}` reads `steps.{id}`, which {fault}", step.id);
    Problem::node("unknown_reference", &step.id, message).field(format!("params.{name}"))
}

/// The steps a parameter names; `None` when only running it would tell.
fn references_of(param: &Param) -> Option<Vec<NodeId>> {
    match param {
        Param::Script(Value::String(code)) => references_in_script(code),
        Param::Script(_) => Some(Vec::new()),
        Param::Template(template) | Param::Shell(template) => references_in(template),
    }
}

fn references_in(template: &Template) -> Option<Vec<NodeId>> {
    let ids = template.expressions().into_iter().map(|expression| expression.references());
    ids.collect::<Option<Vec<_>>>().map(|ids| ids.into_iter().flatten().collect())
}

/// Walks back from a step. Steps are numbered in topological order, so nothing below `wanted` needs to be looked at.
fn comes_before(graph: &Graph, wanted: StepIx, from: StepIx) -> bool {
    let before = |step: StepIx| graph.step(step).incoming.iter().map(|link| link.step);
    if wanted >= from || before(from).any(|step| step == wanted) {
        return wanted < from;
    }
    let mut seen = vec![false; (from.0 - wanted.0) as usize];
    let mut open: Vec<StepIx> = before(from).collect();
    while let Some(step) = open.pop() {
        if step == wanted {
            return true;
        }
        if step > wanted && !std::mem::replace(&mut seen[(step.0 - wanted.0) as usize], true) {
            open.extend(before(step));
        }
    }
    false
}
