//! Which outputs a step's expressions read, and whether those steps come before it.

use std::cell::LazyCell;

use serde_json::Value;

use crate::{
    expression::{Expression, references_in_script},
    graph::{
        Graph, Param, Reads, StepIx, StepSpec,
        before::Before,
        body::{Around, Found},
    },
    id::NodeId,
    problem::{Problem, short},
    template::Template,
};

/// Fills in `reads`, and for a body what it reads around it, and reports references to steps that do not exist or do not come
/// before.
pub(super) fn resolve(graph: &mut Graph, around: Option<&Around>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut outer = Found::default();
    let before = LazyCell::new(|| Before::of(graph));
    let comes_before = |read, step| before.contains(read, step);
    let mut reads = Vec::with_capacity(graph.len());
    for (ix, step) in graph.steps() {
        let mut found = Reading { problems: &mut problems, around, outer: &mut outer };
        reads.push(found.reads_of(graph, ix, step, &comes_before));
    }
    graph.steps.iter_mut().zip(reads).for_each(|(step, reads)| step.reads = reads);
    graph.outer = outer.into();
    problems
}

/// What comes to light while references are resolved.
struct Reading<'r> {
    problems: &'r mut Vec<Problem>,
    around: Option<&'r Around<'r>>,
    outer: &'r mut Found,
}

impl Reading<'_> {
    fn reads_of(&mut self, graph: &Graph, ix: StepIx, step: &StepSpec, comes_before: &impl Fn(StepIx, StepIx) -> bool) -> Reads {
        let mut all = false;
        let mut found = Vec::new();
        for (name, param) in step.params.iter() {
            let Some(ids) = references_of(param) else {
                all = true;
                self.outer.all |= self.around.is_some();
                continue;
            };
            for id in ids {
                match graph.find(&id) {
                    Some(read) if comes_before(read, ix) => found.push(read),
                    None if self.around.is_some_and(|around| around.knows(&id)) => {
                        self.outer.names.insert(id);
                    }
                    _ if !is_certain(param) => all = true,
                    found => {
                        let exists = found.is_some() || self.around.is_some_and(|around| around.has(&id));
                        self.problems.push(unknown_reference(step, name, &id, exists));
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        if all { Reads::All } else { Reads::Only(found) }
    }
}

/// In a script the word may stand in a string or a comment, which is no reason to refuse it; a plain path can mean only one
/// thing.
fn is_certain(param: &Param) -> bool {
    match param {
        Param::Script(Value::String(code)) => matches!(Expression::parse(code.trim()), Expression::Path(..)),
        Param::Script(_) => false,
        Param::Template(_) | Param::Shell(_) => true,
    }
}

fn unknown_reference(step: &StepSpec, name: &str, id: &NodeId, exists: bool) -> Problem {
    let fault = if exists { "does not come before it; connect the two or read another step" } else { "does not exist" };
    let message = format!("`params.{name}` of `{}` reads `steps.{}`, which {fault}", short(step.id.as_str()), short(id.as_str()));
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
