//! The one way out to the network: which addresses nodes may reach, and the client that reaches them.
//!
//! What is checked is what is dialled. Names are resolved here and their addresses filtered before a connection is made; hosts
//! that are addresses already are checked after the URL has been normalised; every redirect begins anew.

mod address;
mod client;
mod dial;
mod names;
mod own;
mod patience;
mod policy;
mod ports;
mod redirect;

use std::{net::SocketAddr, sync::Arc};

use flowforge_core::node::NodeError;
use reqwest::Url;

use self::{
    client::Clients,
    names::{Names, System},
};
pub(crate) use self::{
    client::{Answer, Call, DEPTH, body, shown},
    own::{OwnService, is_same},
};
pub use self::{
    own::OwnServer,
    policy::{EgressPolicy, InvalidEgressPolicy},
};

/// The way out.
#[derive(Debug)]
pub(crate) struct Egress {
    policy: Arc<EgressPolicy>,
    names: Arc<dyn Names>,
    clients: Result<Clients, String>,
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
        Self::with(policy, Arc::new(System))
    }

    fn with(policy: EgressPolicy, names: Arc<dyn Names>) -> Self {
        let policy = Arc::new(policy);
        let clients = Clients::new(&policy, &names).map_err(|fault| fault.to_string());
        Self { policy, names, clients }
    }

    /// Resolves a URL's host for a program that speaks HTTP and dials by itself.
    pub(crate) async fn destination(&self, url: &Url) -> Result<Destination, NodeError> {
        let host = host_of(url)?;
        let port = port_of(url);
        let door = self.policy.door(port);
        let own = self.policy.own(port, None).await;
        let check = |address| own.check(host, address).and_then(|()| self.policy.check(host, address, door));
        let found = names::resolve(&*self.names, host, check).await.map_err(|fault| names::told(host, fault))?;
        let trusted = found.iter().all(|address| self.policy.allows(*address, door));
        Ok(Destination { addresses: found.into_iter().map(|address| SocketAddr::new(address, port)).collect(), trusted })
    }

    /// Refuses what no connection should be tried for: other schemes, and hosts that are forbidden addresses.
    async fn check(&self, url: &Url) -> Result<(), NodeError> {
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("only http and https can be called, not `{}`", url.scheme());
            return Err(NodeError::fatal("EGRESS_DENIED", message));
        }
        let host = host_of(url)?;
        // The addresses of a name are checked when it is resolved.
        if let Ok(address) = host.parse() {
            let port = port_of(url);
            self.policy.own(port, None).await.check(host, address)?;
            self.policy.check(host, address, self.policy.door(port))?;
        }
        Ok(())
    }
}

/// The host of a URL, without the brackets of IPv6.
fn host_of(url: &Url) -> Result<&str, NodeError> {
    let host = url.host_str().ok_or_else(|| NodeError::fatal("INVALID_PARAMETER", "the URL names no host"))?;
    Ok(host.trim_matches(['[', ']']))
}

fn port_of(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(443)
}

#[cfg(test)]
mod tests;
