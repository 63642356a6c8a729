//! Values that are too large to stand where they belong, and runs that are no longer kept.

use serde_json::{Value, json};

use super::Forge;

async fn run(forge: &Forge, input: Value) -> Value {
    let workflow = forge.workflow("Large").await;
    forge.post(&format!("/api/v1/workflows/{workflow}/runs?wait=30"), json!({ "input": input })).await.expect(201)
}

fn path(run: &Value, key: &str) -> String {
    let run = run["id"].as_str().unwrap();
    format!("/api/v1/runs/{run}/blobs/{}", key.replace('/', "%2F"))
}

#[tokio::test]
async fn a_large_value_is_shown_as_a_reference_and_read_on_its_own() {
    for forge in Forge::each().await {
        let input = json!({"text": "ä".repeat(200_000)});
        let shown = run(&forge, input.clone()).await;
        let reference = &shown["input"];
        assert_eq!(reference["size"].as_u64(), Some(input.to_string().len() as u64), "{reference}");
        assert!(reference["preview"].as_str().unwrap().starts_with(r#"{"text":"ää"#));
        let key = reference["$blob"].as_str().unwrap();
        let reply = forge.get(&path(&shown, key)).await;
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.expect(200), input);
        let other = format!("{}/{}", flowforge_engine::clock::new_uuid(), key.split_once('/').unwrap().1);
        for absent in [other.as_str(), "x", "..", &format!("{key}x"), &key.replace("/0-", "/../")] {
            forge.get(&path(&shown, absent)).await.problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn what_looks_like_a_reference_is_shown_as_it_was_written() {
    let forge = Forge::start().await;
    let forged = json!({"$blob": "a/b/c/d", "size": 1, "sha256": "", "preview": "", "in": [{"$$blob": 1}]});
    let shown = run(&forge, forged.clone()).await;
    assert_eq!(shown["input"], forged);
    let again = forge.get(&format!("/api/v1/runs/{}", shown["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(again["input"], forged);
}

#[tokio::test]
async fn a_run_that_is_no_longer_kept_is_gone() {
    for forge in Forge::each().await {
        let old = "run_00000000000070008000000000000000";
        let paths = ["", "/steps", "/logs", "/events", "/blobs/x", "/why"].map(|rest| format!("/api/v1/runs/{old}{rest}"));
        for path in &paths {
            forge.get(path).await.problem(404, "not_found");
        }
        forge.place.sql("UPDATE workspaces SET retention_days = 30").await;
        for path in &paths {
            forge.get(path).await.problem(410, "run_expired");
        }
        let young = flowforge_core::RunId::new(flowforge_engine::clock::new_uuid());
        forge.get(&format!("/api/v1/runs/{young}")).await.problem(404, "not_found");
    }
}
