//! A decision that two people make at once, each another one: the first one counts.

use flowforge_tests::{Ledger, graph};
use serde_json::json;

use super::{Scenario, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("before", "http.request", effect(ledger, "before", 20)),
        ("ask", "approval", json!({"title": "Go on with {{ trigger.key }}?", "details": {"n": "{{ trigger.n }}"}})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    let edges = "start -> before; before -> ask; ask:approved -> after; ask:rejected -> after";
    let mut scenario = Scenario::new(graph(&nodes, edges), &["before", "after"]);
    scenario.approval = Some("ask");
    scenario
}
