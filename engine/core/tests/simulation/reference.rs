//! The reference interpreter: what a plan means, worked out recursively, one node after another, with no events at all. A
//! brother of the one that the property tests use, which knows what only their plans hold.

use std::{cell::RefCell, collections::BTreeMap};

use flowforge_core::document::OnError;
use serde_json::{Map, Value, json};

use crate::plan::{Plan, id};

/// What becomes of a node when nobody interferes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    Completed {
        port: &'static str,
        output: Value,
    },
    /// It goes on by a port, or the run fails with it.
    Failed {
        code: &'static str,
        port: Option<&'static str>,
        output: Value,
    },
    Skipped,
    /// It comes after a failure that ends the run.
    Never,
}

pub(crate) struct Reference<'p> {
    plan: &'p Plan,
    known: RefCell<BTreeMap<usize, Fate>>,
}

impl<'p> Reference<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self { plan, known: RefCell::default() }
    }

    pub(crate) fn fate(&self, node: usize) -> Fate {
        if let Some(fate) = self.known.borrow().get(&node) {
            return fate.clone();
        }
        let fate = self.work_out(node);
        self.known.borrow_mut().insert(node, fate.clone());
        fate
    }

    /// The nodes whose failure ends the run. Without any, the run completes.
    pub(crate) fn culprits(&self) -> Vec<usize> {
        let ends_the_run = |node: &usize| matches!(self.fate(*node), Fate::Failed { port: None, .. });
        (0..self.plan.nodes.len()).filter(ends_the_run).collect()
    }

    /// What a run that completes puts out: what the nodes without an edge put out, or else those that left by none.
    pub(crate) fn output(&self) -> Value {
        let goes_on = |node: usize, port| self.plan.edges.iter().any(|(from, by, _)| *from == node && *by == port);
        let has_edge = |node: usize| self.plan.edges.iter().any(|(from, _, _)| *from == node);
        let left: Vec<usize> = (0..self.plan.nodes.len()).filter(|node| self.left(*node).is_some()).collect();
        let mut ends: Vec<usize> = left.iter().copied().filter(|node| !has_edge(*node)).collect();
        if ends.is_empty() {
            ends = left.into_iter().filter(|node| self.left(*node).is_some_and(|(port, _)| !goes_on(*node, port))).collect();
        }
        self.one_or_many(ends).unwrap_or_default()
    }

    fn work_out(&self, node: usize) -> Fate {
        let incoming: Vec<_> = self.plan.edges.iter().filter(|(.., to)| *to == node).collect();
        if incoming.iter().any(|(from, ..)| matches!(self.fate(*from), Fate::Never | Fate::Failed { port: None, .. })) {
            return Fate::Never;
        }
        let is_taken = |(from, by, _): &&&(usize, &str, usize)| self.left(*from).is_some_and(|(port, _)| port == *by);
        let mut sources: Vec<usize> = incoming.iter().filter(is_taken).map(|(from, ..)| *from).collect();
        sources.dedup();
        let begins = if incoming.is_empty() {
            !self.plan.nodes[node].is_trigger() || self.plan.fired == Some(node)
        } else {
            !sources.is_empty()
        };
        if begins { self.attempts(node, &self.one_or_many(sources).unwrap_or_else(run_input)) } else { Fate::Skipped }
    }

    fn attempts(&self, node: usize, input: &Value) -> Fate {
        let scripted = &self.plan.nodes[node];
        for attempt in 1.. {
            let Some((code, may_pass)) = scripted.failures.get(attempt as usize - 1) else {
                let output = scripted.given.clone().unwrap_or_else(|| answer(node, attempt, input));
                return Fate::Completed { port: scripted.port, output };
            };
            let worth_it = scripted.codes.contains(code) || (scripted.codes.is_empty() && *may_pass);
            if !(worth_it && attempt < scripted.max_attempts) {
                let handled = self.plan.edges.iter().any(|(from, by, _)| *from == node && *by == "error");
                let error = json!({ "error": { "code": code, "message": "as planned", "retryable": may_pass } });
                return match scripted.on_error {
                    _ if handled => Fate::Failed { code, port: Some("error"), output: error },
                    OnError::Continue => Fate::Failed { code, port: Some(scripted.ports()[0]), output: Value::Null },
                    OnError::Fail => Fate::Failed { code, port: None, output: Value::Null },
                };
            }
        }
        Fate::Never
    }

    /// By which port a node left, and with what.
    fn left(&self, node: usize) -> Option<(&'static str, Value)> {
        match self.fate(node) {
            Fate::Completed { port, output } | Fate::Failed { port: Some(port), output, .. } => Some((port, output)),
            _ => None,
        }
    }

    fn one_or_many(&self, nodes: Vec<usize>) -> Option<Value> {
        let output = |node: usize| self.left(node).map(|(_, output)| output);
        match nodes.as_slice() {
            [] => None,
            [one] => output(*one),
            many => Some(Value::Object(many.iter().filter_map(|node| Some((id(*node), output(*node)?))).collect::<Map<_, _>>())),
        }
    }
}

/// What the run is given.
pub(crate) fn run_input() -> Value {
    json!({ "given": "to the run" })
}

/// What a signal carries, and what a decision says.
pub(crate) fn from_outside(node: usize) -> Value {
    json!({ "from outside for": id(node) })
}

/// What an attempt answers: it tells who answered, when, and what it was given, in short (FNV-1a).
pub(crate) fn answer(node: usize, attempt: u32, input: &Value) -> Value {
    let mut input = input.clone();
    input.sort_all_objects();
    let short = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    json!([id(node), attempt, input.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, short)])
}
