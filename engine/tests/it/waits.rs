//! What runs wait for: signals, decisions, others with the same key; and pauses, answers and failure handlers.

use flowforge_core::{NodeId, Priority, RunId, RunStatus, awaiting::Verdict};
use flowforge_engine::{Asked, EngineConfig, Error, NewDecision, NewRun, PageRequest, store::runs::RunFilter};
use serde_json::json;

use crate::forge::{Forge, Process, config, on_every_database, shown};

#[test]
fn a_signal_is_taken_whether_it_comes_early_or_late() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "listen", {"name": "go"}], ["b", "listen", {"name": "go"}], ["c", "effect", {"hang": true}]]);
        let workflow = forge.workflow(nodes, &["a -> b", "c -> a"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        let signal = async |payload| process.engine.signal(forge.workspace, run, "go", json!(payload)).await.unwrap();
        signal(1).await;
        forge.until("SELECT 1 FROM runs WHERE signals IS NOT NULL").await;
        forge.world.gate.notify_one();
        forge.until("SELECT 1 FROM step_runs WHERE node_id = 'b' AND status = 'waiting'").await;
        signal(2).await;
        assert_eq!(shown(&forge.ended(&process, run).await), "completed 2");
        let steps = forge.steps(run).await;
        let outputs: Vec<_> =
            ["a", "b"].iter().map(|node| &steps.iter().find(|step| step.node.as_str() == *node).unwrap().output).collect();
        assert_eq!(outputs, [&Some(json!(1)), &Some(json!(2))], "the rows have what the signals carried");
        forge.check_record(&process, run).await;
    });
}

#[test]
fn what_a_signal_sets_going_in_a_run_that_was_let_go_of_happens_once() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "listen", {"name": "go"}], ["b", "effect", {"hang": true}]]);
        let workflow = forge.workflow(nodes, &["a -> b"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL").await;
        process.engine.signal(forge.workspace, run, "go", json!(1)).await.unwrap();
        forge.until("SELECT 1 FROM step_runs WHERE node_id = 'b' AND status = 'running'").await;
        assert_eq!(forge.world.calls(), [1]);
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Completed);
    });
}

#[test]
fn kept_signals_survive_their_worker_and_are_counted() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let workflow = forge.workflow(json!([["a", "listen", {"name": "go"}]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL").await;
        for n in 0..100 {
            first.engine.signal(forge.workspace, run, "other", json!(n)).await.unwrap();
        }
        let refused = first.engine.signal(forge.workspace, run, "other", json!(0)).await;
        assert!(matches!(refused, Err(Error::Rejected(_))), "{refused:?}");
        first.kill();
        let second = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
        second.engine.cancel(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&second, run).await.status, RunStatus::Cancelled);
    });
}

#[test]
fn a_signal_that_does_not_come_lets_the_step_go_by_its_timeout() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes =
            json!([["a", "listen", {"name": "go", "ms": 80}], ["b", "set", {"value": "late"}], ["c", "set", {"value": "here"}]]);
        let workflow = forge.workflow(nodes, &["a timeout -> b", "a -> c"]).await;
        assert_eq!(shown(&forge.run(&process, workflow).await), r#"completed "late""#);
    });
}

async fn asked(forge: &Forge, run: RunId) -> String {
    forge.until("SELECT 1 FROM step_runs WHERE node_id = 'a' AND status = 'waiting'").await;
    let steps = forge.steps(run).await;
    Asked::of(run, &steps[0]).unwrap().digest
}

fn decision(digest: &str, by: &str) -> NewDecision {
    NewDecision {
        verdict: Verdict::Approved,
        digest: digest.to_owned(),
        by: by.to_owned(),
        role: "editor".to_owned(),
        comment: None,
    }
}

