//! A command in a sandbox, dispatched to whichever worker has a free slot, with log lines on the way.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect};

/// It takes long enough to be killed in the middle.
const SCRIPT: &str = "for i in 1 2 3 4 5; do echo line $i; sleep 0.15; done; echo {{ trigger.n }} >result; cat result";

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("before", "http.request", effect(ledger, "before", 20)),
        ("work", "command", json!({"run": SCRIPT, "timeout_s": 30})),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    Scenario::new(chain(&nodes), &["before", "after"])
}
