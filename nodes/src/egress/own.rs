//! The servers that FlowForge itself stands on: no step may speak to them, whatever the operator's list allows.

use std::net::{IpAddr, UdpSocket};

use reqwest::Url;

use super::policy::Denied;

/// Where Redis listens when nobody says otherwise.
const REDIS_PORT: u16 = 6379;

/// What such a server is to FlowForge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnService {
    /// It keeps FlowForge's rows. Other databases of it may be used, by a node that speaks its protocol.
    Database,
    /// It carries hints between processes.
    Redis,
}

impl OwnService {
    /// As it is called in messages.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Database => "database server",
            Self::Redis => "Redis",
        }
    }
}

/// A server that FlowForge itself uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnServer {
    pub(super) service: OwnService,
    host: String,
    pub(super) port: u16,
}

impl OwnServer {
    /// Reads the URL of a Redis; the password in it is not kept. Nothing, when it names no host.
    pub fn redis(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme().starts_with("redis"))?;
        let host = url.host_str().filter(|host| !host.is_empty())?;
        Some(Self::new(OwnService::Redis, host, url.port().unwrap_or(REDIS_PORT)))
    }

    /// A server by its name or address, which may stand in brackets.
    pub(crate) fn new(service: OwnService, host: &str, port: u16) -> Self {
        Self { service, host: host.trim_matches(['[', ']']).to_ascii_lowercase(), port }
    }

    /// Where it is now. Its name may lead elsewhere the next time, so nothing is remembered.
    pub(super) async fn found(&self) -> Found<'_> {
        let addresses = match self.host.parse() {
            Ok(address) => vec![address],
            Err(_) => addresses(&self.host, self.port).await,
        };
        Found { server: self, addresses }
    }
}

/// Where a server is just now.
pub(super) struct Found<'a> {
    server: &'a OwnServer,
    addresses: Vec<IpAddr>,
}

impl Found<'_> {
    /// Refuses this server under whatever name it is dialled. When its own name leads nowhere just now, the name itself must do.
    pub(super) fn check(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        let is_meant = host.eq_ignore_ascii_case(&self.server.host) || self.addresses.iter().any(|own| is_same(*own, address));
        if is_meant { Err(Denied::own(host, address, self.server.service)) } else { Ok(()) }
    }
}

/// The addresses of a host; none when it cannot be found.
async fn addresses(host: &str, port: u16) -> Vec<IpAddr> {
    let found = tokio::net::lookup_host((host, port)).await;
    found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

/// Whether two addresses lead to the same machine: they are one, or both are this machine's, which has several.
pub(crate) fn is_same(one: IpAddr, other: IpAddr) -> bool {
    let (one, other) = (one.to_canonical(), other.to_canonical());
    one == other || is_here(one) && is_here(other)
}

/// Only an address of this machine can be bound; nothing is sent.
fn is_here(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_redis_names_a_server() {
        let server = |url| OwnServer::redis(url).map(|server| (server.host, server.port));
        let at = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(server("redis://:hush@Cache.internal/3"), at("cache.internal", 6379));
        assert_eq!(server("rediss://user:hush@[fd00::7]:7000"), at("fd00::7", 7000));
        for url in ["redis+unix:///run/redis.sock", "http://cache.internal", "nonsense", ""] {
            assert_eq!(server(url), None, "{url}");
        }
    }

    #[test]
    fn a_machine_is_known_at_each_of_its_addresses() {
        let is_same = |one: &str, other: &str| is_same(one.parse().unwrap(), other.parse().unwrap());
        for other in ["127.0.0.1", "127.8.8.8", "0.0.0.0", "::ffff:127.0.0.1"] {
            assert!(is_same("127.0.0.1", other), "{other}");
        }
        assert!(is_same("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(!is_same("192.0.2.7", "127.0.0.1") && !is_same("192.0.2.7", "192.0.2.8"));
    }
}
