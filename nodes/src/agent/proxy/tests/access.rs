//! What a sandbox can reach, and what it can find out.

use tokio::net::TcpListener;

use super::*;
use crate::testing::server::{Server, respond};

async fn echo() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn api() -> MessagesApi {
    MessagesApi::start(Scenario::of([Reply::text("ok").repeat(-1)])).await
}

#[tokio::test]
async fn only_the_token_is_taken() {
    let api = api().await;
    let rig = Rig::start(&api, 1.0, &[]).await;
    let token = rig.proxy.token().to_owned();
    for key in ["", "x", MessagesApi::KEY, &token[1..], &format!("{token}x"), &token.to_uppercase()] {
        let answer = send(&rig.socket(), &post("/v1/messages", key, &turn().to_string())).await;
        assert_eq!((status(&answer), &body_of(&answer)["error"]["type"]), (401, &json!("authentication_error")), "{key}");
    }
    let bearer = rig.request(&turn()).replace("x-api-key: ", "authorization: Bearer ");
    assert_eq!(status(&send(&rig.socket(), &bearer).await), 200);
    assert_eq!((api.asked().len(), rig.purse.turns().len()), (1, 1));
    assert_ne!(Rig::start(&api, 1.0, &[]).await.proxy.token(), token);
}

#[tokio::test]
async fn nothing_that_a_sandbox_sees_holds_the_key() {
    let api = api().await;
    let rig = Rig::start(&api, 1.0, &["GET 127.0.0.1"]).await;
    let mut seen = rig.ask(&turn()).await + &rig.ask(&streamed()).await + rig.proxy.token();
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET /v1/models HTTP/1.0\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n",
        "?\r\n\r\n",
    ] {
        let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_string(&mut seen).await.unwrap();
    }
    api.load(Scenario { api_key: Some("sk-revoked".to_owned()), ..Scenario::default() });
    seen += &rig.ask(&turn()).await;
    seen += &format!("{:?} {:?}", rig.log.all(), rig.proxy.report());
    assert!(!seen.contains(MessagesApi::KEY), "{seen}");
    assert!(seen.contains("401") && seen.contains("a.example"), "{seen}");
}

