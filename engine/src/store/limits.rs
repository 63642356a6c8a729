//! Limits on what is under way at once. What counts is looked at whenever somebody wants in: runs that were let in and have not
//! ended, steps whose lease a living worker holds. There is no counter that could drift.

use std::time::Duration;

use flowforge_core::RunId;
use sea_orm::{FromQueryResult, Statement};

use super::{
    Store,
    leases::{RunKey, StepKey, UNFINISHED},
};
use crate::{error::Result, queue::StepRef};

/// Whether fewer runs with the same key are under way than the limit allows.
const HAS_ROOM: &str = "(SELECT count(*) FROM runs u WHERE u.concurrency_key = runs.concurrency_key AND u.finished_at IS NULL \
     AND u.admitted_at IS NOT NULL) < runs.concurrency_limit";
/// Whether nobody stands before the run in the line of its key: the more urgent first, then the older.
const IS_FIRST: &str = "NOT EXISTS (SELECT 1 FROM runs e WHERE e.concurrency_key = runs.concurrency_key AND e.finished_at IS NULL \
     AND e.admitted_at IS NULL AND (e.priority < runs.priority OR (e.priority = runs.priority AND e.id < runs.id)))";

impl Store {
    /// Lets a run in that waits for others with its key to end, if there is room and it is its turn.
    pub(crate) async fn admit_run(&self, run: RunId, key: &str) -> Result<bool> {
        let transaction = self.begin().await?;
        self.lock_key(&transaction, key).await?;
        let sql = format!(
            "UPDATE runs SET admitted_at = {} WHERE id = $1 AND {UNFINISHED} AND admitted_at IS NULL AND {HAS_ROOM} AND {IS_FIRST} \
             RETURNING id",
            self.now_sql()
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        let admitted = RunKey::find_by_statement(statement).one(&transaction).await?.is_some();
        transaction.commit().await?;
        Ok(admitted)
    }

    /// The first in the line of a key.
    pub(crate) async fn next_in_line(&self, key: &str) -> Result<Option<RunId>> {
        let sql = "SELECT id FROM runs WHERE concurrency_key = $1 AND finished_at IS NULL AND admitted_at IS NULL ORDER BY priority, id LIMIT 1";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [key.into()]);
        Ok(RunKey::find_by_statement(statement).one(&self.read).await?.map(|row| RunId::new(row.id)))
    }

    /// Runs that can be let in now, one a key.
    pub(crate) async fn find_admissible(&self, limit: u64) -> Result<Vec<RunId>> {
        let sql = format!(
            "SELECT id FROM runs WHERE concurrency_key IS NOT NULL AND finished_at IS NULL AND admitted_at IS NULL AND {IS_FIRST} AND {HAS_ROOM} \
             ORDER BY id LIMIT {limit}"
        );
        let rows = RunKey::find_by_statement(self.statement(&sql)).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| RunId::new(row.id)).collect())
    }

    /// The oldest dispatched step that waits for others with the same key to end.
    pub(crate) async fn next_step_in_line(&self, key: &str, lease: Duration) -> Result<Option<StepRef>> {
        let sql = format!(
            "SELECT run_id, node_id, item, attempt FROM step_leases WHERE concurrency_key = $1 AND (owner IS NULL OR owner NOT IN ({})) \
             ORDER BY dispatched_at LIMIT 1",
            self.alive_sql(lease)
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [key.into()]);
        Ok(StepKey::find_by_statement(statement).one(&self.read).await?.map(StepRef::from))
    }
}
