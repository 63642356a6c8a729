//! Five effects in a row.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect};

const STEPS: [&str; 5] = ["a", "b", "c", "d", "e"];

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let mut nodes = vec![("start", "trigger.manual", json!({}))];
    nodes.extend(
        STEPS.iter().zip([30, 150, 60, 250, 10]).map(|(node, delay)| (*node, "http.request", effect(ledger, node, delay))),
    );
    Scenario::new(chain(&nodes), &STEPS)
}
