//! A condition in JavaScript: one way is taken, the other is skipped, and they meet again.

use flowforge_tests::{Ledger, graph};
use serde_json::json;

use super::{Scenario, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let effect = |node: &'static str, delay| (node, "http.request", effect(ledger, node, delay));
    let nodes = [
        ("start", "trigger.manual", json!({})),
        effect("before", 50),
        ("large", "condition", json!({"expression": "trigger.n * 2 > 10"})),
        effect("yes", 100),
        effect("no", 100),
        effect("after", 20),
    ];
    let edges = "start -> before; before -> large; large:true -> yes; large:false -> no; yes -> after; no -> after";
    let mut scenario = Scenario::new(graph(&nodes, edges), &["before", "yes", "after"]);
    scenario.skipped.push("no");
    scenario
}
