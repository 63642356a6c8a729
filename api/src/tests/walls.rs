//! Who may call what: every route of the table, not a list of those that someone thought of.

use axum::http::Method;
use flowforge_core::Timestamp;
use flowforge_engine::store::{
    accounts::Role,
    deliveries::{DeliveryRecord, DeliveryStatus},
};
use serde_json::{Value, json};

use super::{Forge, chain, constant};
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
const HARMLESS: [&str; 2] = ["POST /api/v1/workflows/validate", "POST /api/v1/schedules/preview"];

/// What a path may name.
struct Things {
    workflow: String,
    run: String,
    trigger: String,
    delivery: String,
    budget: String,
}

impl Things {
    /// One of each, the owner's.
    async fn of(forge: &Forge) -> Self {
        let nodes = json!([["start", "trigger.schedule", {"cron": "0 9 * * *"}], ["answer", "set", {"value": 1}]]);
        let workflow = forge.save("w", chain(nodes)).await;
        let run = forge.post(&format!("/api/v1/workflows/{workflow}/runs?wait=10"), json!({})).await.expect(201);
        let listed = forge.get(&format!("/api/v1/triggers?workflow_id={workflow}")).await.expect(200);
        let trigger = listed["items"][0]["id"].as_str().unwrap().to_owned();
        let profile = forge.get("/api/v1/auth/profile").await.expect(200);
        let workspace = profile["workspace"]["id"].as_str().unwrap().parse().unwrap();
        let delivery = DeliveryRecord::new(workspace, trigger.parse().unwrap(), Timestamp(1));
        let delivery = DeliveryRecord { status: DeliveryStatus::Filtered, ..delivery };
        forge.place.store.insert_delivery(&delivery).await.unwrap();
        let budget = forge.post("/api/v1/budgets", json!({"period": "day", "limit_usd": 1})).await.expect(201);
        let (run, budget) = (id_of(&run), id_of(&budget));
        Self { workflow, run, trigger, delivery: delivery.id.to_string(), budget }
    }

    /// None that anybody has.
    fn none() -> Self {
        let id = |prefix: &str| format!("{prefix}_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b");
        Self { workflow: id("wf"), run: id("run"), trigger: id("trg"), delivery: id("dlv"), budget: id("bdg") }
    }

    fn fill(&self, path: &str) -> String {
        let id = match path {
            _ if path.contains("/runs/{id}") => &self.run,
            _ if path.contains("/triggers/{id}") => &self.trigger,
            _ if path.contains("/deliveries/{id}") => &self.delivery,
            _ if path.contains("/budgets/{id}") => &self.budget,
            _ => &self.workflow,
        };
        let path = path.replace("{conflict_id}", "0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b");
        path.replace("{id}", id)
            .replace("{n}", "1")
            .replace("{number}", "1")
            .replace("{node_id}", "ask")
            .replace("{name}", "go")
            .replace("{token}", "x")
    }
}

fn id_of(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

fn routes() -> Vec<(Method, String)> {
    let document = serde_json::to_value(router::document()).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, methods): (String, Value)| {
        let names: Vec<_> = methods.as_object().unwrap().keys().cloned().collect();
        names.into_iter().map(move |name| (name.to_uppercase().parse().unwrap(), path.clone())).collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(methods).collect()
}

/// A body that each route would accept, so that only the right decides.
fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "workflows" => json!({"name": "x", "graph": constant(1)}),
        "versions" => json!({"graph": constant(1), "base_version": 1}),
        "publish" => json!({"version": 1}),
        "{node_id}" => json!({"decision": "approved", "digest": ""}),
        "resolution" => json!({"take": "ours"}),
        "validate" => json!({"graph": constant(1)}),
        "budgets" => json!({"period": "day", "limit_usd": 1}),
        "top-ups" | "budget" => json!({"amount_usd": 1}),
        "preview" => json!({"cron": "0 9 * * *"}),
        "backfill" => json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let forge = Forge::start().await;
    for (method, path) in routes() {
        let name = format!("{method} {path}");
        let uri = Things::none().fill(&path);
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
    let things = Things::of(&forge).await;
    let viewer = forge.stranger(Role::Viewer, true).await;
    for (method, path) in routes() {
        let name = format!("{method} {path}");
        if PUBLIC.contains(&name.as_str()) {
            continue;
        }
        let uri = things.fill(&path);
        let reads = method == Method::GET || HARMLESS.contains(&name.as_str());
        let reply = forge.send(method, &uri, Some(&viewer), Some(body(&path))).await;
        if path.ends_with("/blobs/{key}") || path.ends_with("/diff") && path.contains("/checkpoints/") {
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
        let things = Things::of(&forge).await;
        let stranger = forge.stranger(Role::Owner, false).await;
        let nothing = Things::none();
        for (method, path) in routes().into_iter().filter(|(_, path)| path.contains("{id}")) {
            let theirs = forge.send(method.clone(), &things.fill(&path), Some(&stranger), Some(body(&path))).await;
            let none = forge.send(method.clone(), &nothing.fill(&path), Some(&stranger), Some(body(&path))).await;
            assert_eq!(theirs.problem(404, "not_found"), none.problem(404, "not_found"), "{method} {path}");
        }
        let workflow = &things.workflow;
        let of_workflow = ["runs", "triggers", "deliveries"].map(|list| format!("/api/v1/{list}?workflow_id={workflow}"));
        let lists = ["workflows", "runs", "triggers", "deliveries"].map(|list| format!("/api/v1/{list}"));
        for list in lists.iter().chain(&of_workflow) {
            let listed = forge.send(Method::GET, list, Some(&stranger), None).await.expect(200);
            assert_eq!(listed["items"], json!([]), "{list}");
        }
        assert_eq!(forge.get(&format!("/api/v1/workflows/{workflow}")).await.expect(200)["status"], "draft", "nothing changed");
    }
}
