//! A scripted stand-in of Anthropic's Messages API: what each request is answered is said beforehand, faults included.
//!
//! ```no_run
//! # async fn example() {
//! use flowforge_tests::messages_api::{MessagesApi, Reply, Scenario};
//! let api = MessagesApi::start(Scenario::of([Reply::error(529), Reply::text("done").usage(100, 7)])).await;
//! // … give `api.url()` as the base URL and `MessagesApi::KEY` as the key …
//! assert_eq!(api.asked().len(), 2);
//! # }
//! ```
//!
//! The same scenarios can be written as JSON and served by hand: `cargo run -p flowforge-tests --bin messages-api -- FILE`.

mod answer;
mod scenario;
mod serve;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hyper::HeaderMap;
use serde_json::Value;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

pub use scenario::{Reply, Scenario, ToolUse};

/// One request that the stand-in was sent.
#[derive(Debug, Clone)]
pub struct Asked {
    /// For example `POST`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// All headers, the key among them.
    pub headers: HeaderMap,
    /// What was sent; `null` when it was no JSON.
    pub body: Value,
}

impl Asked {
    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The key that came with it, whichever way.
    pub fn key(&self) -> &str {
        match self.header("x-api-key") {
            "" => self.header("authorization").trim_start_matches("Bearer "),
            key => key,
        }
    }
}

/// The stand-in: a server on loopback; it stops when it is dropped.
#[derive(Debug)]
pub struct MessagesApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    scenario: Mutex<Scenario>,
    asked: Mutex<Vec<Asked>>,
    news: Notify,
    released: Semaphore,
}

impl MessagesApi {
    /// The key that is taken unless the scenario names another one; odd enough to be found wherever it leaks.
    pub const KEY: &str = "sk-ant-canary-7c41-r3al";

    /// Serves a scenario on a free port.
    pub async fn start(scenario: Scenario) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), scenario).await
    }

    /// Serves a scenario at an address; port 0 is any that is free.
    pub async fn start_at(at: SocketAddr, scenario: Scenario) -> Self {
        let listener = tokio::net::TcpListener::bind(at).await.expect("a free address");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            scenario: Mutex::new(scenario),
            asked: Mutex::default(),
            news: Notify::new(),
            released: Semaphore::new(0),
        });
        let server = tokio::spawn(serve::serve(listener, Arc::clone(&shared)));
        Self { address, shared, server }
    }

    /// What stands before `/v1/messages`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that it was asked so far, refused requests included.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic").clone()
    }

    /// Waits until it was asked so many times.
    pub async fn asked_times(&self, times: usize) {
        loop {
            let news = self.shared.news.notified();
            if self.shared.asked.lock().expect("no panic").len() >= times {
                return;
            }
            news.await;
        }
    }

    /// Begins another scenario. What it was asked before is kept.
    pub fn load(&self, scenario: Scenario) {
        *self.shared.scenario.lock().expect("no panic") = scenario;
    }

    /// Lets so many answers go on that are held ([`Reply::hold_at`]).
    pub fn release(&self, answers: usize) {
        self.shared.released.add_permits(answers);
    }
}

impl Drop for MessagesApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}
