//! What people do with triggers and deliveries: hold back, let go, play again, and look.

use flowforge_tests::{Database, Forge};
use serde_json::{Value, json};

use super::{Hook, text};

on_each_database!(what_is_held_back_is_started_or_dropped, a_delivery_can_be_played_again);

async fn what_is_held_back_is_started_or_dropped(forge: Forge) {
    let hook = Hook::start(&forge, json!({})).await;
    let path = format!("/triggers/{}", hook.trigger);
    let paused = forge.owner.post(&format!("{path}/pause"), json!({})).await.expect(200);
    assert!(paused["paused_at"].is_string() && paused["status"] == "active", "{paused:#}");
    for n in 0..3 {
        let taken = hook.send(&[("idempotency-key", &n.to_string())], &json!({ "n": n })).await.expect(202);
        assert_eq!((&taken["status"], &taken["run_id"]), (&json!("held"), &Value::Null));
    }
    let again = hook.send(&[("idempotency-key", "0")], &json!({"n": 0})).await.expect(202);
    assert_eq!((again["status"].clone(), hook.runs().await.len()), (json!("held"), 0));
    let one = text(&hook.deliveries().await.last().expect("the first")["id"]);
    let released = forge.owner.post(&format!("/deliveries/{one}/release"), json!({})).await.expect(200);
    assert!(released["run_id"].is_string(), "{released:#}");
    forge.owner.post(&format!("/deliveries/{one}/release"), json!({})).await.problem(409, "delivery_not_held");
    let resumed = forge.owner.post(&format!("{path}/resume"), json!({"held": "start"})).await.expect(200);
    assert_eq!((&resumed["held"], &resumed["paused_at"]), (&json!(2), &Value::Null));
    assert_eq!(hook.statuses().await, ["started", "started", "started", "duplicate"]);
    forge.owner.post(&format!("{path}/pause"), json!({})).await.expect(200);
    hook.send(&[], &json!({"n": 3})).await.expect(202);
    let dropped = forge.owner.post(&format!("{path}/resume"), json!({"held": "drop"})).await.expect(200);
    assert_eq!(dropped["held"], 1);
    hook.send(&[], &json!({"n": 4})).await.expect(202);
    let statuses = hook.statuses().await;
    assert_eq!((&statuses[4..], hook.runs().await.len()), (&["skipped".to_owned(), "started".to_owned()][..], 4));
}

async fn a_delivery_can_be_played_again(forge: Forge) {
    let hook = Hook::start(&forge, json!({"filter": "trigger.body.n > 1"})).await;
    let first = hook.send(&[("idempotency-key", "a"), ("x-event", "order")], &json!({"n": 1})).await.expect(202);
    assert_eq!(first["status"], "filtered");
    let replay = format!("/deliveries/{}/replay", text(&first["delivery_id"]));
    assert_eq!(forge.owner.post(&replay, json!({})).await.expect(201)["status"], "filtered", "nothing has changed");
    hook.publish(2, &[("hook", "trigger.webhook", json!({})), ("end", "set", json!({"value": "{{ trigger }}"}))]).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let new = forge.owner.post(&replay, json!({})).await.expect(201);
        assert_eq!((&new["replay_of"], &new["version"]), (&first["delivery_id"], &json!(2)));
        let run = hook.run_of(&new).await;
        let (body, event) = (&run["input"]["body"], &run["input"]["headers"]["x-event"]);
        assert_eq!((body, event, &run["input"]["delivery_id"]), (&json!({"n": 1}), &json!("order"), &new["id"]));
        runs.push(text(&new["run_id"]));
    }
    assert_ne!(runs[0], runs[1], "each time is meant");
    // What is not kept cannot be played again, and neither can what nobody answers.
    let refused = hook.send_bytes(&[], b"{".to_vec()).await;
    assert_eq!(refused.status, 400);
    let refused = text(&hook.deliveries().await[0]["id"]);
    forge.owner.post(&format!("/deliveries/{refused}/replay"), json!({})).await.problem(409, "delivery_without_body");
    forge.owner.delete(&format!("/workflows/{}", hook.workflow)).await.expect(204);
    forge.owner.post(&replay, json!({})).await.problem(409, "trigger_stopped");
}

#[tokio::test]
async fn triggers_and_deliveries_are_listed() {
    let forge = Forge::start(Database::Sqlite).await;
    let (one, other) = (Hook::start(&forge, json!({})).await, Hook::start(&forge, json!({"rate_per_minute": 5})).await);
    for n in 0..5 {
        one.send(&[], &json!({ "n": n })).await.expect(202);
    }
    other.send(&[("idempotency-key", "a")], &json!({})).await.expect(202);
    other.send(&[("idempotency-key", "a")], &json!({})).await.expect(202);
    one.statuses().await;
    let listed = forge.owner.get("/triggers?kind=webhook").await.expect(200);
    let shown: Vec<_> =
        listed["items"].as_array().expect("a list").iter().map(|one| one["last_delivery"]["status"].clone()).collect();
    assert_eq!(shown[..2], [json!("duplicate"), json!("started")], "an example may stand below them");
    assert_eq!(listed["items"][0]["params"], json!({"rate_per_minute": 5}));
    let none = forge.owner.get(&format!("/triggers?kind=github&workflow_id={}", one.workflow)).await.expect(200);
    assert_eq!(none["items"], json!([]));
    forge.owner.get("/triggers?kind=magic").await.problem(400, "invalid_parameter");
    forge.owner.get("/deliveries?status=magic").await.problem(400, "invalid_parameter");
    let of = |path: String| {
        let owner = forge.owner.clone();
        async move { owner.get(&path).await.expect(200)["items"].as_array().expect("a list").len() }
    };
    assert_eq!(of(format!("/deliveries?workflow_id={}", one.workflow)).await, 5);
    assert_eq!(of("/deliveries?status=duplicate".to_owned()).await, 1);
    let first = forge.owner.get("/deliveries?limit=4").await.expect(200);
    let cursor = text(&first["next_cursor"]);
    assert_eq!(of(format!("/deliveries?limit=4&cursor={cursor}")).await, 3);
    let shown = forge.owner.get(&format!("/triggers/{}", one.trigger)).await.expect(200);
    assert_eq!((&shown["kind"], &shown["status"], &shown["late"]), (&json!("webhook"), &json!("active"), &json!(false)));
    assert_eq!(shown["workflow_name"], "hook");
}

/// Whoever knows an address may begin runs, so it is nothing for those who may only look.
#[tokio::test]
async fn a_viewer_does_not_see_addresses() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    hook.send(&[], &json!({})).await.expect(202);
    forge.execute("update memberships set role = 'viewer'");
    let viewer = forge.server.owner().await;
    let listed = viewer.get("/triggers").await.expect(200);
    let token = hook.url.rsplit('/').next().expect("a token");
    assert!(listed["items"][0]["url"].is_null() && !listed.to_string().contains(token), "{listed:#}");
    viewer.get("/deliveries").await.expect(200);
    let delivery = text(&hook_delivery(&viewer).await);
    for path in [
        format!("/triggers/{}/pause", hook.trigger),
        format!("/triggers/{}/resume", hook.trigger),
        format!("/triggers/{}/rotate", hook.trigger),
        format!("/deliveries/{delivery}/replay"),
        format!("/deliveries/{delivery}/release"),
    ] {
        viewer.post(&path, json!({})).await.problem(403, "forbidden");
    }
}

async fn hook_delivery(viewer: &flowforge_tests::Client) -> Value {
    viewer.get("/deliveries").await.expect(200)["items"][0]["id"].clone()
}
