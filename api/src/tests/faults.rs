//! What callers are told when the server itself fails.

use axum::http::Method;
use serde_json::{Value, json};

use super::Forge;
use crate::router::document_json;

/// What is taken away: everything but what tells who asks.
const TABLES: [&str; 11] = [
    "deliveries",
    "triggers",
    "secrets",
    "step_logs",
    "step_leases",
    "run_inbox",
    "step_runs",
    "runs",
    "workflow_versions",
    "workflows",
    "workers",
];
/// What only a database, a source file or a trace would say.
const NEVER: [&str; 13] = [
    "select ",
    "insert ",
    "update \"",
    "no such table",
    "relation",
    "_gone",
    ".rs",
    "src/",
    "/root",
    "sqlx",
    "sea_orm",
    "panicked",
    "backtrace",
];

/// An id of the kind that stands behind this part of a path.
fn id_of(part: &str) -> String {
    let prefix = match part {
        "workflows" => "wf",
        "runs" => "run",
        "triggers" => "trg",
        "deliveries" => "dlv",
        _ => return "NAME".to_owned(),
    };
    format!("{prefix}_{}", "0123456789abcdef".repeat(2))
}

fn filled(path: &str) -> String {
    let mut before = "";
    let mut parts = Vec::new();
    for part in path.split('/') {
        parts.push(match part {
            "{token}" => "0123456789abcdef".repeat(4),
            "{version}" => "1".to_owned(),
            _ if part.starts_with('{') => id_of(before),
            _ => part.to_owned(),
        });
        before = part;
    }
    parts.join("/")
}

/// L12: each route that there is, over a database that has lost its tables.
#[tokio::test]
async fn a_route_that_fails_tells_its_request_id_and_nothing_else() {
    let document: Value = serde_json::from_str(document_json()).unwrap();
    for forge in Forge::each().await {
        for table in TABLES {
            forge.place.sql(&format!("ALTER TABLE {table} RENAME TO {table}_gone")).await;
        }
        let mut failed = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let method: Method = method.to_uppercase().parse().unwrap();
                let body = (method != Method::GET && method != Method::DELETE).then(|| body_for(path));
                let reply = forge.send(method.clone(), &filled(path), Some(&forge.token), body).await;
                let told = reply.body.to_string().to_lowercase();
                if reply.status.is_success() {
                    continue;
                }
                for word in NEVER {
                    assert!(!told.contains(word), "{method} {path} says `{word}`: {told}");
                }
                if reply.status == 500 {
                    let id = reply.headers["x-request-id"].to_str().unwrap();
                    assert!(reply.body["detail"].as_str().unwrap().contains(id), "{method} {path}: {told}");
                    assert_eq!(reply.body["code"], "internal");
                    failed.push(format!("{method} {path}"));
                }
            }
        }
        println!("{} routes failed: {failed:#?}", failed.len());
        assert!(failed.len() > 20, "{failed:#?}");
    }
}

/// What gets a request past the checks that come before the database.
fn body_for(path: &str) -> Value {
    let graph = json!({"nodes": [{"id": "start", "type": "trigger.manual"}], "edges": []});
    match path {
        "/api/v1/secrets" => json!({"name": "A", "value": "long-enough"}),
        "/api/v1/secrets/{name}" => json!({"value": "long-enough"}),
        _ if path.ends_with("/versions") => json!({"graph": graph, "base_version": 1}),
        _ if path.ends_with("/publish") => json!({"version": 1}),
        _ if path.ends_with("/resume") && path.contains("triggers") => json!({"held": "start"}),
        "/api/v1/workflows" => json!({"name": "w", "graph": graph}),
        _ => json!({}),
    }
}
