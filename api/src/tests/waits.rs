//! Signals and pauses: what a run is told from outside.

use axum::{
    body::Body,
    http::{Request, header},
};
use futures::future::join_all;
use serde_json::{Value, json};

use super::{Forge, Reply, chain};

fn listening() -> Value {
    chain(
        json!([["start", "trigger.manual", {}], ["hear", "wait.signal", {"name": "go"}], ["said", "set", {"value": "{{ steps.hear.output }}"}]]),
    )
}

async fn signal(forge: &Forge, run: &str, name: &str, body: impl Into<Body>) -> Reply {
    let request = Request::post(format!("/api/v1/runs/{run}/signals/{name}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", forge.token))
        .header(header::CONTENT_TYPE, "application/json");
    forge.answer(request.body(body.into()).unwrap()).await
}

async fn awaits(forge: &Forge, run: &str, kind: &str) {
    let waits = |step: &Value| step["awaiting"]["kind"] == kind && step["status"] == "waiting";
    forge.until(&format!("/api/v1/runs/{run}/steps"), |steps| steps["items"].as_array().unwrap().iter().any(waits)).await;
}

#[tokio::test]
async fn a_signal_is_taken_whether_it_comes_early_or_late() {
    for forge in Forge::each().await {
        let workflow = forge.save("listens", listening()).await;
        let late = forge.launch(&workflow, json!({})).await;
        awaits(&forge, &late, "signal").await;
        let payload = json!({"zero": "a\u{0}b", "n": 1.5, "deep": [[]]});
        let told = signal(&forge, &late, "go", payload.to_string()).await.expect(202);
        assert_eq!(told["id"], json!(late));
        assert_eq!(forge.end_of(&late).await["output"]["deep"], json!([[]]));
        signal(&forge, &late, "go", "1").await.problem(409, "run_finished");

        let graph = chain(json!([["start", "trigger.manual", {}], ["nap", "delay", {"seconds": 0.3}],
            ["hear", "wait.signal", {"name": "go"}], ["again", "wait.signal", {"name": "go"}],
            ["said", "set", {"value": ["{{ steps.hear.output }}", "{{ steps.again.output }}"]}]]));
        let early = forge.launch(&forge.save("listens twice", graph).await, json!({})).await;
        signal(&forge, &early, "other", "0").await.expect(202);
        for number in [1, 2] {
            signal(&forge, &early, "go", number.to_string()).await.expect(202);
        }
        assert_eq!(forge.end_of(&early).await["output"], json!([1, 2]), "in the order in which they came");
    }
}

#[tokio::test]
async fn odd_signals_are_refused() {
    let forge = Forge::start().await;
    let run = forge.launch(&forge.save("listens", listening()).await, json!({})).await;
    let long = "x".repeat(65);
    for name in ["a%20b", "%C3%A4", &long, "a%2Fb"] {
        signal(&forge, &run, name, "1").await.problem(400, "invalid_name");
    }
    signal(&forge, &run, "go", "{").await.problem(400, "invalid_json");
    signal(&forge, &run, "go", format!("\"{}\"", "x".repeat(256 << 10))).await.problem(413, "body_too_large");
    signal(&forge, "run_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b", "go", "1").await.problem(404, "not_found");
    signal(&forge, "odd", "go", "1").await.problem(404, "not_found");
    signal(&forge, &run, "go", "").await.expect(202);
    assert_eq!(forge.end_of(&run).await["output"], Value::Null, "no body is null");
}

#[tokio::test]
async fn a_run_keeps_a_hundred_signals() {
    for forge in Forge::each().await {
        let run = forge.launch(&forge.save("listens", listening()).await, json!({})).await;
        for number in 0..100 {
            signal(&forge, &run, "never", number.to_string()).await.expect(202);
        }
        signal(&forge, &run, "never", "100").await.problem(409, "too_many_signals");
    }
}

#[tokio::test]
async fn a_paused_run_begins_nothing_until_it_is_resumed() {
    for forge in Forge::each().await {
        let workflow = forge.save("listens", listening()).await;
        let run = forge.launch(&workflow, json!({})).await;
        let path = format!("/api/v1/runs/{run}");
        awaits(&forge, &run, "signal").await;
        for _ in 0..2 {
            assert!(forge.post(&format!("{path}/pause"), json!({})).await.expect(202)["paused_at"].is_string());
        }
        forge.until(&path, |run| !run["paused_at"].is_null()).await;
        signal(&forge, &run, "go", "7").await.expect(202);
        // The step ends, and its successor does not begin.
        let hears = |steps: &Value| steps["items"][1]["status"] == "completed";
        let steps = forge.until(&format!("{path}/steps"), hears).await;
        assert_eq!(steps["items"].as_array().unwrap().len(), 2, "{steps:#}");
        assert_eq!(forge.get(&path).await.expect(200)["finished_at"], Value::Null);
        for _ in 0..2 {
            assert_eq!(forge.post(&format!("{path}/resume"), json!({})).await.expect(202)["paused_at"], Value::Null);
        }
        let ended = forge.end_of(&run).await;
        assert_eq!((&ended["output"], &ended["paused_at"]), (&json!(7), &Value::Null));
        for verb in ["pause", "resume"] {
            forge.post(&format!("{path}/{verb}"), json!({})).await.problem(409, "run_finished");
            forge
                .post(&format!("/api/v1/runs/run_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b/{verb}"), json!({}))
                .await
                .problem(404, "not_found");
        }
        let events = forge.get(&format!("{path}/events")).await.expect(200);
        for kind in ["run_paused", "run_resumed", r#""awaiting":{"kind":"signal","name":"go"}"#] {
            assert!(events.as_str().unwrap().contains(kind), "{kind} is not among {events}");
        }
    }
}

#[tokio::test]
async fn a_paused_run_can_be_cancelled_and_many_may_ask() {
    for forge in Forge::each().await {
        let run = forge.launch(&forge.save("listens", listening()).await, json!({})).await;
        let path = format!("/api/v1/runs/{run}");
        let verbs = ["pause", "resume", "pause", "resume", "pause"].map(|verb| format!("{path}/{verb}"));
        let replies = join_all(verbs.iter().map(|path| forge.post(path, json!({})))).await;
        replies.into_iter().for_each(|reply| drop(reply.expect(202)));
        forge.post(&format!("{path}/pause"), json!({})).await.expect(202);
        forge.post(&format!("{path}/cancel"), json!({})).await.expect(202);
        assert_eq!(forge.end_of(&run).await["status"], "cancelled");
    }
}
