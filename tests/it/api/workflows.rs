//! Saving, versions, publishing, and what a bad graph is told.

use flowforge_tests::{Forge, chain, graph};
use serde_json::{Value, json};

on_each_database!(
    a_workflow_is_saved_and_read_back,
    versions_are_numbered_and_guarded,
    publishing_chooses_what_runs,
    lists_come_in_pages,
    unknown_ids_are_not_found,
    problems_come_all_at_once,
);

fn simple(value: Value) -> Value {
    chain(&[("start", "trigger.manual", json!({})), ("answer", "set", json!({"value": value}))])
}

async fn a_workflow_is_saved_and_read_back(forge: Forge) {
    let body = json!({"name": "First", "description": "to begin with", "graph": simple(json!(1))});
    let saved = forge.owner.post("/workflows", body).await.expect(201);
    assert!(saved["id"].as_str().is_some_and(|id| id.starts_with("wf_") && id.len() == 35), "{saved}");
    assert_eq!((&saved["status"], &saved["version"]), (&json!("draft"), &json!(1)));
    assert!(saved["created_at"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')), "{saved}");
    let path = format!("/workflows/{}", saved["id"].as_str().expect("an id"));
    assert_eq!(forge.owner.get(&path).await.expect(200)["name"], "First");
    let renamed = forge.owner.patch(&path, json!({"name": "Second"})).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["description"]), (&json!("Second"), &json!("to begin with")));
    assert_eq!(forge.owner.delete(&path).await.status, 204);
    let listed = forge.owner.get("/workflows?status=archived").await.expect(200);
    assert!(listed["items"].as_array().is_some_and(|all| all.iter().any(|one| one["id"] == saved["id"])), "{listed}");
    assert!(matches!(forge.owner.patch(&path, json!({"name": ""})).await.status, 400 | 422));
}

async fn versions_are_numbered_and_guarded(forge: Forge) {
    let workflow = forge.workflow("versions", &simple(json!("one"))).await;
    let path = format!("/workflows/{workflow}/versions");
    let second = json!({"graph": simple(json!("two")), "note": "second", "base_version": 1});
    assert_eq!(forge.owner.post(&path, second.clone()).await.expect(201)["version"], 2);
    forge.owner.post(&path, second).await.problem(409, "version_conflict");
    let listed = forge.owner.get(&path).await.expect(200);
    let numbers: Vec<_> = listed["items"].as_array().expect("a list").iter().map(|one| one["version"].clone()).collect();
    assert_eq!(numbers.len(), 2, "{listed}");
    let first = forge.owner.get(&format!("{path}/1")).await.expect(200);
    assert_eq!(first["graph"]["nodes"][1]["params"]["value"], "one");
    let newest = forge.owner.get(&format!("{path}/2")).await.expect(200);
    assert_eq!(newest["note"], "second");
    assert_ne!(first["content_hash"], newest["content_hash"]);
    forge.owner.get(&format!("{path}/3")).await.expect(404);
    let bad = json!({"graph": chain(&[("a", "no.such", json!({}))]), "base_version": 2});
    forge.owner.post(&path, bad).await.problem(400, "unknown_type");
}

async fn publishing_chooses_what_runs(forge: Forge) {
    let workflow = forge.workflow("publish", &simple(json!("one"))).await;
    let path = format!("/workflows/{workflow}");
    let second = json!({"graph": simple(json!("two")), "base_version": 1});
    forge.owner.post(&format!("{path}/versions"), second).await.expect(201);
    assert_eq!(forge.run(&workflow, json!({})).await["version"], 2, "nothing is published: the newest runs");
    let published = forge.owner.post(&format!("{path}/publish"), json!({"version": 1})).await.expect(200);
    assert_eq!((&published["status"], &published["published_version"]), (&json!("active"), &json!(1)));
    assert_eq!(forge.run(&workflow, json!({})).await["version"], 1);
    let chosen = forge.owner.post(&format!("{path}/runs?wait=20"), json!({"version": 2})).await.expect(201);
    assert_eq!(chosen["version"], 2);
    assert_eq!(forge.owner.post(&format!("{path}/publish"), json!({"version": 9})).await.status, 404);
    assert_eq!(forge.owner.post(&format!("{path}/runs"), json!({"version": 9})).await.status, 404);
}

