//! Webhooks and GitHub: everything that the world may send, and what becomes of it. Each refusal has a twin that is let in.

mod addresses;
mod believed;
mod bodies;
mod crash;
mod examples;
mod github;
mod kinds;
mod once;
mod pace;
mod people;
mod runs;
mod storm;
mod together;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flowforge_tests::{Client, Forge, Reply, chain};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

/// The secret that callers share with the workspace, and the one before it.
const KEY: &str = "It's a Secret to Everybody";
const OLD_KEY: &str = "It was a Secret to Everybody";
/// The environment that has them.
const SECRETS: &[(&str, &str)] = &[("FLOWFORGE_SECRET_HOOK", KEY), ("FLOWFORGE_SECRET_OLD_HOOK", OLD_KEY)];

/// A published workflow that begins with a trigger.
struct Hook<'a> {
    forge: &'a Forge,
    workflow: String,
    trigger: String,
    url: String,
}

impl<'a> Hook<'a> {
    /// A trigger that hands on what came.
    async fn start(forge: &'a Forge, params: Value) -> Self {
        Self::with(forge, "trigger.webhook", params, &[("end", "set", json!({"value": "{{ trigger.body }}"}))]).await
    }

    /// A trigger with nodes behind it.
    async fn with(forge: &'a Forge, kind: &str, params: Value, nodes: &[(&str, &str, Value)]) -> Self {
        let hook = Self::draft(forge, kind, params, nodes).await;
        forge.owner.post(&format!("/workflows/{}/publish", hook.workflow), json!({"version": 1})).await.expect(200);
        hook
    }

    /// One that is not published.
    async fn draft(forge: &'a Forge, kind: &str, params: Value, nodes: &[(&str, &str, Value)]) -> Self {
        let nodes: Vec<_> = std::iter::once(("hook", kind, params)).chain(nodes.iter().cloned()).collect();
        let workflow = forge.workflow("hook", &chain(&nodes)).await;
        let listed = forge.owner.get(&format!("/triggers?workflow_id={workflow}")).await.expect(200);
        let found = &listed["items"][0];
        Self { forge, trigger: text(&found["id"]), url: path(&found["url"]), workflow }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        Client::anonymous(&self.forge.server.base()).request(method, path)
    }

    /// Sends JSON with headers.
    async fn send(&self, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send_bytes(headers, body.to_string().into_bytes()).await
    }

    async fn send_bytes(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let mut request = self.request(Method::POST, &self.url).body(body);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.forge.owner.send(request).await
    }

    /// Saves another version and publishes it.
    async fn publish(&self, version: u64, nodes: &[(&str, &str, Value)]) {
        let saved = json!({"graph": chain(nodes), "base_version": version - 1});
        self.forge.owner.post(&format!("/workflows/{}/versions", self.workflow), saved).await.expect(201);
        self.forge.owner.post(&format!("/workflows/{}/publish", self.workflow), json!({"version": version})).await.expect(200);
    }

    /// What came, newest first.
    async fn deliveries(&self) -> Vec<Value> {
        let listed = self.forge.owner.get(&format!("/deliveries?trigger_id={}&limit=200", self.trigger)).await.expect(200);
        listed["items"].as_array().expect("a list").clone()
    }

    /// Where each delivery stands, oldest first, once none is on its way.
    async fn statuses(&self) -> Vec<String> {
        let path = format!("/deliveries?trigger_id={}&limit=200", self.trigger);
        let listed = self.forge.until(&path, |list| !list.to_string().contains("\"received\"")).await;
        let mut statuses: Vec<_> = listed["items"].as_array().expect("a list").iter().map(|one| text(&one["status"])).collect();
        statuses.reverse();
        statuses
    }

    /// The runs of its workflow.
    async fn runs(&self) -> Vec<Value> {
        let listed = self.forge.owner.get(&format!("/runs?limit=200&workflow_id={}", self.workflow)).await.expect(200);
        listed["items"].as_array().expect("a list").clone()
    }

    /// The run that an answer names, at its end.
    async fn run_of(&self, taken: &Value) -> Value {
        self.forge.end_of(&text(&taken["run_id"])).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

/// The path of an address, as `Client::request` takes it.
fn path(url: &Value) -> String {
    format!("//{}", text(url).splitn(4, '/').nth(3).expect("a path"))
}

fn mac(key: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What GitHub sends in `X-Hub-Signature-256`.
pub(crate) fn github_signature(key: &str, body: &[u8]) -> String {
    format!("sha256={}", hex(&mac(key, &[body])))
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Seconds since 1970, so much later.
fn seconds(later: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    (i64::try_from(now).expect("a time") + later).to_string()
}
