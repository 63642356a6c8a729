//! What answers mean, how large they may be, and how long they may take.

use std::{io::Write, time::Duration};

use axum::body::{Body, Bytes};
use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{answering, bench};
use crate::testing::server::{Server, respond};

#[tokio::test]
async fn an_answer_is_read_as_it_is_asked_for() {
    let server = Server::start(|asked| match asked.uri.path() {
        "/json" => respond(200, &[("content-type", "text/plain")], r#"{"a":1}"#),
        _ => respond(200, &[("content-type", "application/json")], &b"\"\xff\x00"[..]),
    })
    .await;
    for (path, form, body, encoding) in [
        ("/json", "auto", json!(r#"{"a":1}"#), Value::Null),
        ("/json", "json", json!({"a": 1}), Value::Null),
        ("/json", "text", json!(r#"{"a":1}"#), Value::Null),
        ("/json", "base64", json!("eyJhIjoxfQ=="), json!("base64")),
        ("/odd", "auto", json!("Iv8A"), json!("base64")),
        ("/odd", "text", json!("\"\u{fffd}\0"), Value::Null),
    ] {
        let output = bench().output(json!({"url": server.url(path), "response_as": form})).await.value;
        assert_eq!((&output["body"], &output["encoding"]), (&body, &encoding), "{path} {form}");
    }
    let fault =
        bench().fails(json!({"url": server.url("/odd?t=s3cret"), "response_as": "json"}), "INVALID_RESPONSE", "not JSON").await;
    assert!(!fault.retryable && !fault.message.contains("s3cret"), "{fault}");
}

async fn outcome(status: u16, ok: Value, retry: Value) -> &'static str {
    let server = answering(status, &[("retry-after", "7")], "").await;
    match bench().run(json!({"url": server.url("/"), "ok_statuses": ok, "retry_statuses": retry})).await {
        Ok(_) => "ok",
        Err(fault) if fault.retryable && fault.retry_after_ms == Some(7000) => "retry",
        Err(fault) if !fault.retryable && fault.retry_after_ms.is_none() => "fail",
        Err(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test]
async fn the_author_says_what_is_a_failure_and_what_may_pass() {
    for (status, ok, retry, expected) in [
        (204, json!([]), json!([]), "ok"),
        (304, json!([]), json!([]), "ok"),
        (404, json!([]), json!([]), "fail"),
        (503, json!([]), json!([]), "retry"),
        (404, json!(["2xx", 404]), json!([]), "ok"),
        (204, json!(["200"]), json!([]), "fail"),
        (302, json!(["200-299"]), json!([]), "fail"),
        (503, json!(["5xx"]), json!([]), "ok"),
        (409, json!([]), json!(["409", "5xx"]), "retry"),
        (429, json!([]), json!(["409"]), "fail"),
        (202, json!([]), json!(["202"]), "retry"),
        (202, json!(["202"]), json!(["202"]), "ok"),
    ] {
        assert_eq!(outcome(status, ok.clone(), retry.clone()).await, expected, "{status} ok {ok} retry {retry}");
    }
    let odd = json!({"url": "http://127.0.0.1:9/", "ok_statuses": ["2x"]});
    bench().fails(odd, "INVALID_PARAMETER", "2x").await;
}

#[tokio::test]
async fn redirects_are_the_answer_where_they_are_not_followed() {
    let server = Server::start(|asked| match asked.uri.path() {
        "/odd" => respond(302, &[("location", "http://[")], ""),
        path if path.len() > 4 => respond(200, &[], "end"),
        path => respond(302, &[("location", &format!("{path}x"))], ""),
    })
    .await;
    for path in ["/", "/odd"] {
        let output = bench().output(json!({"url": server.url(path), "follow_redirects": false})).await.value;
        assert_eq!(output["status"], 302, "{path}");
    }
    assert_eq!(server.asked().len(), 2);
    bench().output(json!({"url": server.url("/"), "max_redirects": 4})).await;
    bench().fails(json!({"url": server.url("/"), "max_redirects": 3}), "TOO_MANY_REDIRECTS", "3").await;
}

/// Zeros without end, a chunk at a time.
fn endless() -> Body {
    Body::from_stream(stream::repeat(Bytes::from(vec![0u8; 64 << 10])).map(Ok::<_, std::io::Error>))
}

#[tokio::test]
async fn what_is_too_large_is_given_up() {
    let server = Server::start(|asked| match asked.uri.path() {
        "/endless" => respond(200, &[], endless()),
        "/told" => respond(200, &[], vec![b'x'; 1001]),
        "/just" => respond(200, &[], vec![b'x'; 1000]),
        _ => respond(500, &[], endless()),
    })
    .await;
    let asking = |path: &str| json!({"url": server.url(path), "max_bytes": 1000});
    assert_eq!(bench().output(asking("/just")).await.value["body"].as_str().unwrap().len(), 1000);
    for path in ["/endless", "/told", "/refused"] {
        let fault = bench().fails(asking(path), "RESPONSE_TOO_LARGE", "1000 bytes").await;
        assert!(!fault.retryable);
    }
    bench().fails(json!({"url": server.url("/endless")}), "RESPONSE_TOO_LARGE", "10485760 bytes").await;
    let most = json!({"url": server.url("/endless"), "max_bytes": 1_u64 << 40});
    bench().fails(most, "RESPONSE_TOO_LARGE", "33554432 bytes").await;
}

/// Ten gigabytes of zeros in ten megabytes: the same member a thousand times.
fn bomb() -> (Bytes, usize) {
    let mut member = GzEncoder::new(Vec::new(), Compression::best());
    member.write_all(&vec![0; 10 << 20]).unwrap();
    (member.finish().unwrap().into(), 1000)
}

#[tokio::test]
async fn a_bomb_ends_at_the_limit() {
    let (member, times) = bomb();
    assert!(member.len() < 16 << 10);
    let server = Server::start(move |_| {
        let members = stream::repeat(member.clone()).take(times).map(Ok::<_, std::io::Error>);
        respond(200, &[("content-encoding", "gzip"), ("content-type", "text/plain")], Body::from_stream(members))
    })
    .await;
    let before = resident();
    bench().fails(json!({"url": server.url("/"), "max_bytes": 1 << 20}), "RESPONSE_TOO_LARGE", "1048576").await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 512 << 20, "the process has grown by {grown} bytes");
}

/// What this process, its other tests included, holds in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn what_is_compressed_and_fits_is_read() {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(br#"{"a":1}"#).unwrap();
    let packed = Bytes::from(writer.finish().unwrap());
    let server = Server::start(move |_| {
        respond(200, &[("content-encoding", "gzip"), ("content-type", "application/json")], packed.clone())
    })
    .await;
    assert_eq!(bench().output(json!({"url": server.url("/")})).await.value["body"], json!({"a": 1}));
}

#[tokio::test]
async fn silence_is_told_from_slowness() {
    let drip = Server::start(|asked| {
        let times = if asked.uri.path() == "/stops" { 3 } else { 12 };
        let drops = stream::iter(0..times).then(|_| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
        });
        let end = if times == 3 { stream::pending().boxed() } else { stream::empty().boxed() };
        respond(200, &[], Body::from_stream(drops.chain(end)))
    })
    .await;
    let slow = json!({"url": drip.url("/slow"), "idle_timeout_s": 0.4});
    assert_eq!(bench().output(slow).await.value["body"], "xxxxxxxxxxxx", "0.6 s in all, and never silent for long");
    let fault = bench().fails(json!({"url": drip.url("/stops"), "idle_timeout_s": 0.4}), "HTTP_TIMEOUT", "silent for 0.4").await;
    assert!(fault.retryable);
    bench().fails(json!({"url": drip.url("/stops"), "timeout_s": 0.5}), "HTTP_TIMEOUT", "0.5 seconds").await;
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", mute.local_addr().unwrap());
    bench().fails(json!({"url": url, "connect_timeout_s": 0.2, "idle_timeout_s": 0.2}), "HTTP_TIMEOUT", "silent").await;
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_given_up() {
    // It takes what is sent and never answers a handshake.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", deaf.local_addr().unwrap());
    let fault =
        bench().fails(json!({"url": url, "connect_timeout_s": 0.3}), "HTTP_TIMEOUT", "no connection came about within 0.3").await;
    assert!(fault.retryable);
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_be_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    });
    assert!(bench().fails(json!({"url": url}), "NETWORK_ERROR", "").await.retryable);
    server.await.unwrap();
}