async fn lists_come_in_pages(forge: Forge) {
    let before = names(&forge, "/workflows?limit=100").await.0;
    for number in 0..5 {
        forge.workflow(&format!("page {number}"), &simple(json!(number))).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (page, next) = names(&forge, &format!("/workflows?limit=2{cursor}")).await;
        assert!(page.len() <= 2, "{page:?}");
        seen.extend(page);
        let Some(next) = next else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), before.len() + 5, "{seen:?}");
    let found = names(&forge, "/workflows?q=page%203").await.0;
    assert_eq!(found, ["page 3"]);
    assert!(matches!(forge.owner.get("/workflows?cursor=nonsense").await.status, 400 | 422));
}

async fn names(forge: &Forge, path: &str) -> (Vec<String>, Option<String>) {
    let page = forge.owner.get(path).await.expect(200);
    let names = page["items"].as_array().expect("items").iter().map(|one| one["name"].as_str().expect("a name").to_owned());
    (names.collect(), page["next_cursor"].as_str().map(str::to_owned))
}

async fn unknown_ids_are_not_found(forge: Forge) {
    let workflow = "/workflows/wf_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b";
    let run = "/runs/run_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b";
    for path in [workflow.to_owned(), format!("{workflow}/versions"), format!("{workflow}/versions/1"), run.to_owned()] {
        forge.owner.get(&path).await.expect(404);
    }
    for tail in ["steps", "logs", "events"] {
        forge.owner.get(&format!("{run}/{tail}")).await.expect(404);
    }
    forge.owner.post(&format!("{workflow}/runs"), json!({})).await.expect(404);
    forge.owner.post(&format!("{workflow}/publish"), json!({"version": 1})).await.expect(404);
    forge.owner.post(&format!("{run}/cancel"), json!({})).await.expect(404);
    forge.owner.patch(workflow, json!({"name": "x"})).await.expect(404);
    assert_eq!(forge.owner.delete(workflow).await.status, 404);
    for odd in ["/workflows/1", "/workflows/run_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b", "/runs/%00", "/runs/..%2F..%2Fx"] {
        assert!(matches!(forge.owner.get(odd).await.status, 400 | 404), "{odd}");
    }
}

async fn problems_come_all_at_once(forge: Forge) {
    let bad = graph(
        &[
            ("start", "trigger.manual", json!({})),
            ("fetch", "http.request", json!({})),
            ("odd", "delay", json!({"seconds": "soon"})),
            ("test", "condition", json!({"expression": "input > 1"})),
            ("lost", "set", json!({"value": "{{ steps.nowhere.output }}"})),
        ],
        "start -> fetch; fetch -> odd; fetch -> test; test:maybe -> ghost; test -> lost",
    );
    let told = forge.owner.post("/workflows/validate", json!({"graph": bad})).await.expect(200);
    assert_eq!(told["valid"], false);
    let problems = told["problems"].as_array().expect("problems");
    for (code, place) in [("missing_parameter", "fetch"), ("invalid_parameter", "odd"), ("unknown_reference", "lost")] {
        let named = problems.iter().any(|one| one["code"] == code && one["node_id"] == place);
        assert!(named, "no {code} at {place} in {told:#}");
    }
    assert!(problems.iter().any(|one| one["code"] == "dangling_edge" && one["edge"] == 3), "{told:#}");
    assert!(problems.iter().all(|one| one["message"].as_str().is_some_and(|text| text.len() > 5)), "{told:#}");
    let good = forge.owner.post("/workflows/validate", json!({"graph": simple(json!(1))})).await.expect(200);
    assert_eq!(good, json!({"valid": true, "problems": []}));
}
