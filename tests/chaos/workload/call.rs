//! A run that starts another one and waits for it.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Children, Scenario, callee, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("before", "http.request", effect(ledger, "before", 20)),
        ("sub", "call", json!({"workflow": "callee", "input": {"key": "{{ trigger.key }}-sub-0"}})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    let mut scenario = Scenario::new(chain(&nodes), &["before", "after"]);
    scenario.children.push(Children { node: "sub", count: 1, nodes: callee::NODES, effect: "inner" });
    scenario
}
