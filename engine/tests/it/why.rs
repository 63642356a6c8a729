//! Why a run stands where it stands: every reason there is.

use std::time::Duration;

use flowforge_core::{RunId, WorkflowId};
use flowforge_engine::{EngineConfig, NewRun, Reason};
use serde_json::{Value, json};

use crate::forge::{Forge, Process, config, on_every_database};

async fn why(forge: &Forge, process: &Process, run: RunId) -> Reason {
    process.engine.why(forge.workspace, run).await.unwrap().1
}

/// Asks until the reason is of this kind.
async fn until(forge: &Forge, process: &Process, run: RunId, kind: &str) -> Reason {
    loop {
        let reason = why(forge, process, run).await;
        if reason.kind() == kind {
            return reason;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn started(forge: &Forge, process: &Process, nodes: Value) -> RunId {
    let workflow = forge.workflow(nodes, &[]).await;
    forge.start(process, workflow).await.record.id
}

#[test]
fn an_owned_run_says_by_whom_and_one_whose_worker_died_that_it_is_recovering() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let run = started(&forge, &process, json!([["a", "effect", {"hang": true}]])).await;
        forge.world.called(1).await;
        let reason = why(&forge, &process, run).await;
        assert!(
            matches!(&reason, Reason::Owned { worker, heartbeat_age_ms: ..1_500 } if worker.starts_with("worker-")),
            "{reason:?}"
        );
        forge.until("SELECT 1 FROM step_runs WHERE status = 'running'").await;
        assert_eq!(why(&forge, &process, run).await.kind(), "owned");
        process.kill();
        let api = forge.process_with(EngineConfig { works: false, ..config() }).await;
        until(&forge, &api, run, "recovering").await;
        forge.sql("DELETE FROM workers").await;
        assert_eq!(why(&forge, &api, run).await, Reason::Recovering);
        let other = forge.process().await;
        forge.world.called(2).await;
        forge.world.gate.notify_one();
        forge.ended(&other, run).await;
        assert_eq!(why(&forge, &other, run).await, Reason::Finished);
    });
}

#[test]
fn a_run_that_waits_for_a_worker_says_how_many_come_first() {
    on_every_database(async |forge| {
        let api = forge.process_with(EngineConfig { works: false, ..config() }).await;
        let workflow = forge.workflow(json!([["a", "set", {"value": 1}]]), &[]).await;
        let first = forge.start(&api, workflow).await.record.id;
        let second = forge.start(&api, workflow).await.record.id;
        assert_eq!(why(&forge, &api, first).await, Reason::Queued { position: 1 });
        assert_eq!(why(&forge, &api, second).await, Reason::Queued { position: 2 });
    });
}

#[test]
fn a_run_with_a_limit_says_its_key_and_its_place_in_the_line() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let settings = json!({"concurrency": {"limit": 1, "key": "{{ trigger.repo }}"}});
        let workflow = forge.workflow_with(json!([["a", "effect", {"hang": true}]]), &[], settings).await;
        let start = async |repo: &str| {
            let new = NewRun { input: json!({"repo": repo}), ..forge.new_run(workflow) };
            process.engine.start(new).await.unwrap().record.id
        };
        let first = start("a/b").await;
        until(&forge, &process, first, "owned").await;
        let (second, third) = (start("a/b").await, start("a/b").await);
        for (run, position) in [(second, 1), (third, 2)] {
            assert_eq!(why(&forge, &process, run).await, Reason::Blocked { key: "a/b".to_owned(), limit: 1, position });
        }
    });
}

