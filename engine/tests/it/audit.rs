//! The audit of a database: nothing is found where nothing is wrong, and what is wrong is found.

use flowforge_engine::{Report, audit};
use serde_json::json;

use crate::{
    forge::{Forge, config, on_every_database},
    nodes::catalog,
};

async fn report(forge: &Forge) -> Report {
    audit(&forge.store, &catalog(&forge.world), config().lease, 100).await.unwrap()
}

async fn check(forge: &Forge, change: &str, invariant: &str) {
    forge.sql(change).await;
    let report = report(forge).await;
    assert!(report.findings.iter().any(|finding| finding.invariant == invariant), "{change}: {report:#?}");
}

/// A run of every sort, each at its end.
async fn fill(forge: &Forge) {
    let process = forge.process().await;
    let body = json!({ "nodes": [{ "id": "inner", "type": "effect", "params": {} }] });
    let nodes = json!([
        ["a", "effect", {}],
        ["b", "job", {}],
        ["m", "spawn", {"items": [1, 2, 3], "body": body}],
        ["n", "nap", {"ms": 10}],
        ["f", "flaky", {"fails": 1}, {"retry": {"max_attempts": 3, "backoff": "linear", "initial_ms": 10, "max_ms": 20}}]
    ]);
    let workflow = forge.workflow(nodes, &["a -> b", "a -> m", "m -> n"]).await;
    for _ in 0..3 {
        forge.run(&process, workflow).await;
    }
    let hangs = forge.workflow(json!([["h", "listen", {"name": "go"}]]), &[]).await;
    forge.start(&process, hangs).await;
    forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL").await;
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    on_every_database(async |forge| {
        fill(&forge).await;
        let report = report(&forge).await;
        assert_eq!(report.findings, []);
        assert_eq!((report.runs, report.moving), (13, 0), "three runs, nine items and one that waits");
    });
}

#[test]
fn what_an_ended_run_had_kept_breaks_no_rule() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["h", "listen", {"name": "go"}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        process.engine.signal(forge.workspace, run, "nobody_waits", json!(1)).await.unwrap();
        process.engine.pause(forge.workspace, run).await.unwrap();
        forge.until("SELECT 1 FROM runs WHERE signals IS NOT NULL AND paused_at IS NOT NULL").await;
        process.engine.cancel(forge.workspace, run).await.unwrap();
        forge.ended(&process, run).await;
        assert_eq!(report(&forge).await.findings, []);
    });
}

#[test]
fn what_is_wrong_is_found() {
    on_every_database(async |forge| {
        fill(&forge).await;
        let ended = "(SELECT id FROM runs WHERE status = 'completed' AND parent_run_id IS NULL LIMIT 1)";
        check(&forge, &format!("DELETE FROM step_logs WHERE run_id = {ended} AND node_id = 'b'"), "dense record").await;
        check(
            &forge,
            &format!("UPDATE step_runs SET finished_seq = started_seq WHERE run_id = {ended} AND node_id = 'a'"),
            "dense record",
        )
        .await;
        check(&forge, &format!("UPDATE runs SET owner = id WHERE id = {ended}"), "nobody owns what has ended").await;
        check(
            &forge,
            &format!("UPDATE step_runs SET finished_seq = NULL WHERE run_id = {ended} AND node_id = 'n'"),
            "no step outlives its run",
        )
        .await;
        check(&forge, &format!("UPDATE runs SET status = 'running' WHERE id = {ended}"), "an end is an end").await;
        let child = "(SELECT id FROM runs WHERE parent_index = 1 LIMIT 1)";
        check(&forge, &format!("UPDATE runs SET parent_index = 0 WHERE id = {child}"), "an item is started once").await;
        check(&forge, "UPDATE step_runs SET node_id = 'z' WHERE node_id = 'f' AND attempt = 2", "readable record").await;
        check(&forge, &format!("DELETE FROM runs WHERE id = {ended}"), "every row has its run").await;
        let waiting = "status = 'waiting'";
        check(&forge, &format!("UPDATE runs SET owner = id WHERE {waiting}"), "somebody looks after every run").await;
    });
}
