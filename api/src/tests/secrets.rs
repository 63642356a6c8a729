//! Secrets over HTTP: what goes in does not come out, whose they are, and who may change them.

use axum::http::Method;
use flowforge_engine::{MasterKey, store::accounts::Role};
use serde_json::{Value, json};

use super::{Forge, Place, chain};
use crate::{config::MasterKeySource, secrets::master_key};

const PATH: &str = "/api/v1/secrets";
const VALUE: &str = "s3cret-value";
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// On each database, with the same master key.
async fn each() -> Vec<Forge> {
    let mut forges = Vec::new();
    for mut place in Place::each().await {
        place.data.master_key = MasterKeySource { text: Some(KEY.to_owned()), file: None };
        forges.push(Forge::on(place).await);
    }
    forges
}

fn ask(name: &str) -> Value {
    json!({"name": name, "value": VALUE, "hosts": ["API.example.org"]})
}

#[tokio::test]
async fn a_secret_is_saved_listed_changed_and_deleted_and_its_value_never_told() {
    for forge in each().await {
        let graph = chain(json!([["a", "set", {"value": "{{ secrets.TOKEN }}"}]]));
        let workflow = forge.save("Sends it", graph).await;
        let saved = forge.post(PATH, ask("TOKEN")).await.expect(201);
        assert_eq!((&saved["name"], &saved["hosts"]), (&json!("TOKEN"), &json!(["api.example.org"])));
        assert_eq!(saved["used_by"], json!([{"id": workflow, "name": "Sends it"}]));
        let fields: Vec<_> = saved.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["name", "hosts", "created_at", "updated_at", "used_by"]);
        assert_eq!(forge.get(PATH).await.expect(200), json!({"items": [saved], "next_cursor": null}));
        let run = forge.launch(&workflow, json!({})).await;
        assert_eq!(forge.end_of(&run).await["output"], "***");
        let one = format!("{PATH}/TOKEN");
        let put = async |body: Value| forge.send(Method::PUT, &one, Some(&forge.token), Some(body)).await;
        put(json!({"hosts": ["evil.example.org"]})).await.problem(400, "invalid_input");
        assert_eq!(put(json!({"value": "another-value", "hosts": []})).await.expect(200)["hosts"], json!([]));
        assert_eq!(put(json!({})).await.expect(200)["name"], "TOKEN");
        forge.post(&format!("/api/v1/workflows/{workflow}/publish"), json!({"version": 1})).await.expect(200);
        let deleted = forge.send(Method::DELETE, &one, Some(&forge.token), None).await.expect(200);
        assert!(deleted["warning"].as_str().unwrap().contains("Sends it"), "{deleted}");
        put(json!({"value": "another-value"})).await.problem(404, "not_found");
        forge.send(Method::DELETE, &one, Some(&forge.token), None).await.problem(404, "not_found");
        assert_eq!(forge.get(PATH).await.expect(200)["items"], json!([]));
    }
}

#[tokio::test]
async fn what_cannot_be_saved_says_why_without_repeating_the_value() {
    let forge = Forge::start().await;
    forge.post(PATH, ask("TAKEN")).await.expect(201);
    for (body, code) in [
        (json!({"name": "A-B", "value": VALUE}), "invalid_input"),
        (json!({"name": "SHORT", "value": "s3cret"}), "invalid_input"),
        (json!({"name": "HOST", "value": VALUE, "hosts": ["https://a.org/"]}), "invalid_body"),
        (json!({"name": "KIND", "value": 53_123_456_789_u64}), "invalid_body"),
        (json!({"name": "KIND", "value": [VALUE]}), "invalid_body"),
        (json!({"name": "MORE", "value": VALUE, "id": 1}), "invalid_body"),
    ] {
        let told = forge.post(PATH, body).await.problem(400, code).to_string();
        assert!(!told.contains("s3cret") && !told.contains("53123456789"), "{told}");
    }
    let short = forge.post(PATH, json!({"name": "SHORT", "value": "s3cret"})).await.problem(400, "invalid_input");
    assert!(short["detail"].as_str().unwrap().contains("masked"), "{short}");
    forge.post(PATH, ask("TAKEN")).await.problem(409, "secret_exists");
}

#[tokio::test]
async fn viewers_look_editors_change_and_others_find_nothing() {
    for forge in each().await {
        forge.post(PATH, ask("TOKEN")).await.expect(201);
        let one = format!("{PATH}/TOKEN");
        let change = json!({"value": "another-value"});
        let viewer = forge.stranger(Role::Viewer, true).await;
        assert_eq!(forge.send(Method::GET, PATH, Some(&viewer), None).await.expect(200)["items"][0]["name"], "TOKEN");
        forge.send(Method::POST, PATH, Some(&viewer), Some(ask("MINE"))).await.problem(403, "forbidden");
        forge.send(Method::PUT, &one, Some(&viewer), Some(change.clone())).await.problem(403, "forbidden");
        forge.send(Method::DELETE, &one, Some(&viewer), None).await.problem(403, "forbidden");
        let elsewhere = forge.stranger(Role::Owner, false).await;
        assert_eq!(forge.send(Method::GET, PATH, Some(&elsewhere), None).await.expect(200)["items"], json!([]));
        for path in [&one, &format!("{PATH}/NONE"), &format!("{PATH}/%00"), &format!("{PATH}/*")] {
            let changed = forge.send(Method::PUT, path, Some(&elsewhere), Some(change.clone())).await;
            changed.problem(404, "not_found");
            forge.send(Method::DELETE, path, Some(&elsewhere), None).await.problem(404, "not_found");
        }
        forge.send(Method::POST, PATH, Some(&elsewhere), Some(ask("TOKEN"))).await.expect(201);
        let editor = forge.stranger(Role::Editor, true).await;
        forge.send(Method::PUT, &one, Some(&editor), Some(change)).await.expect(200);
        for method in [Method::GET, Method::POST] {
            forge.send(method, PATH, None, None).await.problem(401, "unauthenticated");
        }
    }
}

#[tokio::test]
async fn a_master_key_is_made_once_on_sqlite_and_never_while_there_are_secrets() {
    for place in Place::each().await {
        let key = async |data: &crate::config::Data, may| master_key(&place.store, data, may).await;
        let file = place.data.data_dir.join("master.key");
        assert!(key(&place.data, false).await.unwrap().is_none() && !file.exists());
        let made = key(&place.data, true).await.unwrap();
        assert_eq!(made.is_some(), place.data.database_url.is_none(), "processes that share a database would make one each");
        let given = MasterKeySource { text: Some(KEY.to_owned()), file: None };
        let data = crate::config::Data { master_key: given, ..place.data.clone() };
        let given = key(&data, true).await.unwrap().unwrap();
        assert_eq!(given.id(), MasterKey::parse(KEY).unwrap().id(), "what is given goes before a file");
        let Some(made) = made else { continue };
        assert_eq!(key(&place.data, true).await.unwrap().unwrap().id(), made.id());
        place
            .sql(&format!(
                "INSERT INTO secrets (id, workspace_id, name, ciphertext, key_id, hosts, created_at, updated_at) \
                 VALUES (x'00', x'00', 'A', x'00', '{}', '[]', 0, 0)",
                made.id()
            ))
            .await;
        std::fs::remove_file(&file).unwrap();
        assert!(key(&place.data, true).await.unwrap().is_none() && !file.exists());
        std::fs::write(&file, "nonsense").unwrap();
        assert!(key(&place.data, true).await.unwrap_err().to_string().contains("master.key"));
    }
}
