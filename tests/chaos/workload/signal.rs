//! A run that waits for a signal, which may come before it is waited for, and more than once.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("before", "http.request", effect(ledger, "before", 300)),
        ("gate", "wait.signal", json!({"name": "go"})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    let mut scenario = Scenario::new(chain(&nodes), &["before", "after"]);
    scenario.signal = Some(("go", json!({"n": 7})));
    scenario.outputs.push(("gate", json!({"n": 7})));
    scenario
}
