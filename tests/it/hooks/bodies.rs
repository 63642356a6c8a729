//! What comes as a body: large, slow, packed, broken, and what runs see of it.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use flowforge_tests::{Database, Forge};
use futures::{StreamExt, stream};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Hook, KEY, SECRETS, github_signature, text};

pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).expect("memory");
    packer.finish().expect("memory")
}

/// W7, F23: 10 MB are taken, 26 MB are refused before they are read.
#[tokio::test]
async fn large_bodies_are_taken_up_to_the_limit() {
    let forge = Forge::start_with(Database::Sqlite, SECRETS).await;
    let hook = Hook::with(
        &forge,
        "trigger.webhook",
        json!({"auth": {"scheme": "github", "secret": "HOOK"}, "dedupe": "none"}),
        &[("end", "transform", json!({"code": "return trigger.body.text.length;"}))],
    )
    .await;
    let body = json!({"text": "x".repeat(10_000_000)}).to_string().into_bytes();
    let signature = github_signature(KEY, &body);
    let taken = hook.send_bytes(&[("x-hub-signature-256", &signature)], body).await.expect(202);
    let run = hook.run_of(&taken).await;
    assert_eq!(run["output"], 10_000_000, "{:#}", run["error"]);
    assert!(run["input"].to_string().len() < 100_000, "the run's row has a reference");
    let shown = forge.owner.get(&format!("/deliveries/{}", text(&taken["delivery_id"]))).await.expect(200);
    assert!(shown["body_truncated"] == true && shown["body_preview"].as_str().is_some_and(|text| text.len() < 20_000));
    // Nobody reads these, so nobody asks whether they are signed. The server may have hung up before all was sent.
    let sent = forge.owner.try_send(hook.request(Method::POST, &hook.url).body(vec![b' '; 26 << 20])).await;
    assert!(sent.is_err() || sent.is_ok_and(|reply| reply.status == 413));
    assert_eq!((hook.runs().await.len(), hook.statuses().await), (1, vec!["started".to_owned(), "refused".to_owned()]));
}

/// The most memory that a process has had, in MiB.
#[cfg(target_os = "linux")]
fn memory(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with(field)).expect("its memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") >> 10
}

/// W7, F23, measured: what is refused takes next to no memory, and what is taken no more than its allowance, however much comes.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_stays_within_its_bounds() {
    let forge = Forge::start_with(Database::Sqlite, SECRETS).await;
    let auth = json!({"scheme": "github", "secret": "HOOK"});
    let small = Hook::start(&forge, json!({"auth": auth, "max_body_bytes": 1_000_000})).await;
    let large = Hook::start(&forge, json!({"auth": auth, "max_body_bytes": 25 << 20})).await;
    let pid = forge.server.pid();
    let chunk = vec![b' '; 64 << 10];
    let endless = |hook: &Hook| {
        let parts = stream::repeat(chunk.clone()).map(Ok::<_, std::io::Error>);
        let request = hook.request(Method::POST, &hook.url).header("x-hub-signature-256", github_signature("guessed", b""));
        let owner = forge.owner.clone();
        async move { owner.try_send(request.body(Body::wrap_stream(parts))).await.map(|reply| reply.status) }
    };
    let announced = |hook: &Hook| {
        let (owner, request) = (forge.owner.clone(), hook.request(Method::POST, &hook.url));
        async move { owner.try_send(request.body(vec![b' '; 26 << 20])).await.map(|reply| reply.status) }
    };
    let refused = |answers: Vec<Result<u16, reqwest::Error>>| {
        for status in answers.into_iter().flatten() {
            assert!(matches!(status, 401 | 408 | 413 | 503), "{status}");
        }
    };
    // Once, so that what is made at the first request is there.
    refused(vec![endless(&small).await, announced(&large).await]);
    let before = memory(pid, "VmRSS");
    for _ in 0..5 {
        refused(futures::future::join_all((0..4).map(|_| endless(&small))).await);
        refused(futures::future::join_all((0..4).map(|_| announced(&large))).await);
    }
    let few = memory(pid, "VmHWM");
    println!("{before} MiB before, at most {few} MiB while 40 huge bodies were refused");
    assert!(few < before + 32, "{before} MiB, then {few} MiB");
    refused(futures::future::join_all((0..48).map(|_| endless(&large))).await);
    let many = memory(pid, "VmHWM");
    println!("at most {many} MiB while 48 bodies of 25 MiB came at once");
    assert!(many < before + 512, "{before} MiB, then {many} MiB: the allowance is 256 MiB");
    assert_eq!((small.runs().await.len(), large.runs().await.len()), (0, 0));
    // The twin: what is right is taken afterwards as before.
    let body = b"{}".to_vec();
    let signature = github_signature(KEY, &body);
    small.send_bytes(&[("x-hub-signature-256", &signature)], body).await.expect(202);
}

