//! Opens the database: where it is, and with which settings.

use std::{path::PathBuf, time::Duration};

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use crate::error::Result;

/// How long a statement waits for SQLite's one writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of a pool.
const POOL: u32 = 8;

/// Has PostgreSQL write no values of a statement that fails into its own log. Only where the server knows the setting.
pub(crate) const DISCREET: &str = "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings \
    WHERE name = 'log_parameter_max_length_on_error'";

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
            let pool = Database::connect(postgres(url)).await?;
            Ok((pool.clone(), pool))
        }
    }
}

/// No connection has values written into the server's log, however that is set up.
fn postgres(url: &str) -> ConnectOptions {
    let mut options = options(url, POOL);
    options.map_sqlx_postgres_pool_opts(|pool| {
        pool.after_connect(|connection, _| Box::pin(async move { sqlx::raw_sql(DISCREET).execute(connection).await.map(drop) }))
    });
    options
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
