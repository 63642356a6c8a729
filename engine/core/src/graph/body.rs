//! Graphs within a node's parameters: compiled like any other, and they may also read what comes before the node that holds
//! them.

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    catalog::Catalog,
    document::{Document, NodeDocument},
    graph::{Graph, OuterReads, Param, StepIx, StepSpec, before::Before},
    id::NodeId,
    problem::Problem,
};

/// How deep graphs may stand within graphs.
const DEEPEST: usize = 4;
/// The most that is told of why a graph cannot be read, in characters: it repeats what it met.
const LONGEST_FAULT: usize = 200;

/// Where a body stands, and so what it may refer to around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'g> {
    graph: &'g Graph,
    holder: StepIx,
    before: &'g Before,
    outer: Option<&'g Around<'g>>,
}

impl Around<'_> {
    /// Whether this step comes before the body. Of two with one name the nearer one counts.
    pub(super) fn knows(&self, node: &NodeId) -> bool {
        match self.graph.find(node) {
            Some(step) => self.before.contains(step, self.holder),
            None => self.outer.is_some_and(|outer| outer.knows(node)),
        }
    }

    /// Whether there is such a step at all, at whatever place.
    pub(super) fn has(&self, node: &NodeId) -> bool {
        self.graph.find(node).is_some() || self.outer.is_some_and(|outer| outer.has(node))
    }

    fn depth(&self) -> usize {
        1 + self.outer.map_or(0, Self::depth)
    }
}

/// What has no meaning in a body: its run begins with an item and answers to the step that holds it.
pub(super) fn misplaced(document: &Document, catalog: &Catalog) -> Vec<Problem> {
    let problem = |node: &NodeDocument| {
        let spec = catalog.get(&node.kind)?.spec;
        let (code, message) = if spec.is_trigger() {
            ("trigger_in_body", "a graph within a node begins with its items and has no trigger; remove it")
        } else if spec.responds {
            ("respond_in_body", "a graph within a node answers nobody; answer after the node that holds it")
        } else {
            return None;
        };
        Some(Problem::node(code, &node.id, message))
    };
    document.nodes.iter().filter_map(problem).collect()
}

/// Compiles the graphs in the parameters of a graph's nodes, and says what is wrong with them.
pub(super) fn compile_all(graph: &mut Graph, catalog: &Catalog, outer: Option<&Around>) -> Vec<Problem> {
    let holders: Vec<(StepIx, Value)> = graph.steps().filter_map(|(ix, step)| Some((ix, held(step)?.clone()))).collect();
    if holders.is_empty() {
        return Vec::new();
    }
    let before = Before::of(graph);
    let compile = |(holder, value): (StepIx, Value)| {
        let around = Around { graph, holder, before: &before, outer };
        (holder, compile(&value, catalog, &around))
    };
    let compiled: Vec<_> = holders.into_iter().map(compile).collect();
    let mut problems = Vec::new();
    for (holder, body) in compiled {
        match body {
            Ok(body) => {
                pass_on(graph, &body);
                graph.steps[holder.index()].body = Some(Arc::new(body));
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| within(graph.step(holder), problem))),
        }
    }
    problems
}

/// The graph in a step's parameters; a field that was left empty holds none.
fn held(step: &StepSpec) -> Option<&Value> {
    let (_, param) = step.params.iter().find(|(name, _)| step.kind.spec.body == Some(name))?;
    match param {
        Param::Script(value) => Some(value).filter(|value| !value.is_null() && *value != ""),
        _ => None,
    }
}

fn compile(value: &Value, catalog: &Catalog, around: &Around) -> Result<Graph, Vec<Problem>> {
    if around.depth() > DEEPEST {
        return Err(vec![Problem::document("limit_exceeded", format!("graphs may stand at most {DEEPEST} deep in each other"))]);
    }
    let document = document(value).map_err(|problem| vec![problem])?;
    Graph::compile_within(&document, catalog, Some(around))
}

fn document(value: &Value) -> Result<Document, Problem> {
    let problem = |fault: serde_json::Error| {
        let fault: String = fault.to_string().chars().take(LONGEST_FAULT).collect();
        Problem::document("invalid_document", format!("the graph cannot be read: {fault}"))
    };
    Document::deserialize(value).map_err(problem)
}

/// What a body reads around the graph that holds it, that graph has to know as well.
fn pass_on(graph: &mut Graph, body: &Graph) {
    let further = match body.outer() {
        OuterReads::All => OuterReads::All,
        OuterReads::Only(names) => OuterReads::Only(names.iter().filter(|name| graph.find(name).is_none()).cloned().collect()),
    };
    graph.outer = match (std::mem::replace(&mut graph.outer, OuterReads::All), further) {
        (OuterReads::Only(mut names), OuterReads::Only(further)) => {
            names.extend(further);
            OuterReads::Only(names)
        }
        _ => OuterReads::All,
    };
}

/// Says in which node the graph stands that a problem is about.
fn within(holder: &StepSpec, problem: Problem) -> Problem {
    let body = format!("params.{}", holder.kind.spec.body.unwrap_or_default());
    let (node_id, field) = match (&problem.node_id, problem.edge, problem.field) {
        (Some(inner), _, field) => (format!("{}/{inner}", holder.id).as_str().into(), field),
        (None, Some(edge), _) => (holder.id.clone(), Some(format!("{body}.edges.{edge}"))),
        (None, None, Some(field)) => (holder.id.clone(), Some(format!("{body}.{field}"))),
        (None, None, None) => (holder.id.clone(), Some(body)),
    };
    Problem { node_id: Some(node_id), edge: None, field, ..problem }
}

/// The names that a body reads around it, as its expressions are resolved.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) names: BTreeSet<NodeId>,
    pub(super) all: bool,
}

impl From<Found> for OuterReads {
    fn from(found: Found) -> Self {
        if found.all { Self::All } else { Self::Only(found.names) }
    }
}
