//! Random workflows with their steps' answers written down beforehand, so that any order of events must end alike.

use std::sync::Arc;

use flowforge_core::{Graph, NodeId, StepIx, document::OnError};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};

use crate::kinds::catalog;

/// A workflow. Nodes are numbered so that edges only go up; triggers come first.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Scripted>,
    /// From, by, to.
    pub(crate) edges: Vec<(usize, &'static str, usize)>,
    /// The trigger that fires, when there are any.
    pub(crate) fired: Option<usize>,
    /// Whether the document lists the nodes from the last to the first.
    backwards: bool,
}

/// A node, and how it answers.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    kind: &'static str,
    pub(crate) on_error: OnError,
    pub(crate) max_attempts: u32,
    /// The codes that are worth another attempt; all when empty.
    pub(crate) codes: Vec<&'static str>,
    /// How its first attempts fail: a code, and whether it may pass.
    pub(crate) failures: Vec<(&'static str, bool)>,
    /// How often an attempt sleeps before it answers.
    pub(crate) sleeps: i64,
    /// The port by which it leaves in the end.
    pub(crate) port: &'static str,
}

impl Scripted {
    pub(crate) fn is_trigger(&self) -> bool {
        self.kind.starts_with("trigger")
    }

    /// The ports that edges may leave by.
    pub(crate) fn ports(&self) -> [&'static str; 3] {
        if self.kind == "condition" { ["true", "false", "error"] } else { ["out", "out", "error"] }
    }
}

impl Plan {
    pub(crate) fn graph(&self) -> Arc<Graph> {
        let mut nodes: Vec<Value> = (0..self.nodes.len()).map(|node| self.node(node)).collect();
        if self.backwards {
            nodes.reverse();
        }
        // The first port is left unnamed, as an author may do.
        let port = |from: usize, by| (by != self.nodes[from].ports()[0]).then_some(by);
        let edge = |(from, by, to): &(usize, &'static str, usize)| json!({ "source": id(*from), "port": port(*from, *by), "target": id(*to) });
        let document = json!({ "nodes": nodes, "edges": self.edges.iter().map(edge).collect::<Vec<_>>() });
        let document = serde_json::from_value(document).expect("a document");
        Arc::new(Graph::compile(&document, &catalog()).unwrap_or_else(|problems| panic!("{problems:#?}")))
    }

    fn node(&self, node: usize) -> Value {
        let Scripted { kind, on_error, max_attempts, codes, .. } = &self.nodes[node];
        let retry = json!({ "max_attempts": max_attempts, "initial_ms": 100, "max_ms": 1000, "codes": codes });
        json!({ "id": id(node), "type": kind, "on_error": on_error, "retry": retry })
    }

    /// The step of a node.
    pub(crate) fn step(&self, graph: &Graph, node: usize) -> StepIx {
        graph.find(&NodeId::from(id(node).as_str())).expect("every node is a step")
    }

    /// The node of a step.
    pub(crate) fn node_of(&self, graph: &Graph, step: StepIx) -> usize {
        graph.step(step).id.as_str()[1..].parse().expect("ids are numbers")
    }
}

pub(crate) fn id(node: usize) -> String {
    format!("n{node}")
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let incoming = vec(any::<(Index, Index)>(), 0..4);
    (vec((scripted(), incoming), 1..13), 0..3_usize, any::<Index>(), any::<bool>()).prop_map(
        |(drawn, triggers, fired, backwards)| {
            let triggers = triggers.min(drawn.len());
            let (mut nodes, incoming): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
            nodes.iter_mut().take(triggers).for_each(|node: &mut Scripted| (node.kind, node.port) = ("trigger.manual", "out"));
            let mut edges: Vec<_> =
                (triggers..nodes.len()).flat_map(|to| edges_to(&nodes, to, triggers > 0, &incoming[to])).collect();
            edges.sort_unstable();
            edges.dedup();
            Plan { nodes, edges, fired: (triggers > 0).then(|| fired.index(triggers)), backwards }
        },
    )
}

/// Every node comes after a trigger, if there are any.
fn edges_to(nodes: &[Scripted], to: usize, at_least_one: bool, drawn: &[(Index, Index)]) -> Vec<(usize, &'static str, usize)> {
    let edge = |(from, by): &(Index, Index)| {
        let from = from.index(to);
        (from, *by.get(&nodes[from].ports()), to)
    };
    let mut edges: Vec<_> = drawn.iter().filter(|_| to > 0).map(edge).collect();
    if edges.is_empty() && at_least_one {
        edges.push((0, "out", to));
    }
    edges
}

fn scripted() -> impl Strategy<Value = Scripted> {
    let code = || select(vec!["NETWORK_ERROR", "RATE_LIMIT"]);
    let kind = prop_oneof![2 => Just("set"), 1 => Just("condition")];
    let on_error = prop_oneof![1 => Just(OnError::Fail), 3 => Just(OnError::Continue)];
    let failures = prop_oneof![2 => Just(vec![]), 1 => vec((code(), prop::bool::weighted(0.8)), 1..4)];
    let sleeps = prop_oneof![2 => Just(0), 1 => 1..3_i64];
    let retry = (1..5_u32, prop_oneof![3 => Just(vec![]), 1 => vec(code(), 1..2)]);
    (kind, on_error, retry, failures, sleeps, any::<Index>()).prop_map(
        |(kind, on_error, (max_attempts, codes), failures, sleeps, port)| {
            let mut scripted = Scripted { kind, on_error, max_attempts, codes, failures, sleeps, port: "" };
            scripted.port = *port.get(&scripted.ports());
            scripted
        },
    )
}
