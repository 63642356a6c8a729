//! What should never be lost is lost here by hand, and found all the same.

use std::time::Duration;

use flowforge_core::{RunStatus, Timestamp};
use flowforge_engine::Reason;
use serde_json::{Value, json};

use crate::forge::{on_every_database, shown};

/// Ends the runs that steps have started, as if their messages had been lost.
const END_CHILDREN: &str = "UPDATE runs SET status = 'completed', output = '7', finished_at = 1, finished_seq = next_seq, owner = NULL, \
     next_seq = next_seq + 1, epoch = epoch + 1 WHERE parent_run_id IS NOT NULL AND finished_at IS NULL";

/// A list of one item, whose run waits at the gate for ever.
fn list() -> Value {
    let body = json!({ "nodes": [{ "id": "inner", "type": "effect", "params": {"hang": true} }] });
    json!(["m", "spawn", {"items": [1], "body": body}])
}

#[test]
fn the_end_of_a_child_is_noticed_though_its_message_is_lost() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([list()]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        forge.until("SELECT 1 FROM runs WHERE parent_run_id IS NULL AND status = 'waiting' AND owner IS NULL").await;
        forge.sql(END_CHILDREN).await;
        assert_eq!(shown(&forge.ended(&process, run).await), "completed [7]");
        forge.check_record(&process, run).await;
    });
}

#[test]
fn an_owner_that_is_at_work_notices_it_as_well() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([list(), ["b", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(2).await;
        forge.until("SELECT 1 FROM step_runs WHERE awaiting IS NOT NULL AND finished_at IS NULL").await;
        forge.sql(END_CHILDREN).await;
        forge.until("SELECT 1 FROM step_runs WHERE node_id = 'm' AND status = 'completed'").await;
        forge.world.gate.notify_waiters();
        let record = forge.ended(&process, run).await;
        assert_eq!(record.output.as_deref(), Some(&json!({"m": [7], "b": {"call": 1}})));
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_deadline_is_kept_though_nothing_wakes_the_run() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let settings = json!({"timeout_s": 3_600});
        let workflow = forge.workflow_with(json!([["a", "nap", {"ms": 3_600_000}]]), &[], settings).await;
        let run = forge.start(&process, workflow).await.record.id;
        process.engine.pause(forge.workspace, run).await.unwrap();
        forge.until("SELECT 1 FROM runs WHERE owner IS NULL AND paused_at IS NOT NULL AND status = 'waiting'").await;
        forge.sql("UPDATE runs SET wake_at = NULL, deadline_at = 1").await;
        assert_eq!(shown(&forge.ended(&process, run).await), "failed RUN_TIMEOUT at None");
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_run_that_nothing_moves_is_read_again() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "nap", {"ms": 3_600_000}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.until("SELECT 1 FROM runs WHERE owner IS NULL AND status = 'waiting'").await;
        forge.sql("UPDATE step_runs SET wake_at = 1").await;
        forge.sql("UPDATE runs SET wake_at = NULL").await;
        assert_eq!(process.engine.why(forge.workspace, run).await.unwrap(), (RunStatus::Waiting, Reason::None));
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Completed);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn a_dispatched_step_without_a_lease_is_dispatched_again() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        // It hangs the first time only, so it is through as soon as it is called again.
        let nodes = json!([["j", "job", {"hang": true}], ["q", "ask", {}]]);
        let workflow = forge.workflow_with(nodes, &[], json!({"timeout_s": 3_600})).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        forge.sql("DELETE FROM step_leases").await;
        forge.until("SELECT 1 FROM step_runs WHERE node_id = 'j' AND status = 'completed'").await;
        assert_eq!(forge.world.calls(), [2]);
        process.engine.cancel(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Cancelled);
        forge.check_record(&process, run).await;
    });
}

#[test]
fn one_that_was_to_be_called_again_is_as_well() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["d", "doze", {"ms": 300}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.until("SELECT 1 FROM step_runs WHERE status = 'waiting'").await;
        forge.lose("step_leases").await;
        let is_over = |until: Option<Timestamp>, now: Timestamp| until.is_some_and(|until| until.plus_ms(300) < now);
        while !is_over(forge.steps(run).await[0].wake_at, forge.store.now().await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(forge.world.calls(), [1], "it was not called again");
        forge.accept("step_leases").await;
        assert_eq!(shown(&forge.ended(&process, run).await), r#"completed {"call":4}"#);
        forge.check_record(&process, run).await;
    });
}

/// An owner that is asked to look has nothing to do with steps that it executes itself.
#[test]
fn a_step_of_the_owner_itself_has_no_lease_and_is_not_repeated() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        // The net takes it for one without a lease, and the owner takes note.
        forge.until("SELECT 1 FROM step_runs WHERE status = 'running'").await;
        forge.sql("UPDATE step_runs SET started_at = 1").await;
        forge.until("SELECT 1 FROM run_inbox WHERE kind = 'look'").await;
        forge.until("SELECT 1 FROM runs WHERE NOT EXISTS (SELECT 1 FROM run_inbox)").await;
        forge.world.gate.notify_waiters();
        assert_eq!(shown(&forge.ended(&process, run).await), r#"completed {"call":1}"#);
        assert_eq!(forge.world.calls(), [1]);
        forge.check_record(&process, run).await;
    });
}
