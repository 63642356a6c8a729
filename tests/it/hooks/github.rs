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

/// W14: letting go is for editors, once; until then nothing is done with a secret. What was let go is an ordinary run, for which
/// whoever let it go has answered.
#[tokio::test]
async fn only_an_editor_lets_go_of_what_comes_from_a_fork() {
    let forge = forge().await;
    forge.owner.post("/secrets", json!({"name": "TOKEN", "value": "of-the-workspace"})).await.expect(201);
    let call = json!({"method": "POST", "url": forge.ledger.url("effect"), "auth": {"scheme": "bearer", "token": "{{ secrets.TOKEN }}"}});
    let own = Hook::with(&forge, "trigger.github", json!({"secret": "HOOK"}), &[("call", "http.request", call)]).await;
    let held = async |id: &str| {
        let taken = pull_request(id, 2).to(&forge, SHARED).await.expect(202);
        assert_eq!(taken["deliveries"][0]["status"], "held");
        format!("/deliveries/{}", text(&taken["deliveries"][0]["delivery_id"]))
    };
    let (one, other) = (held("one").await, held("other").await);
    let stranger = Client::anonymous(&forge.server.base());
    forge.execute("update memberships set role = 'viewer'");
    let viewer = forge.server.owner().await;
    for act in ["release", "drop", "replay"] {
        stranger.post(&format!("{one}/{act}"), json!({})).await.problem(401, "unauthenticated");
        viewer.post(&format!("{one}/{act}"), json!({})).await.problem(403, "forbidden");
    }
    forge.execute("update memberships set role = 'owner'");
    let owner = forge.server.owner().await;
    owner.post("/deliveries/dlv_00000000000000000000000000000001/release", json!({})).await.problem(404, "not_found");
    assert_eq!((own.runs().await.len(), forge.ledger.calls("effect")), (0, 0), "nothing has begun");
    assert_eq!(owner.post(&format!("{other}/drop"), json!({})).await.expect(200)["status"], "skipped");
    for act in ["release", "drop"] {
        owner.post(&format!("{other}/{act}"), json!({})).await.problem(409, "delivery_not_held");
    }
    let run = own.run_of(&owner.post(&format!("{one}/release"), json!({})).await.expect(200)).await;
    assert_eq!((&run["status"], own.runs().await.len()), (&json!("completed"), 1), "{run:#}");
    assert_eq!(forge.ledger.of("effect")[0].authorization.as_deref(), Some("Bearer of-the-workspace"));
    owner.post(&format!("{one}/release"), json!({})).await.problem(409, "delivery_not_held");
}

/// A flood of pull requests fills neither the table nor the way of those who belong there.
#[tokio::test]
async fn only_so_much_is_held_back() {
    let forge = forge().await;
    let own = hook(&forge, json!({})).await;
    let first = pull_request("first", 2).to(&forge, SHARED).await.expect(202);
    forge.execute(
        "INSERT INTO deliveries (id, workspace_id, trigger_id, status, reason, received_at, body_size, headers)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 998)
         SELECT zeroblob(8) || randomblob(8), workspace_id, trigger_id, status, reason, received_at, 10, '{}' FROM deliveries, n WHERE status = 'held'",
    );
    let last = pull_request("last", 2).to(&forge, SHARED).await.expect(202);
    assert_eq!(last["deliveries"][0]["status"], "held");
    for path in [SHARED, &own.url] {
        let told = pull_request(&format!("more at {path}"), 2).to(&forge, path).await.problem(429, "too_many_held");
        assert!(told["detail"].to_string().contains("1000 deliveries are held back"), "{told:#}");
        let refused = &own.deliveries().await[0];
        assert!(refused["status"] == "refused" && refused["reason"].to_string().contains("held back"), "{refused:#}");
    }
    // What was held before gets its answer, and what no stranger has sent its run.
    let again = pull_request("first", 2).to(&forge, SHARED).await.expect(202);
    assert_eq!(again["deliveries"][0]["delivery_id"], first["deliveries"][0]["delivery_id"]);
    let inside = pull_request("inside", 1).to(&forge, SHARED).await.expect(202);
    assert_eq!(inside["deliveries"][0]["status"], "started");
    // What is held while the trigger is paused is counted by itself.
    forge.owner.post(&format!("/triggers/{}/pause", own.trigger), json!({})).await.expect(200);
    assert_eq!(pull_request("paused", 1).to(&forge, SHARED).await.expect(202)["deliveries"][0]["status"], "held");
    forge.owner.post(&format!("/triggers/{}/resume", own.trigger), json!({"held": "drop"})).await.expect(200);
    let dropped = text(&last["deliveries"][0]["delivery_id"]);
    forge.owner.post(&format!("/deliveries/{dropped}/drop"), json!({})).await.expect(200);
    let room = pull_request("room again", 2).to(&forge, SHARED).await.expect(202);
    assert_eq!(room["deliveries"][0]["status"], "held");
    // Few that are large fill it as well.
    forge.owner.post(&format!("/deliveries/{}/drop", text(&room["deliveries"][0]["delivery_id"])), json!({})).await.expect(200);
    forge.execute("UPDATE deliveries SET body_size = 300000000 WHERE body_size = 10 AND id = (SELECT min(id) FROM deliveries WHERE body_size = 10)");
    pull_request("large ones", 2).to(&forge, SHARED).await.problem(429, "too_many_held");
}

/// Nobody is known at the address that all workspaces share before a signature was compared with everybody's secrets, so whoever
/// sends what nobody has signed is stopped, and others are not.
#[tokio::test]
async fn guessing_at_the_shared_address_comes_to_an_end() {
    let forge = forge().await;
    let own = hook(&forge, json!({})).await;
    let client = Client::anonymous(&forge.server.base());
    // What is no signature is not waited for, however much is announced.
    for signature in ["", "sha256=", "sha1=00", "sha256=zz", &format!("sha256={}", "0".repeat(62))] {
        let endless = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let request = client.request(Method::POST, SHARED).header("x-hub-signature-256", signature);
        let began = std::time::Instant::now();
        let answered = client.try_send(request.body(reqwest::Body::wrap_stream(endless))).await;
        assert!(answered.is_err() || answered.is_ok_and(|reply| reply.status == 401), "{signature}");
        assert!(began.elapsed().as_secs() < 5, "{signature}");
    }
    let mut guesses = 0;
    let stopped = loop {
        let id = format!("guess {guesses}");
        let reply = Event { key: "guessed", ..push(&id) }.to(&forge, SHARED).await;
        if reply.status != 401 {
            break reply;
        }
        guesses += 1;
        assert!(guesses < 500, "nobody stops it");
    };
    assert!(guesses >= 60, "{guesses}");
    assert!(stopped.headers.get("retry-after").is_some());
    stopped.problem(429, "too_many_requests");
    // The same address may send what is right for another repository, and this one at its own address.
    let mut neighbour = push("neighbour");
    neighbour.payload["repository"]["full_name"] = json!("acme/other");
    neighbour.to(&forge, SHARED).await.expect(202);
    push("own").to(&forge, &own.url).await.expect(202);
    assert_eq!(own.statuses().await, ["started", "started"]);
    // What is signed is no guess, however much of it comes.
    for event in 0..100 {
        let id = format!("right {event}");
        let mut right = push(&id);
        right.payload["repository"]["full_name"] = json!("acme/busy");
        assert_ne!(right.to(&forge, SHARED).await.status, 401, "{event}");
    }
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
