//! An effect that is refused twice, and asked for again.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect, effect_key};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let url = format!("{}?fail=2", ledger.url(&effect_key("{{ trigger.key }}", "stubborn")));
    // Attempts that were cut short by a dying worker are no attempts, so there are some to spare for nothing.
    let retry = json!({"max_attempts": 5, "initial_ms": 200, "max_ms": 400});
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("stubborn", "http.request", json!({"method": "POST", "url": url, "+": {"retry": retry}})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    let mut scenario = Scenario::new(chain(&nodes), &["stubborn", "after"]);
    scenario.effects[0].1 = 2;
    scenario
}
