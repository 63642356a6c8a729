//! Values that are too large for a row.

use std::path::{Path, PathBuf};

use flowforge_core::{RunId, RunStatus, WorkspaceId};
use flowforge_engine::{EngineConfig, Error, NewRun, Reason, RunRecord, clock, shown as as_written};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::forge::{Forge, Process, config, on_every_database, shown};

/// A text of so many bytes.
fn text(bytes: usize) -> String {
    "0123456789abcdef".repeat(bytes / 16)
}

/// The files in a folder and below it.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.unwrap().path())).collect()
}

async fn start(forge: &Forge, process: &Process, nodes: Value, edges: &[&str], input: Value) -> RunRecord {
    let workflow = forge.workflow(nodes, edges).await;
    process.engine.start(NewRun { input, ..forge.new_run(workflow) }).await.unwrap().record
}

async fn run(forge: &Forge, process: &Process, nodes: Value, edges: &[&str], input: Value) -> RunRecord {
    let run = start(forge, process, nodes, edges, input).await.id;
    let record = forge.ended(process, run).await;
    forge.check_record(process, run).await;
    record
}

/// The whole of a value that left a reference.
async fn whole(forge: &Forge, process: &Process, run: RunId, reference: &Value) -> Value {
    let key = reference["$blob"].as_str().unwrap_or_else(|| panic!("not a reference: {reference:.200}"));
    let stream = process.engine.blob(forge.workspace, run, key).await.unwrap();
    let bytes = stream.bytes.try_concat().await.unwrap();
    assert_eq!((bytes.len() as u64, stream.size), (stream.size, reference["size"].as_u64().unwrap()));
    serde_json::from_slice(&bytes).unwrap()
}

async fn output(forge: &Forge, run: RunId, node: &str) -> Value {
    let steps = forge.steps(run).await;
    steps.into_iter().find(|step| step.node.as_str() == node).unwrap().output.unwrap_or_default()
}

#[test]
fn a_large_value_lies_elsewhere_and_is_there_where_it_is_used() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let large = text(300_000);
        let nodes = json!([
            ["a", "set", {"value": {"big": "{{ trigger.big }}", "small": 7}}],
            ["b", "set", {"value": "{{ steps.a.output.small }}"}],
            ["c", "length", {}],
            ["d", "set", {"value": ["{{ steps.c.output }}", "{{ steps.b.output }}"]}]
        ]);
        let edges = ["a -> b", "a -> c", "b -> d", "c -> d"];
        let record = run(&forge, &process, nodes, &edges, json!({"big": large})).await;
        assert_eq!(shown(&record), format!(r#"completed [{},7]"#, large.len() + r#"{"big":"","small":7}"#.len()));
        assert_eq!(whole(&forge, &process, record.id, &record.input).await, json!({"big": large}));
        let a = output(&forge, record.id, "a").await;
        assert!(a["preview"].as_str().unwrap().starts_with(r#"{"big":"0123"#), "{a}");
        assert_eq!(whole(&forge, &process, record.id, &a).await, json!({"big": large, "small": 7}));
        assert_eq!(files(&forge.blobs()).len(), 2);
    });
}

#[test]
fn what_a_user_wrote_is_never_taken_for_a_reference() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = || {
            json!([
                ["a", "set", {"value": {"in": "{{ trigger }}", "whole": "{{ trigger.$blob }}"}}],
                ["b", "hand", {}],
                ["m", "spawn", {"items": ["{{ trigger }}", "{{ steps.b.output }}"], "body": {"nodes": [
                    {"id": "inner", "type": "set", "params": {"value": {"item": "{{ item }}", "up": "{{ trigger }}", "b": "{{ steps.b.output.in }}"}}}
                ]}}]
            ])
        };
        let edges = ["a -> b", "b -> m"];
        let first = run(&forge, &process, nodes(), &edges, json!(text(300_000))).await;
        assert_eq!(first.status, RunStatus::Completed, "{:?}", first.error);
        let real = first.input.clone();
        let other = WorkspaceId::new(clock::new_uuid());
        let foreign = real["$blob"].as_str().unwrap().replace(&forge.workspace.to_string(), &other.to_string());
        for forged in
            [(*real).clone(), json!({"$blob": foreign, "size": 1, "sha256": "x"}), json!({"$blob": null, "$$blob": [1]})]
        {
            let record = run(&forge, &process, nodes(), &edges, forged.clone()).await;
            assert_eq!(record.status, RunStatus::Completed, "{:?}", record.error);
            let b = json!({"in": forged, "whole": forged["$blob"]});
            let expected = json!([{"item": forged, "up": forged, "b": forged}, {"item": b, "up": forged, "b": forged}]);
            assert_eq!(*as_written(record.output.unwrap()), expected);
            assert_eq!(*as_written(record.input), forged);
        }
        let fault = process.engine.blob(forge.workspace, first.id, &foreign).await.unwrap_err();
        assert!(matches!(fault, Error::NotFound(_)), "{fault}");
        let fault = process.engine.blob(other, first.id, real["$blob"].as_str().unwrap()).await.unwrap_err();
        assert!(matches!(fault, Error::NotFound(_)), "{fault}");
    });
}

