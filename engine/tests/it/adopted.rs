//! Large values that one run has from another, and what is counted under a key that stands in one.

use std::path::PathBuf;

use flowforge_core::{RunId, RunStatus};
use flowforge_engine::{NewRun, Rerun, RunRecord};
use serde_json::{Value, json};

use crate::{
    blobs::files,
    forge::{Forge, Process, on_every_database, shown},
};

const LARGE: usize = 300_000;

fn of(forge: &Forge, run: RunId) -> PathBuf {
    forge.blobs().join(forge.workspace.to_string()).join(run.to_string())
}

/// Takes everything away that belongs to a run and to those that it has started.
async fn forget(forge: &Forge, process: &Process, run: RunId) {
    let children = flowforge_engine::store::runs::RunFilter { parent: Some(run), ..Default::default() };
    let children = process.engine.store().runs(forge.workspace, children, Default::default()).await.unwrap().items;
    for run in children.iter().map(|child| child.id).chain([run]) {
        let _ = std::fs::remove_dir_all(of(forge, run));
    }
}

async fn run(forge: &Forge, process: &Process, workflow: flowforge_core::WorkflowId, input: Value) -> RunRecord {
    let started = process.engine.start(NewRun { input, ..forge.new_run(workflow) }).await.unwrap();
    forge.ended(process, started.record.id).await
}

#[test]
fn a_run_that_is_made_again_needs_nothing_of_the_first_one() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        // What the items put out stands as references in what their list puts out.
        let body = json!({"nodes": [{"id": "inner", "type": "grow", "params": {"bytes": LARGE}}]});
        let nodes = json!([
            ["m", "spawn", {"items": [1, 2], "body": body}],
            ["b", "flaky", {"fails": 1, "fatal": true}],
            ["z", "set", {"value": ["{{ steps.m.output[1] }}", "{{ trigger.text }}"]}],
            ["l", "length", {}]
        ]);
        let workflow = forge.workflow(nodes, &["m -> b", "b -> z", "z -> l"]).await;
        let first = run(&forge, &process, workflow, json!({"text": "x".repeat(LARGE)})).await;
        assert_eq!(shown(&first), r#"failed BROKEN at Some("b")"#);
        let rerun = Rerun {
            workspace: forge.workspace,
            run: first.id,
            from: Some("failed".to_owned()),
            version: None,
            input: None,
            dedupe: None,
            started_by: None,
        };
        // It fails too: its effect has a key of its own.
        let second = process.engine.rerun(rerun).await.unwrap().record;
        forget(&forge, &process, first.id).await;
        let second = forge.ended(&process, second.id).await;
        assert_eq!(shown(&second), r#"failed BROKEN at Some("b")"#);
        let found = process.engine.whole(forge.workspace, second.input.clone()).await.unwrap();
        assert_eq!(found["text"].as_str().map(str::len), Some(LARGE));
        let kept = forge.steps(second.id).await.into_iter().find(|step| step.node.as_str() == "m").unwrap();
        assert!(kept.is_kept());
        let found = process.engine.whole(forge.workspace, kept.output.unwrap().into()).await.unwrap();
        assert_eq!(found[1].as_str().map(str::len), Some(LARGE - 2));
        assert_eq!(files(&of(&forge, second.id)).len(), 2, "equal values are one");
    });
}

#[test]
fn who_handles_a_failure_needs_nothing_of_the_run_that_failed() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes =
            json!([["w", "effect", {"hang": true}], ["l", "set", {"value": "{{ trigger.run.input }}"}], ["n", "length", {}]]);
        let handler = forge.workflow(nodes, &["w -> l", "l -> n"]).await;
        let settings = json!({"on_failure": {"workflow": handler}});
        let fails = forge.workflow_with(json!([["b", "flaky", {"fails": 9, "fatal": true}]]), &[], settings).await;
        let failed = run(&forge, &process, fails, json!("x".repeat(LARGE))).await;
        assert_eq!(failed.status, RunStatus::Failed);
        forge.world.called(2).await;
        forget(&forge, &process, failed.id).await;
        forge.world.gate.notify_one();
        let found = process.engine.store().runs(forge.workspace, Default::default(), Default::default()).await.unwrap().items;
        let handling = found.iter().find(|run| run.trigger == "failure").unwrap().id;
        assert_eq!(shown(&forge.ended(&process, handling).await), format!("completed {}", LARGE + 2));
    });
}

#[test]
fn a_key_may_stand_in_a_large_input() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let limit = json!({"limit": 1, "key": "{{ trigger.who }}"});
        let nodes = json!([["e", "job", {}, {"concurrency": limit}], ["h", "effect", {"hang": true}]]);
        let workflow = forge.workflow_with(nodes, &["h -> e"], json!({"concurrency": limit})).await;
        let input = |who: &str| json!({"who": who, "text": "x".repeat(LARGE)});
        let started = process.engine.start(NewRun { input: input("ada"), ..forge.new_run(workflow) }).await.unwrap().record.id;
        forge.world.called(1).await;
        forge.until("SELECT 1 FROM runs WHERE concurrency_key LIKE '%/ada'").await;
        forge.sql("CREATE TABLE seen (key text)").await;
        match forge.location {
            flowforge_engine::Location::Sqlite(_) => {
                let insert = "BEGIN INSERT INTO seen VALUES (new.concurrency_key); END";
                forge.sql(&format!("CREATE TRIGGER saw AFTER INSERT ON step_leases {insert}")).await;
            }
            flowforge_engine::Location::Postgres(_) => {
                let body = "BEGIN INSERT INTO seen VALUES (new.concurrency_key); RETURN new; END";
                forge.sql(&format!("CREATE FUNCTION saw() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
                forge.sql("CREATE TRIGGER saw AFTER INSERT ON step_leases FOR EACH ROW EXECUTE FUNCTION saw()").await;
            }
        }
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&process, started).await.status, RunStatus::Completed);
        forge.until("SELECT 1 FROM seen WHERE key LIKE 'step/%/e/ada'").await;
    });
}

#[test]
fn a_request_that_is_repeated_leaves_nothing_behind() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["l", "length", {}]]), &[]).await;
        let new = || NewRun {
            input: json!("x".repeat(LARGE)),
            dedupe: Some(flowforge_engine::Dedupe { key: "k".to_owned(), hash: "h".to_owned() }),
            ..forge.new_run(workflow)
        };
        let first = process.engine.start(new()).await.unwrap();
        let again = process.engine.start(new()).await.unwrap();
        assert_eq!((first.record.id, again.is_new), (again.record.id, false));
        forge.ended(&process, first.record.id).await;
        assert_eq!(files(&forge.blobs()).len(), 1);
    });
}
