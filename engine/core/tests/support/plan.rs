//! Random workflows with their steps' answers written down beforehand, so that any order of events must end alike.

use std::sync::Arc;

use flowforge_core::{
    Document, Graph,
    document::{EdgeDocument, NodeDocument, OnError},
    id::NodeId,
    retry::{Backoff, RetryPolicy},
};
use proptest::{collection::vec, prelude::*, sample::select};

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
    pub(crate) backwards: bool,
}

/// A node, and how it answers.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) kind: &'static str,
    pub(crate) on_error: OnError,
    pub(crate) max_attempts: u32,
    pub(crate) codes: Vec<&'static str>,
    /// How its first attempts fail: a code, and whether another attempt makes sense.
    pub(crate) failures: Vec<(&'static str, bool)>,
    /// How often an attempt sleeps before it answers.
    pub(crate) sleeps: i64,
    /// The port by which it leaves in the end.
    pub(crate) port: &'static str,
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    (vec(scripted(), 1..12), 0..3_usize, any::<bool>(), any::<proptest::sample::Index>()).prop_flat_map(
        |(mut nodes, triggers, backwards, fired)| {
            let triggers = triggers.min(nodes.len());
            nodes.iter_mut().take(triggers).for_each(Scripted::begin);
            let fired = (triggers > 0).then(|| fired.index(triggers));
            let edges = edges(&nodes, triggers);
            edges.prop_map(move |edges| Plan { nodes: nodes.clone(), edges, fired, backwards })
        },
    )
}

fn scripted() -> impl Strategy<Value = Scripted> {
    let kind = prop_oneof![3 => Just("set"), 1 => Just("condition")];
    let on_error = prop_oneof![1 => Just(OnError::Fail), 2 => Just(OnError::Continue)];
    let failure = (select(vec!["NETWORK_ERROR", "RATE_LIMIT"]), prop::bool::weighted(0.8));
    let codes = vec(select(vec!["NETWORK_ERROR", "RATE_LIMIT"]), 0..2);
    let failures = prop_oneof![2 => Just(vec![]), 1 => vec(failure, 1..4)];
    let sleeps = prop_oneof![3 => Just(0), 1 => 1..3_i64];
    (kind, on_error, 1..4_u32, codes, failures, sleeps, any::<prop::sample::Selector>()).prop_map(
        |(kind, on_error, max_attempts, codes, failures, sleeps, port)| {
            let port = port.select(if kind == "condition" { &["true", "false"][..] } else { &["out", "out", "out", "error"] });
            Scripted { kind, on_error, max_attempts, codes, failures, sleeps, port }
        },
    )
}

impl Scripted {
    fn begin(&mut self) {
        self.kind = "trigger.manual";
        self.port = "out";
    }

    fn ports(&self) -> &'static [&'static str] {
        if self.kind == "condition" { &["true", "false", "error"] } else { &["out", "out", "error"] }
    }

    pub(crate) fn first_port(&self) -> &'static str {
        self.ports()[0]
    }
}
