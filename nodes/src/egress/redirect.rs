//! Where a redirect leads, and what is told there.

use bytes::Bytes;
use flowforge_core::node::NodeError;
use reqwest::{
    Method, StatusCode,
    header::{self, HeaderName},
};

use super::{Answer, Call, DEPTH, shown};

/// What is told to a host that the author did not name; everything else may be a credential.
const HARMLESS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    HeaderName::from_static("idempotency-key"),
    DEPTH,
];

impl Call {
    /// Turns to another address. Another origin is told nothing that may be a credential, and sent no body, which may hold one.
    pub(crate) fn lead_to(&mut self, url: reqwest::Url) -> Result<(), NodeError> {
        if url.origin() != self.url.origin() {
            if !self.body.is_empty() {
                let (from, to) = (shown(&self.url), shown(&url));
                let message =
                    format!("{from} sends on to {to}, with a body that was meant for the former; call that address itself");
                return Err(NodeError::fatal("INVALID_REDIRECT", message));
            }
            self.headers = HARMLESS.iter().filter_map(|name| Some((name.clone(), self.headers.get(name)?.clone()))).collect();
        }
        self.url = url;
        Ok(())
    }
}

/// The call that a redirect asks for.
pub(super) fn next(call: &Call, answer: &Answer) -> Result<Option<Call>, NodeError> {
    let Some(location) = answer.headers().get(header::LOCATION).filter(|_| is_redirect(answer.status())) else {
        return Ok(None);
    };
    let url = location.to_str().ok().and_then(|location| call.url.join(location).ok());
    let url =
        url.ok_or_else(|| NodeError::fatal("INVALID_REDIRECT", format!("{} redirects to what is no URL", shown(&call.url))))?;
    let mut next = call.clone();
    // As every browser does: only 307 and 308 repeat the method and the body.
    let repeats = matches!(answer.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    if !repeats && call.method != Method::GET && call.method != Method::HEAD {
        next.method = Method::GET;
        next.body = Bytes::new();
        next.headers.remove(header::CONTENT_TYPE);
    }
    next.lead_to(url)?;
    Ok(Some(next))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
