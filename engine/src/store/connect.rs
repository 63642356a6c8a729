//! Opens the database: where it is, and with which settings.

use std::{path::PathBuf, time::Duration};

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use crate::error::Result;

/// How long a statement waits for SQLite's one writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of a pool.
const POOL: u32 = 8;

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server, by its URL.
    Postgres(String),
}

pub(super) async fn connect(location: &Location) -> Result<(DatabaseConnection, DatabaseConnection)> {
    match location {
        Location::Sqlite(path) => {
            let write = Database::connect(sqlite(path, 1)).await?;
            let read = Database::connect(sqlite(path, 4)).await?;
            Ok((write, read))
        }
        Location::Postgres(url) => {
            let pool = Database::connect(options(url, POOL)).await?;
            Ok((pool.clone(), pool))
        }
    }
}

/// `synchronous = FULL`: what is committed survives a power cut.
fn sqlite(path: &std::path::Path, connections: u32) -> ConnectOptions {
    let mut options = options(&format!("sqlite://{}?mode=rwc", path.display()), connections);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .pragma("cache_size", "-32000")
    });
    options
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).acquire_timeout(BUSY_TIMEOUT).sqlx_logging(false);
    options
}
