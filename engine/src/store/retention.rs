//! Removes what has ended. Nothing here touches a run that has not.

use std::{collections::BTreeSet, time::Duration};

use flowforge_core::{RunId, Timestamp, WorkspaceId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, Statement, Value,
};
use uuid::Uuid;

use super::{
    Store,
    entity::engine::run::{self, Column},
    leases::RunKey,
};
use crate::error::{Error, Result};

/// How long a key keeps a repeated request from starting a second run, whatever the workspace is set to.
pub(crate) const DEDUPE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// The most rows that one statement removes.
const ROWS: u64 = 1_000;
/// What belongs to runs, by table, with its primary key.
const PARTS: [(&str, &str); 9] = [
    ("conflict_resolutions", "id"),
    ("conflicts", "id"),
    ("checkpoints", "run_id, number"),
    ("step_logs", "run_id, seq"),
    ("step_leases", "run_id, node_id, item, attempt"),
    ("run_inbox", "id"),
    ("step_runs", "run_id, node_id, item, attempt"),
    ("budget_totals", "id, since"),
    ("budget_top_ups", "id"),
];

impl Store {
    /// The workspaces that do not keep runs for ever, and since when a run must have ended to be removed.
    pub(crate) async fn retention(&self) -> Result<Vec<(WorkspaceId, Timestamp)>> {
        let sql = "SELECT id, retention_days FROM workspaces WHERE retention_days IS NOT NULL ORDER BY id";
        let now = self.now().await?;
        let rows = Policy::find_by_statement(self.statement(sql)).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| (WorkspaceId::new(row.id), since(now, row.retention_days))).collect())
    }

    /// Runs of a workspace that ended before a time and belong to no other run, by the time of their end; without those whose
    /// key still keeps a request from being carried out twice, and those whose delivery does not know yet that they were started.
    pub(crate) async fn expired(
        &self,
        workspace: WorkspaceId,
        before: Timestamp,
        after: Option<(Timestamp, RunId)>,
        limit: u64,
    ) -> Result<Vec<(RunId, Timestamp)>> {
        let (now, dedupe) = (self.now_sql(), DEDUPE.as_millis());
        let sql = format!(
            "SELECT id, finished_at FROM runs WHERE workspace_id = $1 AND finished_at IS NOT NULL AND finished_at < $2 \
             AND (finished_at, id) > ($3, $4) AND (dedupe_key IS NULL OR created_at < {now} - {dedupe}) \
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = runs.id AND d.status = 'received') \
             AND (parent_run_id IS NULL OR NOT EXISTS (SELECT 1 FROM runs p WHERE p.id = runs.parent_run_id)) \
             ORDER BY finished_at, id LIMIT {limit}"
        );
        let (at, run) = after.map_or((i64::MIN, Uuid::nil()), |(at, run)| (at.0, run.uuid()));
        let values: [Value; 4] = [workspace.uuid().into(), before.0.into(), at.into(), run.into()];
        let rows = Ended::find_by_statement(Statement::from_sql_and_values(self.backend(), sql, values)).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| (RunId::new(row.id), Timestamp(row.finished_at))).collect())
    }

    /// Whether a run that was started below this one, at any depth, has not ended.
    pub(crate) async fn has_unfinished_below(&self, run: RunId) -> Result<bool> {
        let sql = format!("{BELOW} SELECT id FROM below WHERE finished_at IS NULL LIMIT 1");
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        Ok(RunKey::find_by_statement(statement).one(&self.read).await?.is_some())
    }

    /// Runs below this one that have none below themselves.
    pub(crate) async fn lowest_below(&self, run: RunId, limit: u64) -> Result<Vec<RunId>> {
        let sql = format!(
            "{BELOW} SELECT id FROM below WHERE NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent_run_id = below.id) \
             ORDER BY id LIMIT {limit}"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        Ok(RunKey::find_by_statement(statement).all(&self.write).await?.into_iter().map(|row| RunId::new(row.id)).collect())
    }

    /// Removes those of these runs that have ended, with all their rows, a thousand at a time and each run's own row last.
    pub(crate) async fn remove_ended(&self, runs: &[RunId]) -> Result<()> {
        let ids: Vec<Value> = runs.iter().map(|run| run.uuid().into()).collect();
        let these = (1..=runs.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let ended = format!("run_id IN (SELECT id FROM runs WHERE id IN ({these}) AND finished_at IS NOT NULL)");
        for (table, key) in PARTS {
            let sql = format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {ended} LIMIT {ROWS})");
            loop {
                let statement = Statement::from_sql_and_values(self.backend(), &sql, ids.clone());
                if self.write.execute_raw(statement).await?.rows_affected() < ROWS {
                    break;
                }
            }
        }
        // What has come in between goes in one transaction with the runs themselves, which nobody writes to meanwhile.
        let transaction = self.begin().await?;
        if self.backend() == DbBackend::Postgres {
            let sql = format!("SELECT id FROM runs WHERE id IN ({these}) ORDER BY id FOR UPDATE");
            transaction.execute_raw(Statement::from_sql_and_values(self.backend(), sql, ids.clone())).await?;
        }
        for (table, _) in PARTS {
            let sql = format!("DELETE FROM {table} WHERE {ended}");
            transaction.execute_raw(Statement::from_sql_and_values(self.backend(), sql, ids.clone())).await?;
        }
        let sql = format!("DELETE FROM runs WHERE id IN ({these}) AND finished_at IS NOT NULL");
        transaction.execute_raw(Statement::from_sql_and_values(self.backend(), sql, ids)).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Those of these runs that there are, of any workspace.
    pub(crate) async fn existing(&self, runs: &[RunId]) -> Result<BTreeSet<RunId>> {
        let ids = runs.iter().map(|run| run.uuid());
        let select = run::Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(ids));
        let found: Vec<Uuid> = select.into_tuple().all(&self.read).await?;
        Ok(found.into_iter().map(RunId::new).collect())
    }

    /// Why there is no such run: there never was one, or the workspace no longer keeps runs of its time.
    pub(crate) async fn no_run(&self, workspace: WorkspaceId, run: RunId) -> Result<Error> {
        let sql = "SELECT id, retention_days FROM workspaces WHERE id = $1 AND retention_days IS NOT NULL";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [workspace.uuid().into()]);
        let days = Policy::find_by_statement(statement).one(&self.read).await?.map(|row| row.retention_days);
        let made = (run.uuid().get_version_num() == 7).then(|| run.uuid().as_u64_pair().0 >> 16);
        let (Some(days), Some(made)) = (days, made) else { return Ok(Error::NotFound("run")) };
        let is_over = made.cast_signed() < since(self.now().await?, days).0;
        Ok(if is_over { Error::Expired { days: days.cast_unsigned() } } else { Error::NotFound("run") })
    }
}

/// Runs that steps of `$1` have started, theirs, and so on.
const BELOW: &str = "WITH RECURSIVE below(id, finished_at) AS (SELECT id, finished_at FROM runs WHERE parent_run_id = $1 \
     UNION ALL SELECT c.id, c.finished_at FROM runs c JOIN below ON c.parent_run_id = below.id)";

/// The time so many days ago.
fn since(now: Timestamp, days: i32) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::from(days) * DAY_MS))
}

#[derive(FromQueryResult)]
struct Policy {
    id: Uuid,
    retention_days: i32,
}

#[derive(FromQueryResult)]
struct Ended {
    id: Uuid,
    finished_at: i64,
}