#[tokio::test]
async fn tokens_are_counted_for_nothing_and_other_paths_are_not_there() {
    let api = api().await;
    let rig = Rig::start(&api, 0.0, &[]).await;
    let answer = send(&rig.socket(), &post("/v1/messages/count_tokens?beta=true", rig.proxy.token(), &turn().to_string())).await;
    assert!(status(&answer) == 200 && body_of(&answer)["input_tokens"].is_u64(), "{answer}");
    for (path, body, expected) in [
        ("/v1/files", "{}", 404),
        ("/v1/messages/batches", "{}", 404),
        ("/v1/messages", "[]", 400),
        ("/v1/messages", "no", 400),
        ("/v1/messages", r#"{"mcp_servers": [{"url": "https://evil.example"}]}"#, 403),
    ] {
        let answer = send(&rig.socket(), &post(path, rig.proxy.token(), body)).await;
        assert_eq!(status(&answer), expected, "{path} {body}: {answer}");
    }
    let large = format!("POST /v1/messages HTTP/1.0\r\nx-api-key: {}\r\ncontent-length: 99999999\r\n\r\n", rig.proxy.token());
    assert_eq!(status(&send(&rig.socket(), &large).await), 413);
    let head = format!("GET / HTTP/1.0\r\nx: {}\r\n\r\n", "x".repeat(300 << 10));
    assert_eq!(status(&send(&rig.socket(), &head).await), 431);
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn tunnels_lead_to_listed_hosts_only() {
    let (listed, port) = echo().await;
    let (trap, closed) = echo().await;
    let api = api().await;
    let rig = Rig::start(&api, 1.0, &[&format!("127.0.0.1:{port}"), "*.example.org"]).await;
    let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
    stream.write_all(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let (mut far, _) = listed.accept().await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    far.write_all(b"from afar").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"from afar") {
        seen.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");

    for host in [&*format!("127.0.0.1:{closed}"), "example.org:443", "a.example.org:22", "169.254.169.254:80"] {
        for _ in 0..2 {
            let answer = send(&rig.socket(), &format!("CONNECT {host} HTTP/1.1\r\nconnection: close\r\n\r\n")).await;
            assert_eq!((status(&answer), &body_of(&answer)["error"]["type"]), (403, &json!("permission_error")), "{host}");
        }
        let told = rig.log.all().iter().filter(|(_, line)| line.contains(&format!("`{host}`"))).count();
        assert_eq!(told, 1, "{host} is told of once: {:?}", rig.log.all());
        assert!(rig.proxy.report().denied.contains(host));
    }
    // With its proxy a tunnel ends.
    rig.proxy.close().await;
    assert_eq!(far.read(&mut heard).await.unwrap_or(0), 0);
    assert!(!rig.folder.path().join("proxy.sock").exists());
    drop(trap);
}

#[tokio::test]
async fn a_listed_host_does_not_lead_into_private_networks() {
    let (trap, port) = echo().await;
    let api = api().await;
    let networks = format!("127.0.0.1:{}", api.address().port());
    let rig = Rig::reaching(&networks, &api.url(), 1.0, &[&format!("localhost:{port}"), "http://169.254.169.254"]).await;
    for request in [
        format!("CONNECT localhost:{port} HTTP/1.1\r\nconnection: close\r\n\r\n"),
        "GET http://169.254.169.254/latest/ HTTP/1.0\r\n\r\n".to_owned(),
    ] {
        let answer = send(&rig.socket(), &request).await;
        assert_eq!(status(&answer), 403, "{answer}");
        assert!(!answer.contains("127.0.0.1"), "where it leads is not told: {answer}");
    }
    assert!(rig.log.all().iter().all(|(_, line)| line.contains("FLOWFORGE_EGRESS_ALLOW")), "{:?}", rig.log.all());
    drop(trap);
}

#[tokio::test]
async fn hosts_that_are_listed_for_it_are_read_and_nothing_is_sent_to_them() {
    let server = Server::start(|_| respond(200, &[("content-type", "text/plain"), ("set-cookie", "a=b")], "package")).await;
    let host = server.address.to_string();
    let api = api().await;
    let rig = Rig::start(&api, 1.0, &[&format!("http://{host}")]).await;
    let get = format!("GET http://{host}/left-pad?v=1 HTTP/1.0\r\naccept: */*\r\nauthorization: Bearer x\r\ncookie: c=d\r\n\r\n");
    let answer = send(&rig.socket(), &get).await;
    assert!(status(&answer) == 200 && answer.ends_with("package") && !answer.contains("set-cookie"), "{answer}");
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.uri.to_string().as_str(), asked.header("accept"), asked.header("authorization")),
        ("/left-pad?v=1", "*/*", "")
    );
    for (request, expected) in [
        (format!("POST http://{host}/left-pad HTTP/1.0\r\ncontent-length: 1\r\n\r\nx"), 405),
        (format!("PUT http://{host}/left-pad HTTP/1.0\r\n\r\n"), 405),
        (format!("GET https://{host}/left-pad HTTP/1.0\r\n\r\n"), 403),
        ("GET http://other.example/ HTTP/1.0\r\n\r\n".to_owned(), 403),
        (format!("CONNECT {host} HTTP/1.1\r\nconnection: close\r\n\r\n"), 403),
    ] {
        assert_eq!(status(&send(&rig.socket(), &request).await), expected, "{request}");
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_provider_in_a_private_network_needs_the_operators_word() {
    let api = api().await;
    let bench = Bench::new("set");
    let models = Models::new(ModelsConfig::new(Some(&api.url()), Some("key".to_owned()), None).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let config = ProxyConfig {
        socket: folder.path().join("proxy.sock"),
        upstream: models.upstream(None, &bench.cx).unwrap(),
        prices: Arc::new(Prices::built_in().unwrap()),
        purse: TestPurse::of(Micros::ZERO),
        step_cap: None,
        step_key: String::new(),
        allow: HostList::default(),
        log: bench.log.clone(),
        egress: Arc::new(Egress::new(EgressPolicy::default())),
    };
    assert_eq!(Proxy::start(config).await.err().unwrap().code, "EGRESS_DENIED");
}
