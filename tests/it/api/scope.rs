//! A workspace is a wall: what is not yours is not there.

use flowforge_tests::{Client, Database, Forge, Server, chain};
use reqwest::Method;
use serde_json::{Value, json};

on_each_database!(somebody_elses_things_are_not_found, lists_show_ones_own_things);

async fn somebody_elses_things_are_not_found(forge: Forge) {
    let (workflow, run) = owned(&forge).await;
    let stranger = stranger(&forge).await;
    let graph = chain(&[("start", "trigger.manual", json!({}))]);
    let (flow, run) = (format!("/workflows/{workflow}"), format!("/runs/{run}"));
    let calls = [
        (Method::GET, flow.clone(), Value::Null),
        (Method::GET, format!("{flow}/versions"), Value::Null),
        (Method::GET, format!("{flow}/versions/1"), Value::Null),
        (Method::PATCH, flow.clone(), json!({"name": "mine now"})),
        (Method::DELETE, flow.clone(), Value::Null),
        (Method::POST, format!("{flow}/versions"), json!({"graph": graph, "base_version": 1})),
        (Method::POST, format!("{flow}/publish"), json!({"version": 1})),
        (Method::POST, format!("{flow}/runs?wait=5"), json!({"input": {}})),
        (Method::GET, run.clone(), Value::Null),
        (Method::GET, format!("{run}/steps"), Value::Null),
        (Method::GET, format!("{run}/logs"), Value::Null),
        (Method::GET, format!("{run}/events"), Value::Null),
        (Method::POST, format!("{run}/cancel"), json!({})),
        (Method::POST, format!("{run}/pause"), json!({})),
        (Method::POST, format!("{run}/resume"), json!({})),
        (Method::POST, format!("{run}/signals/go"), json!({})),
        (Method::GET, format!("{run}/conflicts"), Value::Null),
        (Method::POST, format!("{run}/approvals/ask"), json!({"decision": "approved", "digest": ""})),
    ];
    for (method, path, body) in calls {
        let request = stranger.request(method.clone(), &path);
        let request = if body.is_null() { request } else { request.json(&body) };
        assert_eq!(stranger.send(request).await.status, 404, "{method} {path}");
    }
    assert_eq!(forge.owner.get(&flow).await.expect(200)["name"], "mine");
}

async fn lists_show_ones_own_things(forge: Forge) {
    let (workflow, run) = owned(&forge).await;
    let stranger = stranger(&forge).await;
    for path in ["/workflows".to_owned(), "/runs".to_owned(), format!("/runs?workflow_id={workflow}")] {
        let listed = stranger.get(&path).await.expect(200).to_string();
        assert!(!listed.contains(&workflow) && !listed.contains(&run), "{path}: {listed}");
        assert!(forge.owner.get(&path).await.expect(200).to_string().contains(&workflow), "{path}");
    }
    let profile = stranger.get("/auth/profile").await.expect(200);
    assert_ne!(profile["workspace"], forge.owner.get("/auth/profile").await.expect(200)["workspace"]);
}

async fn owned(forge: &Forge) -> (String, String) {
    let graph = chain(&[("start", "trigger.manual", json!({})), ("end", "set", json!({"value": 1}))]);
    let workflow = forge.workflow("mine", &graph).await;
    let run = forge.run(&workflow, json!({})).await;
    (workflow, run["id"].as_str().expect("an id").to_owned())
}

/// A second user with a workspace of their own. There is no way in by HTTP yet, so the rows are written directly,
/// with the owner's password.
async fn stranger(forge: &Forge) -> Client {
    let (user, workspace) = (id(forge, 0xA), id(forge, 0xB));
    forge.execute(&format!(
        "insert into workspaces (id, name, created_at) values ({workspace}, 'Elsewhere', 0);
         insert into users (id, email, password_hash, token_version, created_at)
         select {user}, 'stranger@example.org', password_hash, 0, 0 from users;
         insert into memberships (workspace_id, user_id, role) values ({workspace}, {user}, 'owner');"
    ));
    Client::login(&forge.server.base(), "stranger@example.org", Server::PASSWORD).await
}

/// An id as the database writes it.
fn id(forge: &Forge, digit: u8) -> String {
    let bare = format!("{digit:x}").repeat(32);
    match forge.database() {
        Database::Sqlite => format!("x'{bare}'"),
        Database::Postgres => format!("'{bare}'"),
    }
}
