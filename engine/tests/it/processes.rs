//! What several processes over one database do to each other's runs, and what the database does to all of them.

use std::time::Duration;

use flowforge_core::RunStatus;
use flowforge_engine::{EngineConfig, Location};
use sea_orm_migration::sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::forge::{config, on_every_database, shown};

#[test]
fn a_cancel_reaches_a_run_that_another_process_owns() {
    on_every_database(async |forge| {
        let (owner, other) = (forge.process().await, forge.process().await);
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&owner, workflow).await.record.id;
        forge.world.called(1).await;
        other.engine.cancel(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&other, run).await.status, RunStatus::Cancelled);
        forge.check_record(&owner, run).await;
    });
}

#[test]
fn a_step_that_another_process_executes_reports_to_the_run_s_owner() {
    on_every_database(async |forge| {
        let owner = forge.process_with(EngineConfig { lane_slots: 1, ..config() }).await;
        let workflow = forge.workflow(json!([["a", "job", {"hang": true}], ["b", "job", {"hang": true}]]), &[]).await;
        let run = forge.start(&owner, workflow).await.record.id;
        forge.world.called(1).await;
        let other = forge.process().await;
        forge.world.called(2).await;
        forge.world.gate.notify_one();
        forge.event(&owner, run, "step_succeeded").await;
        forge.world.gate.notify_one();
        assert_eq!(shown(&forge.ended(&other, run).await), r#"completed {"a":{"call":1},"b":{"call":1}}"#);
        assert_eq!(forge.world.calls(), [1, 1]);
        forge.check_record(&owner, run).await;
    });
}

#[test]
fn a_run_that_was_claimed_and_could_not_be_read_is_read_again() {
    on_every_database(async |forge| {
        let api = forge.process_with(EngineConfig { works: false, ..config() }).await;
        let workflow = forge.workflow(json!([["a", "effect", {}]]), &[]).await;
        let run = forge.start(&api, workflow).await.record.id;
        forge.sql("ALTER TABLE step_runs RENAME TO hidden").await;
        let worker = forge.process().await;
        forge.until("SELECT 1 FROM runs WHERE owner IS NOT NULL").await;
        forge.sql("ALTER TABLE hidden RENAME TO step_runs").await;
        assert_eq!(shown(&forge.ended(&worker, run).await), r#"completed {"call":1}"#);
        forge.check_record(&worker, run).await;
    });
}

#[test]
fn a_step_whose_claim_was_written_and_not_answered_is_executed() {
    on_every_database(async |forge| {
        let process = forge.process_with(EngineConfig { lane_slots: 1, ..config() }).await;
        let workflow = forge.workflow(json!([["a", "job", {"hang": true}], ["b", "job", {}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        forge.sql("UPDATE step_leases SET owner = (SELECT owner FROM runs), epoch = epoch + 1 WHERE owner IS NULL").await;
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Completed);
        assert_eq!(forge.world.calls(), [1, 1]);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_run_whose_facts_the_database_refuses_fails_and_repeats_no_effect() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        forge.refuse("INSERT ON step_runs", "NEW.status = 'completed'").await;
        let workflow = forge.workflow(json!([["a", "effect", {}], ["b", "job", {"hang": true}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        assert_eq!(shown(&forge.ended(&process, run).await), "failed RUN_UNWRITABLE at None");
        assert_eq!(forge.world.calls().iter().max(), Some(&1));
        forge.check_record(&process, run).await;
        forge.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM step_leases)").await;
        forge.accept("step_runs").await;
        let workflow = forge.workflow(json!([["a", "effect", {}]]), &[]).await;
        assert_eq!(shown(&forge.run(&process, workflow).await), r#"completed {"call":1}"#);
    });
}

#[test]
fn a_dispatched_step_whose_run_its_worker_cannot_read_fails() {
    on_every_database(async |forge| {
        let process = forge.process_with(EngineConfig { lane_slots: 1, ..config() }).await;
        let nodes = json!([["a", "effect", {}], ["b", "job", {"hang": true}], ["c", "job", {}]]);
        let workflow = forge.workflow(nodes, &["a -> b", "a -> c"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(2).await;
        forge.sql("UPDATE step_runs SET status = 'of_tomorrow' WHERE node_id = 'a'").await;
        forge.world.gate.notify_one();
        forge.until("SELECT 1 FROM runs WHERE status = 'failed'").await;
        forge.sql("UPDATE step_runs SET status = 'completed' WHERE node_id = 'a'").await;
        assert!(shown(&forge.ended(&process, run).await).starts_with("failed RUN_UNREADABLE at Some("));
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_message_that_came_after_the_end_of_its_run_is_thrown_away() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "set", {"value": 1}]]), &[]).await;
        forge.run(&process, workflow).await;
        forge
            .sql(
                "INSERT INTO run_inbox (id, run_id, kind, body, created_at) \
                 SELECT id, id, 'cancel', '{\"kind\": \"cancel\"}', 0 FROM runs",
            )
            .await;
        let _other = forge.process().await;
        forge.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM run_inbox)").await;
    });
}

#[test]
fn runs_go_on_when_a_database_that_went_away_is_back() {
    on_every_database(async |forge| {
        let Location::Postgres(url) = &forge.location else { return };
        let processes = [forge.process().await, forge.process().await];
        let kind = |n: usize| if n.is_multiple_of(3) { "job" } else { "effect" };
        let nodes: Vec<Value> = (0..8).map(|n| json!([format!("n{n}"), kind(n), {"ms": 100}])).collect();
        let edges: Vec<String> = (1..8).map(|n| format!("n{} -> n{n}", n - 1)).collect();
        let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
        let workflow = forge.workflow(json!(nodes), &edges).await;
        let mut runs = Vec::new();
        for at in 0..20 {
            runs.push(forge.start(&processes[at % 2], workflow).await.record.id);
        }
        let (base, name) = url.split_once('?').map_or(url.as_str(), |(base, _)| base).rsplit_once('/').unwrap();
        let server = Database::connect(format!("{base}/postgres")).await.unwrap();
        let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        server.execute_unprepared(&cut).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.execute_unprepared(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await.unwrap();
        server.execute_unprepared(&cut).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        server.execute_unprepared(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();
        for run in runs {
            forge.until(&format!("SELECT 1 FROM runs WHERE id = '{}' AND finished_at IS NOT NULL", run.uuid())).await;
            assert_eq!(forge.ended(&processes[0], run).await.status, RunStatus::Completed);
            forge.check_record(&processes[0], run).await;
        }
    });
}

#[test]
fn a_message_that_nobody_can_read_disturbs_nothing() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        forge
            .sql(
                "INSERT INTO run_inbox (id, run_id, kind, body, created_at) \
                 SELECT id, id, 'of_tomorrow', '{\"kind\": \"of_tomorrow\"}', 0 FROM runs",
            )
            .await;
        process.engine.cancel(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Cancelled);
        assert_eq!(forge.world.calls(), [1]);
        forge.check_record(&process, run).await;
    });
}
