//! Which addresses and ports nodes may reach.

use std::{fmt, net::IpAddr, net::SocketAddr, str::FromStr};

use flowforge_core::node::NodeError;
use futures::future::join_all;
use ipnet::IpNet;

use super::{
    address,
    own::{Found, OwnServer, OwnService},
    ports,
};

/// The setting that names the networks which nodes may reach although they are not public.
pub(super) const SETTING: &str = "FLOWFORGE_EGRESS_ALLOW";

/// What nodes may reach beside the public internet: nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allowed: Vec<Entry>,
    /// Never reached.
    own: Vec<OwnServer>,
}

/// A network of the operator's list, at every port or at one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    network: IpNet,
    port: Option<u16>,
}

/// A list of networks that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network; write a list like 10.1.0.0/16,127.0.0.1,10.2.0.5:5432,[fd00::/8]:6379")]
pub struct InvalidEgressPolicy(String);

impl FromStr for EgressPolicy {
    type Err = InvalidEgressPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidEgressPolicy> {
        let entries = text.split([',', ' ']).filter(|entry| !entry.is_empty());
        let read = |text: &str| entry(text).ok_or_else(|| InvalidEgressPolicy(text.to_owned()));
        entries.map(read).collect::<Result<_, _>>().map(|allowed| Self { allowed, own: Vec::new() })
    }
}

/// A network or an address, and perhaps a port; one of IPv6 stands in brackets when a port follows.
fn entry(text: &str) -> Option<Entry> {
    if let Some(network) = network(text) {
        return Some(Entry { network, port: None });
    }
    let (before, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = before.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let network = match bare {
        Some(bare) => network(bare)?,
        None => network(before).filter(|network| matches!(network, IpNet::V4(_)))?,
    };
    Some(Entry { network, port: Some(port) })
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// What a port means to the policy. Ports that mean the same share a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Door {
    /// Nothing in particular.
    Usual,
    /// Something else than HTTP answers there, which takes the lines of a request for commands.
    Guarded,
    /// The operator's list names it, or a server of FlowForge's own listens there; it may be guarded as well.
    Named(u16),
}

impl Door {
    /// The port, where that alone is meant.
    pub(super) fn port(self) -> Option<u16> {
        match self {
            Self::Named(port) => Some(port),
            Self::Usual | Self::Guarded => None,
        }
    }
}

/// FlowForge's own servers, where they are just now.
pub(super) struct Own<'a>(Vec<Found<'a>>);

impl Own<'_> {
    /// Refuses them.
    pub(super) fn check(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        self.0.iter().try_for_each(|server| server.check(host, address))
    }
}

impl EgressPolicy {
    /// The same, but for servers that FlowForge itself uses: those are not reached, whatever is allowed.
    pub fn without(mut self, servers: impl IntoIterator<Item = OwnServer>) -> Self {
        self.own.extend(servers);
        self
    }

    /// Where FlowForge's own servers are that listen at this port, but for those of one kind.
    pub(super) async fn own(&self, port: u16, besides: Option<OwnService>) -> Own<'_> {
        let at = |server: &&OwnServer| server.port == port && Some(server.service) != besides;
        Own(join_all(self.own.iter().filter(at).map(OwnServer::found)).await)
    }

    /// What a port means when HTTP is spoken there.
    pub(super) fn door(&self, port: u16) -> Door {
        match port {
            port if self.named().any(|named| named == port) => Door::Named(port),
            port if ports::is_guarded(port) => Door::Guarded,
            _ => Door::Usual,
        }
    }

    /// The ports that the operator's list names, and those where FlowForge's own servers listen.
    pub(super) fn named(&self) -> impl Iterator<Item = u16> {
        self.allowed.iter().filter_map(|entry| entry.port).chain(self.own.iter().map(|server| server.port))
    }

    /// Whether the operator's list names this address, at every port or at this one.
    pub(super) fn allows(&self, address: IpAddr, door: Door) -> bool {
        let fits = |entry: &Entry| match entry.port {
            None => true,
            Some(port) => door == Door::Named(port),
        };
        self.allowed.iter().any(|entry| fits(entry) && entry.network.contains(&address.to_canonical()))
    }

    /// Whether HTTP may be spoken to an address.
    pub(super) fn check(&self, host: &str, address: IpAddr, door: Door) -> Result<(), Denied> {
        if self.allows(address, door) {
            return Ok(());
        }
        self.check_address(host, address)?;
        let is_guarded = match door {
            Door::Usual => false,
            Door::Guarded => true,
            Door::Named(port) => ports::is_guarded(port),
        };
        if is_guarded { Err(Denied { host: host.to_owned(), address, why: Why::Port }) } else { Ok(()) }
    }

    /// Whether a protocol of its own may be spoken to an address: its port is what it is for, so any is right.
    pub(super) fn check_dialled(&self, host: &str, to: SocketAddr) -> Result<(), Denied> {
        if self.allows(to.ip(), Door::Named(to.port())) { Ok(()) } else { self.check_address(host, to.ip()) }
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        let denied = |range| Denied { host: host.to_owned(), address, why: Why::Range(range) };
        address::not_public(address).map_or(Ok(()), |range| Err(denied(range)))
    }
}

