//! One connection to the database for one attempt. However the attempt ends, nothing goes on over there.

use std::{future::poll_fn, net::SocketAddr, sync::Arc, time::Duration};

use flowforge_core::node::NodeError;
use futures::{
    FutureExt,
    future::{BoxFuture, FusedFuture},
};
use tokio::time::timeout;
use tokio_postgres::{CancelToken, Client, Config, Connection, Error, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    fault,
    meter::{Meter, Metered},
    target::{OwnDatabase, Target},
    tls,
};
use crate::egress::Egress;

/// How long a connection may take to come about, and a request to cancel to be handed over.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the other side may take to say goodbye, once everything is said.
const GOODBYE: Duration = Duration::from_secs(1);
/// The tables by which a database of FlowForge's own is known, whatever address it was reached at.
const IS_OWN: &str = "SELECT count(*) = 3 FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') \
    AND relname IN ('step_runs', 'step_leases', 'seaql_migrations') GROUP BY relnamespace ORDER BY 1 DESC LIMIT 1";

type Stream = <MakeRustlsConnect as MakeTlsConnect<Metered>>::Stream;

/// A connection that has been made.
pub(super) struct Link {
    client: Client,
    connection: Connection<Metered, Stream>,
    meter: Meter,
    running: Running,
}

/// What the connection is needed for: work on a client.
pub(super) type Work<'w, T> = Box<dyn FnOnce(Client) -> BoxFuture<'w, Result<T, NodeError>> + Send + 'w>;

impl Link {
    /// Dials and signs in.
    pub(super) async fn open(
        egress: &Arc<Egress>,
        own: Option<&OwnDatabase>,
        target: &Target,
        most_bytes: u64,
    ) -> Result<Self, NodeError> {
        let stream = egress.connect_postgres(&target.host, target.port, CONNECT).await?;
        let lost = |fault: std::io::Error| NodeError::retry("POSTGRES_CONNECTION", format!("the connection was lost: {fault}"));
        let address = stream.peer_addr().map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        if let Some(own) = own
            && own.is(target, address.ip()).await
        {
            return Err(refused());
        }
        let chosen = tls::chosen(target, egress.trusts(address));
        let mut tls = tls::connector(chosen, target.ca_certificate.as_deref())?;
        let meter = Meter::of(most_bytes);
        let stream = Metered { stream, meter: meter.clone() };
        let config = config(target, tls::mode(chosen));
        let session = config.connect_raw(stream, connect(&mut tls, &target.host)).await;
        let (client, connection) = session.map_err(|fault| explain(fault, &meter, target))?;
        let running =
            Running { egress: egress.clone(), address, host: target.host.clone(), tls, token: Some(client.cancel_token()) };
        Ok(Self { client, connection, meter, running })
    }

    /// Does the work while the connection is served. When this is dropped, what runs over there is cancelled.
    pub(super) async fn serve<'w, T>(self, work: Work<'w, T>) -> Result<T, NodeError> {
        let Self { client, connection, meter, mut running } = self;
        let mut work = work(client);
        let mut served = Box::pin(serve(connection)).fuse();
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            end = &mut served => {
                // Every request fails now, but says less of the reason than the connection does.
                let done = work.await;
                done.map_err(|fault| match end {
                    Err(reason) if fault.code == "POSTGRES_CONNECTION" => fault::told(&reason, &[]),
                    _ => fault,
                })
            }
        };
        if done.is_err() && meter.is_over() {
            return Err(NodeError::fatal("POSTGRES_RESULT_TOO_LARGE", "the server sent far more than `max_bytes`; ask for less"));
        }
        if done.as_ref().err().is_none_or(|fault| fault.code != "POSTGRES_CONNECTION") {
            running.token = None;
            // Whether the other side takes notice makes no difference to what was done.
            if !served.is_terminated() {
                timeout(GOODBYE, served).await.ok();
            }
        }
        done
    }
}

/// Refuses the databases that FlowForge itself is kept in.
pub(super) async fn check_foreign(client: &Client) -> Result<(), NodeError> {
    let told = |fault| fault::told(&fault, &[]);
    let rows = client.query_typed(IS_OWN, &[]).await.map_err(told)?;
    let is_own = rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(told)?;
    if is_own { Err(refused()) } else { Ok(()) }
}

fn refused() -> NodeError {
    let message = "this is a database in which FlowForge keeps its own rows; no step may reach it: use another database";
    NodeError::fatal("EGRESS_DENIED", message)
}

fn config(target: &Target, mode: tokio_postgres::config::SslMode) -> Config {
    let mut config = Config::new();
    config.user(&target.user).dbname(&target.database).application_name("flowforge").ssl_mode(mode);
    if let Some(password) = &target.password {
        config.password(password);
    }
    config
}

fn connect(tls: &mut MakeRustlsConnect, host: &str) -> <MakeRustlsConnect as MakeTlsConnect<Metered>>::TlsConnect {
    match <MakeRustlsConnect as MakeTlsConnect<Metered>>::make_tls_connect(tls, host) {
        Ok(connect) => connect,
        Err(never) => match never {},
    }
}

fn explain(fault: Error, meter: &Meter, target: &Target) -> NodeError {
    let mut error = if meter.is_over() {
        NodeError::fatal("POSTGRES_CONNECTION", "what answers there is no PostgreSQL: it says too much")
    } else {
        fault::told(&fault, &[])
    };
    error.message = format!("{}: {}", target.shown(), error.message);
    error
}

/// Moves bytes until the connection ends. Notices are left out: they may quote values.
async fn serve(mut connection: Connection<Metered, Stream>) -> Result<(), Error> {
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        message?;
    }
    Ok(())
}

/// What may be running over there. The server would go on with a statement although its client is gone, so it is told.
struct Running {
    egress: Arc<Egress>,
    address: SocketAddr,
    host: String,
    tls: MakeRustlsConnect,
    token: Option<CancelToken>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let (Some(token), Ok(runtime)) = (self.token.take(), tokio::runtime::Handle::try_current()) else { return };
        let (egress, address, host, mut tls) = (self.egress.clone(), self.address, self.host.clone(), self.tls.clone());
        runtime.spawn(async move {
            let cancel = async {
                let stream = egress.connect_postgres(&address.ip().to_string(), address.port(), CONNECT).await?;
                let stream = Metered { stream, meter: Meter::of(64 << 10) };
                token.cancel_query_raw(stream, connect(&mut tls, &host)).await.map_err(|fault| fault::told(&fault, &[]))
            };
            match timeout(CONNECT, cancel).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => tracing::warn!(%fault, "a statement could not be cancelled; its own time limit ends it"),
                Err(_) => tracing::warn!("a statement could not be cancelled in time; its own time limit ends it"),
            }
        });
    }
}
