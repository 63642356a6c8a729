//! Another workflow for each item of a list.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Children, Scenario, callee, effect};

const ITEMS: usize = 5;

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let items: Vec<_> = (0..ITEMS).map(|index| json!({"key": format!("{{{{ trigger.key }}}}-every-{index}")})).collect();
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("every", "map", json!({"items": items, "workflow": "callee"})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    let mut scenario = Scenario::new(chain(&nodes), &["after"]);
    scenario.children.push(Children { node: "every", count: ITEMS, nodes: callee::NODES, effect: "inner" });
    scenario
}
