//! Every request has an id: taken from `X-Request-Id` or made here, sent back, and written to the log with what failed.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use flowforge_engine::clock;

/// The header that carries the id both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LEN: usize = 64;

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The id of the request that is being answered; empty outside of one.
pub(crate) fn current() -> String {
    CURRENT.try_with(|id| id.to_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

/// Gives the request its id and tells the log, at level `debug`, how it was answered.
pub(crate) async fn around(request: Request, next: Next) -> Response {
    let id = request.headers().get(HEADER).filter(|id| is_fit(id)).cloned().unwrap_or_else(fresh);
    let line = tracing::enabled!(tracing::Level::DEBUG).then(|| (request.method().clone(), told(request.uri().path())));
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    if let Some((method, path)) = line {
        tracing::debug!(%method, path, status = response.status().as_u16(), request_id = id.to_str().unwrap_or_default());
    }
    response.headers_mut().insert(HEADER, id);
    response
}

/// A path without what only its caller may know.
fn told(path: &str) -> String {
    if path.starts_with("/hooks/") { "/hooks/…".to_owned() } else { path.to_owned() }
}

/// Only what can stand in a log line as it is.
fn is_fit(id: &HeaderValue) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    !id.is_empty() && id.len() <= MAX_LEN && id.as_bytes().iter().all(letter)
}

fn fresh() -> HeaderValue {
    let mut buffer = [0; 32];
    let text = clock::new_uuid().simple().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}
