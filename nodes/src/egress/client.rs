//! The client: resolves, filters, dials, and follows redirects one at a time.

use std::{collections::BTreeMap, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use flowforge_core::{
    node::{Context, NodeError},
    secret::SecretHosts,
};
use reqwest::{
    Client, Method, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde_json::json;
use tokio::time::timeout;

use super::{
    Egress, EgressPolicy,
    names::{self, Names},
    patience::{self, CONNECT, Patience},
    policy::{Denied, Door},
    port_of, redirect,
};

/// Tells a server how many runs stand above the one that calls it, so that calls in a circle can be ended.
pub(crate) const DEPTH: HeaderName = HeaderName::from_static("flowforge-depth");
/// How many redirects are followed when a call does not say.
const REDIRECTS: u32 = 10;

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many redirects are followed; with none, the answer that redirects is the answer.
    pub(crate) redirects: u32,
    /// How long the connection may take to come about.
    pub(crate) connect: Duration,
    /// The longest that the other side may be silent.
    pub(crate) idle: Option<Duration>,
    /// Where the secrets in it may be sent.
    pub(crate) secret_hosts: SecretHosts,
}

impl Call {
    /// A call that an attempt makes, with what every call of it carries.
    pub(crate) fn new(cx: &Context, method: Method, url: Url) -> Self {
        let headers = [(DEPTH, HeaderValue::from(cx.depth))].into_iter().collect();
        Self { headers, secret_hosts: cx.secret_hosts.clone(), ..Self::plain(method, url) }
    }

    /// A call that carries nothing of the attempt for which it is made.
    pub(crate) fn plain(method: Method, url: Url) -> Self {
        let (headers, redirects, connect, idle) = (HeaderMap::new(), REDIRECTS, CONNECT, None);
        Self { method, url, headers, body: Bytes::new(), redirects, connect, idle, secret_hosts: SecretHosts::default() }
    }
}

/// What came back, its body unread.
pub(crate) type Answer = Response;

/// The clients: one for each kind of port, since a resolver is told a name and not the port that its addresses are for.
#[derive(Debug)]
pub(super) struct Clients(BTreeMap<Door, Client>);

impl Clients {
    pub(super) fn new(policy: &Arc<EgressPolicy>, names: &Arc<dyn Names>) -> Result<Self, reqwest::Error> {
        let doors = [Door::Usual, Door::Guarded].into_iter().chain(policy.named().map(Door::Named));
        let client = |door| {
            let filter = Filter { policy: policy.clone(), names: names.clone(), door };
            Ok((door, build(filter)?))
        };
        doors.map(client).collect::<Result<_, _>>().map(Self)
    }

    fn at(&self, door: Door) -> Result<&Client, NodeError> {
        self.0.get(&door).ok_or_else(|| NodeError::fatal("EGRESS_UNAVAILABLE", format!("there is no client for {door:?}")))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one outbound client")]
fn build(filter: Filter) -> Result<Client, reqwest::Error> {
    // Another part of the program may have chosen a provider before; there is only one in the tree.
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .connector_layer(Patience)
        .dns_resolver(Arc::new(filter))
        .user_agent(concat!("FlowForge/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Resolves names to the addresses that may be dialled.
struct Filter {
    policy: Arc<EgressPolicy>,
    names: Arc<dyn Names>,
    door: Door,
}

impl Resolve for Filter {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, names, door) = (self.policy.clone(), self.names.clone(), self.door);
        Box::pin(async move {
            let host = name.as_str();
            let own = match door.port() {
                Some(port) => Some(policy.own(port, None).await),
                None => None,
            };
            let own = |address| own.iter().try_for_each(|own| own.check(host, address));
            let check = |address| own(address).and_then(|()| policy.check(host, address, door));
            let found = names::resolve(&*names, host, check).await?;
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

impl Egress {
    /// Makes a call and follows its redirects; each hop is checked like a call of its own.
    pub(crate) async fn call(&self, mut call: Call) -> Result<Answer, NodeError> {
        let most = call.redirects;
        for _ in 0..=most {
            self.check(&call.url).await?;
            call.secret_hosts.check(call.url.host_str().unwrap_or_default())?;
            let answer = self.send(&call).await?;
            if most == 0 {
                return Ok(answer);
            }
            match redirect::next(&call, &answer)? {
                Some(next) => call = next,
                None => return Ok(answer),
            }
        }
        Err(NodeError::fatal(
            "TOO_MANY_REDIRECTS",
            format!("more than {most} redirects were answered; the last was to {}", shown(&call.url)),
        ))
    }

    async fn send(&self, call: &Call) -> Result<Answer, NodeError> {
        let clients = self.clients.as_ref().map_err(|fault| NodeError::fatal("EGRESS_UNAVAILABLE", fault))?;
        let client = clients.at(self.policy.door(port_of(&call.url)))?;
        let request = client.request(call.method.clone(), call.url.clone());
        let request = request.headers(call.headers.clone()).body(call.body.clone());
        let sent = patience::within(call.connect, request.send());
        let sent = match call.idle {
            None => sent.await,
            Some(idle) => timeout(call.connect + idle, sent).await.map_err(|_| silent(&call.url, idle))?,
        };
        sent.map_err(|fault| explain(&call.url, fault))
    }
}

/// What went wrong on the way, without what the URL may hold in secret.
pub(super) fn explain(url: &Url, fault: reqwest::Error) -> NodeError {
    let fault = fault.without_url();
    let mut causes = vec![fault.to_string()];
    let mut cause: Option<&(dyn Error + 'static)> = fault.source();
    while let Some(inner) = cause {
        if let Some(denied) = inner.downcast_ref::<Denied>() {
            return denied.clone().into();
        }
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes.dedup();
    let message = format!("the call to {} failed: {}", shown(url), causes.join(": "));
    if fault.is_timeout() {
        NodeError::retry("HTTP_TIMEOUT", message)
    } else if fault.is_builder() {
        NodeError::fatal("INVALID_PARAMETER", message)
    } else if fault.is_connect() {
        // Whoever pays for the call must know that nobody has heard it.
        NodeError::retry("NETWORK_ERROR", message).with_details(json!({"sent": false}))
    } else {
        NodeError::retry("NETWORK_ERROR", message)
    }
}

/// A URL as it may be shown: without user, query and fragment, where credentials are put.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Reads a body up to a limit, in bytes after decompression; what is beyond it is never held.
pub(crate) async fn body(mut answer: Answer, most: usize, idle: Option<Duration>) -> Result<Vec<u8>, NodeError> {
    let url = answer.url().clone();
    let too_large = || {
        let message = format!("{} answered more than the {most} bytes that are allowed; ask for less", shown(&url));
        NodeError::fatal("RESPONSE_TOO_LARGE", message)
    };
    if answer.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&mut answer, &url, idle).await? {
        if body.len() + chunk.len() > most {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn chunk(answer: &mut Answer, url: &Url, idle: Option<Duration>) -> Result<Option<Bytes>, NodeError> {
    let read = answer.chunk();
    let read = match idle {
        None => read.await,
        Some(idle) => timeout(idle, read).await.map_err(|_| silent(url, idle))?,
    };
    read.map_err(|fault| explain(url, fault))
}

fn silent(url: &Url, idle: Duration) -> NodeError {
    NodeError::retry("HTTP_TIMEOUT", format!("{} was silent for {} seconds", shown(url), idle.as_secs_f64()))
}
