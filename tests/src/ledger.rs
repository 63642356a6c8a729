//! An append-only record of effects, kept outside the product and never disturbed.

mod mail;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// One request that took effect.
#[derive(Clone, Debug, Serialize)]
pub struct Effect {
    /// Its place in the whole ledger, from 1.
    pub n: usize,
    /// The last part of the path that was called.
    pub key: String,
    /// The `Idempotency-Key` that came with it.
    pub idempotency_key: Option<String>,
    /// A fresh value that the answer carries, so that a step's output and its effect can be joined.
    pub nonce: String,
    /// The `Authorization` that came with it: the answer repeats it, so that whoever records the answer has to mask it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<String>,
    /// When it came, in milliseconds since the ledger was started.
    pub at_ms: u64,
}

/// A server on loopback: `POST /effect/{key}` is written to disk before it is answered with `{n, nonce}`.
///
/// Options in the query: `delay_ms` before the answer, `fail=k` refuses the first k calls with 503, and
/// `mode` = `hang` (never answers), `drip` (a byte a second), `500`, `429`, `reset` (takes effect, then breaks the answer).
///
/// It is a mail server as well, and plays Slack: what it is sent like that is an effect too.
#[derive(Debug)]
pub struct Ledger {
    address: SocketAddr,
    mail: SocketAddr,
    book: Arc<Book>,
    servers: [tokio::task::JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Book {
    began: Instant,
    file: Mutex<std::fs::File>,
    effects: Mutex<Vec<Effect>>,
    calls: Mutex<HashMap<String, u32>>,
    written: watch::Sender<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    delay_ms: u64,
    fail: u32,
    mode: String,
}

impl Ledger {
    /// Who may send e-mail by it.
    pub const MAIL_USER: &str = "reports@example.org";
    /// The password for that.
    pub const MAIL_PASSWORD: &str = "mail-p4ssw0rd";

    /// Starts an empty ledger on a free port.
    pub async fn start() -> Self {
        let book = Arc::new(Book {
            began: Instant::now(),
            file: Mutex::new(tempfile::tempfile().expect("a temporary file")),
            effects: Mutex::default(),
            calls: Mutex::default(),
            written: watch::channel(0).0,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let router = axum::Router::new()
            .route("/effect/{key}", axum::routing::any(effect))
            .route("/slack/{key}/chat.postMessage", axum::routing::post(slack))
            .with_state(Arc::clone(&book));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the ledger serves") });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mail = listener.local_addr().expect("a bound address");
        let servers = [server, tokio::spawn(mail::listen(listener, Arc::clone(&book)))];
        Self { address, mail, book, servers }
    }

    /// The address to call for one effect.
    pub fn url(&self, key: &str) -> String {
        format!("http://{}/effect/{key}", self.address)
    }

    /// The address under which it plays Slack: each message is an effect with this key, and its `client_msg_id` is the idempotency key.
    pub fn slack_url(&self, key: &str) -> String {
        format!("http://{}/slack/{key}/", self.address)
    }

    /// The port on 127.0.0.1 at which it takes e-mail, without TLS: each message is an effect whose key is the subject, and its
    /// `Message-ID` is the idempotency key.
    pub fn mail_port(&self) -> u16 {
        self.mail.port()
    }

    /// Every effect so far, in order.
    pub fn effects(&self) -> Vec<Effect> {
        self.book.effects.lock().expect("not poisoned").clone()
    }

    /// The effects with this key.
    pub fn of(&self, key: &str) -> Vec<Effect> {
        self.effects().into_iter().filter(|effect| effect.key == key).collect()
    }

    /// How often this key was called, refused calls included.
    pub fn calls(&self, key: &str) -> u32 {
        self.book.calls.lock().expect("not poisoned").get(key).copied().unwrap_or(0)
    }

    /// How often each key was called, refused calls included.
    pub fn all_calls(&self) -> HashMap<String, u32> {
        self.book.calls.lock().expect("not poisoned").clone()
    }

    /// The time on the ledger's clock, in milliseconds since it was started.
    pub fn now_ms(&self) -> u64 {
        self.book.began.elapsed().as_millis() as u64
    }

    /// Returns when the ledger has at least `n` effects.
    pub async fn reaches(&self, n: usize) {
        let mut written = self.book.written.subscribe();
        let reached = written.wait_for(|count| *count >= n);
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        reached.expect("the effects come within a minute").expect("the ledger lives");
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.servers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn effect(
    State(book): State<Arc<Book>>,
    Path(key): Path<String>,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Response {
    let call = book.call(&key);
    if options.mode == "hang" {
        std::future::pending::<()>().await;
    }
    if let Some(refusal) = refusal(call, &options) {
        return refusal;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let effect = book.write(key, header("idempotency-key"), header("authorization"));
    tokio::time::sleep(Duration::from_millis(options.delay_ms)).await;
    match options.mode.as_str() {
        "drip" => Body::from_stream(drip(effect)).into_response(),
        "reset" => broken().into_response(),
        _ => Json(effect).into_response(),
    }
}

async fn slack(State(book): State<Arc<Book>>, Path(key): Path<String>, Json(message): Json<serde_json::Value>) -> Response {
    let effect = book.write(key, message["client_msg_id"].as_str().map(str::to_owned), None);
    Json(serde_json::json!({"ok": true, "channel": message["channel"], "ts": format!("{}.000100", effect.n)})).into_response()
}

fn refusal(call: u32, options: &Options) -> Option<Response> {
    let status = match options.mode.as_str() {
        "500" => StatusCode::INTERNAL_SERVER_ERROR,
        "429" => StatusCode::TOO_MANY_REQUESTS,
        _ if call <= options.fail => StatusCode::SERVICE_UNAVAILABLE,
        _ => return None,
    };
    Some((status, [(header::RETRY_AFTER, "1")], "not now").into_response())
}

fn drip(effect: Effect) -> impl futures::Stream<Item = Result<Bytes, Infallible>> {
    let text = serde_json::to_vec(&effect).expect("an effect is JSON");
    futures::stream::iter(text).then(|byte| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Bytes::copy_from_slice(&[byte]))
    })
}

fn broken() -> Body {
    let half = Ok(Bytes::from_static(b"{\"n\":"));
    Body::from_stream(futures::stream::iter([half, Err(std::io::Error::other("cut on purpose"))]))
}

impl Book {
    fn call(&self, key: &str) -> u32 {
        let mut calls = self.calls.lock().expect("not poisoned");
        let count = calls.entry(key.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn write(&self, key: String, idempotency_key: Option<String>, authorization: Option<String>) -> Effect {
        let at_ms = self.began.elapsed().as_millis() as u64;
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let mut effects = self.effects.lock().expect("not poisoned");
        let effect = Effect { n: effects.len() + 1, key, idempotency_key, nonce, authorization, at_ms };
        let mut file = self.file.lock().expect("not poisoned");
        writeln!(file, "{}", serde_json::to_string(&effect).expect("an effect is JSON")).expect("the disk takes it");
        file.sync_data().expect("the disk keeps it");
        effects.push(effect.clone());
        self.written.send_replace(effects.len());
        effect
    }
}
