//! Four effects at once between one and one, with a join that reads them all.

use flowforge_tests::{Ledger, graph};
use serde_json::json;

use super::{Scenario, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let effect = |node: &'static str, delay| (node, "http.request", effect(ledger, node, delay));
    let nodes = [
        ("start", "trigger.manual", json!({})),
        effect("first", 40),
        effect("left", 20),
        effect("upper", 120),
        effect("lower", 200),
        effect("right", 80),
        ("join", "set", json!({"value": {"came": "{{ trigger.n }}"}})),
        effect("last", 20),
    ];
    let edges = "start -> first; first -> left; first -> upper; first -> lower; first -> right;
        left -> join; upper -> join; lower -> join; right -> join; join -> last";
    let mut scenario = Scenario::new(graph(&nodes, edges), &["first", "left", "upper", "lower", "right", "last"]);
    scenario.outputs.push(("join", json!({"came": 6})));
    scenario
}
