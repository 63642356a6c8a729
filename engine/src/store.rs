//! Rows: one file per table family, one verb per statement. Rows become core types here and nowhere else.
//!
//! SQLite has one connection that writes and a few that read; a transaction that may write begins as `BEGIN IMMEDIATE`,
//! since a transaction that reads first and writes later fails without waiting. PostgreSQL has one pool for both.

pub mod accounts;
mod answers;
pub(crate) mod audit;
pub mod checkpoints;
pub mod conflicts;
mod connect;
pub mod deliveries;
#[cfg(test)]
mod differential;
mod entity;
pub mod inbox;
pub mod leases;
mod limits;
pub mod logs;
pub mod money;
mod page;
pub(crate) mod retention;
pub mod runs;
pub(crate) mod schedules;
pub mod secrets;
mod slots;
pub mod steps;
pub mod triggers;
pub(crate) mod why;
pub mod workers;
pub mod workflows;

use flowforge_core::Timestamp;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, FromQueryResult, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};

pub(crate) use self::connect::DISCREET;
pub use self::{
    connect::Location,
    page::{Page, PageRequest},
};
use crate::error::{Error, Result};

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    location: Location,
    write: DatabaseConnection,
    read: DatabaseConnection,
}

impl Store {
    /// Connects. The schema must be up to date: see `flowforge-migrations`.
    ///
    /// # Errors
    /// When the database cannot be reached or opened.
    pub async fn connect(location: &Location) -> Result<Self> {
        let (write, read) = connect::connect(location).await?;
        Ok(Self { location: location.clone(), write, read })
    }

    /// Where the database is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The connection that migrations run on.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.write
    }

    /// What the database's clock says.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<Timestamp> {
        let row = Now::find_by_statement(self.statement(&format!("SELECT {} AS now", self.now_sql()))).one(&self.read).await?;
        row.map(|row| Timestamp(row.now)).ok_or_else(|| Error::Storage("the database did not say what time it is".to_owned()))
    }

    /// The SQL expression for the database's time in milliseconds.
    pub(crate) fn now_sql(&self) -> &'static str {
        match self.backend() {
            DbBackend::Postgres => "(extract(epoch from clock_timestamp()) * 1000)::bigint",
            _ => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        }
    }

    fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    fn statement(&self, sql: &str) -> Statement {
        Statement::from_string(self.backend(), sql)
    }

    /// A transaction that may write from its first statement on.
    async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.write.begin_with_options(options).await?)
    }
}

#[derive(FromQueryResult)]
struct Now {
    now: i64,
}
