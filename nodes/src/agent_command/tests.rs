//! Agent programs that are scripts, in the real sandbox.

use flowforge_tests::messages_api::{MessagesApi, Reply, Scenario};
use serde_json::{Value, json};

use crate::{
    ModelsConfig,
    testing::{Bench, asking, remote::Remote, tree_of},
};

/// A run with a repository, and an agent in it that is this script.
async fn agent(script: &str, api: &MessagesApi) -> (Bench, Remote) {
    let remote = Remote::start().await;
    let models = ModelsConfig::new(Some(&api.url()), Some(MessagesApi::KEY.to_owned()), None).unwrap();
    let bench = Bench::with("git.clone", &asking("127.0.0.0/8", models));
    bench.output(json!({"url": remote.url()})).await;
    let path = tree_of(&bench).join("agent.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (bench.next("agent.command", "agent"), remote)
}

async fn api() -> MessagesApi {
    MessagesApi::start(Scenario::of([Reply::text("from the model")])).await
}

async fn puts_out(script: &str, more: Value, result: Value) -> Value {
    let api = api().await;
    let (bench, _remote) = agent(script, &api).await;
    let mut params = json!({"program": "./agent.sh", "prompt": "Do it."});
    params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    let output = (*bench.output(params).await.value).clone();
    assert_eq!(output["result"], result, "{output:#}");
    output
}

#[tokio::test]
async fn the_task_reaches_it_however_it_likes() {
    puts_out("cat", json!({}), "Do it.\n".into()).await;
    puts_out("echo \"$1,$2\"", json!({"args": ["@prompt", "-x"], "prompt_by": "argument"}), "Do it.,-x\n".into()).await;
    puts_out("echo \"$1\"; cat $2", json!({"args": ["-f"], "prompt_by": "file"}), "-f\nDo it.\n".into()).await;
    puts_out("echo $A", json!({"env": {"A": 5}}), "5\n".into()).await;
}

#[tokio::test]
async fn its_output_is_read_as_the_author_says() {
    let value = json!({"a": {"b": [1, "two"]}});
    puts_out(&format!("echo '{value}'"), json!({"output": "json"}), value.clone()).await;
    puts_out(&format!("echo '{value}'"), json!({"output": "json", "result_path": "/a/b/1"}), "two".into()).await;
    let lines = "echo '{\"text\": 1}'; echo noise; echo '{\"text\": 2}'; echo '{\"other\": 3}'";
    puts_out(lines, json!({"output": "jsonl", "result_path": "/text"}), 2.into()).await;
    let ending = json!({"type": "result", "is_error": false, "result": "fine"});
    puts_out(&format!("echo '{ending}'"), json!({"output": "claude_stream_json"}), "fine".into()).await;
    let api = api().await;
    let (bench, _remote) = agent("echo x", &api).await;
    let params = |how: &str| json!({"program": "./agent.sh", "prompt": "x", "output": how, "result_path": "/a"});
    for how in ["json", "jsonl", "claude_stream_json"] {
        assert!(!bench.fails(params(how), "AGENT_OUTPUT_INVALID", "").await.retryable);
    }
    bench.fails(json!({"program": "./agent.sh", "prompt": "x", "result_path": "a"}), "INVALID_PARAMETER", "Pointer").await;
}

#[tokio::test]
async fn what_it_changes_is_shown_and_put_back_for_another_attempt() {
    let api = api().await;
    let (bench, _remote) =
        agent("echo more >>a.txt; cat a.txt; test -e \"$HOME/mark\" || { touch \"$HOME/mark\"; echo why >&2; exit 3; }", &api)
            .await;
    let params = json!({"program": "./agent.sh", "prompt": "x"});
    assert!(bench.fails(params.clone(), "AGENT_FAILED", "exit code 3: why").await.retryable);
    let output = bench.output(params).await.value;
    assert_eq!((&output["result"], &output["changed_files"]), (&json!("one\nmore\n"), &json!(["a.txt"])), "{output:#}");
    assert!(output["diff"].as_str().unwrap().contains("+more"));
}

#[tokio::test]
async fn it_reaches_the_model_and_never_sees_the_key() {
    let ask = "curl -sf \"$ANTHROPIC_BASE_URL/v1/messages\" -H \"x-api-key: $ANTHROPIC_API_KEY\" -d '{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":9,\"messages\":[]}'; env >&2";
    let api = api().await;
    let (bench, _remote) = agent(ask, &api).await;
    let output = bench
        .output(json!({"program": "./agent.sh", "prompt": "x", "output": "json", "result_path": "/content/0/text"}))
        .await
        .value;
    assert_eq!(output["result"], "from the model");
    assert!(output["cost_usd"].as_f64().unwrap() > 0.0);
    assert_eq!(api.asked()[0].key(), MessagesApi::KEY);
    let log = bench.log.all();
    assert!(
        log.iter().any(|(_, line)| line.contains("ANTHROPIC_API_KEY"))
            && !log.iter().any(|(_, line)| line.contains(MessagesApi::KEY))
    );
}
