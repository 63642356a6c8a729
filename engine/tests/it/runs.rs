//! What a run does when nothing dies.

use flowforge_core::{RunStatus, StepStatus};
use flowforge_engine::{EngineConfig, Error};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::forge::{Forge, config, on_every_database, shown};

/// Runs a graph to its end and compares what it came to and its attempts.
pub(crate) async fn check(forge: &Forge, nodes: Value, edges: &[&str], outcome: &str, attempts: &str) {
    let process = forge.process().await;
    let workflow = forge.workflow(nodes, edges).await;
    let record = forge.run(&process, workflow).await;
    assert_eq!((shown(&record), forge.attempts(record.id).await), (outcome.to_owned(), attempts.to_owned()));
    assert_eq!(shown(&forge.store.run(forge.workspace, record.id).await.unwrap()), outcome, "what is on disk differs");
    forge.check_record(&process, record.id).await;
}

#[test]
fn a_chain_of_pure_steps_passes_values_on() {
    on_every_database(async |forge| {
        let nodes =
            json!([["a", "set", {"value": "{{ trigger.name }}"}], ["b", "set", {"value": {"hello": "{{ steps.a.output }}"}}]]);
        check(&forge, nodes, &["a -> b"], r#"completed {"hello":"Ada"}"#, "a:completed b:completed").await;
    });
}

#[test]
fn effects_joins_and_dispatched_steps_work_together() {
    on_every_database(async |forge| {
        let nodes = json!([["t", "trigger.manual", {}], ["a", "effect", {}], ["b", "job", {}], ["c", "set", {"value": "{{ steps.b.output.call }}"}]]);
        let attempts = "a:completed b:completed c:completed t:completed";
        check(&forge, nodes, &["t -> a", "t -> b", "a -> c", "b -> c"], "completed 1", attempts).await;
        assert_eq!(forge.world.calls(), [1, 1]);
    });
}

#[test]
fn a_failed_attempt_is_repeated_as_its_policy_says() {
    on_every_database(async |forge| {
        let retry = json!({"retry": {"max_attempts": 3, "backoff": "linear", "initial_ms": 10, "max_ms": 20}});
        check(
            &forge,
            json!([["a", "flaky", {"fails": 2}, retry]]),
            &[],
            r#"completed {"call":3}"#,
            "a:failed a:failed a:completed",
        )
        .await;
    });
}

#[test]
fn a_final_failure_fails_the_run_or_takes_its_port() {
    on_every_database(async |forge| {
        let broken = json!(["a", "flaky", {"fails": 9, "fatal": true}]);
        check(&forge, json!([broken, ["b", "set", {"value": 1}]]), &["a -> b"], r#"failed BROKEN at Some("a")"#, "a:failed")
            .await;
        let nodes = json!([broken, ["b", "set", {"value": "{{ steps.a.output.error.code }}"}], ["c", "set", {"value": 2}]]);
        check(&forge, nodes, &["a error -> b", "a -> c"], r#"completed "BROKEN""#, "a:failed b:completed c:skipped").await;
    });
}

#[test]
fn a_step_that_panics_fails_and_nothing_else_does() {
    on_every_database(async |forge| {
        check(&forge, json!([["a", "panics", {}]]), &[], r#"failed NODE_PANICKED at Some("a")"#, "a:failed").await;
    });
}

#[test]
fn what_is_nested_too_deeply_to_be_read_again_is_not_recorded() {
    on_every_database(async |forge| {
        let (deep, broken) = (json!({"levels": 120}), json!({"levels": 200, "fail": true}));
        check(&forge, json!([["a", "deep", deep]]), &[], r#"failed OUTPUT_TOO_DEEP at Some("a")"#, "a:failed").await;
        check(&forge, json!([["a", "deep", broken]]), &[], r#"failed BROKEN at Some("a")"#, "a:failed").await;
        let wrapped = (0..40).fold(json!("{{ steps.a.output }}"), |inner, _| json!([inner]));
        let nodes = json!([["a", "deep", {"levels": 95}], ["b", "deep", {"levels": 1, "note": wrapped}]]);
        check(&forge, nodes, &["a -> b"], "completed [null]", "a:completed b:completed").await;
    });
}

#[test]
fn a_short_sleep_is_kept_and_a_long_one_lets_go_of_the_worker() {
    on_every_database(async |forge| {
        let nodes = json!([["a", "nap", {"ms": 50}], ["b", "set", {"value": 1}]]);
        check(&forge, nodes, &["a -> b"], "completed 1", "a:completed b:completed").await;

        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "nap", {"ms": 3_600_000}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.event(&process, run, "step_waiting").await;
        let parked = forge.store.run(forge.workspace, run).await.unwrap();
        assert_eq!(parked.status, RunStatus::Waiting);
        process.engine.cancel(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Cancelled);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_dispatched_step_sleeps_and_is_called_again_as_often_as_it_likes() {
    on_every_database(async |forge| {
        for ms in [0, 1, 30] {
            check(&forge, json!([["a", "doze", {"ms": ms}]]), &[], r#"completed {"call":4}"#, "a:completed").await;
        }
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "doze", {"ms": 3_600_000}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        for _ in 0..3 {
            forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL AND wake_at > 0").await;
            forge.sql("UPDATE step_runs SET wake_at = 0").await;
            forge.sql("UPDATE runs SET wake_at = 0 WHERE finished_at IS NULL").await;
        }
        assert_eq!(shown(&forge.ended(&process, run).await), r#"completed {"call":4}"#);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_run_that_has_waited_and_goes_on_says_that_it_is_running() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "nap", {"ms": 3_600_000}], ["b", "effect", {"hang": true}]]);
        let workflow = forge.workflow(nodes, &["a -> b"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.until("SELECT 1 FROM runs WHERE status = 'waiting'").await;
        forge.sql("UPDATE step_runs SET wake_at = 0").await;
        forge.sql("UPDATE runs SET wake_at = 0").await;
        forge.world.called(1).await;
        forge.until("SELECT 1 FROM step_runs WHERE node_id = 'b'").await;
        assert_eq!(forge.store.run(forge.workspace, run).await.unwrap().status, RunStatus::Running);
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Completed);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_cancel_stops_what_is_under_way_wherever_it_is() {
    on_every_database(async |forge| {
        for kind in ["effect", "job"] {
            let process = forge.process().await;
            let workflow = forge.workflow(json!([["a", kind, {"hang": true}], ["b", "effect", {}]]), &["a -> b"]).await;
            let run = forge.start(&process, workflow).await.record.id;
            forge.world.called(1).await;
            forge.world.reset();
            process.engine.cancel(forge.workspace, run).await.unwrap();
            let record = forge.ended(&process, run).await;
            assert_eq!((record.status, forge.attempts(run).await.as_str()), (RunStatus::Cancelled, "a:cancelled"), "{kind}");
            let again = process.engine.cancel(forge.workspace, run).await;
            assert!(matches!(again, Err(Error::Rejected(_))), "{again:?}");
            forge.check_record(&process, run).await;
        }
    });
}

#[test]
fn a_run_that_waits_for_room_can_be_cancelled() {
    on_every_database(async |forge| {
        let process = forge.process_with(EngineConfig { max_runs: 1, ..config() }).await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let first = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        let second = forge.start(&process, workflow).await.record.id;
        process.engine.cancel(forge.workspace, second).await.unwrap();
        assert_eq!(forge.ended(&process, second).await.status, RunStatus::Cancelled);
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&process, first).await.status, RunStatus::Completed);
        assert_eq!(forge.world.calls(), [1]);
    });
}

#[test]
fn what_is_under_way_for_a_while_is_shown() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.event(&process, run, "step_started").await;
        assert_eq!(forge.steps(run).await[0].status, StepStatus::Running);
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Completed);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_run_that_takes_too_long_fails_and_stops_what_is_under_way() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        for kind in ["effect", "job"] {
            let nodes = json!([["a", kind, {"hang": true}], ["b", "effect", {}]]);
            let workflow = forge.workflow_with(nodes, &["a -> b"], json!({"timeout_s": 1})).await;
            let record = forge.run(&process, workflow).await;
            assert_eq!(
                (shown(&record).as_str(), forge.attempts(record.id).await.as_str()),
                ("failed RUN_TIMEOUT at None", "a:cancelled")
            );
            forge.check_record(&process, record.id).await;
            forge.world.reset();
        }
    });
}

#[test]
fn a_step_under_way_is_shown_however_busy_its_run_is() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let retry = json!({"retry": {"max_attempts": 100, "backoff": "linear", "initial_ms": 30, "max_ms": 30}});
        let nodes = json!([["slow", "effect", {"hang": true}], ["busy", "flaky", {"fails": 99}, retry]]);
        let workflow = forge.workflow(nodes, &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        let mut feed = Box::pin(process.engine.feed(forge.workspace, run, 0));
        let shown = async { while feed.next().await.unwrap().unwrap().node != Some("slow".into()) {} };
        shown.await;
        assert_ne!(forge.store.run(forge.workspace, run).await.unwrap().status, RunStatus::Completed);
        process.engine.cancel(forge.workspace, run).await.unwrap();
        forge.ended(&process, run).await;
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_repeated_request_gets_the_first_one_s_run() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {}]]), &[]).await;
        let first = forge.start_with_key(&process, workflow, "k", "h").await.unwrap();
        let (one, two) =
            tokio::join!(forge.start_with_key(&process, workflow, "k", "h"), forge.start_with_key(&process, workflow, "k", "h"));
        for again in [one.unwrap(), two.unwrap()] {
            assert_eq!((again.record.id, again.is_new), (first.record.id, false));
        }
        let other = forge.start_with_key(&process, workflow, "k", "other").await;
        assert!(matches!(other, Err(Error::Conflict { code: "idempotency_conflict", .. })), "{other:?}");
        assert_eq!(forge.world.calls().len(), 1);
    });
}

#[test]
fn another_workspace_s_runs_do_not_exist() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "set", {"value": 1}]]), &[]).await;
        let run = forge.run(&process, workflow).await.id;
        let stranger = flowforge_core::WorkspaceId::new(flowforge_engine::clock::new_uuid());
        assert!(matches!(forge.store.run(stranger, run).await, Err(Error::NotFound(_))));
        assert!(matches!(forge.store.steps(stranger, run).await, Err(Error::NotFound(_))));
        assert!(matches!(forge.store.logs(stranger, run, None, 0, 10).await, Err(Error::NotFound(_))));
        assert!(matches!(process.engine.cancel(stranger, run).await, Err(Error::NotFound(_))));
        let started = process.engine.start(flowforge_engine::NewRun { workspace: stranger, ..forge.new_run(workflow) }).await;
        assert!(matches!(started, Err(Error::NotFound(_))), "{started:?}");
    });
}

#[test]
fn many_runs_at_once_all_end() {
    on_every_database(async |forge| {
        let process = forge.process_with(EngineConfig { max_runs: 50, ..config() }).await;
        let nodes =
            json!([["a", "set", {"value": 1}], ["b", "effect", {}], ["c", "set", {"value": "{{ steps.b.output.call }}"}]]);
        let workflow = forge.workflow(nodes, &["a -> b", "b -> c"]).await;
        let runs = futures::future::join_all((0..300).map(|_| forge.run(&process, workflow))).await;
        assert!(runs.iter().all(|run| shown(run) == "completed 1"));
        assert_eq!(forge.world.calls(), vec![1; 300]);
    });
}