#[test]
fn a_value_that_is_gone_fails_the_step_that_reads_it_and_nothing_else() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([
            ["a", "grow", {"bytes": 300_000}],
            ["wait", "effect", {"hang": true}],
            ["b", "length", {}],
            ["c", "set", {"value": "{{ steps.b.output.error.code }}"}]
        ]);
        let edges = ["a -> wait", "a -> b", "wait -> b", "b error -> c"];
        let run = start(&forge, &process, nodes, &edges, json!({})).await.id;
        forge.world.called(1).await;
        files(&forge.blobs()).iter().for_each(|file| std::fs::write(file, "something else").unwrap());
        forge.world.gate.notify_one();
        assert_eq!(shown(&forge.ended(&process, run).await), r#"completed "BLOB_MISSING""#);
        let nodes = json!([["a", "grow", {"bytes": 300_000}], ["wait", "effect", {"hang": true}], ["b", "hand", {}]]);
        let run = start(&forge, &process, nodes, &["a -> wait", "a -> b", "wait -> b"], json!({})).await.id;
        forge.world.called(2).await;
        std::fs::remove_dir_all(forge.blobs()).unwrap();
        forge.world.gate.notify_one();
        assert_eq!(shown(&forge.ended(&process, run).await), r#"failed BLOB_MISSING at Some("b")"#);
    });
}

#[test]
fn a_store_that_is_down_is_waited_for() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let away = forge.blobs().with_extension("away");
        std::fs::rename(forge.blobs(), &away).unwrap();
        std::fs::write(forge.blobs(), "no folder").unwrap();
        let nodes = json!([["a", "grow", {"bytes": 300_000}], ["b", "length", {}]]);
        let run = start(&forge, &process, nodes.clone(), &["a -> b"], json!({})).await.id;
        forge.until("SELECT 1 FROM step_runs WHERE node_id = 'a' AND status = 'running'").await;
        let workflow = forge.workflow(nodes, &["a -> b"]).await;
        let large = NewRun { input: json!(text(300_000)), ..forge.new_run(workflow) };
        let refused = process.engine.start(large).await.unwrap_err();
        assert!(matches!(refused, Error::Storage(_)), "{refused}");
        std::fs::remove_file(forge.blobs()).unwrap();
        std::fs::rename(&away, forge.blobs()).unwrap();
        assert_eq!(shown(&forge.ended(&process, run).await), "completed 300000");
    });
}

#[test]
fn a_value_that_is_too_large_fails_its_step() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        const MIB: usize = 1024 * 1024;
        let nodes = |bytes: usize| json!([["a", "grow", {"bytes": bytes}], ["b", "length", {}]]);
        let largest = run(&forge, &process, nodes(64 * MIB), &["a -> b"], json!({})).await;
        assert_eq!(shown(&largest), format!("completed {}", 64 * MIB));
        let larger = run(&forge, &process, nodes(64 * MIB + 1), &["a -> b"], json!({})).await;
        assert_eq!(shown(&larger), r#"failed OUTPUT_TOO_LARGE at Some("a")"#);
        let list = json!([["a", "grow", {"bytes": 33 * MIB}], ["m", "spawn", {"items": ["{{ steps.a.output }}", "{{ steps.a.output }}"],
            "body": {"nodes": [{"id": "inner", "type": "length", "params": {}}]}}]]);
        let list = run(&forge, &process, list, &["a -> m"], json!({})).await;
        assert_eq!(shown(&list), r#"failed OUTPUT_TOO_LARGE at Some("m")"#);
        let many: Vec<Value> = (0..9).map(|n| json!([format!("a{n}"), "grow", {"bytes": 32 * MIB}])).collect();
        let edges: Vec<String> = (0..9).map(|n| format!("a{n} -> z")).collect();
        let nodes = Value::Array([many, vec![json!(["z", "length", {}])]].concat());
        let many = run(&forge, &process, nodes, &edges.iter().map(String::as_str).collect::<Vec<_>>(), json!({})).await;
        assert_eq!(shown(&many), r#"failed INPUT_TOO_LARGE at Some("z")"#);
    });
}

