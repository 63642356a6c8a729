//! Tunnels to listed hosts.

use std::time::Duration;

use hyper::{Request, Response, StatusCode, body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional, net::TcpStream, time::timeout};

use super::{
    Shared,
    fault::{Body, refuse, whole},
    hosts::Way,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a tunnel may be open.
const LONGEST: Duration = Duration::from_secs(3600);

/// A tunnel whose far end is connected.
pub(super) struct Tunnel {
    near: OnUpgrade,
    far: TcpStream,
}

/// Connects to the host that is asked for.
pub(super) async fn open(shared: &Shared, request: Request<Incoming>) -> Result<(Response<Body>, Tunnel), Response<Body>> {
    let target = request.uri().authority().and_then(|authority| Some((authority.host().to_owned(), authority.port_u16()?)));
    let Some((host, port)) = target else {
        return Err(refuse(StatusCode::BAD_REQUEST, "invalid_request_error", "CONNECT needs a host and a port"));
    };
    let shown = format!("{host}:{port}");
    if !shared.allow.allows(Way::Tunnel, &host, port) {
        shared.deny(&shown, "it is not among the hosts that the step allows").await;
        let message = format!("`{shown}` is not among the hosts that this step allows");
        return Err(refuse(StatusCode::FORBIDDEN, "permission_error", &message));
    }
    match shared.egress.connect(&host, port, CONNECT).await {
        Ok(far) => Ok((Response::new(whole("")), Tunnel { near: hyper::upgrade::on(request), far })),
        Err(fault) if fault.code == "EGRESS_DENIED" => {
            shared.deny(&shown, &fault.message).await;
            // Which address it has is the operator's business.
            let message = format!("`{shown}` leads to where nodes may not go");
            Err(refuse(StatusCode::FORBIDDEN, "permission_error", &message))
        }
        Err(_) => {
            let message = format!("`{shown}` cannot be reached");
            Err(refuse(StatusCode::BAD_GATEWAY, "api_error", &message))
        }
    }
}

impl Tunnel {
    /// Passes on what comes, both ways, until one end closes.
    pub(super) async fn run(mut self) {
        let Ok(near) = self.near.await else { return };
        let copied = timeout(LONGEST, copy_bidirectional(&mut TokioIo::new(near), &mut self.far)).await;
        match copied {
            Ok(Ok(_)) => {}
            Ok(Err(fault)) => tracing::debug!(%fault, "a tunnel of an agent broke"),
            Err(_) => tracing::debug!("a tunnel of an agent was open for too long"),
        }
    }
}
