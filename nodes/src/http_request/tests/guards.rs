//! Where secrets may go, what is smuggled, and what every call carries.

use flowforge_core::node::NodeError;
use serde_json::{Value, json};

use super::{answering, bench};
use crate::testing::{
    Bench, allowing,
    server::{Server, respond},
};

fn bound(hosts: &[&str]) -> Bench {
    bench().secret_for("TOKEN", hosts)
}

fn with_token(url: &str) -> Value {
    json!({"url": url, "auth": {"scheme": "bearer", "token": "s3cret"}})
}

#[tokio::test]
async fn a_secret_is_sent_to_its_hosts_only() {
    let server = answering(200, &[], "").await;
    let port = server.address.port();
    bound(&["127.0.0.1"]).output(with_token(&server.url("/"))).await;
    bound(&["api.example.org", "127.0.0.1"]).output(with_token(&server.url("/"))).await;
    assert_eq!(server.asked().len(), 2);
    for (hosts, url) in [
        ("api.example.org", server.url("/")),
        ("api.example.org", format!("http://api.example.org@127.0.0.1:{port}/")),
        ("api.example.org", format!("http://127.0.0.1:{port}/?api.example.org")),
        ("api.example.org", format!("http://api.example.org.evil.com:{port}/")),
        ("api.example.org", format!("http://evilapi.example.org:{port}/")),
        ("api.example.org", format!("http://api.example.org.:{port}/")),
        ("api.example.org", format!("http://example.org:{port}/")),
        ("*.example.org", format!("http://example.org:{port}/")),
        ("*.example.org", format!("http://evilexample.org:{port}/")),
        ("localhost", server.url("/")),
        ("127.0.0.1", format!("http://localhost:{port}/")),
    ] {
        let fault = bound(&[hosts]).fails(with_token(&url), "SECRET_HOST_DENIED", "TOKEN").await;
        assert!(!fault.retryable && !fault.message.contains("s3cret"), "{url}: {fault}");
    }
    assert_eq!(server.asked().len(), 2, "nothing else was sent");
}

#[tokio::test]
async fn a_secret_does_not_follow_a_redirect_to_another_host() {
    let other = answering(200, &[], "").await;
    let elsewhere = other.url("/").replace("127.0.0.1", "localhost");
    let server = Server::start(move |_| respond(307, &[("location", &elsewhere)], "")).await;
    let in_body = json!({"method": "POST", "url": server.url("/"), "body": {"token": "s3cret"}});
    bound(&["127.0.0.1"]).fails(in_body, "INVALID_REDIRECT", "localhost").await;
    bound(&["127.0.0.1"]).fails(with_token(&server.url("/")), "SECRET_HOST_DENIED", "localhost").await;
    assert_eq!((server.asked().len(), other.asked().len()), (2, 0));
    bound(&["127.0.0.1", "localhost"]).output(with_token(&server.url("/"))).await;
    assert_eq!(other.asked()[0].header("authorization"), "", "and a credential goes to one origin anyhow");
}

#[tokio::test]
async fn every_call_says_how_deep_its_run_lies() {
    let other = answering(200, &[], "").await;
    let elsewhere = other.url("/");
    let server = Server::start(move |_| respond(302, &[("location", &elsewhere)], "")).await;
    let mut bench = bench();
    bench.cx.depth = 5;
    bench.output(json!({"url": server.url("/")})).await;
    assert_eq!((server.asked()[0].header("flowforge-depth"), other.asked()[0].header("flowforge-depth")), ("5", "5"));
    let forged = json!({"url": server.url("/"), "headers": {"FlowForge-Depth": "0"}});
    bench.fails(forged, "INVALID_PARAMETER", "flowforge-depth").await;
    let forged = json!({"url": server.url("/"), "auth": {"scheme": "header", "name": "flowforge-depth", "value": "0"}});
    bench.fails(forged, "INVALID_PARAMETER", "flowforge-depth").await;
}

