//! Sessions that end otherwise than well.

use super::*;

/// Runs into an error of this code, which another attempt may or may not pass.
async fn ends(steps: Vec<Reply>, more: Value, code: &str, retryable: bool) {
    let Some(scene) = scene(steps).await else { return };
    let mut params = task();
    params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let fault = scene.bench.fails(params, code, "").await;
    assert_eq!(fault.retryable, retryable, "{fault}\n{}", scene.log());
}

#[tokio::test]
async fn what_the_service_answers_decides() {
    for (status, code, retryable) in [
        (401, "AGENT_AUTH_FAILED", false),
        (403, "AGENT_AUTH_FAILED", false),
        (404, "AGENT_MODEL_NOT_FOUND", false),
        (400, "AGENT_API_FAILED", false),
        (500, "AGENT_API_FAILED", true),
    ] {
        ends(vec![Reply { repeat: Some(-1), ..Reply::error(status) }], json!({}), code, retryable).await;
    }
    let closed = Reply { repeat: Some(-1), ..Reply::disconnect() };
    ends(vec![closed], json!({}), "AGENT_API_FAILED", true).await;
    let nonsense = Reply { repeat: Some(-1), ..Reply::raw(200, "text/html", "<html>") };
    ends(vec![nonsense], json!({}), "AGENT_API_FAILED", true).await;
}

#[tokio::test]
async fn turns_and_money_come_to_an_end() {
    let looks = || vec![Reply { repeat: Some(-1), ..read("a.txt") }];
    ends(looks(), json!({"max_turns": 2}), "AGENT_MAX_TURNS", false).await;
    ends(looks(), json!({"budget_usd": 0.005}), "AGENT_BUDGET", false).await;
}

#[tokio::test]
async fn what_was_refused_is_listed_and_may_be_a_failure() {
    let steps = || {
        [
            Reply::tool("Write", json!({"file_path": "/etc/x", "content": "y"})),
            bash("python3 -c 'print(1)'"),
            Reply::text("I could not."),
        ]
    };
    let Some(scene) = scene(steps()).await else { return };
    let mut params = task();
    params["allowed_tools"] = json!(["Read"]);
    let output = scene.bench.output(params.clone()).await.value;
    assert_eq!(output["permission_denials"].as_array().unwrap().len(), 2, "{output:#}");
    params["fail_on_denials"] = true.into();
    let Some(strict) = super::scene(steps()).await else { return };
    strict.bench.fails(params, "AGENT_PERMISSION_DENIED", "Bash").await;
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_told() {
    let Some(scene) = scene([]).await else { return };
    for (name, value) in [
        ("prompt", json!(" ")),
        ("tools", json!(["--dangerously-skip-permissions"])),
        ("model", json!("-x")),
        ("output_schema", json!([1])),
        ("timeout_s", json!(0)),
    ] {
        let mut params = task();
        params[name] = value;
        scene.bench.fails(params, "INVALID_PARAMETER", "").await;
    }
    assert_eq!(scene.api.asked().len(), 0);
}

#[tokio::test]
async fn what_takes_too_long_is_ended_and_goes_on_later() {
    let slow = "python3 -c 'import time; time.sleep(600)'";
    let Some(scene) = scene([bash(slow), Reply::text("late")]).await else { return };
    let mut params = task();
    params["timeout_s"] = 8.into();
    assert!(scene.bench.fails(params, "AGENT_TIMEOUT", "8 seconds").await.retryable);
    let mut params = task();
    params["timeout_s"] = 60.into();
    let output = scene.bench.output(params).await.value;
    assert_eq!((&output["result"], scene.api.asked().len()), (&json!("late"), 2), "{}", scene.log());
}
