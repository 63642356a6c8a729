//! `flowforge secrets`: another master key for all secrets.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use flowforge_engine::{Location, MasterKey, rotate_master_key};

use crate::{app, config::Data, failure::Failure, lock::DataLock, secrets::master_key};

#[derive(Debug, Subcommand)]
pub(super) enum Secrets {
    /// Encrypt all secrets under another master key, all of them or none. Stop the servers first: they know the old one only.
    RotateKey(RotateKey),
}

#[derive(Debug, Args)]
pub(super) struct RotateKey {
    /// A file with the new key; made when there is none.
    #[arg(long)]
    new_key_file: PathBuf,
    #[command(flatten)]
    data: Data,
}

pub(super) async fn secrets(ask: Secrets) -> Result<ExitCode, Failure> {
    let Secrets::RotateKey(RotateKey { new_key_file, data }) = ask;
    let _lock = match data.location()? {
        Location::Sqlite(_) => Some(DataLock::claim(&data.data_dir)?),
        Location::Postgres(_) => None,
    };
    let store = app::open_store(&data).await?;
    let old = master_key(&store, &data, false).await?.ok_or_else(|| Failure("there is no master key to rotate".to_owned()))?;
    let place = new_key_file.display();
    let new = match MasterKey::read(&new_key_file)? {
        Some(key) => key,
        None => MasterKey::make(&new_key_file)?,
    };
    let count = rotate_master_key(&store, &old, &new).await?;
    println!("{count} secrets are encrypted under the master key {}, which is in {place}.", new.id());
    println!("Start the servers with --master-key-file {place}, or with its content as FLOWFORGE_MASTER_KEY.");
    Ok(ExitCode::SUCCESS)
}
