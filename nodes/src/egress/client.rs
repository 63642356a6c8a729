//! The client: resolves, filters, dials, and follows redirects one at a time.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use flowforge_core::node::NodeError;
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{self, HeaderMap, HeaderName},
    redirect,
};

use super::{Denied, Egress, EgressPolicy};

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

#[expect(clippy::disallowed_methods, reason = "this is the one outbound client")]
pub(super) fn build(policy: Arc<EgressPolicy>) -> Result<Client, reqwest::Error> {
    // Another part of the program may have chosen a provider before; there is only one in the tree.
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .dns_resolver(Arc::new(Filter(policy)))
        .user_agent(concat!("FlowForge/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Resolves names to the addresses that may be dialled.
struct Filter(Arc<EgressPolicy>);

impl Resolve for Filter {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found = resolve(&policy, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a host that may be dialled. A host whose addresses are all forbidden is refused.
async fn resolve(policy: &EgressPolicy, host: &str, port: u16) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::net::lookup_host((host, port)).await?.collect(),
    };
    let (allowed, denied): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| policy.check(host, found.ip()).is_ok());
    match (allowed.is_empty(), denied.first()) {
        (true, Some(address)) => Err(policy.check(host, address.ip()).err().map_or_else(|| "no address".into(), Into::into)),
        (true, None) => Err(format!("`{host}` has no address").into()),
        (false, _) => Ok(allowed),
    }
}

pub(super) async fn lookup(policy: &EgressPolicy, host: &str, port: u16) -> Result<Vec<SocketAddr>, NodeError> {
    resolve(policy, host, port).await.map_err(|fault| match fault.downcast::<Denied>() {
        Ok(denied) => (*denied).into(),
        Err(fault) => NodeError::retry("NETWORK_ERROR", format!("`{host}` cannot be found: {fault}")),
    })
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
        let client = self.client.as_ref().map_err(|fault| NodeError::fatal("EGRESS_UNAVAILABLE", fault))?;
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
