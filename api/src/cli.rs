//! The commands of `flowforge`.

mod doctor;
mod family;
mod migrate;
mod openapi;
mod progress;
mod run;
mod secrets;
mod serve;

use std::{future::Future, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{Data, Process, Role, Serve},
    discreet,
    failure::Failure,
    telemetry,
};

/// The hidden command that evaluates JavaScript for its parent process.
pub(crate) const JS_WORKER: &str = "js-worker";
/// The hidden command that leads from inside a sandbox to a proxy outside.
pub(crate) const SANDBOX_FORWARD: &str = "sandbox-forward";

#[derive(Debug, Parser)]
#[command(name = "flowforge", version, about = "A durable workflow engine with a visual editor.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    process: Process,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the web app and the API, and run workflows.
    Serve(Box<Serve>),
    /// Only run workflows: short for `serve --role worker`.
    Worker(Box<Serve>),
    /// Run one workflow file to its end, without a server.
    Run(Box<run::Run>),
    /// Bring the database's schema up to date.
    Migrate(Data),
    /// Check that this machine has what workflows need.
    Doctor(Box<doctor::Doctor>),
    /// Look after the secrets of all workspaces.
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Print the OpenAPI document.
    Openapi,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    // Before anything else: the child must not start threads or read settings.
    if std::env::args_os().nth(1).is_some_and(|first| first == JS_WORKER) {
        return flowforge_nodes::js_worker_main();
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == SANDBOX_FORWARD) {
        return flowforge_nodes::sandbox_forward_main(std::env::args_os().skip(2));
    }
    // The only error is that a provider is installed already, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("flowforge: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode, Failure> {
    discreet::begin();
    telemetry::start(&cli.process)?;
    let threads = cli.process.worker_threads;
    match cli.command {
        Command::Serve(settings) => block_on(threads, serve::serve(*settings)),
        Command::Worker(settings) => block_on(threads, serve::serve(Serve { role: Role::Worker, ..*settings })),
        Command::Run(ask) => block_on(threads, run::run(*ask)),
        Command::Migrate(data) => block_on(threads, migrate::migrate(data)),
        Command::Doctor(ask) => block_on(threads, doctor::doctor(*ask)),
        Command::Secrets(ask) => block_on(threads, secrets::secrets(ask)),
        Command::Openapi => Ok(openapi::print()),
    }
}

fn block_on(threads: Option<usize>, work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads.max(1));
    }
    let runtime = builder.enable_all().build().map_err(Failure::during("the runtime cannot be started"))?;
    runtime.block_on(Box::pin(work))
}
