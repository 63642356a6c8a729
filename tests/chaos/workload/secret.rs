//! A secret that is sent along, and that the answer repeats: it must be masked wherever it is recorded.

use flowforge_tests::{Ledger, chain};
use serde_json::json;

use super::{Scenario, effect};

pub(super) fn scenario(ledger: &Ledger) -> Scenario {
    let mut signed = effect(ledger, "signed", 30);
    signed["auth"] = json!({"scheme": "bearer", "token": "{{ secrets.CANARY }}"});
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("signed", "http.request", signed),
        ("after", "http.request", effect(ledger, "after", 20)),
    ];
    Scenario::new(chain(&nodes), &["signed", "after"])
}
