//! Lists as long as they may be.

use std::time::{Duration, Instant};

use flowforge_core::RunStatus;
use flowforge_engine::{EngineConfig, Location, NewRun, clock};
use serde_json::{Value, json};

use crate::forge::{config, on_every_database_within};

/// Much more than it takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// As many items as a list may have.
const ITEMS: usize = 10_000;

#[test]
fn ten_thousand_items_of_a_kilobyte_each() {
    on_every_database_within(PATIENCE, async |forge| {
        // As the server has it: where processes share a database, a list is spread over them.
        let exclusive = matches!(forge.location, Location::Sqlite(_));
        let process = forge.process_with(EngineConfig { exclusive, ..config() }).await;
        let body = json!({ "nodes": [{ "id": "inner", "type": "set", "params": {"value": "{{ item }}"} }] });
        let nodes = json!([["m", "spawn", {"items": "{{ trigger }}", "body": body, "max_parallel": 100}], ["z", "length", {}]]);
        let workflow = forge.workflow(nodes, &["m -> z"]).await;
        let items: Vec<Value> = (0..ITEMS).map(|n| json!({"n": n, "text": "x".repeat(1_000)})).collect();
        let input = json!(items);
        let begun: Instant = clock::monotonic();
        let started = process.engine.start(NewRun { input: input.clone(), ..forge.new_run(workflow) }).await.unwrap();
        let record = process.engine.wait(started, PATIENCE).await.unwrap();
        println!("{ITEMS} items took {:?}; {}", begun.elapsed(), memory());
        assert_eq!(record.status, RunStatus::Completed, "{:?}", record.error);
        assert_eq!(record.output.as_deref(), Some(&json!(input.to_string().len())));
        let m = forge.steps(record.id).await.into_iter().find(|step| step.node.as_str() == "m").unwrap();
        assert_eq!(*process.engine.whole(forge.workspace, m.output.unwrap().into()).await.unwrap(), input);
    });
}

/// The most that this process has held in memory.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS")).collect::<Vec<_>>().join(" ")
}
