//! Calls to real servers, kind and unkind ones.

mod answers;
mod guards;
mod pages;
mod payloads;
mod tokens;

use serde_json::{Value, json};

use crate::testing::{
    Bench, allowing,
    server::{Server, respond},
};

fn bench() -> Bench {
    Bench::with("http.request", &allowing("127.0.0.0/8"))
}

async fn answering(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> Server {
    Server::start(move |_| respond(status, headers, body)).await
}

#[tokio::test]
async fn what_was_asked_for_is_sent() {
    let server = answering(200, &[], "").await;
    let params = json!({"method": "POST", "url": server.url("/a?x=1"), "query": {"q": "ü &", "n": 2},
        "headers": {"X-Own": 5, "accept": "text/plain"}, "body": {"a": [1]},
        "auth": {"scheme": "basic", "user": "u", "password": "p"}});
    bench().output(params).await;
    let asked = server.asked().remove(0);
    assert_eq!((asked.method.as_str(), asked.uri.to_string().as_str()), ("POST", "/a?x=1&n=2&q=%C3%BC+%26"));
    assert_eq!(
        (asked.header("x-own"), asked.header("accept"), asked.header("content-type")),
        ("5", "text/plain", "application/json")
    );
    assert_eq!(asked.header("authorization"), "Basic dTpw");
    assert_eq!(asked.header("idempotency-key"), &*bench().cx.effect_key);
    assert_eq!(asked.body, r#"{"a":[1]}"#);
}

#[tokio::test]
async fn a_text_is_sent_as_it_is_and_tokens_as_asked() {
    let server = answering(200, &[], "").await;
    let url = server.url("/");
    bench().output(json!({"method": "PUT", "url": url, "body": "a=1", "auth": {"scheme": "bearer", "token": "t"}})).await;
    bench().output(json!({"url": url, "headers": {"Idempotency-Key": "mine"}, "auth": {"scheme": "header", "name": "X-Key", "value": "k"}})).await;
    let asked = server.asked();
    assert_eq!(
        (&*asked[0].body, asked[0].header("content-type"), asked[0].header("authorization")),
        (&b"a=1"[..], "", "Bearer t")
    );
    assert_eq!((asked[1].header("x-key"), asked[1].header("idempotency-key")), ("k", "mine"));
}

async fn reads(headers: &'static [(&'static str, &'static str)], body: &'static [u8], expected: Value) {
    let server = Server::start(move |_| respond(201, headers, body)).await;
    let output = bench().output(json!({"url": server.url("/")})).await;
    assert_eq!(output.value["status"], 201);
    let found = json!([output.value["body"], output.value["encoding"]]);
    assert_eq!(found, expected, "{headers:?}");
}

#[tokio::test]
async fn a_body_is_json_or_text_or_base64() {
    reads(&[("content-type", "application/json; charset=utf-8")], br#"{"a":1}"#, json!([{"a": 1}, null])).await;
    reads(&[("content-type", "application/problem+json")], b"[1]", json!([[1], null])).await;
    reads(&[("content-type", "application/json")], b"{no", json!(["{no", null])).await;
    reads(&[("content-type", "text/plain")], b"1", json!(["1", null])).await;
    reads(&[("content-type", "text/plain; charset=ISO-8859-1")], b"\xfc", json!(["ü", null])).await;
    reads(&[("content-type", "image/png")], b"\x89PNG\0", json!(["iVBORwA=", "base64"])).await;
    reads(&[], b"", json!(["", null])).await;
}

async fn refused(status: u16, headers: &'static [(&'static str, &'static str)], code: &str, retry: Option<Option<u64>>) {
    let server = answering(status, headers, r#"{"why":"because"}"#).await;
    let fault = bench().fails(json!({"url": server.url("/secret?token=s3cret")}), code, &status.to_string()).await;
    assert_eq!(fault.retryable.then_some(fault.retry_after_ms), retry, "{status} {headers:?}");
    assert_eq!(fault.details, json!({"status": status, "body": {"why": "because"}}));
    assert!(!fault.message.contains("s3cret"), "{fault}");
}

#[tokio::test]
async fn a_refusal_says_whether_to_try_again() {
    refused(400, &[], "HTTP_STATUS", None).await;
    refused(404, &[("retry-after", "9")], "HTTP_STATUS", None).await;
    refused(500, &[], "HTTP_STATUS", Some(None)).await;
    refused(503, &[("retry-after", "7")], "HTTP_STATUS", Some(Some(7_000))).await;
    refused(429, &[("retry-after", "99999999")], "RATE_LIMIT", Some(Some(3_600_000))).await;
    refused(408, &[("retry-after", "soon")], "HTTP_STATUS", Some(None)).await;
    let dates = &[("date", "Fri, 20 Nov 2026 07:00:00 GMT"), ("retry-after", "Fri, 20 Nov 2026 07:01:30 GMT")];
    refused(503, dates, "HTTP_STATUS", Some(Some(90_000))).await;
    let far = &[("date", "Fri, 20 Nov 2026 07:00:00 GMT"), ("retry-after", "Sun, 22 Nov 2026 07:01:30 GMT")];
    refused(503, far, "HTTP_STATUS", Some(Some(3_600_000))).await;
    let past = &[("date", "Fri, 20 Nov 2026 07:00:00 GMT"), ("retry-after", "Fri, 20 Nov 2026 06:00:00 GMT")];
    refused(503, past, "HTTP_STATUS", Some(Some(0))).await;
}

#[tokio::test]
async fn a_server_that_is_silent_absent_or_endless_is_an_error() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let fault = bench().fails(json!({"url": url, "timeout_s": 0.2}), "HTTP_TIMEOUT", "0.2 seconds").await;
    assert!(fault.retryable);
    drop(silent);
    assert!(bench().fails(json!({"url": url}), "NETWORK_ERROR", "refused").await.retryable);
    assert!(bench().fails(json!({"url": "http://nowhere.invalid/"}), "NETWORK_ERROR", "").await.retryable);
    let endless = Server::start(|_| respond(200, &[], vec![b'x'; 11 << 20])).await;
    bench().fails(json!({"url": endless.url("/")}), "RESPONSE_TOO_LARGE", "bytes").await;
}

#[tokio::test]
async fn private_addresses_are_refused_however_they_are_written() {
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0",
        "10.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
    ] {
        let strict = Bench::with("http.request", &allowing(""));
        let fault = strict.fails(json!({"url": format!("http://{host}:1/")}), "EGRESS_DENIED", "FLOWFORGE_EGRESS_ALLOW").await;
        assert!(!fault.retryable, "{host}");
    }
    for url in ["file:///etc/passwd", "ftp://example.org/", "data:,x", "unix:/run/x"] {
        bench().fails(json!({"url": url}), "EGRESS_DENIED", "http").await;
    }
}

#[tokio::test]
async fn redirects_are_followed_and_checked_one_by_one() {
    let server = Server::start(|asked| match asked.uri.path() {
        "/see-other" => respond(303, &[("location", "/end")], ""),
        "/again" => respond(307, &[("location", "end")], ""),
        "/loop" => respond(302, &[("location", "/loop")], ""),
        "/away" => respond(302, &[("location", "http://10.0.0.1/")], ""),
        "/file" => respond(302, &[("location", "file:///etc/passwd")], ""),
        "/nowhere" => respond(302, &[("location", "http://[")], ""),
        _ => respond(200, &[], "end"),
    })
    .await;
    let post = |path: &str| json!({"method": "POST", "url": server.url(path), "body": "b"});
    bench().output(post("/see-other")).await;
    bench().output(post("/again")).await;
    let asked = server.asked();
    assert_eq!((asked[1].method.as_str(), asked[1].body.len()), ("GET", 0));
    assert_eq!((asked[3].method.as_str(), &*asked[3].body), ("POST", &b"b"[..]));
    bench().fails(post("/loop"), "TOO_MANY_REDIRECTS", "10").await;
    bench().fails(post("/away"), "EGRESS_DENIED", "10.0.0.1").await;
    bench().fails(post("/file"), "EGRESS_DENIED", "file").await;
    bench().fails(post("/nowhere"), "INVALID_REDIRECT", "").await;
}

#[tokio::test]
async fn credentials_stay_with_the_host_they_are_for() {
    let other = answering(200, &[], "").await;
    let elsewhere = other.url("/");
    let server = Server::start(move |asked| match asked.uri.path() {
        "/other" => respond(307, &[("location", &elsewhere)], ""),
        _ => respond(307, &[("location", "/other")], ""),
    })
    .await;
    let params =
        json!({"url": server.url("/"), "headers": {"X-Token": "t", "Accept": "a/b"}, "auth": {"scheme": "bearer", "token": "t"}});
    bench().output(params).await;
    assert_eq!(server.asked()[1].header("authorization"), "Bearer t", "the same host still gets it");
    let asked = other.asked().remove(0);
    assert_eq!((asked.header("authorization"), asked.header("x-token"), asked.header("accept")), ("", "", "a/b"));
    assert_eq!(asked.header("idempotency-key"), &*bench().cx.effect_key);
    // A body may hold a secret as well as a header.
    let before = other.asked().len();
    let posted = json!({"method": "POST", "url": server.url("/other"), "body": {"token": "t"}});
    bench().fails(posted, "INVALID_REDIRECT", "call that address itself").await;
    assert_eq!(other.asked().len(), before, "the other host was sent it");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_it_is_tried() {
    for (params, words) in [
        (json!({"url": "not a url"}), "address"),
        (json!({"url": "http://"}), "address"),
        (json!({"url": "http://127.0.0.1/", "headers": {"a b": "c"}}), "a b"),
        (json!({"url": "http://127.0.0.1/", "headers": {"a": "b\r\nc: d"}}), "control character"),
        (json!({"url": "http://127.0.0.1/", "headers": {"Host": "x"}}), "host"),
        (json!({"url": "http://127.0.0.1/", "method": "BREW"}), "BREW"),
        (json!({"url": "http://127.0.0.1/", "timeout_s": -1}), "timeout_s"),
        (json!({"url": "http://127.0.0.1/", "auth": {"scheme": "magic"}}), "magic"),
    ] {
        bench().fails(params, "INVALID_PARAMETER", words).await;
    }
}
