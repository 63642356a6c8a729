//! Connections for nodes that speak a protocol of their own, such as PostgreSQL's or SMTP.

use std::{net::SocketAddr, time::Duration};

use flowforge_core::node::NodeError;
use tokio::{net::TcpStream, time::timeout};

use super::{Egress, names, own::OwnService, policy::Door};

impl Egress {
    /// The addresses of a host and port that the policy lets a protocol of its own dial; never empty. What is dialled must be
    /// one of these, and not the name once more.
    ///
    /// # Errors
    /// `EGRESS_DENIED` when none may be reached, `NETWORK_ERROR` (to be tried again) when the name has no address.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NodeError> {
        self.addresses_besides(host, port, None).await
    }

    async fn addresses_besides(&self, host: &str, port: u16, besides: Option<OwnService>) -> Result<Vec<SocketAddr>, NodeError> {
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() || port == 0 || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
            let message = format!("`{}:{port}` names no server to connect to", host.escape_debug());
            return Err(NodeError::fatal("INVALID_PARAMETER", message));
        }
        let own = self.policy.own(port, besides).await;
        let allowed = |address| self.policy.check_dialled(host, SocketAddr::new(address, port));
        let check = |address| own.check(host, address).and_then(|()| allowed(address));
        let found = names::resolve(&*self.names, host, check).await.map_err(|fault| names::told(host, fault))?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// Connects to a host and port, at an address that the policy allows, within a time limit.
    ///
    /// # Errors
    /// As `addresses`; `NETWORK_ERROR` (to be tried again) when no address answers in time.
    pub(crate) async fn connect(&self, host: &str, port: u16, limit: Duration) -> Result<TcpStream, NodeError> {
        self.connect_besides(host, port, limit, None).await
    }

    /// The same for PostgreSQL's own protocol: the server that keeps FlowForge's rows may have other databases, so whoever
    /// signs in there has to refuse FlowForge's.
    ///
    /// # Errors
    /// As `connect`.
    pub(crate) async fn connect_postgres(&self, host: &str, port: u16, limit: Duration) -> Result<TcpStream, NodeError> {
        self.connect_besides(host, port, limit, Some(OwnService::Database)).await
    }

    async fn connect_besides(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
        besides: Option<OwnService>,
    ) -> Result<TcpStream, NodeError> {
        let late = |_| {
            let message = format!("no connection to `{host}:{port}` came about within {} s", limit.as_secs_f64());
            NodeError::retry("NETWORK_ERROR", message)
        };
        timeout(limit, self.dial(host, port, limit, besides)).await.map_err(late)?
    }

    /// Whether the operator's list names this address: a network that is trusted more than the internet.
    pub(crate) fn trusts(&self, address: SocketAddr) -> bool {
        self.policy.allows(address.ip(), Door::Named(address.port()))
    }

    async fn dial(&self, host: &str, port: u16, limit: Duration, besides: Option<OwnService>) -> Result<TcpStream, NodeError> {
        let addresses = self.addresses_besides(host, port, besides).await?;
        // One address that swallows everything must not use up the time of the others.
        let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut last = String::new();
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(fault)) => last = format!("{address}: {fault}"),
                Err(_) => last = format!("{address} does not answer"),
            }
        }
        Err(NodeError::retry("NETWORK_ERROR", format!("`{host}:{port}` cannot be reached: {last}")))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::net::TcpListener;

    use super::{super::names::Scripted, *};

    const LIMIT: Duration = Duration::from_secs(5);

    async fn listen(address: &str) -> (TcpListener, u16) {
        let listener = TcpListener::bind((address.parse::<IpAddr>().unwrap(), 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn a_server_is_reached_where_the_operator_allows_it() {
        let (_listener, port) = listen("127.0.0.1").await;
        let named = Egress::new(format!("127.0.0.1:{port}").parse().unwrap());
        for host in ["127.0.0.1", "localhost", "127.1", "[127.0.0.1]"] {
            let stream = named.connect(host, port, LIMIT).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), ([127, 0, 0, 1], port).into(), "{host}");
        }
        let fault = named.connect("127.0.0.1", port ^ 1, LIMIT).await.unwrap_err();
        assert_eq!((&*fault.code, fault.retryable), ("EGRESS_DENIED", false), "another port of the same address");
        for host in ["127.0.0.1", "localhost", "127.1", "2130706433", "::1", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"] {
            let fault = Egress::new("10.0.0.0/8".parse().unwrap()).connect(host, port, LIMIT).await.unwrap_err();
            assert_eq!((&*fault.code, fault.retryable), ("EGRESS_DENIED", false), "{host}: {fault}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_the_second_time_is_refused() {
        let (_listener, port) = listen("127.0.0.2").await;
        let egress = Egress::with("127.0.0.2".parse().unwrap(), Scripted::new(&["127.0.0.2", "127.0.0.1"]));
        egress.connect("db.example.org", port, LIMIT).await.unwrap();
        assert_eq!(egress.connect("db.example.org", port, LIMIT).await.unwrap_err().code, "EGRESS_DENIED");
    }

    #[tokio::test]
    async fn of_several_addresses_only_the_allowed_are_dialled() {
        let (_trap, port) = listen("127.0.0.1").await;
        let allowed = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let egress = Egress::with("127.0.0.2,127.0.0.3".parse().unwrap(), Scripted::new(&["127.0.0.1 ::1 127.0.0.3 127.0.0.2"]));
        let stream = egress.connect("mixed.example.org", port, LIMIT).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), allowed.local_addr().unwrap(), "the one that is closed is passed over");
    }

    #[tokio::test]
    async fn what_does_not_answer_may_be_tried_again() {
        let (listener, port) = listen("127.0.0.1").await;
        drop(listener);
        let egress = Egress::new("127.0.0.0/8".parse().unwrap());
        let fault = egress.connect("127.0.0.1", port, LIMIT).await.unwrap_err();
        assert_eq!((&*fault.code, fault.retryable), ("NETWORK_ERROR", true));
        let fault = egress.connect("nowhere.invalid", port, LIMIT).await.unwrap_err();
        assert_eq!((&*fault.code, fault.retryable), ("NETWORK_ERROR", true));
        for (host, port) in [("", 80), ("a\r\nb", 80), ("a b", 80), ("example.org", 0)] {
            assert_eq!(egress.connect(host, port, LIMIT).await.unwrap_err().code, "INVALID_PARAMETER");
        }
    }
}
