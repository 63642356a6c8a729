//! The proxy as a sandbox sees it: requests over its socket, and what comes of them.

mod access;

use std::{path::Path, sync::Arc};

use flowforge_core::money::Micros;
use flowforge_tests::messages_api::{MessagesApi, Reply, Scenario};
use futures::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::*;
use crate::{
    EgressPolicy, ModelsConfig,
    agent::{Models, Prices},
    testing::{Bench, Lines, purse::TestPurse},
};

/// A proxy, what it pays from, and what it has said.
struct Rig {
    proxy: Proxy,
    purse: Arc<TestPurse>,
    log: Arc<Lines>,
    folder: TempDir,
}

impl Rig {
    /// In front of the stand-in, with so much money.
    async fn start(api: &MessagesApi, limit_usd: f64, allow: &[&str]) -> Self {
        Self::reaching("127.0.0.0/8", &api.url(), limit_usd, allow).await
    }

    async fn reaching(networks: &str, base_url: &str, limit_usd: f64, allow: &[&str]) -> Self {
        let bench = Bench::new("set");
        let models = Models::new(ModelsConfig::new(Some(base_url), Some(MessagesApi::KEY.to_owned()), None).unwrap());
        let (purse, folder) = (TestPurse::of(Micros::from_usd(limit_usd)), tempfile::tempdir().unwrap());
        let config = ProxyConfig {
            socket: folder.path().join("proxy.sock"),
            upstream: models.upstream(None, &bench.cx).unwrap(),
            prices: Arc::new(Prices::built_in().unwrap()),
            purse: purse.clone(),
            step_cap: None,
            step_key: "ff-step".to_owned(),
            allow: HostList::new(allow.iter().copied()).unwrap(),
            log: bench.log.clone(),
            egress: Arc::new(Egress::new(networks.parse::<EgressPolicy>().unwrap())),
        };
        Self { proxy: Proxy::start(config).await.unwrap(), purse, log: bench.log, folder }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("proxy.sock")
    }

    /// A request for a turn, as a client sends it.
    fn request(&self, body: &Value) -> String {
        post("/v1/messages", self.proxy.token(), &body.to_string())
    }

    async fn ask(&self, body: &Value) -> String {
        send(&self.socket(), &self.request(body)).await
    }
}

fn post(path: &str, key: &str, body: &str) -> String {
    let length = body.len();
    // The old version, so that the answer is what comes until the connection ends.
    format!("POST {path} HTTP/1.0\r\nx-api-key: {key}\r\ncookie: a=b\r\ncontent-length: {length}\r\n\r\n{body}")
}

async fn send(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // What is too large is answered before it has been read.
    stream.write_all(request.as_bytes()).await.ok();
    let mut answer = Vec::new();
    // An answer that is cut short ends in an error.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}

fn turn() -> Value {
    json!({"model": "claude-opus-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hello"}]})
}

fn streamed() -> Value {
    let mut turn = turn();
    turn["stream"] = true.into();
    turn
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

fn body_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
}

#[tokio::test]
async fn a_turn_is_asked_with_the_real_key_and_paid_for() {
    let api = MessagesApi::start(Scenario::of([Reply::text("one").usage(1000, 100), Reply::text("two").usage(2000, 10)])).await;
    let rig = Rig::start(&api, 10.0, &[]).await;
    let (whole, stream) = (rig.ask(&turn()).await, rig.ask(&streamed()).await);
    assert_eq!((status(&whole), &body_of(&whole)["content"][0]["text"]), (200, &json!("one")));
    assert!(status(&stream) == 200 && stream.contains("message_stop") && stream.contains("text/event-stream"), "{stream}");
    for asked in api.asked() {
        assert_eq!((asked.key(), asked.header("cookie"), asked.path.as_str()), (MessagesApi::KEY, "", "/v1/messages"));
    }
    let report = rig.proxy.close().await;
    assert_eq!((report.requests, report.tokens.input, report.tokens.output), (2, 3000, 110));
    assert_eq!(report.cost, Micros(7_500 + 10_250));
    assert_eq!((rig.purse.spent(), rig.purse.settled().iter().any(|spent| spent.estimated)), (report.cost, false));
    assert!(rig.purse.turns().iter().all(|turn| turn.key.starts_with("ff-step/")));
}

