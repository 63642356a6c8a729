//! What others call: one effect.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect};

/// The nodes of this workflow.
pub(super) const NODES: &[&str] = &["start", "inner"];

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let nodes = [("start", "trigger.manual", json!({})), ("inner", "http.request", effect(ledger, "inner", 120))];
    Scenario::new(chain(&nodes), &["inner"])
}
