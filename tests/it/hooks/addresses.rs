//! Which addresses answer, when, and to what.

use flowforge_tests::{Database, Forge, chain};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Hook, path, text};

on_each_database!(
    what_is_published_answers_and_nothing_else,
    a_draft_answers_at_its_test_address_only,
    people_can_give_another_address
);

const SET: (&str, &str, Value) = ("end", "set", Value::Null);

fn ends(value: u32) -> (&'static str, &'static str, Value) {
    (SET.0, SET.1, json!({ "value": value }))
}

fn hook(params: Value) -> (&'static str, &'static str, Value) {
    ("hook", "trigger.webhook", params)
}

/// The output of the run that is begun now; nothing when the address does not answer.
async fn begun(hook: &Hook<'_>) -> Option<Value> {
    let reply = hook.send(&[], &json!({})).await;
    match reply.status {
        404 => None,
        _ => Some(hook.run_of(&reply.expect(202)).await["output"].clone()),
    }
}

async fn what_is_published_answers_and_nothing_else(forge: Forge) {
    let one = Hook::draft(&forge, "trigger.webhook", json!({}), &[ends(1)]).await;
    assert_eq!(begun(&one).await, None, "a draft");
    let publish = format!("/workflows/{}/publish", one.workflow);
    forge.owner.post(&publish, json!({"version": 1})).await.expect(200);
    assert_eq!(begun(&one).await, Some(json!(1)));
    one.publish(2, &[hook(json!({})), ends(2)]).await;
    assert_eq!(begun(&one).await, Some(json!(2)), "the same address, the new version");
    let other = [("other", "trigger.webhook", json!({})), ends(3)];
    one.publish(3, &other).await;
    assert_eq!(begun(&one).await, None, "the published version has no such node");
    one.publish(4, &[("hook", "trigger.manual", json!({})), ends(4)]).await;
    assert_eq!(begun(&one).await, None, "the node is of another kind now");
    forge.owner.post(&publish, json!({"version": 2})).await.expect(200);
    assert_eq!(begun(&one).await, Some(json!(2)), "an older version is published again");
    forge.owner.delete(&format!("/workflows/{}", one.workflow)).await.expect(204);
    assert_eq!(begun(&one).await, None, "archived");
    assert_eq!(one.send(&[], &json!({})).await.status, 404);
    forge.owner.patch(&format!("/workflows/{}", one.workflow), json!({"status": "active"})).await.expect(200);
    assert_eq!(begun(&one).await, Some(json!(2)), "active again");
}

async fn a_draft_answers_at_its_test_address_only(forge: Forge) {
    let one = Hook::draft(&forge, "trigger.webhook", json!({}), &[ends(1)]).await;
    let test =
        Hook { url: format!("{}/test", one.url), workflow: one.workflow.clone(), trigger: one.trigger.clone(), forge: &forge };
    assert_eq!((begun(&one).await, begun(&test).await), (None, Some(json!(1))));
    one.publish(2, &[hook(json!({})), ends(2)]).await;
    let newer = json!({"graph": chain(&[hook(json!({})), ends(3)]), "base_version": 2});
    forge.owner.post(&format!("/workflows/{}/versions", one.workflow), newer).await.expect(201);
    assert_eq!((begun(&one).await, begun(&test).await), (Some(json!(2)), Some(json!(3))), "what was saved last is tested");
    let deliveries = one.deliveries().await;
    let tested: Vec<_> = deliveries.iter().map(|delivery| (delivery["is_test"].clone(), delivery["version"].clone())).collect();
    assert_eq!(tested, [(json!(true), json!(3)), (json!(false), json!(2)), (json!(true), json!(1))]);
    assert!(one.runs().await.iter().all(|run| run["trigger"] == "webhook"));
    forge.owner.delete(&format!("/workflows/{}", one.workflow)).await.expect(204);
    assert_eq!(begun(&test).await, None, "archived");
}

async fn people_can_give_another_address(forge: Forge) {
    let one = Hook::start(&forge, json!({})).await;
    let rotated = forge.owner.post(&format!("/triggers/{}/rotate", one.trigger), json!({})).await.expect(200);
    assert_eq!(one.send(&[], &json!({})).await.status, 404);
    let new = Hook { url: path(&rotated["url"]), workflow: one.workflow.clone(), trigger: one.trigger.clone(), forge: &forge };
    assert_ne!(new.url, one.url);
    new.send(&[], &json!({})).await.expect(202);
    one.publish(2, &[hook(json!({})), ends(2)]).await;
    assert_eq!(begun(&new).await, Some(json!(2)), "publishing does not bring the old one back");
}

