//! Runs that steps start: maps and calls.

use std::time::Duration;

use flowforge_core::{RunStatus, WorkflowId};
use flowforge_engine::{EngineConfig, PageRequest, RunRecord, store::runs::RunFilter};
use serde_json::{Value, json};

use crate::forge::{Forge, Process, config, on_every_database, shown};

fn body(kind: &str, params: Value) -> Value {
    json!({ "nodes": [{ "id": "inner", "type": kind, "params": params }] })
}

async fn check(forge: &Forge, nodes: Value, edges: &[&str], outcome: &str) -> RunRecord {
    let process = forge.process().await;
    let workflow = forge.workflow(nodes, edges).await;
    let record = forge.run(&process, workflow).await;
    assert_eq!(shown(&record), outcome);
    forge.check_record(&process, record.id).await;
    record
}

async fn children(forge: &Forge, parent: &RunRecord) -> Vec<RunRecord> {
    let filter = RunFilter { parent: Some(parent.id), ..RunFilter::default() };
    let page = PageRequest { limit: 200, before: None };
    let mut found = forge.store.runs(forge.workspace, filter, page).await.unwrap().items;
    found.sort_by_key(|child| child.parent.as_ref().map(|parent| parent.index));
    found
}

async fn workflow_named(forge: &Forge, nodes: Value) -> WorkflowId {
    forge.workflow(nodes, &[]).await
}

#[test]
fn a_body_runs_once_an_item_and_sees_what_is_around_it() {
    on_every_database(async |forge| {
        let seen = json!({"i": "{{ item }}", "at": "{{ index }}", "before": "{{ steps.a.output }}", "by": "{{ trigger.name }}"});
        let nodes = json!([
            ["a", "set", {"value": 7}],
            ["m", "spawn", {"items": ["x", "y"], "body": body("set", json!({"value": seen}))}],
            ["z", "set", {"value": "{{ steps.m.output }}"}]
        ]);
        let outcome = r#"completed [{"i":"x","at":0,"before":7,"by":"Ada"},{"i":"y","at":1,"before":7,"by":"Ada"}]"#;
        let process = forge.process().await;
        let workflow = forge.workflow(nodes, &["a -> m", "m -> z"]).await;
        let record = forge.run(&process, workflow).await;
        let expected: Value = serde_json::from_str(outcome.trim_start_matches("completed ")).unwrap();
        assert_eq!(record.output.as_deref(), Some(&expected));
        let items = children(&forge, &record).await;
        assert_eq!(items.iter().map(|child| (child.depth, child.status)).collect::<Vec<_>>(), [(1, RunStatus::Completed); 2]);
        for child in &items {
            forge.check_record(&process, child.id).await;
        }
    });
}

#[test]
fn an_empty_list_is_an_empty_result() {
    on_every_database(async |forge| {
        check(&forge, json!([["m", "spawn", {"items": [], "body": body("set", json!({"value": 1}))}]]), &[], "completed []")
            .await;
    });
}

#[test]
fn a_call_puts_out_what_the_other_workflow_does() {
    on_every_database(async |forge| {
        let other = workflow_named(&forge, json!([["s", "set", {"value": "hello {{ trigger.who }}"}]])).await;
        let call = json!({"items": [{"who": "{{ trigger.name }}"}], "workflow": other, "single": true});
        check(&forge, json!([["c", "spawn", call]]), &[], r#"completed "hello Ada""#).await;
    });
}

#[test]
fn a_call_of_nothing_fails_with_its_name() {
    on_every_database(async |forge| {
        let call = json!({"items": [1], "workflow": "nobody", "single": true});
        check(&forge, json!([["c", "spawn", call]]), &[], r#"failed CALL_UNKNOWN_WORKFLOW at Some("c")"#).await;
    });
}

#[test]
fn a_workflow_that_calls_itself_is_stopped() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let call = json!({"items": [1], "workflow": "test", "single": true});
        let workflow = forge.workflow(json!([["c", "spawn", call]]), &[]).await;
        let record = forge.run(&process, workflow).await;
        assert_eq!(shown(&record), r#"failed CALL_FAILED at Some("c")"#);
        assert!(record.error.unwrap().message.contains("8 deep"), "the cause is told all the way up");
    });
}

#[test]
fn a_failed_item_fails_its_map_or_is_told_in_its_place() {
    on_every_database(async |forge| {
        let broken = || body("flaky", json!({"fails": 9, "fatal": true}));
        let map = |policy: &str| json!([["m", "spawn", {"items": [1, 2], "body": broken(), "on_item_error": policy}]]);
        check(&forge, map("fail"), &[], r#"failed MAP_ITEM_FAILED at Some("m")"#).await;
        check(&forge, map("continue"), &[], "completed [null,null]").await;
        let process = forge.process().await;
        let workflow = forge.workflow(map("collect"), &[]).await;
        let output = forge.run(&process, workflow).await.output.unwrap();
        assert_eq!(output[1]["error"]["code"], "BROKEN");
    });
}

#[test]
fn cancelling_a_run_cancels_what_it_has_started() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nested = json!({ "nodes": [{ "id": "n", "type": "spawn", "params": {"items": [1], "body": body("effect", json!({"hang": true}))} }] });
        let workflow = forge.workflow(json!([["m", "spawn", {"items": [1, 2], "body": nested}]]), &[]).await;
        let started = forge.start(&process, workflow).await.record;
        forge.world.called(2).await;
        process.engine.cancel(forge.workspace, started.id).await.unwrap();
        assert_eq!(forge.ended(&process, started.id).await.status, RunStatus::Cancelled);
        for child in children(&forge, &started).await {
            assert_eq!(forge.ended(&process, child.id).await.status, RunStatus::Cancelled);
            for grandchild in children(&forge, &child).await {
                assert_eq!(forge.ended(&process, grandchild.id).await.status, RunStatus::Cancelled);
            }
        }
    });
}

#[test]
fn children_survive_their_worker_and_each_is_started_once() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let items: Vec<u32> = (0..20).collect();
        let slow = body("effect", json!({"ms": 60}));
        let nodes = json!([["m", "spawn", {"items": items, "body": slow, "max_parallel": 5}]]);
        let workflow = forge.workflow(nodes, &[]).await;
        let run = forge.start(&first, workflow).await.record;
        forge.world.called(8).await;
        first.kill();
        let second = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
        let record = forge.ended(&second, run.id).await;
        assert_eq!(record.status, RunStatus::Completed, "{:?}", record.error);
        assert_eq!(record.output.unwrap().as_array().unwrap().len(), 20);
        assert_eq!(children(&forge, &run).await.len(), 20);
        let calls = forge.world.calls();
        assert_eq!(calls.len(), 20, "an item is one effect");
        assert!(calls.iter().sum::<u32>() <= 25, "only what was under way is called again: {calls:?}");
        forge.check_record(&second, run.id).await;
    });
}

#[test]
fn a_long_list_is_spread_over_processes_and_stays_in_order() {
    on_every_database(async |forge| {
        let processes: [Process; 2] = [forge.process().await, forge.process().await];
        let items: Vec<u32> = (0..300).collect();
        let nodes =
            json!([["m", "spawn", {"items": items, "body": body("set", json!({"value": "{{ item }}"})), "max_parallel": 50}]]);
        let workflow = forge.workflow(nodes, &[]).await;
        let started = forge.start(&processes[0], workflow).await;
        let record = processes[0].engine.wait(started, Duration::from_secs(25)).await.unwrap();
        assert_eq!(record.output.as_deref(), Some(&json!(items)));
    });
}
