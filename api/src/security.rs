//! What browsers are told not to do with our answers.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     frame-ancestors 'none'; base-uri 'none'; object-src 'none'; form-action 'self'";

/// For answers whose author is not this server.
const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Adds the headers to an answer. Answers that nobody says how to keep are not kept.
pub(crate) fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        let is_sandboxed = name == header::CONTENT_SECURITY_POLICY && headers.get(&name).is_some_and(|policy| policy == SANDBOX);
        if !is_sandboxed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Marks an answer whose author is not this server: a browser gives it no rights here.
pub(crate) fn sandbox(response: &mut Response) {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
}
