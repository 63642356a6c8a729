//! The one way out to the network: which addresses nodes may reach, and the client that reaches them.
//!
//! What is checked is what is dialled. Names are resolved here and their addresses filtered before a connection is made; hosts
//! that are addresses already are checked after the URL has been normalised; every redirect begins anew.

mod address;
mod client;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use flowforge_core::node::NodeError;
use ipnet::IpNet;
use reqwest::Url;

pub(crate) use self::client::{Answer, Call, body, shown};

/// The setting that names the networks which nodes may reach although they are not public.
const SETTING: &str = "FLOWFORGE_EGRESS_ALLOW";

/// Which networks nodes may reach beside the public internet: none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allowed: Vec<IpNet>,
}

/// A list of networks that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network; write a list like 10.1.0.0/16,127.0.0.1/32")]
pub struct InvalidEgressPolicy(String);

impl FromStr for EgressPolicy {
    type Err = InvalidEgressPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidEgressPolicy> {
        let entries = text.split([',', ' ']).filter(|entry| !entry.is_empty());
        let network = |entry: &str| {
            let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| InvalidEgressPolicy(entry.to_owned()))
        };
        entries.map(network).collect::<Result<_, _>>().map(|allowed| Self { allowed })
    }
}

impl EgressPolicy {
    /// Whether the operator allowed this address by name of its network.
    fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(&address.to_canonical()))
    }

    fn check(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        match address::not_public(address) {
            Some(range) if !self.allows(address) => Err(Denied { host: host.to_owned(), address, range }),
            _ => Ok(()),
        }
    }
}

/// A host that nodes may not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Denied {
    host: String,
    address: IpAddr,
    range: &'static str,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, range } = self;
        write!(f, "`{host}` is at {address}, a {range} address, which nodes may not reach; ")?;
        write!(f, "the operator can allow its network with {SETTING}")
    }
}

impl std::error::Error for Denied {}

impl From<Denied> for NodeError {
    fn from(denied: Denied) -> Self {
        Self::fatal("EGRESS_DENIED", denied.to_string())
    }
}

/// The way out.
#[derive(Debug)]
pub(crate) struct Egress {
    policy: Arc<EgressPolicy>,
    client: Result<reqwest::Client, String>,
}

/// Where a URL leads, after the policy was asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The addresses that may be dialled; never empty.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Whether the operator allowed every one of them on purpose.
    pub(crate) trusted: bool,
}

impl Egress {
    /// A client that cannot be made, for want of root certificates perhaps, is reported by each call.
    pub(crate) fn new(policy: EgressPolicy) -> Self {
        let policy = Arc::new(policy);
        Self { client: client::build(policy.clone()).map_err(|fault| fault.to_string()), policy }
    }

    /// Resolves a URL's host for a program that dials by itself.
    pub(crate) async fn destination(&self, url: &Url) -> Result<Destination, NodeError> {
        let host = host_of(url)?;
        let port = url.port_or_known_default().unwrap_or(443);
        let found = client::lookup(&self.policy, host.trim_matches(['[', ']']), port).await?;
        let trusted = found.iter().all(|address| self.policy.allows(address.ip()));
        Ok(Destination { addresses: found, trusted })
    }

    /// Refuses what no connection should be tried for: other schemes, and hosts that are forbidden addresses.
    fn check(&self, url: &Url) -> Result<(), NodeError> {
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("only http and https can be called, not `{}`", url.scheme());
            return Err(NodeError::fatal("EGRESS_DENIED", message));
        }
        let host = host_of(url)?;
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => Ok(self.policy.check(host, address)?),
            Err(_) => Ok(()),
        }
    }
}

fn host_of(url: &Url) -> Result<&str, NodeError> {
    url.host_str().ok_or_else(|| NodeError::fatal("INVALID_PARAMETER", "the URL names no host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &str, address: &str) -> bool {
        policy.parse::<EgressPolicy>().unwrap().check("host", address.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_named_networks_are_reached_beside_the_public_ones() {
        assert!(allowed("", "93.184.216.34"));
        assert!(!allowed("", "10.1.2.3"));
        assert!(allowed("10.1.0.0/16", "10.1.2.3"));
        assert!(!allowed("10.1.0.0/16", "10.2.2.3"));
        assert!(allowed("127.0.0.1, ::1", "::1"));
        assert!(allowed("10.1.0.0/16", "::ffff:10.1.2.3"));
        assert!(!allowed("10.1.0.0/16", "::ffff:10.2.2.3"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (text, entry) in [("10.0.0.0/8,nonsense", "nonsense"), ("10.0.0.0/33", "10.0.0.0/33"), ("localhost", "localhost")] {
            assert_eq!(text.parse::<EgressPolicy>(), Err(InvalidEgressPolicy(entry.to_owned())));
        }
    }

    #[tokio::test]
    async fn a_program_that_dials_by_itself_gets_checked_addresses() {
        let url = Url::parse("http://localhost:81/x").unwrap();
        let denied = Egress::new(EgressPolicy::default()).destination(&url).await.unwrap_err();
        assert_eq!(denied.code, "EGRESS_DENIED");
        assert!(denied.message.contains(SETTING) && denied.message.contains("loopback"), "{denied}");
        let found = Egress::new("127.0.0.0/8".parse().unwrap()).destination(&url).await.unwrap();
        assert_eq!(found, Destination { addresses: vec!["127.0.0.1:81".parse().unwrap()], trusted: true });
    }
}