#[test]
fn long_lists_and_what_they_come_to_lie_elsewhere() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        // One item is too large for a row by itself.
        let items: Vec<Value> = (0..60).map(|n| json!({"n": n, "text": text(if n == 7 { 300_000 } else { 10_000 })})).collect();
        let inner = json!({"nodes": [
            {"id": "wait", "type": "effect", "params": {"ms": 5}},
            {"id": "inner", "type": "set", "params": {"value": {"n": "{{ item.n }}", "at": "{{ index }}", "text": "{{ item.text }}"}}}
        ], "edges": [{"source": "wait", "target": "inner"}]});
        let nodes = json!([["m", "spawn", {"items": "{{ trigger }}", "body": inner, "max_parallel": 5}], ["z", "length", {}]]);
        let run = start(&forge, &first, nodes, &["m -> z"], json!(items)).await.id;
        forge.world.called(20).await;
        let (_, reason) = first.engine.why(forge.workspace, run).await.unwrap();
        first.kill();
        assert!(matches!(reason, Reason::Children { total: 60, .. }), "{reason:?}");
        let second = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
        let record = forge.ended(&second, run).await;
        assert_eq!(record.status, RunStatus::Completed, "{:?}", record.error);
        let gathered: Vec<Value> = (0..60).map(|n| json!({"n": n, "at": n, "text": items[n]["text"]})).collect();
        assert_eq!(*record.output.unwrap(), json!(json!(gathered).to_string().len()));
        let m = output(&forge, run, "m").await;
        let kept = whole(&forge, &second, run, &m).await;
        assert_eq!(whole(&forge, &second, run, &kept[7]).await, gathered[7]);
        let found = second.engine.whole(forge.workspace, m.into()).await.unwrap();
        assert_eq!(*found, json!(gathered));
        let m = forge.steps(run).await.into_iter().find(|step| step.node.as_str() == "m").unwrap();
        let pages = m.awaiting.as_ref().unwrap()["pages"].as_array().unwrap().len();
        assert!((2..=5).contains(&pages), "{pages}");
        assert_eq!(m.awaiting_shown().unwrap()["total"], 60);
        assert_eq!(forge.world.calls().len(), 60, "an item is one effect");
    });
}

#[test]
fn what_is_put_together_out_of_many_lies_elsewhere_too() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let part = 200_000;
        let nodes = json!([["a", "grow", {"bytes": part}], ["b", "grow", {"bytes": part}], ["c", "set", {"value": 1}]]);
        let record = run(&forge, &process, nodes, &[], json!({})).await;
        let output = whole(&forge, &process, record.id, record.output.as_ref().unwrap()).await;
        assert_eq!((output["a"].as_str().unwrap().len(), &output["c"]), (part - 2, &json!(1)));
        let seen = json!({"nodes": [{"id": "inner", "type": "set", "params": {"value": ["{{ steps.a.output }}", "{{ steps.b.output }}"]}},
            {"id": "length", "type": "length", "params": {}}], "edges": [{"source": "inner", "target": "length"}]});
        let nodes = json!([["a", "grow", {"bytes": part}], ["b", "grow", {"bytes": part}], ["m", "spawn", {"items": [1, 2], "body": seen}]]);
        let record = run(&forge, &process, nodes, &["a -> m", "b -> m"], json!({})).await;
        assert_eq!(shown(&record), format!("completed [{0},{0}]", 2 * part + 3));
    });
}

#[test]
fn what_is_handed_on_as_it_came_is_not_written_again() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "grow", {"bytes": 300_000}], ["b", "hand", {}], ["c", "nap", {"ms": 1}], ["d", "length", {}]]);
        let record = run(&forge, &process, nodes, &["a -> b", "b -> c", "c -> d"], json!({})).await;
        assert_eq!(shown(&record), "completed 300000");
        assert_eq!(files(&forge.blobs()).len(), 1);
        assert_eq!(output(&forge, record.id, "b").await, output(&forge, record.id, "a").await);
    });
}
