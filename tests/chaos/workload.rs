//! The kinds of workflows that a round runs, and what each is to come to. One file a kind, one line in [`KINDS`].

mod approval;
mod branch;
mod call;
mod callee;
mod command;
mod delay;
mod diamond;
mod linear;
mod map;
mod map_workflow;
mod parked;
mod retry;
mod script;
mod secret;
mod signal;

use flowforge_tests::Ledger;
use serde_json::{Value, json};

/// A kind of workflow.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Its name, also that of its workflow.
    pub(crate) name: &'static str,
    /// Its share of the runs.
    pub(crate) weight: u64,
    /// Its graph and what it is to come to.
    pub(crate) scenario: fn(&Ledger) -> Scenario,
}

/// Every kind.
pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "linear", weight: 8, scenario: linear::scenario },
    Kind { name: "diamond", weight: 4, scenario: diamond::scenario },
    Kind { name: "retry", weight: 2, scenario: retry::scenario },
    Kind { name: "branch", weight: 2, scenario: branch::scenario },
    Kind { name: "delay", weight: 2, scenario: delay::scenario },
    Kind { name: "parked", weight: 1, scenario: parked::scenario },
    Kind { name: "script", weight: 1, scenario: script::scenario },
    Kind { name: "command", weight: 1, scenario: command::scenario },
    Kind { name: "secret", weight: 1, scenario: secret::scenario },
    Kind { name: "callee", weight: 1, scenario: callee::scenario },
    Kind { name: "call", weight: 2, scenario: call::scenario },
    Kind { name: "map", weight: 2, scenario: map::scenario },
    Kind { name: "map_workflow", weight: 1, scenario: map_workflow::scenario },
    Kind { name: "signal", weight: 2, scenario: signal::scenario },
    Kind { name: "approval", weight: 2, scenario: approval::scenario },
];

/// A graph and what becomes of it when nothing goes wrong, and also when everything does.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// The document.
    pub(crate) graph: Value,
    /// The nodes that write into the ledger, and how many calls the ledger refuses before it takes one.
    pub(crate) effects: Vec<(&'static str, u32)>,
    /// The nodes that are skipped.
    pub(crate) skipped: Vec<&'static str>,
    /// What nodes put out, where it is the same for every run.
    pub(crate) outputs: Vec<(&'static str, Value)>,
    /// The runs that its steps start.
    pub(crate) children: Vec<Children>,
    /// The signal that it waits for, and what that carries.
    pub(crate) signal: Option<(&'static str, Value)>,
    /// The step that asks for a decision.
    pub(crate) approval: Option<&'static str>,
}

/// The runs that a step starts: each calls the ledger, and puts out its answer.
#[derive(Debug, Clone)]
pub(crate) struct Children {
    /// The step.
    pub(crate) node: &'static str,
    /// How many.
    pub(crate) count: usize,
    /// All nodes of a child.
    pub(crate) nodes: &'static [&'static str],
    /// The one that calls the ledger.
    pub(crate) effect: &'static str,
}

impl Children {
    /// The ledger's key of a child.
    pub(crate) fn key(&self, run_key: &str, index: usize) -> String {
        effect_key(&effect_key(run_key, &format!("{}-{index}", self.node)), self.effect)
    }
}

impl Scenario {
    fn new(graph: Value, effects: &[&'static str]) -> Self {
        let effects = effects.iter().map(|node| (*node, 0)).collect();
        Self { graph, effects, skipped: Vec::new(), outputs: Vec::new(), children: Vec::new(), signal: None, approval: None }
    }

    /// Whether its runs end only when somebody answers them.
    pub(crate) fn waits_for_an_answer(&self) -> bool {
        self.signal.is_some() || self.approval.is_some()
    }

    /// The ids of all nodes.
    pub(crate) fn nodes(&self) -> Vec<&str> {
        self.graph["nodes"].as_array().into_iter().flatten().filter_map(|node| node["id"].as_str()).collect()
    }

    /// The edges, as pairs of ids.
    pub(crate) fn edges(&self) -> Vec<(&str, &str)> {
        let edges = self.graph["edges"].as_array().into_iter().flatten();
        edges.filter_map(|edge| Some((edge["source"].as_str()?, edge["target"].as_str()?))).collect()
    }
}

/// The ledger's key of a step.
pub(crate) fn effect_key(run_key: &str, node: &str) -> String {
    format!("{run_key}-{node}")
}

/// Parameters of a step that writes into the ledger, which takes so long to answer.
fn effect(ledger: &Ledger, node: &str, delay_ms: u64) -> Value {
    let url = ledger.url(&effect_key("{{ trigger.key }}", node));
    json!({"method": "POST", "url": format!("{url}?delay_ms={delay_ms}"), "timeout_s": 20})
}
