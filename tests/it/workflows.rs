//! Every example in `workflows/`: told in its README, valid, loaded at the first start, and run to its end.

use std::collections::BTreeMap;

use flowforge_tests::{
    Database, Forge, Pages, Postgres, Remote, claude,
    messages_api::{MessagesApi, Reply, Scenario},
    root,
};
use serde_json::{Value, json};

use crate::job::MESSAGE;

/// The examples by file name.
fn examples() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(root().join("workflows")).expect("workflows/").flatten().map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a text");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).expect("a workflow file is JSON"))
    };
    files.map(read).collect()
}

#[test]
fn the_readme_tells_of_each() {
    let readme = std::fs::read_to_string(root().join("workflows/README.md")).expect("a README");
    let untold: Vec<_> = examples().into_keys().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(untold.is_empty(), "not in workflows/README.md: {untold:?}");
}

#[tokio::test]
async fn the_first_start_loads_them_and_they_are_valid() {
    let mut forge = Forge::start(Database::Sqlite).await;
    for (file, example) in examples() {
        let graph = json!({"graph": example["graph"]});
        let told = forge.owner.post("/workflows/validate", graph).await.expect(200);
        assert_eq!(told, json!({"valid": true, "problems": []}), "{file}");
        assert!(example["description"].as_str().is_some_and(|text| text.ends_with('.')), "{file}");
    }
    let names: Vec<_> = examples().into_values().map(|example| example["name"].clone()).collect();
    assert_eq!(loaded(&forge).await, names.len());
    forge.server.kill().await;
    forge.server.restart().await;
    assert_eq!(loaded(&forge).await, names.len(), "the second start loads nothing");
}

async fn loaded(forge: &Forge) -> usize {
    let listed = forge.owner.get("/workflows?limit=100").await.expect(200);
    let names: Vec<_> = examples().into_values().map(|example| example["name"].clone()).collect();
    listed["items"].as_array().expect("a list").iter().filter(|one| names.contains(&one["name"])).count()
}

#[tokio::test]
async fn each_runs_to_its_end() {
    let letter = r#"{"topic": "outage", "urgent": true, "summary": "The shop is down."}"#;
    let notes = json!({"file_path": "/workspace/NOTES.md", "content": "By a model."});
    let session = [Reply::tool("Write", notes), Reply::text("It is written.")].into_iter().filter(|_| claude().is_some());
    let model = MessagesApi::start(Scenario::of(session.chain([Reply::text(letter)]))).await;
    let url = model.url();
    let forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_ANTHROPIC_BASE_URL", url.as_str())]).await;
    let (remote, postgres) = (Remote::start().await, Postgres::start());
    let pages = Pages::start().await;
    for (file, example) in examples() {
        if file == "agent-job.json" && claude().is_none() {
            println!("SKIPPED: {file} needs Claude Code; run tests/setup/claude.sh");
            continue;
        }
        let workflow = forge.workflow(&file, &example["graph"]).await;
        let run = forge.launch(&workflow, input_for(&file, &example, &forge, &pages, &remote, &postgres)).await;
        if file == "approval.json" {
            approve(&forge, &run).await;
            forge.owner.post(&format!("/runs/{run}/signals/paid"), json!({"receipt": 7})).await.expect(202);
        }
        let run = forge.end_of(&run).await;
        assert_eq!(run["status"], "completed", "{file}: {run:#}");
        assert!(!run["output"].is_null(), "{file}: {run:#}");
    }
    assert_eq!(remote.commits("example"), [MESSAGE]);
    assert_eq!(remote.commits("release-0.1"), ["Say that this line gets fixes only"]);
    assert_eq!(postgres.query("select customer, total from orders"), ["Ada|120.00"]);
    if claude().is_some() {
        assert_eq!(remote.commits("agent"), ["Write NOTES.md"]);
        assert_eq!(remote.git(&["show", "agent:NOTES.md"]), "By a model.");
    }
    assert_eq!(model.asked().len(), if claude().is_some() { 3 } else { 1 });
    assert_eq!((forge.ledger.of("Orders of today: 200").len(), forge.ledger.of("slack").len()), (1, 2));
}

/// What a person would do on the page of approvals.
async fn approve(forge: &Forge, run: &str) {
    let asked = forge.until("/approvals", |list| list["items"][0]["run_id"] == run).await;
    let body = json!({"decision": "approved", "digest": asked["items"][0]["digest"]});
    let node = asked["items"][0]["node_id"].as_str().expect("a node");
    forge.owner.post(&format!("/runs/{run}/approvals/{node}"), body).await.expect(200);
}

/// What a person would type into the form: the defaults, and whatever has none.
fn input_for(file: &str, example: &Value, forge: &Forge, pages: &Pages, remote: &Remote, postgres: &Postgres) -> Value {
    let mut input = json!({
        "text": "Ada", "textarea": "Ada", "number": 1, "boolean": true, "json": {}, "select": null,
    });
    let fields = example["graph"]["nodes"][0]["params"]["fields"].as_array().cloned().unwrap_or_default();
    let typed = |field: &Value| {
        let kind = field["type"].as_str().expect("a type");
        let value = if field["default"].is_null() { input[kind].clone() } else { field["default"].clone() };
        (field["name"].as_str().expect("a name").to_owned(), value)
    };
    input = fields.iter().map(typed).collect::<serde_json::Map<_, _>>().into();
    let special = match file {
        "delay.json" => json!({"seconds": 1}),
        "http.json" | "http-upload.json" => json!({"url": forge.ledger.url("example")}),
        "http-pages.json" => json!({"url": pages.url()}),
        "email.json" => {
            json!({"host": "127.0.0.1", "port": forge.ledger.mail_port(), "security": "none", "to": "Bob <bob@example.net>"})
        }
        "slack.json" => json!({"api_url": forge.ledger.slack_url("slack")}),
        "postgres.json" => postgres.form(),
        "git-job.json" => json!({
            "url": remote.url(), "branch": "example", "message": MESSAGE,
            "command": "echo 0.3.0 >VERSION; make -s test",
        }),
        "agent-job.json" => json!({"url": remote.url(), "branch": "agent", "task": "Write NOTES.md"}),
        "rebase.json" => json!({"url": remote.url(), "branch": "release-0.1", "onto": "main", "test": "make -s test"}),
        _ => json!({}),
    };
    for (name, value) in special.as_object().expect("an object") {
        input[name] = value.clone();
    }
    input
}
