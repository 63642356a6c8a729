//! The same steps for each item of a list, a few at a time.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Children, Scenario, effect};

const ITEMS: usize = 12;

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    // The key of an item's effect has the item's place in it.
    let work = effect(ledger, "each-{{ index }}-work", 80);
    let position = json!({"x": 0, "y": 0});
    let body = json!({"nodes": [{"id": "work", "type": "http.request", "position": position, "params": work}], "edges": []});
    let items: Vec<usize> = (0..ITEMS).collect();
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("before", "http.request", effect(ledger, "before", 20)),
        ("each", "map", json!({"items": items, "max_parallel": 4, "body": body})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    let mut scenario = Scenario::new(chain(&nodes), &["before", "after"]);
    scenario.children.push(Children { node: "each", count: ITEMS, nodes: &["work"], effect: "work" });
    scenario
}