#[tokio::test]
async fn a_body_without_end_ends() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({"max_body_bytes": 1_000_000})).await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let sent = forge.owner.try_send(hook.request(Method::POST, &hook.url).body(Body::wrap_stream(endless))).await;
    // The server may have hung up before it was heard.
    assert!(sent.is_err() || sent.is_ok_and(|reply| reply.status == 413));
    assert_eq!((hook.statuses().await, hook.runs().await.len()), (vec!["refused".to_owned()], 0));
}

/// What is announced is believed before a byte is read, and what is no number is no length.
#[tokio::test]
async fn announced_lengths_are_looked_at_first() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    for (length, status) in [("99999999999", "413"), ("99999999999999999999999", "4"), ("-1", "4"), ("x", "4")] {
        let began = Instant::now();
        let answer = raw(&hook, &format!("content-length: {length}\r\n"), b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{length}: {answer}");
        assert!(began.elapsed() < Duration::from_secs(5), "{length} is waited for");
    }
    assert_eq!(hook.runs().await.len(), 0);
}

/// A byte a second is not waited for: ten seconds, whatever comes.
#[tokio::test]
async fn a_slow_body_is_not_waited_for() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let began = Instant::now();
    let drops = stream::repeat(()).then(|()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, std::io::Error>(" ")
    });
    let sent = forge.owner.try_send(hook.request(Method::POST, &hook.url).body(Body::wrap_stream(drops))).await;
    assert!(sent.is_err() || sent.is_ok_and(|reply| reply.status == 408));
    assert!((9..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!((hook.statuses().await, hook.runs().await.len()), (vec!["refused".to_owned()], 0));
}

/// A request by hand: what an HTTP client would not send. The beginning of the answer.
async fn raw(hook: &Hook<'_>, headers: &str, body: &[u8]) -> String {
    let base = hook.forge.server.base();
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.expect("a connection");
    let path = hook.url.trim_start_matches('/');
    let head = format!("POST /{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.expect("it is sent");
    let mut answer = vec![0; 256];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await.expect("an answer").unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// W8: one packing, and never more out of it than may come in.
#[tokio::test]
async fn packed_bodies_do_not_explode() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({"max_body_bytes": 100_000})).await;
    let bomb = packed(&vec![b' '; 100_000_000]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    hook.send_bytes(&[("content-encoding", "gzip")], bomb.clone()).await.problem(413, "body_too_large");
    for coding in ["gzip,gzip,br", "gzip, gzip", "br", "zstd", "deflate", "compress"] {
        hook.send_bytes(&[("content-encoding", coding)], bomb.clone()).await.problem(415, "unsupported_encoding");
    }
    hook.send_bytes(&[("content-encoding", "gzip")], b"{}".to_vec()).await.problem(400, "invalid_delivery");
    assert_eq!(hook.runs().await.len(), 0);
    let fine = hook.send_bytes(&[("content-encoding", "gzip")], packed(b"[1,2]")).await.expect(202);
    assert_eq!(hook.run_of(&fine).await["output"], json!([1, 2]));
}

/// F23: JSON that is deep, wide, doubled or broken.
#[tokio::test]
async fn odd_json_is_taken_or_refused_and_never_worse() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    for broken in [b"{".to_vec(), b"{} {}".to_vec(), deep(100_000), b"{\"a\":1e999}".to_vec(), b"\xff\xfe".to_vec()] {
        hook.send_bytes(&[], broken).await.problem(400, "invalid_delivery");
    }
    // What could be read today and never again, once it stands in a run's row.
    for deep in [deep(100), deep(127)] {
        let told = hook.send_bytes(&[], deep).await.problem(400, "invalid_delivery");
        assert!(told["detail"].to_string().contains("nested more than 99 levels"), "{told:#}");
    }
    assert!(hook.statuses().await.iter().all(|status| status == "refused"));
    assert_eq!(hook.runs().await.len(), 0);
    let keys: serde_json::Map<_, _> = (0..100_000).map(|n| (format!("k{n}"), json!(n))).collect();
    for fine in [deep(99), b"{\"a\":1,\"a\":2}".to_vec(), Value::Object(keys).to_string().into_bytes(), b"".to_vec()] {
        let taken = hook.send_bytes(&[], fine).await.expect(202);
        assert_eq!(hook.run_of(&taken).await["status"], "completed");
    }
    let odd = json!({"zero": "a\u{0}b", "__proto__": {"x": 1}, "$blob": "mine", "\u{202e}": "\u{feff}"});
    let run = hook.run_of(&hook.send(&[], &odd).await.expect(202)).await;
    assert_eq!(run["output"]["$blob"], "mine", "{run:#}");
    assert_eq!(run["output"]["__proto__"]["x"], 1);
}

#[tokio::test]
async fn runs_see_headers_query_and_body() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let asked = Hook {
        url: format!("{}?a=1&b=x%20y&a=2", hook.url),
        workflow: hook.workflow.clone(),
        trigger: hook.trigger.clone(),
        forge: &forge,
    };
    let form = [("content-type", "application/x-www-form-urlencoded"), ("x-event", "order")];
    let taken = asked.send_bytes(&form, b"name=Ada&tag=1&tag=2".to_vec()).await.expect(202);
    let input = hook.run_of(&taken).await["input"].clone();
    assert_eq!(input["query"], json!({"a": ["1", "2"], "b": "x y"}));
    assert_eq!(input["body"], json!({"name": "Ada", "tag": ["1", "2"]}));
    assert_eq!((&input["headers"]["x-event"], &input["delivery_id"]), (&json!("order"), &taken["delivery_id"]));
    for (kind, raw, body) in [
        ("text/plain", b"hello".to_vec(), json!("hello")),
        ("application/octet-stream", vec![0xff, 0x00], json!("/wA=")),
        ("application/vnd.x+json; charset=utf-8", b"[true]".to_vec(), json!([true])),
    ] {
        let run = hook.run_of(&hook.send_bytes(&[("content-type", kind)], raw).await.expect(202)).await;
        assert_eq!(run["output"], body, "{kind}");
    }
}

