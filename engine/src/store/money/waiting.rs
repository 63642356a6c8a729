//! Steps that wait for money, found by the budget that is used up.

use std::collections::BTreeMap;

use flowforge_core::{BudgetId, NodeId, RunId, WorkspaceId};
use sea_orm::{FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::TotalKey;
use crate::{error::Result, store::Store};

/// Steps that wait for money, without those that were called again and are executed, or are about to be. The kind is written out, for
/// the index that holds these alone.
const WAITING: &str = "SELECT s.run_id, s.node_id, s.attempt, s.started_at, s.awaiting ->> 'budget' AS budget, \
     CAST(s.awaiting ->> 'resets_at' AS bigint) AS resets_at, r.workspace_id FROM step_runs s JOIN runs r ON r.id = s.run_id \
     WHERE s.awaiting ->> 'kind' = 'funds' AND s.finished_at IS NULL AND s.status = 'waiting' AND r.finished_at IS NULL \
     AND NOT EXISTS (SELECT 1 FROM step_leases l WHERE l.run_id = s.run_id AND l.node_id = s.node_id AND l.attempt = s.attempt) \
     AND NOT EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = s.run_id AND i.kind = 'recall' AND i.body ->> 'node' = s.node_id)";

/// A step that waits for money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) run: RunId,
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
}

impl Store {
    /// Steps that wait for one of these totals, those that have waited longest first.
    pub(crate) async fn waiters(&self, totals: &[TotalKey], limit: u64) -> Result<Vec<Waiter>> {
        if totals.is_empty() {
            return Ok(Vec::new());
        }
        let marks = |from: usize| (0..totals.len()).map(|at| format!("${}", from + at)).collect::<Vec<_>>().join(", ");
        let (texts, ids) = (marks(1), marks(totals.len() + 1));
        // Whoever waits for the money of a run stands in that run, or in one below it.
        let sql = format!(
            "WITH RECURSIVE waiting AS ({WAITING}), up(below, at) AS (SELECT run_id, run_id FROM waiting WHERE budget = 'run' UNION \
             SELECT up.below, r.parent_run_id FROM up JOIN runs r ON r.id = up.at WHERE r.parent_run_id IS NOT NULL) \
             SELECT w.run_id, w.node_id, w.attempt FROM waiting w WHERE w.budget IN ({texts}) \
             OR (w.budget = 'step' AND w.run_id IN ({ids})) \
             OR (w.budget = 'run' AND EXISTS (SELECT 1 FROM up WHERE up.below = w.run_id AND up.at IN ({ids}))) \
             ORDER BY w.started_at, w.run_id, w.node_id LIMIT {limit}"
        );
        let texts = totals.iter().map(|key| Value::from(BudgetId::new(key.0).to_string()));
        let values: Vec<Value> = texts.chain(totals.iter().map(|key| key.0.into())).collect();
        let rows = WaiterRow::find_by_statement(Statement::from_sql_and_values(self.backend(), sql, values));
        Ok(rows.all(&self.read).await?.into_iter().map(Waiter::from).collect())
    }

    /// Steps that wait for a budget that has begun anew.
    pub(crate) async fn waiters_of_the_past(&self, limit: u64) -> Result<Vec<Waiter>> {
        let sql = format!(
            "SELECT w.run_id, w.node_id, w.attempt FROM ({WAITING}) w WHERE w.resets_at <= {} LIMIT {limit}",
            self.now_sql()
        );
        let rows = WaiterRow::find_by_statement(self.statement(&sql)).all(&self.read).await?;
        Ok(rows.into_iter().map(Waiter::from).collect())
    }

    /// How many steps of a workspace wait for each of its budgets, by the budget's id.
    pub(super) async fn waiting_by_budget(&self, workspace: WorkspaceId) -> Result<BTreeMap<String, u64>> {
        let sql = format!(
            "SELECT w.budget, count(*) AS steps FROM ({WAITING}) w WHERE w.workspace_id = $1 AND w.budget NOT IN ('step', 'run') GROUP BY w.budget"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [workspace.uuid().into()]);
        let rows = Waiting::find_by_statement(statement).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| (row.budget, row.steps.cast_unsigned())).collect())
    }
}

#[derive(FromQueryResult)]
struct WaiterRow {
    run_id: Uuid,
    node_id: String,
    attempt: i32,
}

impl From<WaiterRow> for Waiter {
    fn from(row: WaiterRow) -> Self {
        Self { run: RunId::new(row.run_id), node: NodeId::new(row.node_id), attempt: row.attempt.cast_unsigned() }
    }
}

#[derive(FromQueryResult)]
struct Waiting {
    budget: String,
    steps: i64,
}
