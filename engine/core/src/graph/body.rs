//! Graphs within a node's parameters: compiled like any other, and they may also read what comes before the node that holds
//! them.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    catalog::Catalog,
    document::Document,
    graph::{Graph, OuterReads, Param, StepIx, before::Before},
    id::NodeId,
    problem::{Problem, short},
};

/// How deep graphs may stand within graphs.
const DEEPEST: usize = 4;

/// What a body may refer to around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    names: HashSet<NodeId>,
    depth: usize,
}

impl Around {
    pub(super) fn knows(&self, node: &NodeId) -> bool {
        self.names.contains(node)
    }
}

/// A run begins by a trigger, an item does not.
pub(super) fn triggers(document: &Document, catalog: &Catalog) -> Vec<Problem> {
    let is_trigger = |kind: &str| catalog.get(kind).is_some_and(|kind| kind.spec.is_trigger());
    let triggers = document.nodes.iter().filter(|node| is_trigger(&node.kind));
    let message = "a graph within a node begins with its items and has no trigger; remove it";
    triggers.map(|node| Problem::node("trigger_in_body", &node.id, message)).collect()
}

/// Compiles the graphs in the parameters of a graph's nodes, and says what is wrong with them.
pub(super) fn compile_all(graph: &mut Graph, catalog: &Catalog, around: Option<&Around>) -> Vec<Problem> {
    let holders: Vec<StepIx> = graph.steps().filter(|(_, step)| step.kind.spec.body.is_some()).map(|(ix, _)| ix).collect();
    if holders.is_empty() {
        return Vec::new();
    }
    let before = Before::of(graph);
    let mut problems = Vec::new();
    for holder in holders {
        match compile(graph, holder, catalog, &surroundings(graph, holder, &before, around)) {
            Ok(Some(body)) => {
                pass_on(graph, &body);
                graph.steps[holder.index()].body = Some(Arc::new(body));
            }
            Ok(None) => {}
            Err(found) => problems.extend(found.into_iter().map(|problem| within(&graph.step(holder).id, problem))),
        }
    }
    problems
}

fn surroundings(graph: &Graph, holder: StepIx, before: &Before, around: Option<&Around>) -> Around {
    let earlier = graph.steps().filter(|(ix, _)| before.contains(*ix, holder)).map(|(_, step)| step.id.clone());
    let outside = around.map(|around| around.names.clone()).unwrap_or_default();
    Around { names: earlier.chain(outside).collect(), depth: around.map_or(0, |around| around.depth) + 1 }
}

fn compile(graph: &Graph, holder: StepIx, catalog: &Catalog, around: &Around) -> Result<Option<Graph>, Vec<Problem>> {
    let step = graph.step(holder);
    let param = |(name, param): &(String, Param)| match param {
        Param::Script(value) if step.kind.spec.body == Some(name) && !value.is_null() => Some(value.clone()),
        _ => None,
    };
    let Some(value) = step.params.iter().find_map(param) else { return Ok(None) };
    if around.depth > DEEPEST {
        return Err(vec![Problem::document("limit_exceeded", format!("graphs may stand at most {DEEPEST} deep in each other"))]);
    }
    let document = document(&value).map_err(|problem| vec![problem])?;
    Graph::compile_within(&document, catalog, Some(around)).map(Some)
}

fn document(value: &Value) -> Result<Document, Problem> {
    Document::deserialize(value)
        .map_err(|fault| Problem::document("invalid_document", short(&format!("the graph cannot be read: {fault}"))))
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
fn within(holder: &NodeId, problem: Problem) -> Problem {
    match (&problem.node_id, problem.edge) {
        (Some(inner), _) => Problem { node_id: Some(format!("{holder}/{inner}").as_str().into()), ..problem },
        (None, Some(edge)) => {
            Problem { node_id: Some(holder.clone()), edge: None, field: Some(format!("params.body.edges.{edge}")), ..problem }
        }
        (None, None) => Problem { node_id: Some(holder.clone()), field: Some("params.body".to_owned()), ..problem },
    }
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
