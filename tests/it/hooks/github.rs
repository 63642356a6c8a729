//! GitHub: one address for all triggers or one for each, filters, and what strangers ask for.

use flowforge_tests::{Client, Database, Forge, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Hook, KEY, OLD_KEY, SECRETS, github_signature, text};

const SHARED: &str = "//api/v1/webhooks/github";

async fn forge() -> Forge {
    Forge::start_with(Database::Sqlite, SECRETS).await
}

async fn hook(forge: &Forge, params: Value) -> Hook<'_> {
    let mut params = params;
    if params["secret"].is_null() {
        params["secret"] = json!("HOOK");
    }
    Hook::with(forge, "trigger.github", params, &[("end", "set", json!({"value": "{{ trigger.repository }}"}))]).await
}

/// What GitHub sends.
struct Event<'a> {
    name: &'a str,
    id: &'a str,
    key: &'a str,
    payload: Value,
}

impl Event<'_> {
    async fn to(&self, forge: &Forge, path: &str) -> Reply {
        let body = self.payload.to_string().into_bytes();
        let client = Client::anonymous(&forge.server.base());
        let request = client.request(Method::POST, path).header("content-type", "application/json");
        let request = request.header("x-github-event", self.name).header("x-github-delivery", self.id);
        client.send(request.header("x-hub-signature-256", github_signature(self.key, &body)).body(body)).await
    }
}

fn push(id: &str) -> Event<'_> {
    let payload = json!({"ref": "refs/heads/main", "after": "c1", "repository": {"id": 1, "full_name": "acme/shop"},
        "sender": {"login": "ada", "type": "User"}, "commits": [{"added": ["src/a.rs"], "modified": [], "removed": []}], "id": id});
    Event { name: "push", id, key: KEY, payload }
}

fn pull_request<'a>(id: &'a str, head: u64) -> Event<'a> {
    let payload = json!({"action": "opened", "number": 7, "repository": {"id": 1, "full_name": "acme/shop"}, "id": id,
        "sender": {"login": "mallory", "type": "User"},
        "pull_request": {"number": 7, "base": {"ref": "main", "repo": {"id": 1}}, "head": {"sha": "c2", "repo": {"id": head}}}});
    Event { name: "pull_request", id, key: KEY, payload }
}

#[tokio::test]
async fn an_event_goes_to_every_trigger_whose_secret_has_signed_it() {
    let forge = forge().await;
    let (pushes, all) = (hook(&forge, json!({"events": ["push"], "paths": ["src/**"]})).await, hook(&forge, json!({})).await);
    let other = hook(&forge, json!({"secret": "OLD_HOOK"})).await;
    let none = hook(&forge, json!({"secret": "NONE"})).await;
    let taken = push("one").to(&forge, SHARED).await.expect(202);
    assert_eq!(taken["deliveries"].as_array().map(Vec::len), Some(2), "{taken:#}");
    let again = push("one").to(&forge, SHARED).await.expect(202);
    assert_eq!(taken["deliveries"][0]["run_id"], again["deliveries"][0]["run_id"]);
    pull_request("two", 1).to(&forge, SHARED).await.expect(202);
    assert_eq!(pushes.statuses().await, ["started", "duplicate", "filtered"]);
    assert_eq!(all.statuses().await, ["started", "duplicate", "started"]);
    assert_eq!((other.statuses().await.len(), none.statuses().await.len()), (0, 0));
    let mut theirs = push("three");
    theirs.key = OLD_KEY;
    theirs.to(&forge, SHARED).await.expect(202);
    assert_eq!((other.runs().await.len(), all.runs().await.len()), (1, 2));
    let mut nobodys = push("four");
    nobodys.key = "guessed";
    nobodys.to(&forge, SHARED).await.problem(401, "invalid_signature");
    let unsigned = Client::anonymous(&forge.server.base());
    let unsigned = unsigned.send(unsigned.request(Method::POST, SHARED).header("x-github-event", "push").json(&json!({}))).await;
    unsigned.problem(401, "invalid_signature");
}

