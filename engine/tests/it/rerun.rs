//! Runs that are made again.

use flowforge_core::{RunId, RunStatus, WorkflowId, rerun::Decision};
use flowforge_engine::{Dedupe, EngineConfig, Error, Rerun, RunRecord, Started, store::workflows::NewVersion};
use serde_json::{Value, json};

use crate::forge::{Forge, Process, config, graph, on_every_database, shown};

fn rerun(forge: &Forge, run: RunId, from: Option<&str>) -> Rerun {
    let from = from.map(ToOwned::to_owned);
    Rerun { workspace: forge.workspace, run, from, version: None, input: None, dedupe: None, started_by: None }
}

/// Makes a run again and waits for its end.
async fn ended_again(forge: &Forge, process: &Process, new: Rerun) -> RunRecord {
    let run = process.engine.rerun(new).await.unwrap().record.id;
    let record = forge.ended(process, run).await;
    forge.check_record(process, run).await;
    record
}

async fn new_version(forge: &Forge, workflow: WorkflowId, nodes: Value, edges: &[&str]) -> u32 {
    let graph = graph(&nodes, edges, &json!({}));
    let new = NewVersion { graph, note: String::new(), created_by: None, at: forge.store.now().await.unwrap() };
    forge.store.add_version(forge.workspace, workflow, 1, new).await.unwrap().version
}

/// Three effects in a row, the last of which fails; and the same with the fault mended.
fn chain(fails: u32) -> Value {
    json!([["t", "trigger.manual", {}], ["a", "effect", {}], ["b", "job", {}], ["c", "flaky", {"fails": fails, "fatal": true}]])
}
const EDGES: &[&str] = &["t -> a", "a -> b", "b -> c"];

#[test]
fn what_completed_is_kept_and_its_effects_are_not_repeated() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(chain(1), EDGES).await;
        let failed = forge.run(&process, workflow).await;
        assert_eq!((shown(&failed).as_str(), forge.world.calls()), (r#"failed BROKEN at Some("c")"#, vec![1, 1, 1]));
        let version = Some(new_version(&forge, workflow, chain(0), EDGES).await);
        let again = ended_again(&forge, &process, Rerun { version, ..rerun(&forge, failed.id, Some("failed")) }).await;
        assert_eq!(shown(&again), r#"completed {"call":1}"#);
        assert_eq!((again.origin, again.version, &again.input), (Some(failed.id), 2, &failed.input));
        assert_eq!(forge.world.calls(), [1, 1, 1, 1], "only `c` was called, and with a key of its own");
        let kept: Vec<_> = forge.steps(again.id).await.into_iter().filter(|step| step.seqs.started.is_none()).collect();
        assert_eq!(kept.len(), 3, "{kept:#?}");
        assert!(kept.iter().all(|step| step.output.is_some() && step.started_at.is_none()), "{kept:#?}");

        let whole = ended_again(&forge, &process, rerun(&forge, again.id, None)).await;
        assert_eq!((shown(&whole).as_str(), forge.world.calls().len()), (r#"completed {"call":1}"#, 7));
        let from_b = ended_again(&forge, &process, rerun(&forge, whole.id, Some("b"))).await;
        assert_eq!((from_b.origin, forge.world.calls().len()), (Some(whole.id), 9));
    });
}

#[test]
fn a_run_that_was_accepted_again_survives_its_process() {
    on_every_database(async |forge| {
        for works in [false, true] {
            let first = forge.process_with(EngineConfig { works: true, ..config() }).await;
            let workflow = forge.workflow(chain(1), EDGES).await;
            let failed = forge.run(&first, workflow).await;
            first.kill();
            let version = Some(new_version(&forge, workflow, chain(0), EDGES).await);
            let second = forge.process_with(EngineConfig { works, exclusive: true, ..config() }).await;
            let before = forge.world.calls().len();
            let new = Rerun { version, ..rerun(&forge, failed.id, Some("failed")) };
            let run = second.engine.rerun(new).await.unwrap().record.id;
            second.kill();
            let third = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
            assert!(shown(&forge.ended(&third, run).await).starts_with("completed"));
            assert_eq!(forge.world.calls().len(), before + 1, "`a` and `b` were kept");
            forge.check_record(&third, run).await;
        }
    });
}

#[test]
fn lists_are_kept_whole_or_run_again_whole() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let body = json!({ "nodes": [{ "id": "inner", "type": "effect", "params": {} }] });
        let nodes = |value| json!([["m", "spawn", {"items": [1, 2], "body": body}], ["z", "set", {"value": value}]]);
        let workflow = forge.workflow(nodes(1), &["m -> z"]).await;
        let first = forge.run(&process, workflow).await;
        assert_eq!((shown(&first).as_str(), forge.world.calls().len()), ("completed 1", 2));
        let version = Some(new_version(&forge, workflow, nodes(2), &["m -> z"]).await);
        let again = ended_again(&forge, &process, Rerun { version, ..rerun(&forge, first.id, Some("z")) }).await;
        assert_eq!((shown(&again).as_str(), forge.world.calls().len()), ("completed 2", 2));
        let again = ended_again(&forge, &process, rerun(&forge, first.id, Some("m"))).await;
        assert_eq!((shown(&again).as_str(), forge.world.calls().len()), ("completed 1", 4));
    });
}

