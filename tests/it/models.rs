//! Models asked by a whole server: with the operator's key, which is shown nowhere, and through whatever the provider does.

use flowforge_tests::{
    Database, Forge, chain, command,
    messages_api::{MessagesApi, Reply, Scenario},
};
use serde_json::{Value, json};

/// The operator's key, odd enough to be found wherever it leaks.
const KEY: &str = "sk-ant-operators-c4n4ry-51d0";

async fn scene(replies: impl IntoIterator<Item = Reply>) -> (MessagesApi, Forge) {
    let api = MessagesApi::start(Scenario { api_key: Some(KEY.to_owned()), ..Scenario::of(replies) }).await;
    let url = api.url();
    let environment = [("FLOWFORGE_ANTHROPIC_BASE_URL", &*url), ("FLOWFORGE_ANTHROPIC_API_KEY", KEY), ("FLOWFORGE_LOG", "debug")];
    let forge = Forge::start_with(Database::Sqlite, &environment).await;
    (api, forge)
}

fn asks() -> Value {
    let params = json!({"prompt": "Hello", "model": "claude-opus-5"});
    chain(&[("start", "trigger.manual", json!({})), ("ask", "claude.message", params)])
}

#[tokio::test]
async fn the_operators_key_asks_and_is_shown_nowhere() {
    let mut echo = Reply::error(400);
    echo.message = Some(format!("the key {KEY} is fine, the rest is not"));
    let (api, forge) = scene([Reply::text("Hi."), echo, Reply::disconnect()]).await;
    let workflow = forge.workflow("asks", &asks()).await;
    let answered = forge.run(&workflow, json!({})).await;
    assert_eq!((&answered["output"]["text"], &answered["status"]), (&json!("Hi."), &json!("completed")), "{answered:#}");
    assert!(answered["output"]["cost_usd"].as_f64() > Some(0.0), "{answered:#}");
    let mut seen = answered.to_string();
    for code in ["MODEL_REQUEST_INVALID", "NETWORK_ERROR"] {
        let failed = forge.run(&workflow, json!({})).await;
        assert_eq!(failed["error"]["code"], code, "{failed:#}");
        seen += &failed.to_string();
    }
    assert!(api.asked().iter().all(|asked| asked.key() == KEY));
    let doctor =
        command(forge.server.folder()).arg("doctor").env("FLOWFORGE_ANTHROPIC_API_KEY", KEY).output().await.expect("it runs");
    let help = command(forge.server.folder()).args(["serve", "--help"]).env("FLOWFORGE_ANTHROPIC_API_KEY", KEY).output().await;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", forge.server.pid())).expect("it runs");
    for bytes in [doctor.stdout, doctor.stderr, help.expect("it runs").stdout, arguments] {
        seen += &String::from_utf8_lossy(&bytes);
    }
    seen += &forge.server.log();
    seen += &forge.query("SELECT coalesce(output, '') || coalesce(error, '') || coalesce(input, '') FROM step_runs").join("\n");
    assert!(!seen.contains(KEY), "{seen}");
    assert!(seen.contains("FLOWFORGE_ANTHROPIC_BASE_URL") && seen.contains("is fine"), "it looked in the right places: {seen}");
}

#[tokio::test]
async fn a_used_up_quota_costs_time_and_no_attempt() {
    let (api, forge) = scene([Reply::error(429).header("retry-after", "1"), Reply::text("at last")]).await;
    let run = forge.run_once(&asks()).await;
    assert_eq!((&run["status"], &run["output"]["text"]), (&json!("completed"), &json!("at last")), "{run:#}");
    assert!(run["output"]["waited_ms"].as_u64() >= Some(1000), "{run:#}");
    assert_eq!(api.asked().len(), 2);
    assert_eq!(forge.query("SELECT count(*) FROM step_runs WHERE node_id = 'ask'"), ["1"], "one attempt");
}
