//! Values that are nested too deep to be read back: refused at every door, and harmless where one stands in a row all the same.

use flowforge_core::RunId;
use flowforge_engine::{Error, NewRun, Rerun, Result};
use serde_json::{Value, json};

use crate::forge::{Forge, Process, on_every_database, shown};

/// The deepest value that is taken.
const DEEPEST: usize = 100;

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

fn check_refused<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(&answer, Err(Error::BadInput(why)) if why.contains("nested")), "{answer:?}");
}

/// It is there as it was sent, and can be read.
async fn check_input(forge: &Forge, process: &Process, run: RunId) {
    assert_eq!(*process.engine.store().run(forge.workspace, run).await.unwrap().input, nested(DEEPEST));
}

#[test]
fn what_is_nested_too_deep_begins_nothing_and_tells_nothing() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "set", {"value": 1}]]), &[]).await;
        let new = |levels| NewRun { input: nested(levels), ..forge.new_run(workflow) };
        check_refused(process.engine.start(new(DEEPEST + 1)).await);
        let run = process.engine.start(new(DEEPEST)).await.unwrap().record.id;
        assert_eq!(shown(&forge.ended(&process, run).await), "completed 1");
        check_input(&forge, &process, run).await;

        let again = |input| Rerun {
            workspace: forge.workspace,
            run,
            from: None,
            version: None,
            input: Some(input),
            dedupe: None,
            started_by: None,
        };
        check_refused(process.engine.rerun(again(nested(DEEPEST + 1))).await);
        let again = process.engine.rerun(again(nested(DEEPEST))).await.unwrap().record.id;
        assert_eq!(shown(&forge.ended(&process, again).await), "completed 1");
        check_input(&forge, &process, again).await;
        forge.until("SELECT 1 WHERE (SELECT count(*) FROM runs) = 2").await;
    });
}

#[test]
fn a_signal_that_is_nested_too_deep_is_refused_and_the_deepest_is_kept() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "effect", {"hang": true}], ["b", "listen", {"name": "go"}], ["c", "set", {"value": 1}]]);
        let workflow = forge.workflow(nodes, &["a -> b", "b -> c"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.called(1).await;
        let signal = |levels| process.engine.signal(forge.workspace, run, "go", nested(levels));
        check_refused(signal(DEEPEST + 1).await);
        signal(DEEPEST).await.unwrap();
        forge.until("SELECT 1 FROM runs WHERE signals IS NOT NULL").await;
        process.kill();
        // Whoever takes the run over reads the signal out of its row.
        let other = forge.process().await;
        forge.world.called(2).await;
        forge.world.gate.notify_one();
        assert_eq!(shown(&forge.ended(&other, run).await), "completed 1");
    });
}

#[test]
fn a_run_whose_row_nobody_can_read_fails_and_is_left_in_peace() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(1).await;
        first.kill();
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        forge.sql(&format!("UPDATE runs SET input = '{deep}'")).await;
        let process = forge.process().await;
        forge.until("SELECT 1 FROM runs WHERE status = 'failed' AND finished_at IS NOT NULL AND owner IS NULL").await;
        let record = process.engine.store().run(forge.workspace, run).await.unwrap();
        assert_eq!((shown(&record).as_str(), &*record.input), ("failed RUN_UNREADABLE at None", &Value::Null));
        let other = process.engine.cancel(forge.workspace, run).await;
        assert!(matches!(other, Err(Error::Rejected(_))), "{other:?}");
        let next = forge.workflow(json!([["a", "set", {"value": 1}]]), &[]).await;
        assert_eq!(shown(&forge.run(&process, next).await), "completed 1");
    });
}