/// What a link preview, a crawler or a browser's preflight sends begins nothing.
#[tokio::test]
async fn only_the_methods_of_the_trigger_are_taken() {
    let forge = Forge::start(Database::Sqlite).await;
    let one = Hook::start(&forge, json!({})).await;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE, Method::PATCH] {
        for path in [one.url.clone(), format!("{}/test", one.url), "//api/v1/webhooks/github".to_owned()] {
            let reply = forge.owner.send(one.request(method.clone(), &path)).await;
            assert_eq!(reply.status, 405, "{method} {path}");
        }
    }
    forge.owner.send(one.request(Method::PUT, &one.url)).await.problem(405, "method_not_allowed");
    assert_eq!((one.statuses().await, one.runs().await.len()), (vec!["refused".to_owned()], 0), "only a `PUT` comes to it");
    let put = Hook::start(&forge, json!({"methods": ["PUT"]})).await;
    forge.owner.send(put.request(Method::PUT, &put.url)).await.expect(202);
    assert_eq!(put.send(&[], &json!({})).await.status, 405);
}

#[tokio::test]
async fn nobody_guesses_an_address() {
    let forge = Forge::start(Database::Sqlite).await;
    let one = Hook::start(&forge, json!({})).await;
    let token = one.url.rsplit('/').next().expect("a token").to_owned();
    assert!(token.len() * 4 >= 128, "{token}");
    let upper = token.to_uppercase();
    let guesses = [
        "",
        "x",
        &one.workflow,
        &one.trigger,
        &upper,
        &token[..63],
        &token[1..],
        &format!("{token}0"),
        &format!("{token}%00"),
        &format!("{token}/other"),
        "..%2f..",
        "%27%20or%201=1",
        &"0".repeat(64),
        &"é".repeat(32),
    ];
    for guess in guesses {
        let reply = forge.owner.send(one.request(Method::POST, &format!("//hooks/{guess}"))).await;
        assert!(matches!(reply.status, 404 | 400), "{guess}: {}", reply.status);
    }
    assert_eq!(one.runs().await.len(), 0);
}

/// Pages of other sites may send, since senders may be anywhere; nothing that a browser sends along means anything.
#[tokio::test]
async fn no_session_and_no_origin_matters() {
    let forge = Forge::start(Database::Sqlite).await;
    let one = Hook::start(&forge, json!({})).await;
    let foreign = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("cookie", "refresh=x"),
        ("authorization", "Bearer x"),
    ];
    let taken = one.send(&foreign, &json!({})).await.expect(202);
    let run = one.run_of(&taken).await;
    let kept = run["input"]["headers"].as_object().expect("headers");
    assert!(kept.contains_key("origin") && !kept.contains_key("cookie") && !kept.contains_key("authorization"), "{kept:?}");
    let delivery = forge.owner.get(&format!("/deliveries/{}", text(&taken["delivery_id"]))).await.expect(200);
    assert!(delivery["headers"]["cookie"].is_null() && delivery["headers"]["authorization"].is_null(), "{delivery:#}");
}

/// Two nodes of one name in two workflows, and the same key at both, have nothing to do with each other.
#[tokio::test]
async fn triggers_do_not_see_each_others_keys() {
    let forge = Forge::start(Database::Sqlite).await;
    let (one, other) = (Hook::start(&forge, json!({})).await, Hook::start(&forge, json!({})).await);
    let key = [("idempotency-key", "same")];
    one.send(&key, &json!({"a": 1})).await.expect(202);
    other.send(&key, &json!({"a": 2})).await.expect(202);
    assert_eq!((one.statuses().await, other.statuses().await), (vec!["started".to_owned()], vec!["started".to_owned()]));
}

#[tokio::test]
async fn what_a_trigger_cannot_ask_for_is_refused_when_it_is_saved() {
    let forge = Forge::start(Database::Sqlite).await;
    for (kind, params, field) in [
        ("trigger.webhook", json!({"auth": {"scheme": "github"}}), "params.auth.secret"),
        ("trigger.webhook", json!({"auth": {"scheme": "{{ trigger.x }}"}}), "params"),
        ("trigger.webhook", json!({"auth": {"scheme": "magic"}}), "params.auth.scheme"),
        ("trigger.webhook", json!({"auth": {"scheme": "bearer", "secret": "{{ secrets.HOOK }}"}}), "params.auth.secret"),
        ("trigger.webhook", json!({"max_body_bytes": 26_214_401}), "params.max_body_bytes"),
        ("trigger.webhook", json!({"methods": ["GET"]}), "params.methods.0"),
        ("trigger.github", json!({}), "params.secret"),
        ("trigger.github", json!({"secret": "S", "branches": ["{{ trigger.b }}"]}), "params.branches.0"),
        ("trigger.github", json!({"secret": "S", "repositories": ["shop"]}), "params.repositories.0"),
    ] {
        let graph = chain(&[("hook", kind, params.clone()), ends(1)]);
        let told = forge.owner.post("/workflows/validate", json!({"graph": graph})).await.expect(200);
        let fields: Vec<_> = told["problems"].as_array().expect("problems").iter().map(|one| one["field"].clone()).collect();
        assert!(fields.contains(&json!(field)), "{params}: {told:#}");
    }
}
