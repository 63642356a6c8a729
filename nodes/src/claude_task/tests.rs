//! The real Claude Code in the real sandbox, against a scripted model.

mod ends;
mod hostile;
mod resume;
mod waits;

use std::path::PathBuf;

use flowforge_tests::{
    claude,
    messages_api::{MessagesApi, Reply, Scenario},
};
use serde_json::{Value, json};

use crate::{
    ModelsConfig, Services, ServicesConfig,
    testing::{Bench, config, remote::Remote, tree_of},
};

/// A run that has cloned a repository, a step of it that is Claude Code's, and the model that it asks.
struct Scene {
    api: MessagesApi,
    bench: Bench,
    _remote: Remote,
}

/// A scene in which the model answers this, one after the other; nothing where Claude Code cannot be had.
async fn scene(steps: impl IntoIterator<Item = Reply>) -> Option<Scene> {
    if claude().is_none() {
        println!("SKIPPED: Claude Code is not here; run tests/setup/claude.sh");
        return None;
    }
    let (api, remote) = (MessagesApi::start(Scenario::of(steps)).await, Remote::start().await);
    let bench = Bench::with("git.clone", &services(&api));
    bench.output(json!({"url": remote.url()})).await;
    Some(Scene { bench: bench.next("claude.task", "work"), api, _remote: remote })
}

fn services(api: &MessagesApi) -> Services {
    Services::new(how(api))
}

/// How the services are made that ask this model.
fn how(api: &MessagesApi) -> ServicesConfig {
    let models = ModelsConfig::new(Some(&api.url()), Some(MessagesApi::KEY.to_owned()), None).unwrap();
    config("127.0.0.0/8", models)
}

/// The task that most tests give.
fn task() -> Value {
    json!({"prompt": "Change a.txt.", "model": "claude-sonnet-4-5"})
}

fn read(path: &str) -> Reply {
    Reply::tool("Read", json!({"file_path": format!("/workspace/{path}")}))
}

fn write(path: &str, content: &str) -> Reply {
    Reply::tool("Write", json!({"file_path": format!("/workspace/{path}"), "content": content}))
}

fn bash(command: &str) -> Reply {
    Reply::tool("Bash", json!({"command": command}))
}

impl Scene {
    fn file(&self, path: &str) -> PathBuf {
        tree_of(&self.bench).join(path)
    }

    fn log(&self) -> String {
        self.bench.log.all().into_iter().map(|(_, line)| line + "\n").collect()
    }

    /// What was said to the model last, everything in one text.
    fn last_asked(&self) -> String {
        self.api.asked().last().map(|asked| asked.body.to_string()).unwrap_or_default()
    }
}

#[tokio::test]
async fn it_changes_files_and_says_what_it_did() {
    let edit = json!({"file_path": "/workspace/a.txt", "old_string": "one", "new_string": "two"});
    let steps = [
        read("a.txt").and_text("I look first."),
        Reply::tool("Edit", edit),
        write("new.txt", "new\n"),
        bash("cat a.txt; git status --short; id -u"),
        Reply::text("Done: a.txt says two."),
    ];
    let Some(scene) = scene(steps).await else { return };
    let output = scene.bench.output(task()).await.value;
    assert_eq!(std::fs::read_to_string(scene.file("a.txt")).unwrap(), "two\n");
    assert_eq!(output["result"], "Done: a.txt says two.");
    assert_eq!((&output["turns"], &output["changed"]), (&json!(5), &json!(2)), "{output:#}");
    assert_eq!(output["changed_files"], json!(["a.txt", "new.txt"]));
    let diff = output["diff"].as_str().unwrap();
    assert!(diff.contains("-one\n+two\n") && diff.contains("+++ b/new.txt"), "{diff}");
    assert!(output["cost_usd"].as_f64().unwrap() > 0.0 && output["usage"]["input"] == 5_000, "{output:#}");
    assert!(output["session_id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    assert!(output["transcript"]["bytes"].as_u64().unwrap() > 1_000, "{output:#}");
    let log = scene.log();
    for line in ["I look first.", "→ Read: /workspace/a.txt", "→ Bash: cat a.txt; git status", "  two", "Done: a.txt says two."]
    {
        assert!(log.contains(line), "`{line}` is not in\n{log}");
    }
    assert!(scene.last_asked().contains("M a.txt"), "the tool's result reached the model");
    // It is done: whoever asks again is told the same, and the model is not asked.
    let asked = scene.api.asked().len();
    let again = scene.bench.output(task()).await.value;
    assert_eq!((&again["result"], &again["diff"], scene.api.asked().len()), (&output["result"], &output["diff"], asked));
}

#[tokio::test]
async fn it_answers_with_a_value_when_a_schema_is_given() {
    let answer = json!({"verdict": "good", "points": 7});
    let Some(scene) = scene([Reply::tool("StructuredOutput", answer.clone()), Reply::text("done")]).await else { return };
    let schema = json!({"type": "object", "properties": {"verdict": {"type": "string"}, "points": {"type": "integer"}}, "required": ["verdict"]});
    let mut params = task();
    params["output_schema"] = schema;
    let output = scene.bench.output(params).await.value;
    assert_eq!(output["structured"], answer, "{output:#}");
}

#[tokio::test]
async fn instructions_are_added_and_the_manual_only_when_asked_for() {
    let Some(scene) = scene([Reply::text("one")]).await else { return };
    std::fs::write(scene.file("CLAUDE.md"), "Always whistle.").unwrap();
    let mut params = task();
    params["system_prompt"] = "Never sing.".into();
    scene.bench.output(params.clone()).await;
    assert!(scene.last_asked().contains("Never sing.") && !scene.last_asked().contains("Always whistle."));
    params["include_claude_md"] = true.into();
    let other = scene.bench.next("claude.task", "other");
    other.output(params.clone()).await;
    assert!(scene.last_asked().contains("Never sing.") && scene.last_asked().contains("Always whistle."));
    std::fs::remove_file(scene.file("CLAUDE.md")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", scene.file("CLAUDE.md")).unwrap();
    scene.bench.next("claude.task", "link").fails(params, "INVALID_PARAMETER", "CLAUDE.md").await;
}

#[tokio::test]
async fn a_run_without_a_repository_has_no_diff() {
    let Some(scene) = scene([write("x", "y"), Reply::text("ok")]).await else { return };
    let bench = Bench::with("claude.task", &services(&scene.api));
    let output = bench.output(task()).await.value;
    assert_eq!((&output["result"], &output["diff"]), (&json!("ok"), &Value::Null));
    assert_eq!(std::fs::read_to_string(tree_of(&bench).join("x")).unwrap(), "y");
}

#[tokio::test]
async fn without_the_program_it_says_what_to_do() {
    let services = Services::new(ServicesConfig {
        claude: Some("/nowhere/claude".into()),
        ..config("", ModelsConfig::new(None, None, None).unwrap())
    });
    Bench::with("claude.task", &services).fails(task(), "AGENT_NOT_INSTALLED", "FLOWFORGE_CLAUDE").await;
}
