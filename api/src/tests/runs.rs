//! Starting runs: waiting, repeating, and what began them.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use super::{Forge, Reply, constant};

async fn start(forge: &Forge, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = Request::post(path).header(header::AUTHORIZATION, format!("Bearer {}", forge.token));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    forge.answer(request.body(Body::from(body.to_owned())).unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_run_is_waited_for_and_shown() {
    for forge in Forge::each().await {
        let path = format!("/api/v1/workflows/{}/runs?wait=30", forge.workflow("Answer").await);
        let run = start(&forge, &path, &[JSON], r#"{"input": {"zero": "a\u0000b"}}"#).await.expect(201);
        assert_eq!((&run["status"], &run["output"], &run["workflow_name"]), (&json!("completed"), &json!(1), &json!("Answer")));
        let shown = forge.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(shown, run);
        let steps = forge.get(&format!("/api/v1/runs/{}/steps", run["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(steps["items"].as_array().map(Vec::len), Some(2), "{steps:#}");
        let events = forge.get(&format!("/api/v1/runs/{}/events?after=4", run["id"].as_str().unwrap())).await.expect(200);
        assert!(events.as_str().unwrap().starts_with("id: 5\nevent: step_succeeded\ndata: {"), "{events}");
        forge.post(&format!("/api/v1/runs/{}/cancel", run["id"].as_str().unwrap()), json!({})).await.expect(409);
    }
}

#[tokio::test]
async fn a_run_needs_no_body() {
    let forge = Forge::start().await;
    let path = format!("/api/v1/workflows/{}/runs?wait=30", forge.workflow("w").await);
    let run = start(&forge, &path, &[], "").await.expect(201);
    assert_eq!((&run["input"], &run["trigger"]), (&Value::Null, &json!("api")));
    let origin = [("host", "forge.example"), ("origin", "https://forge.example")];
    assert_eq!(start(&forge, &path, &origin, "").await.expect(201)["trigger"], "manual", "a browser says where it is");
    start(&forge, &path, &[], "{}").await.problem(415, "unsupported_media_type");
    start(&forge, &path, &[JSON], r#"{"name": "Ada"}"#).await.problem(400, "invalid_body");
    start(&forge, &path.replace("30", "61"), &[], "").await.problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_key_starts_one_run() {
    for forge in Forge::each().await {
        let (one, other) = (forge.workflow("one").await, forge.workflow("other").await);
        let path = |workflow: &str| format!("/api/v1/workflows/{workflow}/runs?wait=30");
        let key = [JSON, ("idempotency-key", "k")];
        let first = start(&forge, &path(&one), &key, r#"{"input": 1}"#).await.expect(201);
        let again = start(&forge, &path(&one), &key, r#"{"input": 1}"#).await.expect(200);
        assert_eq!(first, again);
        start(&forge, &path(&one), &key, r#"{"input": 2}"#).await.problem(409, "idempotency_conflict");
        start(&forge, &path(&other), &key, r#"{"input": 1}"#).await.problem(409, "idempotency_conflict");
        let long = "x".repeat(256);
        for odd in ["", &long] {
            start(&forge, &path(&one), &[JSON, ("idempotency-key", odd)], "{}").await.problem(400, "invalid_idempotency_key");
        }
        let listed = forge.get(&format!("/api/v1/runs?workflow_id={one}")).await.expect(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
        assert!(listed["items"][0].get("input").is_none(), "{listed:#}");
    }
}

#[tokio::test]
async fn what_cannot_run_is_told() {
    let forge = Forge::start().await;
    let workflow = forge.workflow("w").await;
    let path = format!("/api/v1/workflows/{workflow}/runs");
    start(&forge, &path, &[JSON], r#"{"version": 9}"#).await.problem(404, "not_found");
    forge.send(axum::http::Method::DELETE, &format!("/api/v1/workflows/{workflow}"), Some(&forge.token), None).await.expect(204);
    start(&forge, &path, &[], "").await.problem(409, "workflow_archived");
    let bad = json!({"name": "bad", "graph": {"nodes": [{"id": "a", "type": "no.such"}]}});
    let told = forge.post("/api/v1/workflows", bad).await.problem(400, "invalid_graph");
    assert_eq!((&told["problems"][0]["code"], &told["problems"][0]["node_id"]), (&json!("unknown_type"), &json!("a")));
    let good = forge.post("/api/v1/workflows/validate", json!({"graph": constant(1)})).await.expect(200);
    assert_eq!(good, json!({"valid": true, "problems": []}));
}
