//! What callers are told when something is not right, and the headers of every answer.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::json;

use super::Forge;

async fn check(forge: &Forge, kind: &str, body: impl Into<Body>, status: u16, code: &str) {
    let request = Request::post("/api/v1/workflows").header(header::CONTENT_TYPE, kind);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", forge.token));
    forge.answer(request.body(body.into()).unwrap()).await.problem(status, code);
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_told_why() {
    let forge = Forge::start().await;
    let json = "application/json";
    check(&forge, json, "{", 400, "invalid_json").await;
    check(&forge, json, "", 400, "invalid_json").await;
    check(&forge, json, format!(r#"{{"name": "x", "graph": {}"#, "[".repeat(100_000)), 400, "invalid_json").await;
    check(&forge, json, r#"{"name": "x"}"#, 400, "invalid_body").await;
    check(&forge, json, r#"{"name": "x", "graph": {}, "more": 1}"#, 400, "invalid_body").await;
    check(&forge, json, r#"{"name": "x\u0000", "graph": {}}"#, 400, "invalid_character").await;
    check(&forge, json, r#"{"name": "", "graph": {}}"#, 400, "invalid_name").await;
    check(&forge, json, r#"{"name": "x", "graph": []}"#, 400, "invalid_graph").await;
    check(&forge, json, r#"{"name": "x", "graph": {"nodes": 5}}"#, 400, "invalid_graph").await;
    check(&forge, "text/plain", "{}", 415, "unsupported_media_type").await;
    check(&forge, json, vec![b' '; (25 << 20) + 1], 413, "body_too_large").await;
}

#[tokio::test]
async fn a_length_that_is_too_much_is_refused_before_it_comes() {
    let forge = Forge::start().await;
    let request = Request::post("/api/v1/workflows").header(header::CONTENT_TYPE, "application/json");
    let request =
        request.header(header::AUTHORIZATION, format!("Bearer {}", forge.token)).header(header::CONTENT_LENGTH, "99999999999");
    forge.answer(request.body(Body::empty()).unwrap()).await.problem(413, "body_too_large");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let forge = Forge::start().await;
    for path in ["/api", "/api/v1", "/api/v1/nope", "/api/v2/workflows", "/hooks", "/hooks/x/y", "/health/x", "/assets/gone.js"] {
        forge.get(path).await.problem(404, "not_found");
    }
    for id in ["1", "null", "*", "~", "%00", "wf_0", "run_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b", &"x".repeat(10_000)] {
        forge.get(&format!("/api/v1/workflows/{id}")).await.problem(404, "not_found");
    }
    forge.post("/api/v1/node-types", json!({})).await.problem(405, "method_not_allowed");
    forge.send(Method::DELETE, "/somewhere", None, None).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn odd_parameters_are_refused() {
    let forge = Forge::start().await;
    for query in ["limit=0", "limit=201", "limit=x", "cursor=nonsense", "cursor='--"] {
        forge.get(&format!("/api/v1/workflows?{query}")).await.problem(400, "invalid_parameter");
    }
    forge.get("/api/v1/workflows?status=odd").await.problem(400, "invalid_input");
    for query in ["status=odd", "workflow_id=odd", "workflow_id=*"] {
        forge.get(&format!("/api/v1/runs?{query}")).await.problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn every_answer_says_what_browsers_may_not_do() {
    let forge = Forge::start().await;
    for path in ["/", "/docs", "/docs/docs.js", "/workflows/wf_1", "/api/v1/openapi.json", "/api/v1/nope", "/health/live"] {
        let headers = forge.get(path).await.headers;
        let policy = headers["content-security-policy"].to_str().unwrap();
        for rule in ["script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"] {
            assert!(policy.contains(rule), "{rule} is not among {policy}");
        }
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers.contains_key("referrer-policy") && headers.contains_key("x-request-id"));
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn another_site_s_page_may_not_act() {
    let forge = Forge::start().await;
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
        for path in ["/api/v1/auth/logout", "/api/v1/auth/refresh", "/api/v1/auth/login"] {
            let request = Request::post(path).header(header::HOST, "forge.example").header(name, value);
            forge.answer(request.body(Body::empty()).unwrap()).await.problem(403, "cross_site_request");
        }
    }
    let request =
        Request::post("/api/v1/auth/logout").header(header::HOST, "forge.example").header("origin", "https://forge.example");
    forge.answer(request.body(Body::empty()).unwrap()).await.expect(204);
}

#[tokio::test]
async fn a_request_keeps_its_id_when_it_is_fit_for_a_log() {
    let forge = Forge::start().await;
    let id = async |sent: &str| {
        let request = Request::get("/health/live").header("x-request-id", sent).body(Body::empty()).unwrap();
        forge.answer(request).await.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("trace-7").await, "trace-7");
    for odd in ["a b", "", "x\"y", &"x".repeat(65)] {
        assert_ne!(id(odd).await, odd);
    }
}
