//! What a run does when its worker dies.

use flowforge_core::RunStatus;
use flowforge_engine::EngineConfig;
use serde_json::json;

use crate::forge::{Forge, Process, config, on_every_database, shown};

#[test]
fn another_worker_goes_on_where_a_dead_one_stopped() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let nodes = json!([["a", "effect", {}], ["b", "effect", {"hang": true}], ["c", "job", {}]]);
        let workflow = forge.workflow(nodes, &["a -> b", "b -> c"]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(2).await;
        forge.event(&first, run, "step_started").await;
        first.kill();
        let second = forge.process().await;
        let record = forge.ended(&second, run).await;
        assert_eq!(shown(&record), r#"completed {"call":1}"#);
        let mut calls = forge.world.calls();
        calls.sort_unstable();
        assert_eq!(calls, [1, 1, 2], "only the step that was under way is called again");
        forge.check_record(&second, run).await;
    });
}

#[test]
fn a_dispatched_step_of_a_dead_worker_is_executed_by_another() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let workflow = forge.workflow(json!([["a", "job", {"hang": true}]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.event(&first, run, "step_log").await;
        forge.world.called(1).await;
        first.kill();
        let second = forge.process().await;
        assert_eq!(shown(&forge.ended(&second, run).await), r#"completed {"call":2}"#);
        forge.check_record(&second, run).await;
    });
}

#[test]
fn a_step_that_kills_its_workers_is_given_up() {
    on_every_database(async |forge| {
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let mut process = forge.process().await;
        let run = forge.start(&process, workflow).await.record.id;
        for _ in 0..3 {
            forge.world.called(1).await;
            process.kill();
            forge.world.reset();
            process = alone(&forge).await;
        }
        assert_eq!(shown(&forge.ended(&process, run).await), r#"failed WORKER_CRASHED at Some("a")"#);
        forge.check_record(&process, run).await;
    });
}

async fn alone(forge: &Forge) -> Process {
    forge.process_with(EngineConfig { exclusive: true, ..config() }).await
}

/// Workers that are given what is in a table, and die before they have read what there is to do.
async fn die_before_they_begin(forge: &Forge, workers: usize, table: &str) {
    forge.sql("ALTER TABLE step_runs RENAME TO step_runs_away").await;
    for _ in 0..workers {
        let process = alone(forge).await;
        // Whoever starts alone takes all others off the list.
        forge.until(&format!("SELECT 1 FROM {table} WHERE owner IN (SELECT id FROM workers)")).await;
        process.kill();
    }
    forge.sql("ALTER TABLE step_runs_away RENAME TO step_runs").await;
}

#[test]
fn owners_that_die_before_they_begin_anything_are_not_the_runs_doing() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let workflow = forge.workflow(json!([["a", "nap", {"ms": 1_000}], ["b", "effect", {}]]), &["a -> b"]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.event(&first, run, "step_waiting").await;
        first.kill();
        die_before_they_begin(&forge, 5, "runs").await;
        let due = forge.steps(run).await[0].wake_at;
        while forge.store.now().await.ok() < due {
            tokio::task::yield_now().await;
        }
        let last = alone(&forge).await;
        assert_eq!(shown(&forge.ended(&last, run).await), r#"completed {"call":1}"#);
        forge.check_record(&last, run).await;
    });
}

#[test]
fn workers_that_die_before_they_begin_a_dispatched_step_are_not_its_doing() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let workflow = forge.workflow(json!([["a", "job", {"hang": true}]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(1).await;
        first.kill();
        die_before_they_begin(&forge, 5, "step_leases").await;
        let last = alone(&forge).await;
        assert_eq!(shown(&forge.ended(&last, run).await), r#"completed {"call":2}"#);
        forge.check_record(&last, run).await;
    });
}

/// Kills three workers in the middle of a step, and others in between before they begin anything.
async fn kill_three(forge: &Forge, kind: &str, table: &str) {
    let workflow = forge.workflow(json!([["a", kind, {"hang": true}]]), &[]).await;
    let mut process = forge.process().await;
    let run = forge.start(&process, workflow).await.record.id;
    for death in 1..=3 {
        forge.world.called(1).await;
        process.kill();
        forge.world.reset();
        if death < 3 {
            die_before_they_begin(forge, 2, table).await;
        }
        process = alone(forge).await;
    }
    assert_eq!(shown(&forge.ended(&process, run).await), r#"failed WORKER_CRASHED at Some("a")"#);
    assert!(forge.world.calls().is_empty(), "nobody begins it a fourth time");
    forge.check_record(&process, run).await;
}

#[test]
fn a_step_is_given_up_when_it_has_killed_three_workers_whoever_else_died() {
    on_every_database(async |forge| kill_three(&forge, "effect", "runs").await);
}

#[test]
fn a_pure_step_is_given_up_when_it_has_killed_three_workers_whoever_else_died() {
    on_every_database(async |forge| kill_three(&forge, "think", "runs").await);
}

#[test]
fn a_dispatched_step_is_given_up_when_it_has_killed_three_workers_whoever_else_died() {
    on_every_database(async |forge| kill_three(&forge, "job", "step_leases").await);
}

#[test]
fn a_pure_step_that_kills_its_workers_before_anything_is_recorded_is_given_up() {
    on_every_database(async |forge| {
        let api = forge.process_with(EngineConfig { works: false, ..config() }).await;
        let workflow = forge.workflow(json!([["a", "think", {"hang": true}]]), &[]).await;
        let run = forge.start(&api, workflow).await.record.id;
        for _ in 0..3 {
            let process = alone(&forge).await;
            forge.world.called(1).await;
            process.kill();
            forge.world.reset();
        }
        let process = alone(&forge).await;
        assert_eq!(shown(&forge.ended(&process, run).await), r#"failed WORKER_CRASHED at Some("a")"#);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn what_is_under_way_has_its_grace_whatever_else_is_due() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let retry = json!({"retry": {"max_attempts": 2, "backoff": "linear", "initial_ms": 100, "max_ms": 100}});
        let nodes = json!([["a", "effect", {"hang": true}], ["b", "flaky", {"fails": 1}, retry]]);
        let workflow = forge.workflow(nodes, &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(2).await;
        let released = forge.until("SELECT 1 FROM runs WHERE owner IS NULL");
        let gate = async {
            let early = tokio::time::timeout(std::time::Duration::from_millis(500), released).await;
            forge.world.gate.notify_one();
            assert!(early.is_err(), "the run was let go of before its grace was over");
        };
        tokio::join!(first.engine.shutdown(), gate);
        let second = forge.process().await;
        assert_eq!(shown(&forge.ended(&second, run).await), r#"completed {"a":{"call":1},"b":{"call":2}}"#);
        forge.check_record(&second, run).await;
    });
}

#[test]
fn a_worker_that_was_silent_for_too_long_begins_nothing_that_another_has_taken_over() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let now = forge.store.now().await.unwrap();
        let retry = json!({"retry": {"max_attempts": 2, "backoff": "linear", "initial_ms": 4_000, "max_ms": 4_000}});
        let workflow = forge.workflow(json!([["a", "flaky", {"fails": 1}, retry]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.event(&first, run, "step_retrying").await;
        forge.refuse("UPDATE ON workers", &format!("NEW.started_at <= {}", now.0)).await;
        let second = forge.process().await;
        forge.until("SELECT 1 FROM runs WHERE epoch > 1").await;
        forge.accept("workers").await;
        assert_eq!(shown(&forge.ended(&second, run).await), r#"completed {"call":2}"#);
        assert_eq!(forge.world.calls(), [2]);
        forge.check_record(&second, run).await;
    });
}

#[test]
fn leaving_in_good_order_counts_no_crash_and_hands_the_run_over_at_once() {
    on_every_database(async |forge| {
        let first = forge.process_with(EngineConfig { grace: std::time::Duration::from_millis(200), ..config() }).await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}], ["b", "job", {}]]), &["a -> b"]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(1).await;
        first.engine.shutdown().await;
        let second = forge.process_with(EngineConfig { lease: std::time::Duration::from_secs(600), ..config() }).await;
        assert_eq!(forge.ended(&second, run).await.status, RunStatus::Completed);
        forge.check_record(&second, run).await;
    });
}

#[test]
fn a_run_that_was_accepted_by_a_process_that_does_not_work_is_found() {
    on_every_database(async |forge| {
        let api = forge.process_with(EngineConfig { works: false, ..config() }).await;
        let workflow = forge.workflow(json!([["a", "effect", {}]]), &[]).await;
        let run = forge.start(&api, workflow).await.record.id;
        let worker = forge.process().await;
        assert_eq!(shown(&forge.ended(&api, run).await), r#"completed {"call":1}"#);
        forge.check_record(&worker, run).await;
    });
}
