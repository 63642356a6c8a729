//! The examples that begin by themselves, begun as the README says.

use flowforge_tests::{Client, Database, Forge, root};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Hook, KEY, github_signature, path, text};

/// An example, published.
async fn published<'a>(forge: &'a Forge, file: &str) -> Hook<'a> {
    let example = std::fs::read_to_string(root().join("workflows").join(file)).expect("an example");
    let example: Value = serde_json::from_str(&example).expect("a workflow file is JSON");
    let workflow = forge.workflow(file, &example["graph"]).await;
    forge.owner.post(&format!("/workflows/{workflow}/publish"), json!({"version": 1})).await.expect(200);
    let listed = forge.owner.get(&format!("/triggers?workflow_id={workflow}")).await.expect(200);
    Hook { forge, trigger: text(&listed["items"][0]["id"]), url: path(&listed["items"][0]["url"]), workflow }
}

#[tokio::test]
async fn the_webhook_takes_orders() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = published(&forge, "webhook.json").await;
    let order = json!({"article": "lamp", "count": 2});
    let reply = hook.send(&[("idempotency-key", "1")], &order).await;
    assert!(reply.headers["x-order"].to_str().is_ok_and(|id| id.starts_with("dlv_")));
    assert_eq!(reply.expect(201), json!({"accepted": "lamp", "count": 2}));
    hook.send(&[("idempotency-key", "1")], &order).await.expect(201);
    hook.send(&[], &json!({"article": "lamp", "count": "many"})).await.expect(422);
    let tested = hook.send(&[], &json!({"kind": "test"})).await.expect(202);
    assert_eq!((tested["status"].clone(), hook.runs().await.len()), (json!("filtered"), 2));
}

#[tokio::test]
async fn the_push_is_told_in_words() {
    let forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_SECRET_GITHUB_WEBHOOK", KEY)]).await;
    let hook = published(&forge, "github.json").await;
    for (id, branch) in [("one", "main"), ("two", "next")] {
        let body = json!({"ref": format!("refs/heads/{branch}"), "after": "c0ffee", "repository": {"id": 1, "full_name": "acme/shop"},
            "sender": {"login": "ada", "type": "User"}, "commits": []});
        let body = body.to_string().into_bytes();
        let github = Client::anonymous(&forge.server.base());
        let request = github.request(Method::POST, "//api/v1/webhooks/github").header("content-type", "application/json");
        let request = request.header("x-github-event", "push").header("x-github-delivery", id);
        github.send(request.header("x-hub-signature-256", github_signature(KEY, &body)).body(body)).await.expect(202);
    }
    assert_eq!(hook.statuses().await, ["started", "filtered"]);
    let run = forge.end_of(&text(&hook.runs().await[0]["id"])).await;
    assert_eq!(run["output"], json!({"text": "ada: push to acme/shop, branch main", "commit": "c0ffee"}));
}