#[test]
fn a_waiting_run_says_what_its_step_waits_for() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let body = json!({ "nodes": [{ "id": "inner", "type": "listen", "params": {"name": "never"} }] });
        let cases = [
            (json!(["a", "ask", {"approvers": ["ada@example.org", "owner"]}]), "approval"),
            (json!(["a", "listen", {"name": "go"}]), "signal"),
            (json!(["a", "spawn", {"items": [1, 2, 3], "body": body}]), "children"),
        ];
        for (node, kind) in cases {
            let run = started(&forge, &process, json!([node])).await;
            let node = "a".into();
            let expected = match kind {
                "approval" => Reason::Approval { node, approvers: vec!["ada@example.org".to_owned(), "owner".to_owned()] },
                "signal" => Reason::Signal { node, name: "go".to_owned() },
                _ => Reason::Children { node, open: 3, total: 3 },
            };
            assert_eq!(until(&forge, &process, run, kind).await, expected);
        }
        forge.until("SELECT 1 FROM (SELECT count(*) AS n, count(owner) AS owned FROM runs) AS c WHERE n = 6 AND owned = 0").await;
        let child =
            forge.store.runs(forge.workspace, Default::default(), flowforge_engine::PageRequest { limit: 9, before: None });
        for run in child.await.unwrap().items {
            let kind = why(&forge, &process, run.id).await.kind();
            assert!(["approval", "signal", "children"].contains(&kind), "{kind}, when it is owned by nobody");
        }
    });
}

#[test]
fn a_run_that_sleeps_says_until_when_and_a_paused_one_since_when() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nap = json!([["a", "nap", {"ms": 3_600_000}]]);
        let run = started(&forge, &process, nap.clone()).await;
        let step = forge.event(&process, run, "step_waiting").await;
        let reason = until(&forge, &process, run, "timer").await;
        assert!(matches!(reason, Reason::Timer { until } if until.ms_since(step.at) > 3_500_000), "{reason:?}");
        let paused = started(&forge, &process, nap).await;
        process.engine.pause(forge.workspace, paused).await.unwrap();
        let reason = until(&forge, &process, paused, "paused").await;
        let since = forge.store.run(forge.workspace, paused).await.unwrap().paused_at.unwrap();
        assert_eq!(reason, Reason::Paused { since });
        forge.until("SELECT 1 FROM runs WHERE paused_at IS NOT NULL AND owner IS NULL").await;
        assert_eq!(why(&forge, &process, paused).await, Reason::Paused { since });
    });
}

#[test]
fn a_dispatched_step_says_who_executes_it_and_what_it_waits_for() {
    on_every_database(async |forge| {
        let process = forge.process_with(EngineConfig { lane_slots: 1, ..config() }).await;
        let limited = json!({"concurrency": {"limit": 1}});
        let workflow: WorkflowId = forge.workflow(json!([["a", "job", {"hang": true}, limited]]), &[]).await;
        let first = forge.start(&process, workflow).await.record.id;
        let reason = until(&forge, &process, first, "step_lease").await;
        assert!(matches!(&reason, Reason::StepLease { node, .. } if node.as_str() == "a"), "{reason:?}");
        forge.world.called(1).await;
        let reason = why(&forge, &process, first).await;
        assert!(matches!(&reason, Reason::StepLease { worker: Some(worker), .. } if worker.starts_with("worker-")), "{reason:?}");
        let second = forge.start(&process, workflow).await.record.id;
        let blocked = Reason::StepBlocked { node: "a".into(), key: String::new(), limit: 1, position: 1 };
        assert_eq!(until(&forge, &process, second, "step_blocked").await, blocked);
        let third = started(&forge, &process, json!([["b", "job", {}]])).await;
        assert_eq!(until(&forge, &process, third, "step_lease").await, Reason::StepLease { node: "b".into(), worker: None });
    });
}

#[test]
fn a_run_with_news_says_that_it_is_about_to_be_taken_up() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let run = started(&forge, &process, json!([["a", "listen", {"name": "go"}]])).await;
        forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL").await;
        process.kill();
        let api = forge.process_with(EngineConfig { works: false, ..config() }).await;
        api.engine.signal(forge.workspace, run, "go", json!(1)).await.unwrap();
        assert_eq!(why(&forge, &api, run).await, Reason::Inbox);
    });
}
