//! Making runs again, and why a run stands where it stands.

use axum::{
    body::Body,
    http::{Request, header},
};
use flowforge_engine::store::accounts::Role;
use serde_json::{Value, json};

use super::{Forge, Reply};

/// A graph whose last step fails unless its input says otherwise.
fn graph() -> Value {
    let nodes = json!([
        {"id": "start", "type": "trigger.manual"},
        {"id": "greet", "type": "set", "params": {"value": "{{ trigger.name }}"}},
        {"id": "call", "type": "call", "params": {"workflow": "{{ trigger.callee }}"}},
    ]);
    json!({"nodes": nodes, "edges": [{"source": "start", "target": "greet"}, {"source": "greet", "target": "call"}]})
}

async fn failed(forge: &Forge) -> Value {
    let saved = forge.post("/api/v1/workflows", json!({"name": "caller", "graph": graph()})).await.expect(201);
    let path = format!("/api/v1/workflows/{}/runs?wait=30", saved["id"].as_str().unwrap());
    let run = forge.post(&path, json!({"input": {"name": "Ada", "callee": "missing"}})).await.expect(201);
    assert_eq!((&run["status"], &run["error"]["node_id"]), (&json!("failed"), &json!("call")), "{run:#}");
    run
}

async fn with_key(forge: &Forge, path: &str, key: &str, body: Value) -> Reply {
    let request = Request::post(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", forge.token))
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key);
    forge.answer(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn ended(forge: &Forge, run: &Value) -> Value {
    let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    forge.get(&format!("{path}/events")).await.expect(200);
    forge.get(&path).await.expect(200)
}

#[tokio::test]
async fn a_failed_run_is_planned_and_made_again() {
    for forge in Forge::each().await {
        let run = failed(&forge).await;
        let path = format!("/api/v1/runs/{}/rerun", run["id"].as_str().unwrap());
        let plan = forge.post(&format!("{path}/plan"), json!({"from_node": "failed"})).await.expect(200);
        let decisions: Vec<_> = plan["steps"].as_array().unwrap().iter().map(|step| &step["decision"]).collect();
        assert_eq!(decisions, ["keep", "keep", "run_again"], "{plan:#}");
        assert_eq!((&plan["version"], &plan["effects"]), (&json!(1), &json!(["call"])));

        let first = with_key(&forge, &path, "k", json!({"from_node": "failed"})).await.expect(201);
        assert_eq!((&first["origin_run_id"], &first["trigger"], &first["input"]), (&run["id"], &run["trigger"], &run["input"]));
        assert_eq!(with_key(&forge, &path, "k", json!({"from_node": "failed"})).await.expect(200)["id"], first["id"]);
        with_key(&forge, &path, "k", json!({})).await.problem(409, "idempotency_conflict");
        assert_eq!(ended(&forge, &first).await["status"], "failed");

        forge.workflow("missing").await;
        let again = forge.post(&path, json!({"from_node": "greet"})).await.expect(201);
        let again = ended(&forge, &again).await;
        assert_eq!((&again["status"], &again["output"]), (&json!("completed"), &json!(1)), "{again:#}");
        let null = forge.post(&path, json!({"input": null})).await.expect(201);
        assert_eq!(null["input"], Value::Null, "null is an input like any other");
    }
}

#[tokio::test]
async fn what_cannot_be_made_again_is_told() {
    for forge in Forge::each().await {
        let run = failed(&forge).await;
        let path = format!("/api/v1/runs/{}/rerun", run["id"].as_str().unwrap());
        for path in [path.clone(), format!("{path}/plan")] {
            forge.post(&path, json!({"from_node": "none"})).await.problem(400, "invalid_input");
            forge.post(&path, json!({"version": 9})).await.problem(404, "not_found");
            forge.post(&path, json!({"from": "greet"})).await.problem(400, "invalid_body");
            let viewer = forge.stranger(Role::Viewer, true).await;
            forge.send(axum::http::Method::POST, &path, Some(&viewer), Some(json!({}))).await.problem(403, "forbidden");
            let other = forge.stranger(Role::Owner, false).await;
            forge.send(axum::http::Method::POST, &path, Some(&other), Some(json!({}))).await.problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn what_is_kept_of_a_run_and_cannot_be_read_is_told() {
    for forge in Forge::each().await {
        let run = failed(&forge).await;
        let path = format!("/api/v1/runs/{}/rerun", run["id"].as_str().unwrap());
        // No version writes an attempt that has ended and is under way.
        forge.place.sql("UPDATE step_runs SET status = 'running'").await;
        for path in [path.clone(), format!("{path}/plan")] {
            forge.post(&path, json!({"from_node": "failed"})).await.problem(409, "run_unreadable");
            forge.post(&path, json!({"from_node": "greet"})).await.problem(409, "run_unreadable");
        }
        let whole = forge.post(&path, json!({})).await.expect(201);
        assert_eq!(ended(&forge, &whole).await["status"], "failed", "as a whole it can be made again");
        // More levels than a reader follows.
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        forge.place.sql(&format!("UPDATE runs SET input = '{deep}'")).await;
        forge.post(&path, json!({})).await.problem(409, "run_unreadable");
    }
}

#[tokio::test]
async fn a_run_says_why_it_stands_where_it_stands() {
    for forge in Forge::each().await {
        let nodes = json!([{"id": "ask", "type": "approval", "params": {"title": "Sure?", "approvers": ["owner"]}}]);
        let saved = forge.post("/api/v1/workflows", json!({"name": "asks", "graph": {"nodes": nodes}})).await.expect(201);
        let path = format!("/api/v1/workflows/{}/runs", saved["id"].as_str().unwrap());
        let run = forge.post(&path, json!({})).await.expect(201);
        let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
        let why = loop {
            let why = forge.get(&format!("{path}/why")).await.expect(200);
            if why["reason"]["kind"] == "approval" {
                break why;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let message = "`ask` waits for a decision";
        let reason = json!({"kind": "approval", "node_id": "ask", "approvers": ["owner"], "message": message});
        assert_eq!(why["reason"], reason);
        forge.post(&format!("{path}/rerun"), json!({})).await.problem(409, "run_state");
        forge.post(&format!("{path}/cancel"), json!({})).await.expect(202);
        let ended = ended(&forge, &run).await;
        let why = forge.get(&format!("{path}/why")).await.expect(200);
        assert_eq!((&why["status"], &why["reason"]["kind"]), (&ended["status"], &json!("finished")));
        let other = forge.stranger(Role::Owner, false).await;
        forge.send(axum::http::Method::GET, &format!("{path}/why"), Some(&other), None).await.problem(404, "not_found");
    }
}
