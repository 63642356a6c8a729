//! Node types, the OpenAPI document, the pages and the health of the server.

use std::collections::BTreeSet;

use flowforge_tests::{Client, Database, Forge};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn node_types_tell_the_palette_and_the_forms_everything() {
    let forge = Forge::start(Database::Sqlite).await;
    let listed = forge.owner.get("/node-types").await.expect(200);
    let mut types = BTreeSet::new();
    for kind in listed["items"].as_array().expect("a list") {
        types.insert(kind["type"].as_str().expect("a type").to_owned());
        for text in ["title", "description", "group", "icon", "lane"] {
            assert!(kind[text].as_str().is_some_and(|text| !text.is_empty()), "{text} of {kind:#}");
        }
        assert!(kind["pure"].is_boolean() && kind["trigger"].is_boolean(), "{kind:#}");
        assert!(kind["ports"].as_array().is_some_and(|ports| !ports.is_empty()), "{kind:#}");
        assert_eq!(kind["params_schema"]["type"], "object", "{kind:#}");
        assert!(!kind["params_schema"].to_string().contains("\"$ref\""), "subschemas are inlined: {kind:#}");
    }
    for wanted in
        "trigger.manual set transform condition filter delay http.request command git.clone git.branch git.commit git.push \
         switch map call respond wait.signal approval email.send slack.message claude.message"
            .split_whitespace()
    {
        assert!(types.contains(wanted), "{wanted} is not among {types:?}");
    }
}

#[tokio::test]
async fn the_openapi_document_names_every_route() {
    let forge = Forge::start(Database::Sqlite).await;
    let document = Client::anonymous(&forge.server.base()).get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().cloned().collect();
    for wanted in [
        "auth/login",
        "auth/setup",
        "workflows",
        "workflows/{id}/versions",
        "workflows/{id}/publish",
        "workflows/validate",
        "workflows/{id}/runs",
        "runs",
        "runs/{id}/steps",
        "runs/{id}/events",
        "runs/{id}/logs",
        "runs/{id}/cancel",
        "runs/{id}/pause",
        "runs/{id}/resume",
        "runs/{id}/signals/{name}",
        "runs/{id}/approvals/{node_id}",
        "runs/{id}/conflicts",
        "runs/{id}/conflicts/{conflict_id}/resolution",
        "approvals",
        "workspace",
        "node-types",
    ] {
        assert!(paths.iter().any(|path| path.ends_with(&format!("/{wanted}"))), "{wanted} is not among {paths:#?}");
    }
}

#[tokio::test]
async fn pages_come_from_the_server_alone() {
    let forge = Forge::start(Database::Sqlite).await;
    let nobody = Client::anonymous(&forge.server.base());
    for page in ["//", "//docs", "//workflows/anything/deep"] {
        let reply = nobody.send(nobody.request(Method::GET, page)).await;
        assert_eq!(reply.status, 200, "{page}");
        assert!(reply.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/html")), "{page}");
        let text = reply.body.as_str().expect("text").to_owned();
        for outside in ["src=\"http", "href=\"https://cdn", "src=\"//", "@import url(http"] {
            assert!(!text.contains(outside), "{page} loads something from elsewhere: {outside}");
        }
    }
}

#[tokio::test]
async fn the_server_says_how_it_is_and_what_is_not_there() {
    let forge = Forge::start(Database::Sqlite).await;
    for path in ["//health/live", "//health/ready"] {
        forge.owner.send(forge.owner.request(Method::GET, path)).await.expect(200);
    }
    let missing = forge.owner.get("/no-such-thing").await;
    assert_eq!(missing.headers["content-type"], "application/problem+json");
    assert_eq!(missing.expect(404)["status"], 404);
    let garbled = forge.owner.request(Method::POST, "/workflows").header("content-type", "application/json").body("{");
    let garbled = forge.owner.send(garbled).await;
    assert_eq!(garbled.headers["content-type"], "application/problem+json");
    garbled.expect(400);
    assert_eq!(forge.owner.post("/node-types", json!({})).await.status, 405);
}
