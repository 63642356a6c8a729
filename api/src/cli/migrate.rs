//! `flowforge migrate`: the schema, without starting anything.

use std::process::ExitCode;

use flowforge_engine::Location;

use crate::{app, config::Data, failure::Failure, lock::DataLock};

pub(super) async fn migrate(data: Data) -> Result<ExitCode, Failure> {
    let _lock = match data.location()? {
        Location::Sqlite(_) => Some(DataLock::claim(&data.data_dir)?),
        Location::Postgres(_) => None,
    };
    app::open_store(&data).await?;
    println!("The database's schema is up to date.");
    Ok(ExitCode::SUCCESS)
}