#[test]
fn a_decision_is_made_once_by_whoever_may_for_what_was_shown() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "ask", {"approvers": ["ada@example.org"]}], ["b", "set", {"value": "{{ steps.a.output.by }}"}]]);
        let workflow = forge.workflow(nodes, &["a approved -> b"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        let digest = asked(&forge, run).await;
        let node = NodeId::from("a");
        let decide = |digest: &str, by: &str| process.engine.decide(forge.workspace, run, &node, decision(digest, by));
        assert!(matches!(decide(&digest, "eve@example.org").await, Err(Error::Denied { .. })));
        assert!(matches!(decide("00", "ada@example.org").await, Err(Error::Conflict { code: "approval_changed", .. })));
        let both = tokio::join!(decide(&digest, "ada@example.org"), decide(&digest, "Ada@example.org"));
        let won = [&both.0, &both.1].into_iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(won, 1, "{both:?}");
        let record = forge.ended(&process, run).await;
        assert!(shown(&record).to_lowercase().contains("ada@example.org"), "{record:?}");
        assert!(decide(&digest, "ada@example.org").await.is_err());
    });
}

#[test]
fn a_decision_in_one_process_reaches_a_run_that_another_has_let_go_of() {
    on_every_database(async |forge| {
        let (first, api) = (forge.process().await, forge.process_with(EngineConfig { works: false, ..config() }).await);
        let workflow = forge.workflow(json!([["a", "ask", {}]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        let digest = asked(&forge, run).await;
        let decided = api.engine.decide(forge.workspace, run, &"a".into(), decision(&digest, "x@example.org")).await.unwrap();
        assert_eq!(decided.port.as_deref(), Some("approved"));
    });
}

#[test]
fn a_paused_run_begins_nothing_until_it_is_resumed() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}], ["b", "effect", {}]]), &["a -> b"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        process.engine.pause(forge.workspace, run).await.unwrap();
        forge.event(&process, run, "run_paused").await;
        forge.world.gate.notify_one();
        forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL AND paused_at IS NOT NULL").await;
        process.kill();
        let second = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
        assert_eq!(forge.world.calls(), [1]);
        second.engine.resume(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&second, run).await.status, RunStatus::Completed);
        assert_eq!(forge.world.calls(), [1, 1]);
        forge.check_record(&second, run).await;
    });
}

#[test]
fn an_answer_is_kept_and_the_run_goes_on() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "respond", {"value": 5}], ["b", "effect", {}]]), &["a -> b"]).await;
        let record = forge.run(&process, workflow).await;
        assert_eq!(record.response.unwrap()["body"], 5);
        let stored = forge.store.run(forge.workspace, record.id).await.unwrap();
        assert_eq!(stored.response.unwrap()["body"], 5);
    });
}