#[test]
fn another_input_leaves_nothing_to_keep() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "set", {"value": "{{ trigger.name }}"}], ["b", "effect", {}], ["c", "set", {"value": "{{ steps.a.output }}"}]]);
        let workflow = forge.workflow(nodes, &["a -> b", "b -> c"]).await;
        let first = forge.run(&process, workflow).await;
        let same = Rerun { input: Some(json!({"name": "Ada"})), ..rerun(&forge, first.id, Some("c")) };
        assert_eq!(shown(&ended_again(&forge, &process, same.clone()).await), r#"completed "Ada""#);
        assert_eq!(forge.world.calls().len(), 1);
        let other = Rerun { input: Some(json!({"name": "Grace"})), ..same };
        assert_eq!(shown(&ended_again(&forge, &process, other).await), r#"completed "Grace""#);
        assert_eq!(forge.world.calls().len(), 2);
    });
}

#[test]
fn an_output_that_is_not_stored_any_more_is_made_anew() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {}], ["b", "set", {"value": 1}]]), &["a -> b"]).await;
        let first = forge.run(&process, workflow).await;
        forge.sql("UPDATE step_runs SET output = NULL WHERE node_id = 'a'").await;
        let plan = process.engine.plan_rerun(&rerun(&forge, first.id, Some("b"))).await.unwrap();
        let told: Vec<_> = plan.steps.iter().map(|step| (step.node.as_str(), step.decision, step.repeats_effect)).collect();
        assert_eq!((plan.version, told), (1, vec![("a", Decision::CannotKeep, true), ("b", Decision::RunAgain, false)]));
        assert_eq!(ended_again(&forge, &process, rerun(&forge, first.id, Some("b"))).await.status, RunStatus::Completed);
        assert_eq!(forge.world.calls(), [1, 1]);
    });
}

#[test]
fn a_key_makes_a_run_again_once() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {}], ["b", "set", {"value": 1}]]), &["a -> b"]).await;
        let first = forge.run(&process, workflow).await;
        for from in [None, Some("b")] {
            let dedupe = |hash: &str| Some(Dedupe { key: format!("{from:?}"), hash: hash.to_owned() });
            let again = async |hash| process.engine.rerun(Rerun { dedupe: dedupe(hash), ..rerun(&forge, first.id, from) }).await;
            let new = again("h").await.unwrap();
            let Started { record, is_new, .. } = again("h").await.unwrap();
            assert_eq!((record.id, is_new, new.is_new), (new.record.id, false, true));
            let other = again("other").await;
            assert!(matches!(other, Err(Error::Conflict { code: "idempotency_conflict", .. })), "{other:?}");
        }
    });
}

#[test]
fn what_cannot_be_made_again_is_told() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let again = async |run, from| process.engine.rerun(rerun(&forge, run, from)).await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        let refused = again(run, None).await;
        assert!(matches!(refused, Err(Error::Conflict { code: "run_state", .. })), "{refused:?}");
        forge.world.gate.notify_one();
        forge.ended(&process, run).await;
        for from in ["failed", "no_such"] {
            let refused = again(run, Some(from)).await;
            assert!(matches!(refused, Err(Error::BadInput(_))), "{refused:?}");
        }
        let refused = process.engine.rerun(Rerun { version: Some(9), ..rerun(&forge, run, None) }).await;
        assert!(matches!(refused, Err(Error::NotFound("version"))), "{refused:?}");
    });
}

#[test]
fn a_cancelled_run_goes_on_where_it_was_stopped() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "effect", {}], ["r", "respond", {"value": "yes"}], ["b", "effect", {"hang": true}]]);
        let workflow = forge.workflow(nodes, &["a -> r", "r -> b"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(2).await;
        process.engine.cancel(forge.workspace, run).await.unwrap();
        let stopped = forge.ended(&process, run).await;
        assert_eq!(stopped.status, RunStatus::Cancelled);
        let again = process.engine.rerun(rerun(&forge, run, Some("failed"))).await.unwrap().record.id;
        forge.world.called(3).await;
        forge.world.gate.notify_one();
        let record = forge.ended(&process, again).await;
        assert_eq!((record.status, record.response), (RunStatus::Completed, stopped.response));
        assert_eq!(forge.world.calls(), [1, 1, 1]);
    });
}
