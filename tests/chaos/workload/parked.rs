//! A wait that is long enough for its owner to let go of the run.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("before", "http.request", effect(ledger, "before", 20)),
        ("pause", "delay", json!({"seconds": 6.5})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    Scenario::new(chain(&nodes), &["before", "after"])
}