#[tokio::test]
async fn pieces_pass_as_they_come() {
    let api = MessagesApi::start(Scenario::of([Reply::text(&"x".repeat(90)).hold_at(5)])).await;
    let rig = Rig::start(&api, 10.0, &[]).await;
    let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
    stream.write_all(rig.request(&streamed()).as_bytes()).await.unwrap();
    let (mut seen, mut piece) = (String::new(), [0; 512]);
    while !seen.contains("text_delta") {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    assert!(!seen.contains("message_stop"), "the rest is held");
    api.release(1);
    stream.read_to_string(&mut seen).await.unwrap();
    assert!(seen.contains("message_stop"));
    // The turn was settled before its last piece left.
    assert_eq!(rig.purse.settled().len(), 1);
}

#[tokio::test]
async fn what_the_provider_refuses_is_passed_back_and_costs_nothing() {
    let mut repeats = Reply::error(401);
    repeats.message = Some(format!("invalid key {}", MessagesApi::KEY));
    for (reply, kind) in [
        (Reply::error(400), "invalid_request_error"),
        (repeats, "authentication_error"),
        (Reply::error(403), "permission_error"),
        (Reply::error(404), "not_found_error"),
        (Reply::error(429).header("retry-after", "7").header("anthropic-ratelimit-tokens-remaining", "0"), "rate_limit_error"),
        (Reply::error(500), "api_error"),
        (Reply::error(529).header("x-should-retry", "true"), "overloaded_error"),
    ] {
        let expected = reply.error.unwrap();
        let headers = reply.headers.clone();
        let api = MessagesApi::start(Scenario::of([reply, Reply::text("ok")])).await;
        let rig = Rig::start(&api, 10.0, &[]).await;
        let answer = rig.ask(&streamed()).await;
        assert_eq!((status(&answer), &body_of(&answer)["error"]["type"]), (expected, &json!(kind)), "{answer}");
        assert!(!answer.contains(MessagesApi::KEY), "{answer}");
        for (name, value) in &headers {
            assert!(answer.contains(&format!("{name}: {value}")), "{answer}");
        }
        let quota = rig.proxy.report().quota.map(|quota| (quota.status, quota.resets_at.is_some()));
        let is_quota = matches!(expected, 429 | 529);
        assert_eq!(quota, is_quota.then_some((expected, expected == 429)));
        assert_eq!(rig.purse.spent(), Micros::ZERO);
        rig.ask(&turn()).await;
        let report = rig.proxy.close().await;
        assert_eq!((report.requests, report.quota), (1, None), "the retry alone is paid for");
    }
}

#[tokio::test]
async fn what_is_no_answer_costs_nothing_and_what_is_cut_is_estimated() {
    let text = "x".repeat(200);
    for (reply, expected, estimated) in [
        (Reply::raw(200, "text/html", "<html>"), 200, None),
        (Reply::raw(502, "text/html", "<html>"), 502, None),
        (Reply::disconnect(), 502, Some(true)),
        (Reply::text(&text).cut_after(5), 200, Some(true)),
        (Reply::text(&text).stream_error("overloaded_error"), 200, Some(true)),
        (Reply::text(&text), 200, Some(false)),
    ] {
        let shown = format!("{reply:?}");
        let api = MessagesApi::start(Scenario::of([reply])).await;
        let rig = Rig::start(&api, 10.0, &[]).await;
        assert_eq!(status(&rig.ask(&streamed()).await), expected, "{shown}");
        rig.purse.is_closed().await;
        let settled = rig.purse.settled();
        assert_eq!(settled.len(), 1, "{shown}");
        assert_eq!(settled[0].cost == Micros::ZERO, estimated.is_none(), "{shown}");
        assert_eq!(settled[0].estimated, estimated.unwrap_or_default(), "{shown}");
    }
}

#[tokio::test]
async fn a_sandbox_that_hangs_up_has_paid() {
    let replies = [Reply::text("slow").usage(1000, 9).hold_at(4), Reply::text("slow").hold_at(0)];
    let api = MessagesApi::start(Scenario::of(replies)).await;
    let rig = Rig::start(&api, 10.0, &[]).await;
    let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
    stream.write_all(rig.request(&streamed()).as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    rig.purse.is_closed().await;
    // And so has one whose step is stopped before the answer begins.
    let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
    stream.write_all(rig.request(&turn()).as_bytes()).await.unwrap();
    api.asked_times(2).await;
    let report = rig.proxy.close().await;
    let settled = rig.purse.settled();
    assert!(settled.len() == 2 && settled.iter().all(|spent| spent.estimated), "{settled:?}");
    assert_eq!(report.cost, rig.purse.spent());
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0, "the connection is closed");
}

#[tokio::test]
async fn a_used_up_budget_refuses_the_next_turn_and_says_so() {
    let api = MessagesApi::start(Scenario::of([Reply::text("dear").usage(10_000, 2_000).repeat(-1)])).await;
    let rig = Rig::start(&api, 0.15, &[]).await;
    assert_eq!(status(&rig.ask(&streamed()).await), 200);
    assert_eq!(status(&rig.ask(&streamed()).await), 200, "there is some left");
    let refused = rig.ask(&streamed()).await;
    assert_eq!((status(&refused), &body_of(&refused)["error"]["type"]), (403, &json!("flowforge_budget")));
    let report = rig.proxy.report();
    assert_eq!(report.shortage.map(|shortage| shortage.spent), Some(Micros(200_000)));
    assert_eq!((report.requests, api.asked().len()), (2, 2), "the third was asked of nobody");
}

#[tokio::test]
async fn fifty_turns_at_once_do_not_overdraw_one_budget() {
    let api = MessagesApi::start(Scenario::of([Reply::text("x").usage(100, 1000).repeat(-1)])).await;
    let rig = Rig::start(&api, 0.30, &[]).await;
    let answers = join_all((0..50).map(|_| async { rig.ask(&streamed()).await })).await;
    let paid = answers.iter().filter(|answer| status(answer) == 200).count() as u64;
    assert!(answers.iter().all(|answer| matches!(status(answer), 200 | 403)));
    let one = rig.purse.turns()[0].most;
    assert!(rig.purse.spent() <= Micros::from_usd(0.30).plus(one), "{} spent", rig.purse.spent());
    assert!((11..50).contains(&paid), "{paid} were paid for");
    assert_eq!((rig.proxy.report().requests, api.asked().len() as u64), (paid, paid));
}
