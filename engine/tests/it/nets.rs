//! What should never be lost is lost here by hand, and found all the same.

use flowforge_core::RunStatus;
use flowforge_engine::Reason;
use serde_json::{Value, json};

use crate::forge::{on_every_database, shown};

/// One item, whose run waits at the gate for ever.
fn parent() -> Value {
    let body = json!({ "nodes": [{ "id": "inner", "type": "effect", "params": {"hang": true} }] });
    json!([["m", "spawn", {"items": [1], "body": body}]])
}

#[test]
fn the_end_of_a_child_is_noticed_though_its_message_is_lost() {
    on_every_database(async |forge| {
        for is_parked in [false, true] {
            let process = forge.process().await;
            let workflow = forge.workflow(parent(), &[]).await;
            let run = forge.start(&process, workflow).await.record.id;
            forge.world.called(1).await;
            forge.world.reset();
            forge.until("SELECT 1 FROM step_runs WHERE awaiting IS NOT NULL AND finished_at IS NULL").await;
            if is_parked {
                forge.until("SELECT 1 FROM runs WHERE parent_run_id IS NULL AND finished_at IS NULL AND owner IS NULL").await;
            }
            forge
                .sql(
                    "UPDATE runs SET status = 'completed', output = '7', finished_at = 1, finished_seq = next_seq, owner = NULL, \
                     next_seq = next_seq + 1, epoch = epoch + 1 WHERE parent_run_id IS NOT NULL AND finished_at IS NULL",
                )
                .await;
            assert_eq!(shown(&forge.ended(&process, run).await), "completed [7]", "parked: {is_parked}");
            forge.check_record(&process, run).await;
        }
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
