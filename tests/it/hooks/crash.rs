//! A server that dies between a delivery's row, its run and the mark: what was answered is there, once.

use flowforge_tests::{Client, Database, Forge};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Hook, text};

/// Sends one delivery to a server that dies at a point, and again to the next one.
async fn dies_at(point: &str) {
    let mut forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let (url, workflow, trigger) = (hook.url, hook.workflow, hook.trigger);
    let key = "only one";
    forge.server.settings().environment.push(("FLOWFORGE_CRASH_AT".to_owned(), format!("{point}:1")));
    assert!(forge.server.stop().await);
    forge.server.restart().await;
    let sender = Client::anonymous(&forge.server.base());
    let send = || sender.request(Method::POST, &url).header("idempotency-key", key).json(&json!({"n": 1}));
    assert!(sender.try_send(send()).await.is_err(), "{point}: the server dies");
    forge.server.ended().await;
    forge.server.settings().environment.retain(|(name, _)| name != "FLOWFORGE_CRASH_AT");
    forge.server.restart().await;
    forge.owner = forge.server.owner().await;
    let hook = Hook { forge: &forge, workflow, trigger, url: url.clone() };
    // Nobody sends it again: what is on disk is started all the same.
    assert_eq!(hook.statuses().await, ["started"], "{point}");
    let runs = hook.runs().await;
    assert_eq!(runs.len(), 1, "{point}");
    let run = forge.end_of(&text(&runs[0]["id"])).await;
    assert_eq!((&run["status"], &run["output"]), (&json!("completed"), &json!({"n": 1})));
    // And who was not answered sends it again.
    let taken = sender.send(send()).await.expect(202);
    assert_eq!(taken["run_id"], run["id"]);
    assert_eq!((hook.statuses().await, hook.runs().await.len()), (vec!["started".to_owned(), "duplicate".to_owned()], 1));
}

#[tokio::test]
async fn between_the_row_and_the_run() {
    dies_at("delivered").await;
}

#[tokio::test]
async fn between_the_run_and_the_mark() {
    dies_at("begun").await;
}

/// A filter is asked when its delivery is taken up, whoever does it.
#[tokio::test]
async fn what_was_not_filtered_yet_is_filtered() {
    let mut forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_CRASH_AT", "delivered:1")]).await;
    let hook = Hook::start(&forge, json!({"filter": "trigger.body.n > 1"})).await;
    let (url, workflow, trigger) = (hook.url, hook.workflow, hook.trigger);
    let sender = Client::anonymous(&forge.server.base());
    assert!(sender.try_send(sender.request(Method::POST, &url).json(&json!({"n": 1}))).await.is_err());
    forge.server.ended().await;
    forge.server.settings().environment.retain(|(name, _)| name != "FLOWFORGE_CRASH_AT");
    forge.server.restart().await;
    forge.owner = forge.server.owner().await;
    let hook = Hook { forge: &forge, workflow, trigger, url };
    assert_eq!((hook.statuses().await, hook.runs().await.len()), (vec!["filtered".to_owned()], 0));
}

/// What was accepted is started, although its workflow was archived and its trigger changed meanwhile, as the version that took it.
#[tokio::test]
async fn what_was_accepted_is_started_as_it_was() {
    let mut forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_CRASH_AT", "delivered:1")]).await;
    let hook = Hook::start(&forge, json!({"filter": "trigger.body.n === 1"})).await;
    let (url, workflow, trigger) = (hook.url, hook.workflow, hook.trigger);
    let sender = Client::anonymous(&forge.server.base());
    assert!(sender.try_send(sender.request(Method::POST, &url).json(&json!({"n": 1}))).await.is_err());
    forge.server.ended().await;
    // Held back until the rest has happened.
    forge.execute("update deliveries set received_at = received_at + 100000000");
    forge.server.settings().environment.retain(|(name, _)| name != "FLOWFORGE_CRASH_AT");
    forge.server.restart().await;
    forge.owner = forge.server.owner().await;
    let hook = Hook { forge: &forge, workflow, trigger, url };
    hook.publish(2, &[("hook", "trigger.webhook", json!({"filter": "false"})), ("end", "set", json!({"value": "other"}))]).await;
    forge.owner.delete(&format!("/workflows/{}", hook.workflow)).await.expect(204);
    forge.execute("update deliveries set received_at = received_at - 100000000");
    assert_eq!(hook.statuses().await, ["started"]);
    let runs: Vec<Value> = hook.runs().await;
    assert_eq!(forge.end_of(&text(&runs[0]["id"])).await["output"], json!({"n": 1}));
}
