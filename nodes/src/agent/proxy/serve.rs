//! Connections and what they ask for.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use super::{
    Shared,
    fault::{Body, refuse},
    forward, plain, tunnel,
    tunnel::Tunnel,
};

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 << 10;
/// How long accepting rests after a failure, which is a lack of file descriptors.
const REST: Duration = Duration::from_millis(100);

/// Serves until it is told to stop; then all connections are closed.
pub(super) async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    shared.stop.run_until_cancelled(accept(listener, &shared, &mut connections)).await;
    connections.shutdown().await;
}

async fn accept(listener: UnixListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    loop {
        // A place first: clients that find none wait in the socket's queue.
        let Ok(place) = shared.places.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    connection(stream, shared).await;
                    drop(place);
                });
            }
            Err(fault) => {
                tracing::warn!(%fault, "an agent's proxy could not take a connection");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// One connection: its requests, then its tunnel if it asks for one.
async fn connection(stream: UnixStream, shared: Arc<Shared>) {
    let opened: Mutex<Option<Tunnel>> = Mutex::default();
    let service = service_fn(|request| {
        let (shared, opened) = (shared.clone(), &opened);
        async move { Ok::<_, Infallible>(answer(shared, request, opened).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LARGEST_HEAD);
    let served = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    if let Err(fault) = served {
        tracing::debug!(%fault, "a connection of an agent ended");
    }
    let tunnel = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        tunnel.run().await;
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>, opened: &Mutex<Option<Tunnel>>) -> Response<Body> {
    if request.method() == Method::CONNECT {
        return match tunnel::open(&shared, request).await {
            Ok((response, tunnel)) => {
                *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
                response
            }
            Err(refusal) => refusal,
        };
    }
    if request.uri().scheme().is_some() {
        return plain::read(&shared, request).await;
    }
    match (request.method(), request.uri().path()) {
        (&Method::POST, path @ ("/v1/messages" | "/v1/messages/count_tokens")) => {
            let path = path.to_owned();
            forward::forward(&shared, &path, request).await
        }
        // Clients look whether anybody is there.
        (&Method::HEAD | &Method::GET, "/") => Response::new(super::fault::whole("")),
        (method, path) => {
            let message = format!("the agent's proxy answers POST /v1/messages and nothing like {method} {path}");
            refuse(StatusCode::NOT_FOUND, "not_found_error", &message)
        }
    }
}
