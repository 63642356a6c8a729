//! What a reader of a run's events sees.

use futures::StreamExt;
use serde_json::json;

use crate::forge::on_every_database;

#[test]
fn a_reader_that_comes_back_again_and_again_sees_every_event_once() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes =
            json!([["a", "job", {"hang": true}], ["b", "effect", {}], ["c", "set", {"value": 1}], ["d", "nap", {"ms": 20}]]);
        let workflow = forge.workflow(nodes, &["a -> b", "b -> c", "c -> d"]).await;
        let run = forge.start(&process, workflow).await.record.id;
        forge.world.gate.notify_one();
        let mut seen = Vec::new();
        loop {
            let after = seen.len() as i64;
            // One event a visit.
            let Some(event) = Box::pin(process.engine.feed(forge.workspace, run, after)).next().await else { break };
            let event = event.unwrap();
            let last = event.is_last();
            seen.push(event);
            if last {
                break;
            }
        }
        assert_eq!(seen, forge.events(&process, run, 0).await);
        forge.check_record(&process, run).await;
        let kinds: Vec<&str> = seen.iter().map(|event| event.kind).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "step_log").count(), 3, "{kinds:?}");
        assert_eq!(kinds.iter().filter(|kind| **kind == "step_waiting").count(), 1, "{kinds:?}");
    });
}

#[test]
fn a_reader_from_beyond_the_end_is_told_that_there_is_nothing() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = forge.workflow(json!([["a", "set", {"value": 1}]]), &[]).await;
        let run = forge.run(&process, workflow).await.id;
        assert!(forge.events(&process, run, 1_000).await.is_empty());
    });
}
