//! Reading from listed hosts for clients that ask without TLS.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header,
};
use reqwest::Url;

use super::{
    Shared,
    fault::{Body, Cut, refuse, whole},
    hosts::Way,
};
use crate::egress::Call;

/// The longest that the other side may be silent.
const IDLE: Duration = Duration::from_secs(60);
/// What is told to the host. Everything else may be a credential.
const ASKED: [header::HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::RANGE,
    header::USER_AGENT,
];
/// What is told to the sandbox.
const ANSWERED: [header::HeaderName; 9] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
];

/// Reads a page of a listed host.
pub(super) async fn read(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let (host, port) = (request.uri().host().unwrap_or_default().to_owned(), request.uri().port_u16().unwrap_or(80));
    let Some((way, port)) = shared.allow.reading(&host, port).filter(|_| request.uri().scheme_str() == Some("http")) else {
        shared.deny(&host, "it is not among the hosts that the step allows to be read without TLS").await;
        let message = format!("`{host}` is not among the hosts that this step allows to be read; use https, or let it be listed");
        return refuse(StatusCode::FORBIDDEN, "permission_error", &message);
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = format!("`{host}` may be read with GET and HEAD, and not be sent {}", request.method());
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "permission_error", &message);
    }
    let scheme = if way == Way::Read { "https" } else { "http" };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(url) = Url::parse(&format!("{scheme}://{host}:{port}{path}")) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request_error", "that is no address");
    };
    let mut call = Call { redirects: 0, idle: Some(IDLE), ..Call::plain(request.method().clone(), url) };
    call.headers = ASKED.iter().filter_map(|name| Some((name.clone(), request.headers().get(name)?.clone()))).collect();
    call.headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
    match shared.egress.call(call).await {
        Ok(answer) => passed(answer, request.method()),
        Err(fault) if fault.code == "EGRESS_DENIED" => {
            shared.deny(&host, &fault.message).await;
            refuse(StatusCode::FORBIDDEN, "permission_error", &format!("`{host}` leads to where nodes may not go"))
        }
        Err(_) => refuse(StatusCode::BAD_GATEWAY, "api_error", &format!("`{host}` cannot be reached")),
    }
}

fn passed(answer: crate::egress::Answer, method: &Method) -> Response<Body> {
    let (status, told) = (answer.status(), answer.headers().clone());
    let pieces = answer.bytes_stream().map_ok(Frame::data).map_err(Cut::from);
    let body = if method == Method::HEAD { whole("") } else { StreamBody::new(pieces.boxed()).boxed_unsync() };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kept = ANSWERED.iter().filter_map(|name| Some((name.clone(), told.get(name)?.clone())));
    response.headers_mut().extend(kept);
    response
}