#[test]
fn a_failure_calls_for_its_handler_even_when_the_worker_died() {
    on_every_database(async |forge| {
        let handler = forge.workflow(json!([["h", "set", {"value": "{{ trigger.run.error.code }}"}]]), &[]).await;
        let settings = json!({"on_failure": {"workflow": handler}});
        let workflow = forge.workflow_with(json!([["a", "effect", {"hang": true}]]), &[], settings).await;
        let mut process = forge.process().await;
        let run = forge.start(&process, workflow).await.record.id;
        for _ in 0..3 {
            forge.world.called(1).await;
            process.kill();
            forge.world.reset();
            process = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
        }
        assert_eq!(shown(&forge.ended(&process, run).await), r#"failed WORKER_CRASHED at Some("a")"#);
        forge.until("SELECT 1 FROM runs WHERE trigger = 'failure' AND status = 'completed'").await;
        let filter = RunFilter { workflow: Some(handler), ..RunFilter::default() };
        let handled = forge.store.runs(forge.workspace, filter, PageRequest::default()).await.unwrap().items;
        assert_eq!(handled.len(), 1);
        assert_eq!(shown(&forge.store.run(forge.workspace, handled[0].id).await.unwrap()), r#"completed "WORKER_CRASHED""#);
    });
}

/// Starts so many runs of a workflow and waits for all.
async fn all(forge: &Forge, processes: &[Process], new: &[NewRun]) -> Vec<RunId> {
    let mut runs = Vec::new();
    for (at, new) in new.iter().enumerate() {
        runs.push(processes[at % processes.len()].engine.start(new.clone()).await.unwrap().record.id);
    }
    for run in &runs {
        assert_eq!(forge.ended(&processes[0], *run).await.status, RunStatus::Completed);
    }
    runs
}

#[test]
fn a_limit_lets_so_many_runs_of_a_key_in_and_no_more() {
    on_every_database(async |forge| {
        let processes = [forge.process().await, forge.process().await];
        let settings = json!({"concurrency": {"limit": 1, "key": "{{ trigger.name }}"}});
        let workflow =
            forge.workflow_with(json!([["a", "effect", {"ms": 30}], ["b", "effect", {"ms": 10}]]), &["a -> b"], settings).await;
        let new: Vec<NewRun> = (0..8).map(|_| forge.new_run(workflow)).collect();
        let runs = all(&forge, &processes, &new).await;
        let mut spans = Vec::new();
        for run in &runs {
            let record = forge.store.run(forge.workspace, *run).await.unwrap();
            spans.push((record.started_at.unwrap(), record.finished_at.unwrap(), record.id));
        }
        spans.sort();
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two at once: {spans:?}");
    });
}

#[test]
fn a_run_in_line_can_be_cancelled_and_the_line_goes_on_without_its_dead() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let settings = json!({"concurrency": {"limit": 1}});
        let workflow = forge.workflow_with(json!([["a", "effect", {"hang": true}]]), &[], settings).await;
        let holder = forge.start(&first, workflow).await.record.id;
        forge.world.called(1).await;
        let waiting = forge.start(&first, workflow).await.record.id;
        let last = forge.start(&first, workflow).await.record.id;
        first.engine.cancel(forge.workspace, waiting).await.unwrap();
        assert_eq!(forge.ended(&first, waiting).await.status, RunStatus::Cancelled);
        first.kill();
        // The holder's place is its own until it has ended, whoever works on it.
        let second = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
        assert_eq!(forge.ended(&second, holder).await.status, RunStatus::Completed);
        forge.world.called(3).await;
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&second, last).await.status, RunStatus::Completed);
    });
}

#[test]
fn a_limit_of_a_node_holds_over_runs_and_processes() {
    on_every_database(async |forge| {
        let processes = [forge.process().await, forge.process().await];
        let nodes = json!([["a", "effect", {"ms": 40}, {"concurrency": {"limit": 2}}]]);
        let workflow = forge.workflow(nodes, &[]).await;
        let new: Vec<NewRun> = (0..8).map(|_| forge.new_run(workflow)).collect();
        let runs = all(&forge, &processes, &new).await;
        assert_eq!(runs.len(), 8);
        assert!(forge.world.most_at_once() <= 2, "{} at once", forge.world.most_at_once());
        assert!(forge.world.calls().iter().all(|calls| *calls == 1));
    });
}

#[test]
fn the_urgent_come_first_and_the_others_come_too() {
    on_every_database(async |forge| {
        let api = forge.process_with(EngineConfig { works: false, ..config() }).await;
        let settings = json!({"concurrency": {"limit": 1}});
        let workflow = forge.workflow_with(json!([["a", "effect", {"ms": 5}]]), &[], settings).await;
        let mut runs = Vec::new();
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            let new = NewRun { priority: Some(priority), ..forge.new_run(workflow) };
            runs.push(api.engine.start(new).await.unwrap().record.id);
        }
        let worker = forge.process().await;
        let mut begun = Vec::new();
        for run in &runs {
            begun.push(forge.ended(&worker, *run).await.started_at.unwrap());
        }
        assert!(begun[2] <= begun[1] && begun[1] <= begun[0], "{begun:?}");
    });
}
