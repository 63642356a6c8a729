//! The only way out of a sandbox: a proxy on a unix socket, one for each attempt of an agent.
//!
//! It answers `/v1/messages` by asking the model's provider with the real key, which the sandbox never sees, and pays for each
//! turn; it opens tunnels (`CONNECT`) to hosts that are listed; it refuses everything else and says why. What it dials goes
//! through the egress policy, so that a listed host cannot lead into the operator's network.

mod fault;
mod forward;
mod guard;
mod hosts;
mod plain;
mod report;
mod serve;
mod tunnel;

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use flowforge_core::{
    money::{Micros, Purse},
    node::{LogSink, NodeError},
};
use tokio::{net::UnixListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::report::Notes;
pub(crate) use self::{hosts::HostList, report::ProxyReport};
use super::{Meter, Prices, Upstream, random};
use crate::egress::Egress;

/// How many connections are open at once; further ones wait.
const MOST_CONNECTIONS: usize = 128;

/// What a proxy is made of.
pub(crate) struct ProxyConfig {
    /// Where it listens. Whoever reaches the socket may use it, so its folder must be the attempt's own.
    pub(crate) socket: PathBuf,
    /// Where models are asked, and with which key.
    pub(crate) upstream: Upstream,
    /// What they cost.
    pub(crate) prices: Arc<Prices>,
    /// Who pays.
    pub(crate) purse: Arc<dyn Purse>,
    /// The most that all turns of the step may cost, if its author says so.
    pub(crate) step_cap: Option<Micros>,
    /// The step's effect key: what the keys of its turns begin with.
    pub(crate) step_key: String,
    /// Which hosts may be reached beside the model.
    pub(crate) allow: HostList,
    /// Where refusals are told.
    pub(crate) log: Arc<dyn LogSink>,
    /// The way out.
    pub(crate) egress: Arc<Egress>,
}

/// A proxy that serves. Dropped, it closes everything and removes its socket.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    socket: PathBuf,
    server: JoinHandle<()>,
}

/// What its connections share.
struct Shared {
    token: String,
    upstream: Upstream,
    allow: HostList,
    log: Arc<dyn LogSink>,
    egress: Arc<Egress>,
    meter: Arc<Meter>,
    notes: Notes,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Proxy {
    /// Listens on the socket, in the current runtime.
    ///
    /// # Errors
    /// `PROXY_FAILED` when the socket cannot be made; `EGRESS_DENIED` when the model's address may not be called.
    pub(crate) async fn start(config: ProxyConfig) -> Result<Self, NodeError> {
        let ProxyConfig { socket, upstream, prices, purse, step_cap, step_key, allow, log, egress } = config;
        super::messages::check_plain(&egress, &upstream).await?;
        let shared = Arc::new(Shared {
            token: format!("ff-proxy-{}", random::text::<32>()?),
            meter: Meter::new(purse, prices, step_cap, &step_key, log.clone())?,
            upstream,
            allow,
            log,
            egress,
            notes: Notes::default(),
            places: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            stop: CancellationToken::new(),
        });
        let failed = |fault: std::io::Error| {
            let message = format!("the agent's proxy cannot listen at {}: {fault}", socket.display());
            NodeError::retry("PROXY_FAILED", message)
        };
        // What a process that died has left there.
        match std::fs::remove_file(&socket) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(failed(fault)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        // Inside the sandbox another user connects; the folder keeps everybody else out.
        std::fs::set_permissions(&socket, Permissions::from_mode(0o666)).map_err(failed)?;
        let server = tokio::spawn(serve::serve(listener, shared.clone()));
        Ok(Self { shared, socket, server })
    }

    /// The only key that it takes: worth nothing anywhere else, and nothing after its end.
    pub(crate) fn token(&self) -> &str {
        &self.shared.token
    }

    /// What has passed through it so far.
    pub(crate) fn report(&self) -> ProxyReport {
        self.shared.notes.report(self.shared.meter.sum())
    }

    /// Closes everything, waits until every turn is settled, and tells what has passed through it.
    pub(crate) async fn close(mut self) -> ProxyReport {
        self.shared.stop.cancel();
        if let Err(fault) = (&mut self.server).await {
            tracing::error!(%fault, "an agent's proxy did not end as it should");
        }
        self.shared.meter.settled().await;
        self.report()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        // A socket that is gone already, with its folder perhaps, is as it should be.
        std::fs::remove_file(&self.socket).ok();
    }
}

impl Shared {
    /// Whether a request brings the token, compared in constant time.
    fn is_known(&self, key: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(key.as_bytes(), self.token.as_bytes()).into()
    }

    /// Tells of a host that was refused, once.
    async fn deny(&self, host: &str, why: &str) {
        if self.notes.deny(host) {
            let line = format!("the sandbox asked for `{}`: {why}", host.escape_debug());
            self.log.line(flowforge_core::node::Stream::System, line).await;
        }
    }
}

#[cfg(test)]
mod tests;