#[tokio::test]
async fn a_trigger_answers_at_its_own_address_too() {
    let forge = forge().await;
    let own = hook(&forge, json!({"branches": ["main"], "repositories": ["acme/*"], "authors": ["ada"]})).await;
    let taken = push("one").to(&forge, &own.url).await.expect(202);
    let run = own.run_of(&taken).await;
    let input = &run["input"];
    assert_eq!((&run["trigger"], &run["output"]), (&json!("github"), &json!("acme/shop")));
    for (field, value) in
        [("event", "push"), ("repository", "acme/shop"), ("branch", "main"), ("commit", "c1"), ("author", "ada")]
    {
        assert_eq!(input[field], value, "{field}");
    }
    assert_eq!(input["body"]["ref"], "refs/heads/main");
    // The same event, sent to both addresses, is one.
    push("one").to(&forge, SHARED).await.expect(202);
    assert_eq!((own.statuses().await, own.runs().await.len()), (vec!["started".to_owned(), "duplicate".to_owned()], 1));
    let mut form = push("two");
    form.payload["n"] = json!(2);
    let body = format!("payload={}", urlencoded(&form.payload.to_string())).into_bytes();
    let signature = github_signature(KEY, &body);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-github-event", "push"),
        ("x-github-delivery", "two"),
        ("x-hub-signature-256", &signature),
    ];
    let run = own.run_of(&own.send_bytes(&headers, body).await.expect(202)).await;
    assert_eq!(run["input"]["body"]["n"], 2);
    // What the form holds may lie no deeper than another body.
    let deep = format!("payload={}", urlencoded(&format!("{}{}", "[".repeat(100), "]".repeat(100)))).into_bytes();
    let signature = github_signature(KEY, &deep);
    let headers = [headers[0], headers[1], ("x-github-delivery", "three"), ("x-hub-signature-256", &signature)];
    own.send_bytes(&headers, deep).await.problem(400, "invalid_delivery");
    assert_eq!(own.statuses().await.last().map(String::as_str), Some("refused"));
}

fn urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a_ping_is_answered_and_begins_nothing() {
    let forge = forge().await;
    let own = hook(&forge, json!({})).await;
    let ping = Event { name: "ping", id: "p", key: KEY, payload: json!({"zen": "Keep it logically awesome.", "hook_id": 1}) };
    ping.to(&forge, SHARED).await.expect(200);
    assert_eq!((own.statuses().await, own.runs().await.len()), (vec!["filtered".to_owned()], 0));
}

/// W14: a pull request from a fork waits until an editor lets it go; one of the repository's own does not.
#[tokio::test]
async fn what_comes_from_a_fork_waits_for_a_person() {
    let forge = forge().await;
    let own = hook(&forge, json!({})).await;
    let inside = pull_request("inside", 1).to(&forge, SHARED).await.expect(202);
    assert_eq!(inside["deliveries"][0]["status"], "started");
    let outside = pull_request("outside", 2).to(&forge, SHARED).await.expect(202);
    assert_eq!((&outside["deliveries"][0]["status"], &outside["deliveries"][0]["run_id"]), (&json!("held"), &Value::Null));
    assert_eq!(own.runs().await.len(), 1);
    let held = text(&outside["deliveries"][0]["delivery_id"]);
    let shown = forge.owner.get(&format!("/deliveries/{held}")).await.expect(200);
    assert!(shown["reason"].to_string().contains("fork"), "{shown:#}");
    // Resuming lets go of what was paused, and not of this.
    forge.owner.post(&format!("/triggers/{}/pause", own.trigger), json!({})).await.expect(200);
    let resumed = forge.owner.post(&format!("/triggers/{}/resume", own.trigger), json!({"held": "start"})).await.expect(200);
    assert_eq!((&resumed["held"], own.runs().await.len()), (&json!(0), 1));
    // Playing it again is no way around.
    let again = forge.owner.post(&format!("/deliveries/{held}/replay"), json!({})).await.expect(201);
    assert_eq!(again["status"], "held");
    let released = forge.owner.post(&format!("/deliveries/{held}/release"), json!({})).await.expect(200);
    own.run_of(&released).await;
    let ignoring = hook(&forge, json!({"forks": "ignore"})).await;
    pull_request("other", 2).to(&forge, &ignoring.url).await.expect(202);
    assert_eq!(ignoring.statuses().await, ["filtered"]);
}

#[tokio::test]
async fn an_event_without_a_name_or_an_id_is_refused() {
    let forge = forge().await;
    let own = hook(&forge, json!({})).await;
    let signature = github_signature(KEY, b"{}");
    for headers in [[("x-github-event", "push"), ("x-other", "")], [("x-github-delivery", "a"), ("x-other", "")]] {
        let headers = [&headers[..], &[("x-hub-signature-256", signature.as_str())]].concat();
        own.send(&headers, &json!({})).await.problem(400, "invalid_delivery");
    }
    assert_eq!(own.statuses().await, ["refused", "refused"]);
}
