//! `flowforge serve`: everything in one process, or the part of it that `--role` names.

use std::{future::Future, net::SocketAddr, process::ExitCode, time::Duration};

use axum::serve::ListenerExt;
use flowforge_engine::{Engine, Location};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, App},
    config::{Role, Serve, given},
    examples,
    failure::Failure,
    lock::{DataLock, make_folder},
    router,
    routes::health,
};

/// How long requests that are being answered may take when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the engine may take to hand its runs back.
const HAND_BACK: Duration = Duration::from_secs(19);

pub(super) async fn serve(settings: Serve) -> Result<ExitCode, Failure> {
    let _lock = claim(&settings)?;
    let queue = settings.queue.config(&settings.data.location()?)?;
    let listener = match settings.address() {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let store = app::open_store(&settings.data).await?;
    let stop = stop_signal()?;
    let engine = app::open_engine(store, &settings.data, &settings.work, settings.role != Role::Api, queue).await?;
    match listener {
        Some(listener) if settings.role != Role::Worker => listen(listener, engine.clone(), settings, stop).await?,
        listener => work(&engine, listener, stop).await?,
    }
    if timeout(HAND_BACK, engine.shutdown()).await.is_err() {
        tracing::warn!("the engine did not stop in time; other workers take its runs over when its lease ends");
    }
    Ok(ExitCode::SUCCESS)
}

/// SQLite has one process at a time; the folder shows which.
fn claim(settings: &Serve) -> Result<Option<DataLock>, Failure> {
    match settings.data.location()? {
        Location::Sqlite(_) if settings.role != Role::All => {
            let role = if settings.role == Role::Api { "api" } else { "worker" };
            Err(Failure(format!("the role {role} needs a database that processes can share: give --database-url postgres://…")))
        }
        Location::Sqlite(_) => DataLock::claim(&settings.data.data_dir).map(Some),
        Location::Postgres(_) => {
            make_folder(&settings.data.data_dir)?;
            Ok(None)
        }
    }
}

/// Before anything else, so that a port that is taken is told before a run is touched.
async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(Failure::during(format!("cannot listen on {address}")))
}

async fn work(engine: &Engine, listener: Option<TcpListener>, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let postgres = matches!(engine.store().location(), Location::Postgres(_));
    println!("FlowForge works on the runs of {}.", if postgres { "PostgreSQL" } else { "SQLite" });
    let told = async {
        match listener {
            Some(listener) => axum::serve(listener, health::routes().with_state(engine.clone())).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = told => ended.map_err(Failure::during("the server failed")),
        () = stop => Ok(()),
    }
}

async fn listen(
    listener: TcpListener,
    engine: Engine,
    settings: Serve,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(Failure::during("the address cannot be told"))?;
    let app = App::new(engine, Serve { listen: Some(address), ..settings })?;
    first_owner(&app).await?;
    announce(&app).await?;
    let closing = app.closing.clone();
    // A small answer must not wait for a larger one to fill the packet.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let service = router::router(app).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(closing_at(stop, closing.clone()));
    let drained = async {
        closing.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server.into_future() => ended.map_err(Failure::during("the server failed")),
        () = drained => {
            tracing::warn!("some requests were cut off");
            Ok(())
        }
    }
}

/// Whoever waits for a run or reads events is told to come back, and nobody new is let in.
async fn closing_at(stop: impl Future<Output = ()>, closing: CancellationToken) {
    stop.await;
    closing.cancel();
}

async fn first_owner(app: &App) -> Result<(), Failure> {
    let (Some(email), Some(password)) = (given(&app.settings.admin_email), given(&app.settings.admin_password)) else {
        return Ok(());
    };
    if !app.auth.setup_required().await.map_err(Failure::during("the accounts cannot be read"))? {
        return Ok(());
    }
    match app.auth.create_first_owner(email, password, "Main").await {
        Ok(owner) => examples::load(app, &owner).await,
        Err(fault) if fault.code() == "already_set_up" => {}
        Err(fault) => return Err(Failure(format!("FLOWFORGE_ADMIN_EMAIL and FLOWFORGE_ADMIN_PASSWORD make no owner: {fault}"))),
    }
    Ok(())
}

async fn announce(app: &App) -> Result<(), Failure> {
    let address = app.settings.public_address();
    println!("FlowForge is at {address}");
    if app.auth.setup_required().await.map_err(Failure::during("the accounts cannot be read"))? {
        println!("Nobody owns it yet. Make the first owner here, once: {address}/setup?token={}", app.auth.setup_token());
    }
    Ok(())
}

fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let failed = "signals cannot be heard";
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::during(failed))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::during(failed))?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
