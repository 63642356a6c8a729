//! What is under way at once, and in which order.

use flowforge_tests::{Database, Forge, chain};
use serde_json::{Value, json};

on_each_database!(of_one_key_one_is_under_way_and_the_order_is_kept);

/// How long each effect holds its run.
const HOLD_MS: u64 = 40;

fn calling(forge: &Forge) -> Value {
    let url = format!("{}?delay_ms={HOLD_MS}", forge.ledger.url("{{ trigger.name }}"));
    chain(&[("start", "trigger.manual", json!({})), ("call", "http.request", json!({"method": "POST", "url": url}))])
}

async fn of_one_key_one_is_under_way_and_the_order_is_kept(forge: Forge) {
    let mut keyed = calling(&forge);
    keyed["settings"] = json!({"concurrency": {"limit": 1, "key": "{{ trigger.customer }}"}});
    let workflow = forge.workflow("one at a time", &keyed).await;
    let names: Vec<_> = (0..10).map(|number| format!("a{number}")).collect();
    let mut runs = Vec::new();
    for name in &names {
        runs.push(forge.launch(&workflow, json!({"customer": "a", "name": name})).await);
    }
    let other = forge.run(&workflow, json!({"customer": "b", "name": "b0"})).await;
    assert_eq!(other["status"], "completed", "another key waits for nobody: {other:#}");
    for run in &runs {
        assert_eq!(forge.end_of(run).await["status"], "completed");
    }
    let effects: Vec<_> = forge.ledger.effects().into_iter().filter(|effect| effect.key.starts_with('a')).collect();
    assert_eq!(effects.iter().map(|effect| effect.key.clone()).collect::<Vec<_>>(), names, "the order is kept");
    let gaps: Vec<_> = effects.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
    assert!(gaps.iter().all(|gap| *gap >= HOLD_MS), "two were under way at once: {gaps:?}");
}

#[tokio::test]
async fn the_urgent_goes_first_when_there_is_no_room() {
    let forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_MAX_RUNS", "1")]).await;
    let workflow = forge.workflow("calls", &calling(&forge)).await;
    let holding = format!("{}?delay_ms=2000", forge.ledger.url("holder"));
    let holding =
        chain(&[("start", "trigger.manual", json!({})), ("call", "http.request", json!({"method": "POST", "url": holding}))]);
    let mut runs = vec![forge.launch(&forge.workflow("holds", &holding).await, json!({})).await];
    forge.ledger.reaches(1).await;
    // A worker that waits for room may have taken one run up already: that one has its turn.
    for (name, priority) in [("taken", "low"), ("low", "low"), ("normal", "normal"), ("high", "high")] {
        let body = json!({"input": {"name": name}, "priority": priority});
        let run = forge.owner.post(&format!("/workflows/{workflow}/runs"), body).await.expect(201);
        assert_eq!(run["priority"], priority);
        runs.push(run["id"].as_str().expect("an id").to_owned());
    }
    for run in &runs {
        assert_eq!(forge.end_of(run).await["status"], "completed");
    }
    let order = forge.ledger.effects().into_iter().map(|effect| effect.key).filter(|key| key != "taken");
    let order: Vec<_> = order.collect();
    assert_eq!(order, ["holder", "high", "normal", "low"]);
}
