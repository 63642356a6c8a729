//! Random workflows with their steps' answers written down beforehand, so that any order of events must end alike.

use std::sync::Arc;

use flowforge_core::{Graph, NodeId, StepIx, awaiting::OnItemError, document::OnError};
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
    /// What an attempt that does not fail waits for before it answers.
    pub(crate) awaits: Awaits,
    /// The port by which it leaves in the end.
    pub(crate) port: &'static str,
}

/// What a node waits for from outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Awaits {
    Nothing,
    /// A signal named like the node, which is sent at some time.
    Signal,
    /// A signal that never comes, for a while.
    Silence,
    /// A decision, by the node's port.
    Decision,
    Children(Items),
}

/// The items of a node that has a run started for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Items {
    pub(crate) total: u32,
    pub(crate) max_parallel: u32,
    /// Those whose runs fail.
    pub(crate) bad: Vec<u32>,
    pub(crate) policy: OnItemError,
}

impl Items {
    /// Whether the node fails with its items.
    pub(crate) fn fail(&self) -> bool {
        self.policy == OnItemError::Fail && !self.bad.is_empty()
    }
}

impl Scripted {
    pub(crate) fn is_trigger(&self) -> bool {
        self.kind.starts_with("trigger")
    }

    fn begin(&mut self) {
        (self.kind, self.port, self.awaits) = ("trigger.manual", "out", Awaits::Nothing);
    }

    /// The ports that edges may leave by.
    pub(crate) fn ports(&self) -> [&'static str; 3] {
        match self.kind {
            "condition" => ["true", "false", "error"],
            "approval" => ["approved", "rejected", "error"],
            _ => ["out", "out", "error"],
        }
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
            nodes.iter_mut().take(triggers).for_each(Scripted::begin);
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
    let kind = prop_oneof![6 => Just("set"), 3 => Just("condition"), 1 => Just("approval")];
    let on_error = prop_oneof![1 => Just(OnError::Fail), 3 => Just(OnError::Continue)];
    let failures = prop_oneof![2 => Just(vec![]), 1 => vec((code(), prop::bool::weighted(0.8)), 1..4)];
    let waits = (prop_oneof![2 => Just(0), 1 => 1..3_i64], awaits());
    let retry = (1..5_u32, prop_oneof![3 => Just(vec![]), 1 => vec(code(), 1..2)]);
    (kind, on_error, retry, failures, waits, any::<Index>()).prop_map(
        |(kind, on_error, (max_attempts, codes), failures, (sleeps, awaits), port)| {
            let mut scripted = Scripted { kind, on_error, max_attempts, codes, failures, sleeps, awaits, port: "" };
            scripted.port = match &scripted.awaits {
                // It leaves by what comes, and not by what it chooses.
                _ if kind == "approval" => *port.get(&["approved", "rejected"]),
                Awaits::Signal => scripted.ports()[0],
                _ => *port.get(&scripted.ports()),
            };
            if kind == "approval" {
                scripted.awaits = Awaits::Decision;
            }
            scripted
        },
    )
}

fn awaits() -> impl Strategy<Value = Awaits> {
    let policy = select(vec![OnItemError::Fail, OnItemError::Continue, OnItemError::Collect]);
    let items = (0..5_u32, 1..4_u32, vec(0..5_u32, 0..2), policy).prop_map(|(total, max_parallel, mut bad, policy)| {
        bad.retain(|index| *index < total);
        Awaits::Children(Items { total, max_parallel, bad, policy })
    });
    prop_oneof![6 => Just(Awaits::Nothing), 1 => Just(Awaits::Signal), 1 => Just(Awaits::Silence), 2 => items]
}