/// Announces a body to GitHub's address and sends nothing of it.
async fn idle(forge: &Forge) -> TcpStream {
    let base = forge.server.base();
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.expect("a connection");
    // Of the right form, or nothing more would be waited for.
    let signature = format!("sha256={}", "0".repeat(64));
    let head = format!(
        "POST /api/v1/webhooks/github HTTP/1.1\r\nhost: x\r\nx-hub-signature-256: {signature}\r\ncontent-length: 26214400\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    stream
}

#[tokio::test]
async fn github_is_refused_unread_while_nobody_listens() {
    let forge = Forge::start(Database::Sqlite).await;
    let mut answer = [0; 12];
    let mut unheard = idle(&forge).await;
    let read = tokio::time::timeout(Duration::from_secs(5), unheard.read_exact(&mut answer)).await;
    read.expect("before the body has come").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 401");
}

/// Callers that announce much and send nothing take no room from others.
#[tokio::test]
async fn idle_callers_take_no_room() {
    let forge = Forge::start_with(Database::Sqlite, SECRETS).await;
    let hook = Hook::start(&forge, json!({})).await;
    let listens = Hook::with(&forge, "trigger.github", json!({"secret": "HOOK"}), &[("end", "set", json!({"value": 1}))]).await;
    let mut held = Vec::new();
    for _ in 0..24 {
        held.push(idle(&forge).await);
    }
    // What may still come is waited for: there is no answer yet.
    let waited = tokio::time::timeout(Duration::from_secs(1), held[23].read_u8()).await;
    assert!(waited.is_err(), "{waited:?}");
    let began = Instant::now();
    for n in 0..3 {
        hook.send(&[], &json!({ "n": n })).await.expect(202);
    }
    hook.send(&[], &json!({"text": "x".repeat(5_000_000)})).await.expect(202);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(listens.runs().await.len(), 0);
}

/// What was taken by a version with another limit and is played again.
#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_not_played_again() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let taken = hook.send(&[], &json!([])).await.expect(202);
    hook.run_of(&taken).await;
    forge.execute(&format!("UPDATE deliveries SET body = CAST('{}{}' AS BLOB)", "[".repeat(127), "]".repeat(127)));
    let again = forge.owner.post(&format!("/deliveries/{}/replay", text(&taken["delivery_id"])), json!({})).await.expect(201);
    assert!(again["status"] == "failed" && again["reason"].to_string().contains("nested more than 99 levels"), "{again:#}");
    assert_eq!(hook.runs().await.len(), 1);
}
