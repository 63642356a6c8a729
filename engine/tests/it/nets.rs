//! What should never be lost is lost here by hand, and found all the same.

use flowforge_core::RunStatus;
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
