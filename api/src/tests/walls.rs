//! Who may call what: every route of the table, not a list of those that someone thought of.

use axum::http::Method;
use flowforge_engine::store::accounts::Role;
use serde_json::{Value, json};

use super::{Forge, constant};
use crate::router;

/// The routes that answer people who are not signed in. A new route that does so has to be added here on purpose.
const PUBLIC: [&str; 11] = [
    "GET /api/v1/auth/status",
    "POST /api/v1/auth/setup",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/logout",
    "POST /hooks/{token}",
    "PUT /hooks/{token}",
    "POST /hooks/{token}/test",
    "POST /api/v1/webhooks/github",
    "GET /health/live",
    "GET /health/ready",
];

/// What a viewer may call although it is not a GET.
const HARMLESS: [&str; 1] = ["POST /api/v1/workflows/validate"];

fn routes() -> Vec<(Method, String)> {
    let document = serde_json::to_value(router::document()).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, methods): (String, Value)| {
        let names: Vec<_> = methods.as_object().unwrap().keys().cloned().collect();
        names.into_iter().map(move |name| (name.to_uppercase().parse().unwrap(), path.clone())).collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(methods).collect()
}

fn filled(path: &str, workflow: &str, run: &str) -> String {
    let id = if path.contains("/runs/{id}") { run } else { workflow };
    path.replace("{id}", id).replace("{n}", "1").replace("{node_id}", "ask").replace("{name}", "go")
}

/// A body that each route would accept, so that only the right decides.
fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "workflows" => json!({"name": "x", "graph": constant(1)}),
        "versions" => json!({"graph": constant(1), "base_version": 1}),
        "publish" => json!({"version": 1}),
        "{node_id}" => json!({"decision": "approved", "digest": ""}),
        "validate" => json!({"graph": constant(1)}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let forge = Forge::start().await;
    let workflow = forge.workflow("w").await;
    for (method, path) in routes() {
        let name = format!("{method} {path}");
        let uri = filled(&path, &workflow, "run_00000000000000000000000000000000");
        for token in [None, Some(""), Some("x"), Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")] {
            let reply = forge.send(method.clone(), &uri, token, Some(body(&path))).await;
            if !PUBLIC.contains(&name.as_str()) {
                assert_eq!(reply.headers["www-authenticate"], "Bearer");
                reply.problem(401, "unauthenticated");
            }
        }
    }
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let forge = Forge::start().await;
    let workflow = forge.workflow("w").await;
    let run = forge.post(&format!("/api/v1/workflows/{workflow}/runs?wait=10"), json!({})).await.expect(201);
    let viewer = forge.stranger(Role::Viewer, true).await;
    for (method, path) in routes() {
        let name = format!("{method} {path}");
        if PUBLIC.contains(&name.as_str()) {
            continue;
        }
        let uri = filled(&path, &workflow, run["id"].as_str().unwrap());
        let reads = method == Method::GET || HARMLESS.contains(&name.as_str());
        let reply = forge.send(method, &uri, Some(&viewer), Some(body(&path))).await;
        if path.ends_with("/blobs/{key}") {
            // The run has none, which everyone is told who may see the run.
            reply.problem(404, "not_found");
        } else if reads {
            assert_eq!(reply.status, 200, "{name}: {:#}", reply.body);
        } else {
            reply.problem(403, "forbidden");
        }
    }
}

/// What another workspace has looks exactly like what nobody has.
#[tokio::test]
async fn another_workspace_is_not_there() {
    for forge in Forge::each().await {
        let workflow = forge.workflow("w").await;
        let run = forge.post(&format!("/api/v1/workflows/{workflow}/runs?wait=10"), json!({})).await.expect(201);
        let run = run["id"].as_str().unwrap();
        let stranger = forge.stranger(Role::Owner, false).await;
        let nothing = ["wf_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b", "run_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b"];
        for (method, path) in routes().into_iter().filter(|(_, path)| path.contains("{id}")) {
            let theirs = forge.send(method.clone(), &filled(&path, &workflow, run), Some(&stranger), Some(body(&path))).await;
            let none =
                forge.send(method.clone(), &filled(&path, nothing[0], nothing[1]), Some(&stranger), Some(body(&path))).await;
            assert_eq!(theirs.problem(404, "not_found"), none.problem(404, "not_found"), "{method} {path}");
        }
        for list in ["/api/v1/workflows", "/api/v1/runs", &format!("/api/v1/runs?workflow_id={workflow}")] {
            let listed = forge.send(Method::GET, list, Some(&stranger), None).await.expect(200);
            assert_eq!(listed["items"], json!([]), "{list}");
        }
        assert_eq!(forge.get(&format!("/api/v1/workflows/{workflow}")).await.expect(200)["status"], "draft", "nothing changed");
    }
}
