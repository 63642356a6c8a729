//! The client: resolves, filters, dials, and follows redirects one at a time.

use std::{collections::BTreeMap, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use flowforge_core::node::NodeError;
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{self, HeaderMap, HeaderName},
    redirect,
};

use super::{
    Egress, EgressPolicy,
    names::{self, Names},
    policy::{Denied, Door},
    port_of,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How many redirects are followed.
const HOPS: usize = 10;
/// What is told to a host that the author did not name; everything else may be a credential.
const HARMLESS: [HeaderName; 5] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    HeaderName::from_static("idempotency-key"),
];

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
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
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
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
            let found = names::resolve(&*names, host, |address| policy.check(host, address, door)).await?;
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

impl Egress {
    /// Makes a call and follows its redirects; each hop is checked like a call of its own.
    pub(crate) async fn call(&self, mut call: Call) -> Result<Answer, NodeError> {
        for _ in 0..=HOPS {
            self.check(&call.url)?;
            let answer = self.send(&call).await?;
            match next(&call, &answer)? {
                Some(next) => call = next,
                None => return Ok(answer),
            }
        }
        Err(NodeError::fatal(
            "TOO_MANY_REDIRECTS",
            format!("more than {HOPS} redirects were answered; the last was to {}", shown(&call.url)),
        ))
    }

    async fn send(&self, call: &Call) -> Result<Answer, NodeError> {
        let clients = self.clients.as_ref().map_err(|fault| NodeError::fatal("EGRESS_UNAVAILABLE", fault))?;
        let client = clients.at(self.policy.door(port_of(&call.url)))?;
        let request = client.request(call.method.clone(), call.url.clone());
        let request = request.headers(call.headers.clone()).body(call.body.clone());
        request.send().await.map_err(|fault| explain(&call.url, fault))
    }
}

/// The call that a redirect asks for.
fn next(call: &Call, answer: &Answer) -> Result<Option<Call>, NodeError> {
    let Some(location) = answer.headers().get(header::LOCATION).filter(|_| is_redirect(answer.status())) else {
        return Ok(None);
    };
    let url = location.to_str().ok().and_then(|location| call.url.join(location).ok());
    let url =
        url.ok_or_else(|| NodeError::fatal("INVALID_REDIRECT", format!("{} redirects to what is no URL", shown(&call.url))))?;
    let mut next = Call { url, ..call.clone() };
    // As every browser does: only 307 and 308 repeat the method and the body.
    let repeats = matches!(answer.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    if !repeats && call.method != Method::GET && call.method != Method::HEAD {
        next.method = Method::GET;
        next.body = Bytes::new();
        next.headers.remove(header::CONTENT_TYPE);
    }
    if next.url.origin() != call.url.origin() {
        next.headers = HARMLESS.iter().filter_map(|name| Some((name.clone(), next.headers.get(name)?.clone()))).collect();
    }
    Ok(Some(next))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
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
    } else {
        NodeError::retry("NETWORK_ERROR", message)
    }
}

/// A URL as it may be shown: without user, query and fragment, where credentials are put.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Reads a body up to a limit.
pub(crate) async fn body(mut answer: Answer, most: usize) -> Result<Vec<u8>, NodeError> {
    let url = answer.url().clone();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|fault| explain(&url, fault))? {
        if body.len() + chunk.len() > most {
            let message = format!("{} answered more than the {most} bytes that are allowed; ask for less", shown(&url));
            return Err(NodeError::fatal("RESPONSE_TOO_LARGE", message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
