//! Turns of the model: paid for, sent on with the real key, and passed back as they come.

use std::time::Duration;

use bytes::Bytes;
use flowforge_core::money::Refused;
use futures::stream;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Frame, Incoming},
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Shared,
    fault::{Body, Cut, refuse, whole},
    guard,
};
use crate::{
    agent::{
        Quota, VERSION,
        messages::{call, is_stream, was_unsent},
        meter::OpenTurn,
    },
    egress::{Answer, body},
};

/// The largest request, in bytes: the provider's own limit.
const LARGEST: usize = 32 << 20;
/// How long a request may take to come.
const SENDING: Duration = Duration::from_secs(60);
/// How long the model may be silent while it answers.
const IDLE: Duration = Duration::from_secs(300);
/// What of an answer's head is passed back, beside `anthropic-…`.
const PASSED: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::RETRY_AFTER, HeaderName::from_static("request-id"), HeaderName::from_static("x-should-retry")];

/// Asks the model's provider for the sandbox.
pub(super) async fn forward(shared: &Shared, path: &str, request: Request<Incoming>) -> Response<Body> {
    if !shared.is_known(key(request.headers())) {
        let message = "this is not the key of this step's proxy";
        return refuse(StatusCode::UNAUTHORIZED, "authentication_error", message);
    }
    let asked = request.headers().clone();
    if request.body().size_hint().lower() > LARGEST as u64 {
        return too_large();
    }
    let bytes = match timeout(SENDING, Limited::new(request.into_body(), LARGEST).collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(_)) => return too_large(),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "the request takes too long to come"),
    };
    let Some(body) = serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request_error", "the request's body is no JSON object");
    };
    if let Some(why) = guard::forbidden(&body) {
        shared.deny("the model's provider", &why).await;
        return refuse(StatusCode::FORBIDDEN, "permission_error", &why);
    }
    let headers = match headers(shared, &asked) {
        Ok(headers) => headers,
        Err(fault) => return refuse(StatusCode::INTERNAL_SERVER_ERROR, "api_error", &fault.message),
    };
    if path == "/v1/messages" {
        turn(shared, path, &body, bytes, headers).await
    } else {
        count(shared, path, bytes, headers).await
    }
}

fn too_large() -> Response<Body> {
    let message = format!("the request is cut short, or larger than {LARGEST} bytes");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", &message)
}

/// The key that a request brings, in either of the two ways.
fn key(headers: &HeaderMap) -> &str {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("x-api-key").or_else(|| text("authorization")?.strip_prefix("Bearer ")).unwrap_or_default()
}

/// What the provider is told: of the sandbox's headers only those that say how the request is meant.
fn headers(shared: &Shared, asked: &HeaderMap) -> Result<HeaderMap, flowforge_core::node::NodeError> {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
    for name in ["anthropic-version", "anthropic-beta", "accept"] {
        if let Some(value) = asked.get(name).filter(|value| value.len() < 4096) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert("x-api-key", shared.upstream.key()?);
    Ok(headers)
}

/// Counting tokens costs nothing.
async fn count(shared: &Shared, path: &str, bytes: Bytes, headers: HeaderMap) -> Response<Body> {
    match shared.egress.call(call(&shared.upstream, shared.upstream.url(path), headers, bytes)).await {
        Ok(answer) => {
            let (head, _) = passed(shared, answer).await;
            head
        }
        Err(_) => unreachable(),
    }
}

async fn turn(shared: &Shared, path: &str, request: &Value, bytes: Bytes, headers: HeaderMap) -> Response<Body> {
    let turn = match shared.meter.begin(request, bytes.len()).await {
        Ok(turn) => turn,
        Err(Refused::Short(shortage)) => {
            let message = shortage.to_string();
            shared.notes.short(*shortage);
            return refuse(StatusCode::FORBIDDEN, "flowforge_budget", &message);
        }
        Err(Refused::Failed(fault)) => {
            let message = format!("the turn cannot be paid for at present: {}", fault.message);
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "api_error", &message);
        }
    };
    shared.notes.paid();
    match shared.egress.call(call(&shared.upstream, shared.upstream.url(path), headers, bytes)).await {
        Ok(answer) => answered(shared, answer, turn).await,
        Err(fault) if was_unsent(&fault) => {
            turn.free().await;
            unreachable()
        }
        Err(_) => {
            let mut turn = turn;
            turn.settle().await;
            unreachable()
        }
    }
}

fn unreachable() -> Response<Body> {
    refuse(StatusCode::BAD_GATEWAY, "api_error", "the model's provider cannot be reached, or broke off")
}

async fn answered(shared: &Shared, answer: Answer, mut turn: OpenTurn) -> Response<Body> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    shared.notes.quota(Quota::of(status, &headers));
    if status == StatusCode::OK && is_stream(&headers) {
        return head(status, &headers, passing(answer, turn));
    }
    let (response, bytes) = passed(shared, answer).await;
    if status == StatusCode::OK {
        match bytes {
            Some(bytes) => {
                turn.heard.read(&serde_json::from_slice(&bytes).unwrap_or_default());
                if turn.heard.has_begun {
                    turn.settle().await;
                    return response;
                }
                // What is no message was not made by a model.
            }
            None => {
                turn.settle().await;
                return response;
            }
        }
    }
    turn.free().await;
    response
}

/// An answer that is passed back whole, and its bytes unless it was cut short.
async fn passed(shared: &Shared, answer: Answer) -> (Response<Body>, Option<Bytes>) {
    let (status, headers) = (answer.status(), answer.headers().clone());
    match body(answer, LARGEST, Some(IDLE)).await {
        Ok(bytes) => {
            let bytes = Bytes::from(bytes);
            let shown = match std::str::from_utf8(&bytes) {
                Ok(text) if !status.is_success() => Bytes::from(shared.upstream.without_key(text)),
                _ => bytes.clone(),
            };
            (head(status, &headers, whole(shown)), Some(bytes))
        }
        Err(_) => (unreachable(), None),
    }
}

fn head(status: StatusCode, told: &HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let is_passed = |name: &HeaderName| PASSED.contains(name) || name.as_str().starts_with("anthropic-");
    let kept = told.iter().filter(|(name, _)| is_passed(name)).map(|(name, value)| (name.clone(), value.clone()));
    response.headers_mut().extend(kept);
    response
}

/// An answer on its way. Dropped in the middle, because the sandbox has hung up perhaps, its turn is settled by what was heard.
struct Passing {
    answer: Answer,
    turn: OpenTurn,
    is_cut: bool,
}

/// Passes pieces on as they come. The turn is settled before its last piece leaves, so that the next one finds the money.
fn passing(answer: Answer, turn: OpenTurn) -> Body {
    let passing = Passing { answer, turn, is_cut: false };
    let pieces = stream::unfold(passing, |mut passing| async move {
        if passing.is_cut {
            return None;
        }
        match timeout(IDLE, passing.answer.chunk()).await {
            Ok(Ok(Some(piece))) => {
                passing.turn.heard.hear(&piece);
                if passing.turn.heard.is_over || passing.turn.heard.error.is_some() {
                    passing.turn.settle().await;
                }
                Some((Ok(Frame::data(piece)), passing))
            }
            Ok(Ok(None)) => {
                passing.turn.settle().await;
                None
            }
            Ok(Err(fault)) => Some((Err(cut(&mut passing, fault.without_url().into()).await), passing)),
            Err(silent) => Some((Err(cut(&mut passing, silent.into()).await), passing)),
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

async fn cut(passing: &mut Passing, why: Cut) -> Cut {
    passing.is_cut = true;
    passing.turn.settle().await;
    why
}
