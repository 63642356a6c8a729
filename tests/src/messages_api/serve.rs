//! The stand-in's server.

use std::{io, sync::Arc, time::Duration};

use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

use super::{Asked, MessagesApi, Reply, Shared, answer};

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Answer = Result<Response<Body>, io::Error>;

/// Serves connections until it is dropped, and they with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| handle(Arc::clone(&shared), request));
            // A client that goes away in the middle of an answer is part of many tests.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    shared.asked.lock().expect("no panic").push(asked.clone());
    shared.news.notify_waiters();
    let text = String::from_utf8_lossy(&bytes);
    match (asked.method.as_str(), head.uri.path()) {
        (_, "/v1/messages" | "/v1/messages/count_tokens") if !is_known(&shared, &asked) => fault(401, "invalid x-api-key"),
        ("POST", _) if asked.body.is_null() => fault(400, "the body is no JSON"),
        ("POST", "/v1/messages/count_tokens") => whole(200, &json!({"input_tokens": bytes.len().div_ceil(4)})),
        ("POST", "/v1/messages") => {
            let has_tools = asked.body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
            let reply = shared.scenario.lock().expect("no panic").next(has_tools);
            give(shared, reply.within(folder(&text)), &asked.body, &text).await
        }
        ("GET", "/v1/models") => whole(200, &json!({"data": [], "has_more": false})),
        (_, path) => fault(404, &format!("there is no {path}")),
    }
}

fn is_known(shared: &Shared, asked: &Asked) -> bool {
    let scenario = shared.scenario.lock().expect("no panic");
    asked.key() == scenario.api_key.as_deref().unwrap_or(MessagesApi::KEY)
}

/// The working folder that a system prompt names.
fn folder(text: &str) -> &str {
    let named = text.split_once("orking directory: ").map(|(_, rest)| rest);
    named.and_then(|rest| rest.split([' ', '"', '\\', '\n']).next()).unwrap_or(".")
}

async fn give(shared: Arc<Shared>, reply: Reply, asked: &Value, text: &str) -> Answer {
    if let Some(wanted) = reply.expect.as_ref().filter(|wanted| !text.contains(*wanted)) {
        return fault(400, &format!("the scenario expects `{wanted}` in the request"));
    }
    sleep(Duration::from_millis(reply.delay_ms)).await;
    if reply.disconnect {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let model = asked["model"].as_str().unwrap_or("stub");
    let is_stream = asked["stream"] == true && reply.error.is_none() && reply.raw.is_none();
    let (status, content_type, pieces) = match (reply.error, &reply.raw) {
        (Some(status), _) => {
            let said = reply.message.as_deref().unwrap_or("a scripted error");
            (status, "application/json", vec![answer::error(status, reply.error_type.as_deref(), said).to_string()])
        }
        (None, Some(raw)) => {
            (reply.status.unwrap_or(200), reply.content_type.as_deref().unwrap_or("application/json"), vec![raw.clone()])
        }
        (None, None) if is_stream => (200, "text/event-stream", answer::events(&reply, model)),
        (None, None) => (200, "application/json", vec![answer::message(&reply, model).to_string()]),
    };
    if !is_stream && reply.hold_at.is_some() {
        hold(&shared).await;
    }
    let head = head(status, content_type);
    let head = reply.headers.iter().fold(head, |head, (name, value)| head.header(name, value));
    head.body(paced(shared, reply.clone(), pieces, is_stream)).map_err(io::Error::other)
}

async fn hold(shared: &Shared) {
    shared.released.acquire().await.expect("never closed").forget();
}

/// The pieces of an answer at their times, up to where it is cut.
fn paced(shared: Arc<Shared>, reply: Reply, pieces: Vec<String>, is_stream: bool) -> Body {
    let cut = if is_stream { reply.cut_after } else { reply.cut_after.map(|_| 0) };
    let end = cut.map_or(pieces.len(), |cut| cut.min(pieces.len()) + 1);
    let pieces = stream::unfold((shared, 0), move |(shared, number)| {
        let (piece, is_cut) = (pieces.get(number).cloned(), cut == Some(number));
        let (hold_at, pause) = (reply.hold_at, Duration::from_millis(reply.chunk_delay_ms));
        async move {
            if number >= end {
                return None;
            }
            if is_stream && hold_at == Some(number) {
                hold(&shared).await;
            }
            if number > 0 && is_stream {
                sleep(pause).await;
            }
            let aborted = || io::Error::from(io::ErrorKind::ConnectionAborted);
            let piece = piece.filter(|_| !is_cut).map(|piece| Frame::data(Bytes::from(piece))).ok_or_else(aborted);
            Some((piece, (shared, number + 1)))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn head(status: u16, content_type: &str) -> hyper::http::response::Builder {
    let id = format!("req_stub_{}", uuid::Uuid::new_v4().simple());
    let status = StatusCode::from_u16(status).expect("a status");
    Response::builder().status(status).header("content-type", content_type).header("request-id", id)
}

fn fault(status: u16, message: &str) -> Answer {
    whole(status, &answer::error(status, None, message))
}

fn whole(status: u16, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {}).boxed_unsync();
    head(status, "application/json").body(body).map_err(io::Error::other)
}