#[tokio::test]
async fn line_feeds_reach_no_request() {
    let server = answering(200, &[], "").await;
    let url = server.url("/");
    for params in [
        json!({"url": format!("{url}a\r\nX-Evil: 1")}),
        json!({"url": format!("{url}a\nX-Evil: 1")}),
        json!({"url": format!("{url}?a=\tb")}),
        json!({"url": format!("{url}\0")}),
        json!({"url": url, "headers": {"X-A\r\nX-Evil": "1"}}),
        json!({"url": url, "headers": {"X-A": "1\r\nX-Evil: 1"}}),
        json!({"url": url, "headers": {"X-A": "1\0"}}),
        json!({"url": url, "method": "GET / HTTP/1.1\r\nX-Evil: 1\r\n\r\n"}),
        json!({"url": url, "method": "get"}),
        json!({"url": url, "auth": {"scheme": "bearer", "token": "a\r\nX-Evil: 1"}}),
        json!({"url": url, "auth": {"scheme": "header", "name": "a\r\nb", "value": "c"}}),
        json!({"url": url, "auth": {"scheme": "oauth2", "token_url": format!("{url}\r\n"), "client_id": "a", "client_secret": "b"}}),
    ] {
        let shown = params.to_string();
        let fault: NodeError = bench().run(params).await.unwrap_err();
        assert_eq!(fault.code, "INVALID_PARAMETER", "{shown}: {fault}");
    }
    assert_eq!(server.asked().len(), 0);
    // What is written out for its place does no harm: the twin.
    bench().output(json!({"url": url, "query": {"a\r\nb": "c\r\nd"}})).await;
    assert_eq!(server.asked()[0].uri.query(), Some("a%0D%0Ab=c%0D%0Ad"));
}

#[tokio::test]
async fn an_address_is_one_text_and_read_once() {
    let server = answering(200, &[], "").await;
    for params in [
        json!({"url": [server.url("/")]}),
        json!({"url": {"href": server.url("/")}}),
        json!({"url": 1}),
        json!({"url": server.url("/"), "uri": "http://10.0.0.1/"}),
        json!({"uri": server.url("/")}),
        json!({"url": null}),
    ] {
        let shown = params.to_string();
        assert_eq!(bench().run(params).await.unwrap_err().code, "INVALID_PARAMETER", "{shown}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn other_schemes_are_refused_at_every_door() {
    let server = answering(200, &[], "").await;
    for scheme in ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "unix:/run/x", "data:,x", "jar:file:///x!/y"]
    {
        bench().fails(json!({"url": scheme}), "EGRESS_DENIED", "only http and https").await;
        let auth = json!({"scheme": "oauth2", "token_url": scheme, "client_id": "a", "client_secret": "b"});
        bench().fails(json!({"url": server.url("/"), "auth": auth}), "EGRESS_DENIED", "only http and https").await;
        let next = json!({"by": "next_url", "path": "next"});
        let page = Server::start(move |_| {
            respond(200, &[("content-type", "application/json")], json!({"next": scheme, "items": []}).to_string())
        })
        .await;
        let paged = json!({"url": page.url("/"), "pagination": {"next": next, "items": "items"}});
        bench().fails(paged, "EGRESS_DENIED", "only http and https").await;
        let away = Server::start(move |_| respond(302, &[("location", scheme)], "")).await;
        bench().fails(json!({"url": away.url("/")}), "EGRESS_DENIED", "only http and https").await;
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn a_token_and_a_next_page_stay_within_the_policy() {
    let server = Server::start(|_| {
        respond(200, &[("link", "<http://127.0.0.2:1/>; rel=next"), ("content-type", "application/json")], "[]")
    })
    .await;
    let strict = Bench::with("http.request", &allowing("127.0.0.1"));
    let auth = json!({"scheme": "oauth2", "token_url": "http://127.0.0.2:1/", "client_id": "a", "client_secret": "b"});
    strict.fails(json!({"url": server.url("/"), "auth": auth}), "EGRESS_DENIED", "127.0.0.2").await;
    let pages = json!({"url": server.url("/"), "pagination": {"next": {"by": "link"}}});
    strict.fails(pages, "EGRESS_DENIED", "127.0.0.2").await;
}

/// Set before any thread reads it: the test runs itself again with the variables of a proxy.
#[tokio::test]
async fn a_proxy_of_the_environment_is_ignored() {
    const AGAIN: &str = "FLOWFORGE_TEST_PROXY";
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    if std::env::var_os(AGAIN).is_some() {
        let server = answering(200, &[], "direct").await;
        assert_eq!(bench().output(json!({"url": server.url("/")})).await.value["body"], "direct");
        return;
    }
    let proxy = format!("http://{}", trap.local_addr().unwrap());
    let mut test = tokio::process::Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        test.env(name, &proxy);
    }
    test.env(AGAIN, "1").env_remove("NO_PROXY").env_remove("no_proxy");
    test.args(["--exact", "http_request::tests::guards::a_proxy_of_the_environment_is_ignored"]);
    tokio::select! {
        done = test.output() => {
            let done = done.unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}");
        }
        _ = trap.accept() => panic!("the proxy was called"),
    }
}
