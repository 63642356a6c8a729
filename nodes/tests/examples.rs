//! The example workflows: each one compiles, and together they use every kind of node.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::BTreeSet, fs, path::Path};

use flowforge_core::{Catalog, Document, Graph};
use flowforge_nodes::{
    EgressPolicy, JavaScriptConfig, ModelsConfig, PushPolicy, SandboxConfig, SandboxPolicy, Services, ServicesConfig, catalog,
};
use serde_json::Value;

fn nodes() -> Catalog {
    let javascript = JavaScriptConfig::new(env!("CARGO_BIN_EXE_flowforge-js-worker"), &[]);
    let (egress, sandbox) = (EgressPolicy::default(), SandboxConfig::new(SandboxPolicy::Bubblewrap));
    let models = ModelsConfig::new(None, None, None).unwrap();
    catalog(&Services::new(ServicesConfig {
        javascript,
        egress,
        sandbox,
        work_dir: "unused".into(),
        own_database: None,
        own_redis: None,
        models,
        claude: None,
        push: PushPolicy::default(),
    }))
}

fn examples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.map(|path| (path.display().to_string(), serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap())).collect()
}

#[test]
fn every_example_has_a_name_and_compiles() {
    for (path, example) in examples() {
        assert!(example["name"].is_string() && example["description"].is_string(), "{path} says what it is");
        let document: Document = serde_json::from_value(example["graph"].clone()).unwrap();
        let problems = Graph::compile(&document, &nodes()).err().unwrap_or_default();
        assert!(problems.is_empty(), "{path}: {problems:#?}");
    }
}

#[test]
fn every_kind_of_node_is_shown() {
    let nodes = nodes();
    let all: BTreeSet<&str> = nodes.kinds().map(|kind| kind.spec.kind).collect();
    let examples = examples();
    let used = examples.iter().flat_map(|(_, example)| example["graph"]["nodes"].as_array().unwrap());
    let used: BTreeSet<&str> = used.map(|node| node["type"].as_str().unwrap()).collect();
    assert_eq!(used, all);
}

#[test]
fn every_kind_describes_itself() {
    for kind in nodes().kinds() {
        let spec = kind.spec;
        assert!(!spec.title.is_empty() && spec.description.ends_with('.'), "{}", spec.kind);
        let fields = kind.params.json()["properties"].as_object().cloned().unwrap_or_default();
        for (name, field) in fields {
            assert!(field["description"].is_string(), "`{name}` of {} has no help text", spec.kind);
        }
    }
}
