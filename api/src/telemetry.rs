//! The log: to standard error, for people or as JSON.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::{
    config::{LogFormat, Process},
    failure::Failure,
};

/// Starts the log.
///
/// # Errors
/// When the filter cannot be read.
pub(crate) fn start(process: &Process) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&process.log).map_err(Failure::during("--log"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal());
    // A test may have started a log already; that one will do.
    match process.log_format {
        LogFormat::Text => log.try_init().ok(),
        LogFormat::Json => log.json().flatten_event(true).try_init().ok(),
    };
    Ok(())
}
