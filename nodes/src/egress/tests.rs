//! Names that lie, hosts in every spelling, and ports of other protocols, against real servers of this machine.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{Method, Url};

use super::{names::Scripted, *};
use crate::testing::{
    Bench,
    server::{Server, respond},
};

fn call(url: &str) -> Call {
    Call::new(&Bench::new("http.request").cx, Method::GET, Url::parse(url).unwrap())
}

/// A way out on which every name leads where the script says.
fn misled(policy: &str, answers: &[&str]) -> Egress {
    Egress::with(policy.parse().unwrap(), Scripted::new(answers))
}

async fn at(address: [u8; 4], port: u16) -> Server {
    // A connection that stays open would be used again, and no name asked for.
    Server::start_at((address, port).into(), |_| respond(200, &[("connection", "close")], "")).await
}

async fn code(egress: &Egress, url: &str) -> String {
    egress.call(call(url)).await.unwrap_err().code.into_owned()
}

#[tokio::test]
async fn a_program_that_dials_by_itself_gets_checked_addresses() {
    let url = Url::parse("http://localhost:81/x").unwrap();
    let denied = Egress::new(EgressPolicy::default()).destination(&url).await.unwrap_err();
    assert_eq!(denied.code, "EGRESS_DENIED");
    assert!(denied.message.contains("FLOWFORGE_EGRESS_ALLOW") && denied.message.contains("loopback"), "{denied}");
    let found = Egress::new("127.0.0.0/8".parse().unwrap()).destination(&url).await.unwrap();
    assert_eq!(found, Destination { addresses: vec!["127.0.0.1:81".parse().unwrap()], trusted: true });
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_is_refused() {
    let server = at([127, 0, 0, 2], 0).await;
    let inside = at([127, 0, 0, 1], server.address.port()).await;
    let egress = misled("127.0.0.2", &["127.0.0.2", "127.0.0.1"]);
    let url = format!("http://rebind.example.org:{}/", server.address.port());
    egress.call(call(&url)).await.unwrap();
    assert_eq!(code(&egress, &url).await, "EGRESS_DENIED");
    assert_eq!((server.asked().len(), inside.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_redirect_asks_for_the_name_again() {
    let server =
        Server::start_at(([127, 0, 0, 2], 0).into(), |_| respond(302, &[("connection", "close"), ("location", "/inside")], ""))
            .await;
    let inside = at([127, 0, 0, 1], server.address.port()).await;
    let egress = misled("127.0.0.2", &["127.0.0.2", "127.0.0.1"]);
    assert_eq!(code(&egress, &format!("http://rebind.example.org:{}/", server.address.port())).await, "EGRESS_DENIED");
    assert_eq!((server.asked().len(), inside.asked().len()), (1, 0));
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_are_dialled() {
    let server = at([127, 0, 0, 2], 0).await;
    let inside = at([127, 0, 0, 1], server.address.port()).await;
    let url = format!("http://mixed.example.org:{}/", server.address.port());
    for answers in ["127.0.0.1 ::1 127.0.0.2", "127.0.0.2 ::ffff:127.0.0.1 ::1", "fd00:ec2::254 127.0.0.1 ::ffff:127.0.0.2"] {
        misled("127.0.0.2", &[answers]).call(call(&url)).await.unwrap();
    }
    assert_eq!((server.asked().len(), inside.asked().len()), (3, 0));
    for answers in ["127.0.0.1 ::1", "::1", "::ffff:127.0.0.1", "169.254.169.254 fd00:ec2::254", "64:ff9b::7f00:1"] {
        assert_eq!(code(&misled("127.0.0.2", &[answers]), &url).await, "EGRESS_DENIED", "{answers}");
    }
}

#[tokio::test]
async fn a_host_of_metadata_is_refused_by_name_and_by_address() {
    for (host, answer) in [
        ("metadata.google.internal", "169.254.169.254"),
        ("metadata.google.internal.", "169.254.169.254"),
        ("instance-data.ec2.internal", "fd00:ec2::254"),
        ("metadata.example.org", "100.100.100.200"),
        ("wire.example.org", "168.63.129.16"),
    ] {
        assert_eq!(code(&misled("", &[answer]), &format!("http://{host}/latest/meta-data/")).await, "EGRESS_DENIED", "{host}");
        let literal = if answer.contains(':') { format!("http://[{answer}]/") } else { format!("http://{answer}/") };
        assert_eq!(code(&misled("10.0.0.0/8", &["127.0.0.1"]), &literal).await, "EGRESS_DENIED", "{literal}");
    }
}

#[tokio::test]
async fn a_name_may_be_called_at_the_port_that_is_allowed_and_at_no_other() {
    let server = at([127, 0, 0, 1], 0).await;
    let other = at([127, 0, 0, 1], 0).await;
    let policy = format!("127.0.0.1:{}", server.address.port());
    let egress = misled(&policy, &["127.0.0.1"]);
    for host in ["api.example.org", "127.0.0.1"] {
        egress.call(call(&format!("http://{host}:{}/", server.address.port()))).await.unwrap();
        assert_eq!(code(&egress, &format!("http://{host}:{}/", other.address.port())).await, "EGRESS_DENIED", "{host}");
    }
    assert_eq!((server.asked().len(), other.asked().len()), (2, 0));
}

/// A server that keeps whatever it is sent, as Redis would take it for commands.
async fn listener(at: SocketAddr) -> tokio::net::TcpListener {
    tokio::net::TcpListener::bind(at).await.unwrap()
}

#[tokio::test]
async fn ports_of_other_protocols_are_not_called() {
    for host in ["93.184.216.34", "cache.example.org", "[2606:4700::1111]"] {
        for port in [22, 25, 5432, 6379] {
            let mut post = call(&format!("http://{host}:{port}/"));
            (post.method, post.body) = (Method::POST, "FLUSHALL\r\n".into());
            let fault = misled("", &["93.184.216.34"]).call(post).await.unwrap_err();
            assert_eq!((&*fault.code, fault.retryable), ("EGRESS_DENIED", false), "{host}:{port}");
            assert!(fault.message.contains("port") && fault.message.contains("FLOWFORGE_EGRESS_ALLOW"), "{fault}");
        }
    }
    // The twin: where the operator names address and port, the connection is made. 5433 needs no privilege to listen at.
    let listener = listener(([127, 0, 0, 77], 5433).into()).await;
    let egress = Arc::new(misled("127.0.0.77:5433", &["127.0.0.77"]));
    let calling = tokio::spawn({
        let egress = egress.clone();
        async move { egress.call(call("http://cache.example.org:5433/")).await.map(drop) }
    });
    listener.accept().await.unwrap();
    calling.abort();
}

/// H12: a server that FlowForge itself stands on is in a network that is allowed, and is not reached all the same.
#[tokio::test]
async fn flowforges_own_servers_are_refused_in_networks_that_are_allowed() {
    let (own, other) = (listener(([127, 0, 0, 1], 0).into()).await, listener(([127, 0, 0, 1], 0).into()).await);
    let (port, besides) = (own.local_addr().unwrap().port(), other.local_addr().unwrap().port());
    for url in [format!("redis://:hush@127.0.0.1:{port}/1"), format!("rediss://localhost:{port}")] {
        let server = OwnServer::redis(&url).unwrap();
        for allowed in ["127.0.0.0/8,::1", &format!("127.0.0.1:{port}")] {
            let policy = allowed.parse::<EgressPolicy>().unwrap().without([server.clone()]);
            let misled = Egress::with(policy.clone(), Scripted::new(&["127.0.0.1"]));
            let egress = Egress::new(policy);
            for host in ["127.0.0.1", "localhost", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433"] {
                assert_eq!(code(&egress, &format!("http://{host}:{port}/")).await, "EGRESS_DENIED", "{host}");
                for fault in [
                    egress.connect(host, port, std::time::Duration::from_secs(5)).await.unwrap_err(),
                    egress.connect_postgres(host, port, std::time::Duration::from_secs(5)).await.unwrap_err(),
                    egress.addresses(host, port).await.unwrap_err(),
                    egress.destination(&Url::parse(&format!("http://{host}:{port}/")).unwrap()).await.unwrap_err(),
                ] {
                    assert_eq!((&*fault.code, fault.retryable), ("EGRESS_DENIED", false), "{host}: {fault}");
                }
            }
            let name = format!("http://cache.example.org:{port}/");
            let fault = misled.call(call(&name)).await.unwrap_err();
            assert!(fault.code == "EGRESS_DENIED" && fault.message.contains("Redis that FlowForge itself uses"), "{fault}");
            assert!(!fault.message.contains("hush"));
        }
        // The twin: what listens at another port of the same address.
        let policy = "127.0.0.0/8".parse::<EgressPolicy>().unwrap().without([server]);
        Egress::new(policy).connect("localhost", besides, std::time::Duration::from_secs(5)).await.unwrap();
    }
}

/// The server of FlowForge's rows has other databases, which PostgreSQL's own protocol may reach; nothing else speaks to it.
#[tokio::test]
async fn the_server_of_the_own_database_is_for_its_own_protocol() {
    let own = listener(([127, 0, 0, 1], 0).into()).await;
    let port = own.local_addr().unwrap().port();
    let database = crate::OwnDatabase::from_url(&format!("postgres://u:p@localhost:{port}/flowforge")).unwrap();
    let egress = Egress::new("127.0.0.0/8".parse::<EgressPolicy>().unwrap().without([database.server()]));
    let limit = std::time::Duration::from_secs(5);
    assert_eq!(code(&egress, &format!("http://127.0.0.1:{port}/")).await, "EGRESS_DENIED");
    assert_eq!(egress.connect("127.0.0.1", port, limit).await.unwrap_err().code, "EGRESS_DENIED");
    egress.connect_postgres("127.0.0.1", port, limit).await.unwrap();
}
