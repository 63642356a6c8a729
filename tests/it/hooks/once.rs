//! What is sent again begins nothing again: by its id, however often, however many at once, at whichever server.

use flowforge_tests::{Client, Database, Fleet, Forge};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Hook, SECRETS, path, text};

on_each_database!(the_same_id_is_the_same_delivery, however_many_come_at_once, another_body_under_an_id_is_refused);

async fn the_same_id_is_the_same_delivery(forge: Forge) {
    let hook = Hook::start(&forge, json!({})).await;
    let body = json!({"n": 1});
    let first = hook.send(&[("idempotency-key", "a")], &body).await.expect(202);
    let again = hook.send(&[("idempotency-key", "a")], &body).await.expect(202);
    assert_eq!((&first["delivery_id"], &first["run_id"]), (&again["delivery_id"], &again["run_id"]));
    hook.send(&[("idempotency-key", "b")], &body).await.expect(202);
    assert_eq!(hook.statuses().await, ["started", "duplicate", "started"]);
    let deliveries = hook.deliveries().await;
    assert_eq!((&deliveries[1]["duplicate_of"], &deliveries[1]["run_id"]), (&first["delivery_id"], &Value::Null));
    // The body alone says nothing: what has no id is meant every time.
    for _ in 0..2 {
        hook.send(&[], &body).await.expect(202);
    }
    assert_eq!(hook.runs().await.len(), 4);
}

async fn however_many_come_at_once(forge: Forge) {
    let hook = Hook::start(&forge, json!({"dedupe": "body.order.id"})).await;
    let body = json!({"order": {"id": 42}});
    let answers = join_all((0..50).map(|_| hook.send(&[], &body))).await;
    let runs: std::collections::BTreeSet<_> = answers.into_iter().map(|answer| text(&answer.expect(202)["run_id"])).collect();
    assert_eq!((runs.len(), hook.runs().await.len()), (1, 1));
    let statuses = hook.statuses().await;
    assert_eq!(statuses.iter().filter(|status| *status == "duplicate").count(), 49, "{statuses:?}");
}

async fn another_body_under_an_id_is_refused(forge: Forge) {
    let hook = Hook::start(&forge, json!({})).await;
    let key = [("idempotency-key", "a")];
    let first = hook.send(&key, &json!({"n": 1})).await.expect(202);
    let problem = hook.send(&key, &json!({"n": 2})).await.problem(409, "delivery_conflict");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains(first["delivery_id"].as_str().expect("an id"))));
    assert_eq!((hook.statuses().await, hook.runs().await.len()), (vec!["started".to_owned(), "refused".to_owned()], 1));
}

#[tokio::test]
async fn an_author_may_ask_for_an_id() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({"dedupe": "X-Order"})).await;
    let problem = hook.send(&[], &json!({})).await.problem(400, "invalid_delivery");
    assert!(problem["detail"].to_string().contains("X-Order"));
    hook.send(&[("x-order", "7")], &json!({})).await.expect(202);
    assert_eq!(hook.statuses().await, ["refused", "started"]);
    // Of any length, and with anything in it.
    let long = "x".repeat(5_000);
    let first = hook.send(&[("x-order", &long)], &json!({})).await.expect(202);
    assert_eq!(first["run_id"], hook.send(&[("x-order", &long)], &json!({})).await.expect(202)["run_id"]);
}

/// What came to the address for tests does not stand in the way of what is meant.
#[tokio::test]
async fn tests_use_up_no_ids() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let test =
        Hook { url: format!("{}/test", hook.url), workflow: hook.workflow.clone(), trigger: hook.trigger.clone(), forge: &forge };
    let key = [("idempotency-key", "a")];
    test.send(&key, &json!({})).await.expect(202);
    hook.send(&key, &json!({})).await.expect(202);
    test.send(&key, &json!({})).await.expect(202);
    assert_eq!(hook.statuses().await, ["started", "started", "duplicate"]);
}

/// F22, small: the same at two servers at the same moment.
#[tokio::test]
async fn two_servers_take_the_same_delivery_once() {
    let fleet = Fleet::start(2, 1, SECRETS).await;
    let graph = flowforge_tests::chain(&[("hook", "trigger.webhook", json!({})), ("end", "set", json!({"value": 1}))]);
    let workflow = fleet.workflow(&graph).await;
    fleet.owners[0].post(&format!("/workflows/{workflow}/publish"), json!({"version": 1})).await.expect(200);
    let listed = fleet.owners[0].get(&format!("/triggers?workflow_id={workflow}")).await.expect(200);
    let url = path(&listed["items"][0]["url"]);
    let servers: Vec<_> = fleet.apis.iter().map(|api| Client::anonymous(&api.base())).collect();
    let send = |n: usize| {
        let server = &servers[n % 2];
        let request =
            server.request(Method::POST, &url).header("idempotency-key", format!("{}", n / 8)).json(&json!({"n": n / 8}));
        server.send(request)
    };
    let answers = join_all((0..160).map(send)).await;
    let runs: Vec<_> = answers.into_iter().map(|answer| text(&answer.expect(202)["run_id"])).collect();
    assert!(runs.chunks(8).all(|same| same.iter().all(|run| *run == same[0])), "{runs:#?}");
    assert_eq!(fleet.number("select count(*) from runs"), 20);
    assert_eq!(fleet.number("select count(*) from deliveries where dedupe_key is not null"), 20);
}