/// A host that nodes may not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    host: String,
    address: IpAddr,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// The address belongs to this range.
    Range(&'static str),
    /// The port is one of another protocol.
    Port,
    /// FlowForge itself stands on it.
    Own(OwnService),
}

impl Denied {
    pub(super) fn own(host: &str, address: IpAddr, service: OwnService) -> Self {
        Self { host: host.to_owned(), address, why: Why::Own(service) }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, why } = self;
        match why {
            Why::Range(range) => {
                write!(f, "`{host}` is at {address}, a {range} address, which nodes may not reach; ")?;
                write!(f, "the operator can allow its network with {SETTING}")
            }
            Why::Port => {
                write!(f, "the port asked for at `{host}` ({address}) is one where databases, mail or shells answer, ")?;
                write!(f, "which HTTP may not be sent to; the operator can allow address and port with {SETTING}")
            }
            Why::Own(service) => {
                write!(
                    f,
                    "`{host}` ({address}) leads to the {} that FlowForge itself uses; no step may reach it: ",
                    service.told()
                )?;
                f.write_str("use another server")
            }
        }
    }
}

impl std::error::Error for Denied {}

impl From<Denied> for NodeError {
    fn from(denied: Denied) -> Self {
        Self::fatal("EGRESS_DENIED", denied.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &str, to: &str) -> bool {
        let (policy, to) = (policy.parse::<EgressPolicy>().unwrap(), to.parse::<SocketAddr>().unwrap());
        policy.check("host", to.ip(), policy.door(to.port())).is_ok()
    }

    #[test]
    fn only_named_networks_are_reached_beside_the_public_ones() {
        assert!(allowed("", "93.184.216.34:443"));
        assert!(!allowed("", "10.1.2.3:443"));
        assert!(allowed("10.1.0.0/16", "10.1.2.3:443"));
        assert!(!allowed("10.1.0.0/16", "10.2.2.3:443"));
        assert!(allowed("127.0.0.1, ::1", "[::1]:80"));
        assert!(allowed("10.1.0.0/16", "[::ffff:10.1.2.3]:80"));
        assert!(!allowed("10.1.0.0/16", "[::ffff:10.2.2.3]:80"));
    }

    #[test]
    fn ports_of_other_protocols_need_the_operators_word() {
        for port in [22, 23, 25, 465, 587, 3306, 5432, 6379, 11211, 27017] {
            assert!(!allowed("", &format!("93.184.216.34:{port}")), "{port}");
            assert!(!allowed("10.0.0.0/8", &format!("93.184.216.34:{port}")), "{port}");
            assert!(allowed("10.0.0.0/8", &format!("10.1.2.3:{port}")), "a network is allowed at every port");
        }
        for port in [80, 443, 8080, 8443, 3000, 9200] {
            assert!(allowed("", &format!("93.184.216.34:{port}")), "{port}");
        }
        assert!(allowed("93.184.216.34:25", "93.184.216.34:25"));
        assert!(!allowed("93.184.216.34:25", "93.184.216.35:25") && !allowed("93.184.216.34:25", "93.184.216.34:22"));
    }

    #[test]
    fn a_named_port_allows_that_port_and_no_other() {
        let policy = "10.0.0.5:8080,[fd00::/8]:6379,10.9.0.0/16:9000";
        for (to, is_allowed) in [
            ("10.0.0.5:8080", true),
            ("10.0.0.5:8081", false),
            ("10.0.0.6:8080", false),
            ("[fd00::7]:6379", true),
            ("[fd00::7]:80", false),
            ("10.9.8.7:9000", true),
            ("10.9.8.7:9001", false),
            ("[::ffff:10.0.0.5]:8080", true),
            ("93.184.216.34:8080", true),
            ("93.184.216.34:6379", false),
        ] {
            assert_eq!(allowed(policy, to), is_allowed, "{to}");
        }
    }

    #[test]
    fn another_protocol_is_spoken_at_any_port_of_what_may_be_reached() {
        let policy: EgressPolicy = "10.0.0.5:5432,10.1.0.0/16".parse().unwrap();
        for (to, is_allowed) in [
            ("93.184.216.34:5432", true),
            ("93.184.216.34:25", true),
            ("10.0.0.5:5432", true),
            ("10.0.0.5:5433", false),
            ("10.1.2.3:25", true),
            ("127.0.0.1:5432", false),
            ("[::ffff:169.254.169.254]:80", false),
        ] {
            assert_eq!(policy.check_dialled("host", to.parse().unwrap()).is_ok(), is_allowed, "{to}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (text, entry) in [
            ("10.0.0.0/8,nonsense", "nonsense"),
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("localhost", "localhost"),
            ("10.0.0.1:0", "10.0.0.1:0"),
            ("10.0.0.1:65536", "10.0.0.1:65536"),
            ("fd00::/8:80", "fd00::/8:80"),
            ("[fd00::1:80", "[fd00::1:80"),
        ] {
            assert_eq!(text.parse::<EgressPolicy>(), Err(InvalidEgressPolicy(entry.to_owned())));
        }
    }
}
