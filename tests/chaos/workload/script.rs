//! JavaScript between two effects.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let code = "let sum = 0; for (let i = 1; i <= trigger.n; i++) sum += i; return { sum };";
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("before", "http.request", effect(ledger, "before", 20)),
        ("sum", "transform", json!({"code": code})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    let mut scenario = Scenario::new(chain(&nodes), &["before", "after"]);
    scenario.outputs.push(("sum", json!({"sum": 21})));
    scenario
}
