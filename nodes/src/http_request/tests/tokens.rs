//! Tokens of OAuth 2.0 client credentials, from a server that gives them out and one that wants them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{body::Body, http::Response};
use serde_json::{Value, json};

use super::{answering, bench};
use crate::testing::{
    Bench,
    server::{Asked, Server, respond},
};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Gives out `t1`, `t2` and so on, and answers to the newest of them.
struct Site {
    server: Server,
}

impl Site {
    async fn start(expires_in: Option<u32>) -> Self {
        let given = Arc::new(AtomicU32::new(0));
        let answer = move |asked: &Asked| -> Response<Body> {
            match asked.uri.path() {
                "/token" => {
                    let token = format!("t{}", given.fetch_add(1, Ordering::SeqCst) + 1);
                    let mut granted = json!({"access_token": token, "token_type": "Bearer"});
                    if let Some(seconds) = expires_in {
                        granted["expires_in"] = seconds.into();
                    }
                    respond(200, &[JSON], granted.to_string())
                }
                "/revoke" => {
                    given.fetch_add(1, Ordering::SeqCst);
                    respond(200, &[], "")
                }
                "/never" => respond(401, &[], "no"),
                _ if asked.header("authorization") == format!("Bearer t{}", given.load(Ordering::SeqCst)) => {
                    respond(200, &[], "in")
                }
                _ => respond(401, &[], "out"),
            }
        };
        Self { server: Server::start(answer).await }
    }

    fn call(&self, path: &str, more: Value) -> Value {
        let mut auth =
            json!({"scheme": "oauth2", "token_url": self.server.url("/token"), "client_id": "me", "client_secret": "s3cret"});
        auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"url": self.server.url(path), "auth": auth})
    }

    /// What was asked for at a path.
    fn asked(&self, path: &str) -> Vec<Asked> {
        self.server.asked().into_iter().filter(|asked| asked.uri.path() == path).collect()
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_by_all() {
    let site = Site::start(Some(3600)).await;
    let bench = bench();
    let calls = (0..8).map(|_| bench.output(site.call("/", json!({"scope": "a b"}))));
    for output in futures::future::join_all(calls).await {
        assert_eq!(output.value["body"], "in");
    }
    let asked = site.asked("/token");
    assert_eq!((asked.len(), &*asked[0].body), (1, &b"grant_type=client_credentials&scope=a+b"[..]));
    assert_eq!((asked[0].method.as_str(), asked[0].header("authorization")), ("POST", "Basic bWU6czNjcmV0"));
    assert_eq!((asked[0].header("content-type"), asked[0].header("flowforge-depth")), ("application/x-www-form-urlencoded", "0"));
}

#[tokio::test]
async fn a_token_belongs_to_who_asks_for_what() {
    let site = Site::start(None).await;
    let one = bench();
    let mut elsewhere = one.clone();
    elsewhere.cx.workspace = flowforge_core::WorkspaceId::new(uuid::Uuid::from_u128(99));
    for (n, (bench, more)) in [
        (&one, json!({})),
        (&one, json!({"scope": "a"})),
        (&one, json!({"audience": "b"})),
        (&one, json!({"client_id": "you"})),
        (&one, json!({"client_secret": "guess"})),
        (&one, json!({"credentials_in": "body"})),
        (&elsewhere, json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(bench.output(site.call("/", more.clone())).await.value["body"], "in");
        assert_eq!(site.asked("/token").len(), n + 1, "{more}");
    }
    let asked = site.asked("/token").remove(5);
    assert_eq!(asked.header("authorization"), "");
    assert_eq!(asked.body, "grant_type=client_credentials&client_id=me&client_secret=s3cret");
}

#[tokio::test]
async fn a_token_that_is_over_or_revoked_is_fetched_again() {
    let bench = bench();
    let none = Site::start(Some(0)).await;
    for n in 1..=2 {
        bench.output(none.call("/", json!({}))).await;
        assert_eq!(none.asked("/token").len(), n);
    }
    let short = Site::start(Some(1)).await;
    while short.asked("/token").len() < 2 {
        assert_eq!(bench.output(short.call("/", json!({}))).await.value["body"], "in");
    }
    assert!(short.asked("/").len() > 2, "it is used while it lives");
    let site = Site::start(Some(3600)).await;
    bench.output(site.call("/", json!({}))).await;
    bench.output(json!({"url": site.server.url("/revoke")})).await;
    assert_eq!(bench.output(site.call("/", json!({}))).await.value["body"], "in");
    assert_eq!((site.asked("/token").len(), site.asked("/").len()), (2, 3), "one call is made again with a new token");
    let fault = bench.fails(site.call("/never", json!({})), "HTTP_STATUS", "401").await;
    assert!(!fault.retryable);
    assert_eq!((site.asked("/token").len(), site.asked("/never").len()), (3, 2), "and once only");
}

#[tokio::test]
async fn a_secret_of_a_client_is_sent_to_its_hosts_only() {
    let site = Site::start(None).await;
    let named = |hosts: &[&str]| bench().secret_for("CLIENT", hosts);
    let mut call = site.call("/", json!({}));
    named(&["login.example.org"]).fails(call.clone(), "SECRET_HOST_DENIED", "CLIENT").await;
    call["url"] = site.server.url("/").replace("127.0.0.1", "localhost").into();
    named(&["127.0.0.1"]).fails(call.clone(), "SECRET_HOST_DENIED", "localhost").await;
    assert!(site.asked("/").is_empty());
    named(&["127.0.0.1", "localhost"]).output(call).await;
}

async fn refused(
    bench: &Bench,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    words: &str,
) -> (bool, Option<u64>) {
    let server = answering(status, headers, body).await;
    let auth =
        json!({"scheme": "oauth2", "token_url": server.url("/token?k=s3cret"), "client_id": "me", "client_secret": "s3cret"});
    let fault = bench.fails(json!({"url": server.url("/"), "auth": auth}), "OAUTH2_FAILED", words).await;
    assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
    assert_eq!(server.asked().len(), 1, "no redirect is followed, and nothing is called without a token");
    (fault.retryable, fault.retry_after_ms)
}

#[tokio::test]
async fn a_refused_token_says_why_and_whether_to_try_again() {
    let bench = bench();
    let invalid = r#"{"error":"invalid_client","error_description":"who are you"}"#;
    assert_eq!(refused(&bench, 401, &[JSON], invalid, "invalid_client: who are you").await, (false, None));
    assert_eq!(refused(&bench, 503, &[("retry-after", "9")], "", "503").await, (true, Some(9000)));
    assert_eq!(refused(&bench, 307, &[("location", "http://127.0.0.1:1/")], "", "307").await, (false, None));
    assert_eq!(refused(&bench, 200, &[JSON], "{}", "access_token").await, (false, None));
    assert_eq!(refused(&bench, 200, &[JSON], r#"{"access_token":"a","token_type":"mac"}"#, "Bearer").await, (false, None));
    assert_eq!(refused(&bench, 200, &[JSON], r#"{"access_token":"a\r\nb: c"}"#, "no text").await, (false, None));
}
