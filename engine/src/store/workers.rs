//! Workers: who is alive, by the database's clock.

use std::time::Duration;

use flowforge_core::{Timestamp, WorkerId};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};

use super::{Store, entity::engine::worker};
use crate::error::{Error, Result};

impl Store {
    /// Says that a worker is alive and learns what time it is.
    pub(crate) async fn heartbeat(&self, worker: WorkerId, name: &str) -> Result<Timestamp> {
        let now = self.now_sql();
        let sql = format!(
            "INSERT INTO workers (id, name, started_at, heartbeat_at) VALUES ($1, $2, {now}, {now}) \
             ON CONFLICT (id) DO UPDATE SET heartbeat_at = {now} RETURNING heartbeat_at"
        );
        let statement = sea_orm::Statement::from_sql_and_values(self.backend(), sql, [worker.uuid().into(), name.into()]);
        let row = Beat::find_by_statement(statement).one(&self.write).await?;
        row.map(|row| Timestamp(row.heartbeat_at)).ok_or_else(|| Error::Storage("the heartbeat was not written".to_owned()))
    }

    /// Takes a worker off the list: what it still owned may be taken over at once.
    pub(crate) async fn forget_worker(&self, worker: WorkerId) -> Result<()> {
        worker::Entity::delete_by_id(worker.uuid()).exec(&self.write).await?;
        Ok(())
    }

    /// Takes every worker off the list, when no other process can be alive.
    pub(crate) async fn forget_all_workers(&self) -> Result<()> {
        worker::Entity::delete_many().exec(&self.write).await?;
        Ok(())
    }

    /// Takes workers off the list that have been silent for many leases.
    pub(crate) async fn forget_silent_workers(&self, lease: Duration) -> Result<()> {
        let silent = format!("heartbeat_at < {} - {}", self.now_sql(), lease.as_millis() * 20);
        worker::Entity::delete_many().filter(sea_orm::sea_query::Expr::cust(silent)).exec(&self.write).await?;
        Ok(())
    }

    /// SQL for the ids of the workers that are alive.
    pub(super) fn alive_sql(&self, lease: Duration) -> String {
        format!("SELECT id FROM workers WHERE heartbeat_at > {} - {}", self.now_sql(), lease.as_millis())
    }

    /// Runs a statement that was written out by hand.
    pub(super) async fn execute(&self, sql: String, values: impl IntoIterator<Item = sea_orm::Value>) -> Result<u64> {
        let statement = sea_orm::Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.write.execute_raw(statement).await?.rows_affected())
    }
}

#[derive(FromQueryResult)]
struct Beat {
    heartbeat_at: i64,
}
