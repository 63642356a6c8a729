//! Clients that trigger runs, repeat themselves over both APIs, and cancel some of what they started.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flowforge_tests::{Client, Ledger, Reply};
use reqwest::Method;
use serde_json::json;

use crate::{
    journal::Journal,
    plan::Trigger,
    recorder::{Recorder, Recordings},
    workload::Scenario,
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// The wait before a client asks again.
const AGAIN: Duration = Duration::from_millis(250);

/// What all clients of a round share.
#[derive(Debug)]
pub(crate) struct Site {
    /// One signed-in client for each API.
    pub(crate) apis: Vec<Client>,
    /// What each kind is to come to.
    pub(crate) scenarios: Vec<Scenario>,
    /// The workflow of each kind.
    pub(crate) workflows: Vec<String>,
    /// What the clients know.
    pub(crate) journal: Journal,
    /// What the readers saw.
    pub(crate) recordings: Recordings,
    /// The record of effects; its clock is that of the round.
    pub(crate) ledger: Arc<Ledger>,
    /// Nobody asks any more after this.
    pub(crate) deadline: Instant,
}

impl Site {
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The same client, over and over, at the APIs in turns.
    pub(crate) fn api(&self, turn: usize) -> &Client {
        &self.apis[turn % self.apis.len()]
    }
}

/// Sends a trigger as often as it is to be sent, cancels and records the run if that is wanted. Returns when all is done.
pub(crate) async fn perform(site: Arc<Site>, trigger: Trigger, place: usize, recorder: Option<Recorder>) {
    let copies = trigger.copies.iter().enumerate().map(|(copy, wait)| {
        let (site, trigger, wait) = (Arc::clone(&site), &trigger, *wait);
        async move {
            tokio::time::sleep(wait).await;
            submit(&site, trigger, place + copy, trigger.gives_up).await
        }
    });
    let waits = site.scenarios[trigger.kind].waits_for_an_answer();
    let sent = async {
        futures::future::join_all(copies).await;
        // A run that nobody was told of may be there all the same, and would wait for ever: somebody asks until he is told.
        if waits && site.journal.run_of(&trigger.key).is_none() {
            submit(&site, &trigger, place, false).await;
        }
    };
    let followed = async {
        let run = acknowledged(&site, &trigger.key).await;
        let cancelled = async {
            if let Some(wait) = trigger.cancel {
                tokio::time::sleep(wait).await;
                cancel(&site, &trigger.key, &run, place).await;
            }
        };
        let recorded = async {
            if let Some(recorder) = recorder {
                recorder.record(&site, &run, place).await;
            }
        };
        tokio::join!(cancelled, recorded, answer(&site, &trigger, &run, place));
    };
    let mut followed = std::pin::pin!(followed);
    tokio::select! {
        () = sent => {}
        () = &mut followed => return,
    }
    // When every sender has given up there is nothing to follow.
    if site.journal.run_of(&trigger.key).is_some() {
        followed.await;
    }
}

/// Asks until there is an answer, or gives up after the first that never came.
async fn submit(site: &Site, trigger: &Trigger, mut turn: usize, gives_up: bool) {
    let path = format!("/workflows/{}/runs", site.workflows[trigger.kind]);
    while !site.is_over() {
        site.journal.intent(&trigger.key);
        let api = site.api(turn);
        let request = api.request(Method::POST, &path).header("idempotency-key", &trigger.key).timeout(PATIENCE);
        match api.try_send(request.json(&json!({"input": {"key": trigger.key, "n": 6}}))).await {
            Ok(Reply { status: 200 | 201, body, .. }) => return site.journal.ack(&trigger.key, text(&body["id"])),
            Ok(Reply { status: 500.. | 429, body, .. }) => site.journal.unknown(&trigger.key, text(&body["code"])),
            Ok(reply) => return site.journal.refused(&trigger.key, &format!("{} {}", reply.status, reply.body)),
            Err(fault) => site.journal.unknown(&trigger.key, kind_of(&fault)),
        }
        if gives_up {
            return;
        }
        turn += 1;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn acknowledged(site: &Site, key: &str) -> String {
    loop {
        if let Some(run) = site.journal.run_of(key) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends what the run waits for.
async fn answer(site: &Site, trigger: &Trigger, run: &str, turn: usize) {
    let scenario = &site.scenarios[trigger.kind];
    tokio::time::sleep(trigger.answer).await;
    if let Some((name, payload)) = &scenario.signal {
        ask(site, &trigger.key, &format!("/runs/{run}/signals/{name}"), payload, turn).await;
    }
    if let Some(node) = scenario.approval
        && let Some(digest) = asked(site, run, turn).await
    {
        let path = format!("/runs/{run}/approvals/{node}");
        let decide = |decision: &'static str, turn| {
            let (path, digest) = (&path, &digest);
            async move {
                let body = json!({"decision": decision, "digest": digest});
                if ask(site, &trigger.key, path, &body, turn).await == Some(200) {
                    site.journal.decided(&trigger.key, decision);
                }
            }
        };
        tokio::join!(decide("approved", turn), decide("rejected", turn + 1));
    }
}

/// The digest of the decision that a run asks for, as soon as it does; nothing when it ends without.
async fn asked(site: &Site, run: &str, mut turn: usize) -> Option<String> {
    while !site.is_over() {
        turn += 1;
        let get = |path: &str| site.api(turn).request(Method::GET, path).timeout(PATIENCE);
        let now = site.api(turn).try_send(get(&format!("/runs/{run}"))).await;
        if now.is_ok_and(|reply| reply.status == 200 && flowforge_tests::is_over(&reply.body)) {
            return None;
        }
        if let Ok(reply) = site.api(turn).try_send(get("/approvals?status=waiting&limit=200")).await
            && let Some(found) = reply.body["items"].as_array().into_iter().flatten().find(|one| one["run_id"] == run)
        {
            return found["digest"].as_str().map(str::to_owned);
        }
        tokio::time::sleep(AGAIN).await;
    }
    None
}

/// Asks until there is an answer that is not a server's trouble. 409 is one: others were first, or the run has ended.
async fn ask(site: &Site, key: &str, path: &str, body: &serde_json::Value, mut turn: usize) -> Option<u16> {
    while !site.is_over() {
        let request = site.api(turn).request(Method::POST, path).timeout(PATIENCE).json(body);
        match site.api(turn).try_send(request).await {
            Ok(reply) if reply.status < 300 || reply.status == 409 => return Some(reply.status),
            Ok(reply) if reply.status < 500 && reply.status != 429 => {
                site.journal.refused(key, &format!("{path}: {} {}", reply.status, reply.body));
                return Some(reply.status);
            }
            Ok(_) | Err(_) => {}
        }
        turn += 1;
        tokio::time::sleep(AGAIN).await;
    }
    None
}

async fn cancel(site: &Site, key: &str, run: &str, turn: usize) {
    if ask(site, key, &format!("/runs/{run}/cancel"), &json!({}), turn).await == Some(202) {
        site.journal.cancelled(key, site.ledger.now_ms());
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn kind_of(fault: &reqwest::Error) -> &'static str {
    match fault {
        fault if fault.is_timeout() => "timeout",
        fault if fault.is_connect() => "refused",
        _ => "cut",
    }
}
