//! Refusals, in the form that clients of the Messages API understand.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{Response, StatusCode, header::CONTENT_TYPE};
use serde_json::json;

/// Why the rest of a body does not come.
pub(super) type Cut = Box<dyn std::error::Error + Send + Sync>;
/// What is answered.
pub(super) type Body = UnsyncBoxBody<Bytes, Cut>;

/// A refusal with its reason.
pub(super) fn refuse(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    let error = json!({"type": "error", "error": {"type": kind, "message": message}});
    let mut response = Response::new(whole(error.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// A body that is there already.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
