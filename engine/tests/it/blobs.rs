//! Values that are too large for a row.

use std::path::{Path, PathBuf};

use flowforge_core::RunId;
use flowforge_engine::{NewRun, RunRecord};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::forge::{Forge, Process, on_every_database, shown};

/// A text of so many bytes.
fn text(bytes: usize) -> String {
    "0123456789abcdef".repeat(bytes / 16)
}

/// The files in a folder and below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.unwrap().path())).collect()
}

async fn run(forge: &Forge, process: &Process, nodes: Value, edges: &[&str], input: Value) -> RunRecord {
    let workflow = forge.workflow(nodes, edges).await;
    let started = process.engine.start(NewRun { input, ..forge.new_run(workflow) }).await.unwrap();
    forge.ended(process, started.record.id).await
}

/// The whole of a value that left a reference.
async fn whole(forge: &Forge, process: &Process, run: RunId, reference: &Value) -> Value {
    let key = reference["$blob"].as_str().expect("a reference");
    let stream = process.engine.blob(forge.workspace, run, key).await.unwrap();
    let bytes = stream.bytes.try_concat().await.unwrap();
    assert_eq!((bytes.len() as u64, stream.size), (stream.size, reference["size"].as_u64().unwrap()));
    serde_json::from_slice(&bytes).unwrap()
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
            ["d", "set", {"value": {"of": "{{ steps.c.output }}", "small": "{{ steps.b.output }}"}}]
        ]);
        let edges = ["a -> b", "a -> c", "b -> d", "c -> d"];
        let record = run(&forge, &process, nodes, &edges, json!({"big": large})).await;
        assert_eq!(shown(&record), format!(r#"completed {{"of":{},"small":7}}"#, 300_000 + r#"{"big":"","small":7}"#.len()));
        assert_eq!(whole(&forge, &process, record.id, &record.input).await, json!({"big": large}));
        let a = forge.steps(record.id).await.into_iter().find(|step| step.node.as_str() == "a").unwrap().output.unwrap();
        assert!(a["preview"].as_str().unwrap().starts_with(r#"{"big":"0123"#), "{a}");
        assert_eq!(whole(&forge, &process, record.id, &a).await, json!({"big": large, "small": 7}));
        assert_eq!(files(&forge.blobs()).len(), 2);
        forge.check_record(&process, record.id).await;
    });
}
