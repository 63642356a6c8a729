//! The rows of checkpoints: where the files of runs stand.

use std::collections::BTreeSet;

use flowforge_core::{
    NodeId, RunId, Timestamp, WorkspaceId,
    files::{Checkpoint, Standing},
};
use sea_orm::{DbErr, FromQueryResult, RuntimeErr, Statement};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Store, leases::RunKey};
use crate::{
    error::{Error, Result},
    queue::StepRef,
};

/// How often a number is asked for anew that another step of the run was given meanwhile.
const TRIES: u32 = 8;
/// How many runs lie behind one another at the most, each of which has taken its files over from the next.
const DEEPEST: u32 = 64;

/// A checkpoint, as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointRecord {
    /// From 1, in the order in which steps have left the tree.
    pub number: u32,
    /// The step.
    pub node: NodeId,
    /// Its attempt.
    pub attempt: u32,
    /// What was left.
    pub checkpoint: Checkpoint,
    /// When it was written down last.
    pub at: Timestamp,
}

#[derive(FromQueryResult)]
struct Row {
    number: i32,
    node_id: String,
    attempt: i32,
    body: Value,
    created_at: i64,
}

#[derive(FromQueryResult)]
struct Number {
    number: i32,
}

#[derive(FromQueryResult)]
struct Node {
    node_id: String,
}

#[derive(FromQueryResult)]
struct Behind {
    origin_run_id: Option<Uuid>,
    parent_run_id: Option<Uuid>,
}

impl Store {
    /// Writes down where the tree stands after a step, under the lease of the step.
    ///
    /// # Errors
    /// `Fenced` when the step is another worker's by now.
    pub(crate) async fn set_checkpoint(&self, step: &StepRef, epoch: i64, checkpoint: &Checkpoint) -> Result<u32> {
        let sql = format!(
            "INSERT INTO checkpoints (run_id, number, node_id, attempt, effect_key, body, created_at) \
             SELECT $1, coalesce((SELECT max(number) FROM checkpoints WHERE run_id = $1), 0) + 1, $2, $4, $6, $7, {now} \
             WHERE EXISTS (SELECT 1 FROM step_leases WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 AND epoch = $5) \
             ON CONFLICT (run_id, effect_key) DO UPDATE SET attempt = excluded.attempt, body = excluded.body, \
             created_at = excluded.created_at RETURNING number",
            now = self.now_sql()
        );
        let values: [sea_orm::Value; 7] = [
            step.run.uuid().into(),
            step.node.as_str().into(),
            step.item.as_str().into(),
            step.attempt.cast_signed().into(),
            epoch.into(),
            checkpoint.effect_key.as_str().into(),
            json!(checkpoint).into(),
        ];
        for _ in 1..TRIES {
            match self.number(&sql, &values).await {
                Err(fault) if is_taken(&fault) => {}
                done => return done?.ok_or(Error::Fenced),
            }
        }
        self.number(&sql, &values).await?.ok_or(Error::Fenced)
    }

    async fn number(&self, sql: &str, values: &[sea_orm::Value; 7]) -> std::result::Result<Option<u32>, DbErr> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values.clone());
        Ok(Number::find_by_statement(statement).one(&self.write).await?.map(|row| row.number.cast_unsigned()))
    }

    /// The checkpoints of a run, in their order.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn checkpoints(&self, workspace: WorkspaceId, run: RunId) -> Result<Vec<CheckpointRecord>> {
        self.run_row(Some(workspace), run).await?;
        self.checkpoints_of(run).await
    }

    /// The same for a run whose workspace the caller has checked.
    pub(crate) async fn checkpoints_of(&self, run: RunId) -> Result<Vec<CheckpointRecord>> {
        let sql = "SELECT number, node_id, attempt, body, created_at FROM checkpoints WHERE run_id = $1 ORDER BY number";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        Row::find_by_statement(statement).all(&self.read).await?.into_iter().map(record).collect()
    }

    /// Where the files of a run stand: as its own steps have left them, else those that it has taken over from an earlier run, else
    /// as the run has them that it belongs to.
    pub(crate) async fn files_of(&self, run: RunId) -> Result<Option<Standing>> {
        let (mut kept_by, mut at) = (None, run);
        for _ in 0..DEEPEST {
            if let Some(row) = self.newest(at, kept_by).await? {
                let CheckpointRecord { number, checkpoint, .. } = record(row)?;
                return Ok(Some(Standing { run: at, number, checkpoint }));
            }
            let behind = self.behind(at).await?;
            (kept_by, at) = match behind {
                Some(Behind { origin_run_id: Some(origin), .. }) => (kept_by.or(Some(at)), RunId::new(origin)),
                Some(Behind { parent_run_id: Some(parent), .. }) if kept_by.is_none() => (None, RunId::new(parent)),
                _ => return Ok(None),
            };
        }
        Ok(None)
    }

    /// The steps of a run whose files another run can take over, in the order in which they have left them: first those that the
    /// run itself has taken over.
    pub(crate) async fn files_left(&self, run: RunId) -> Result<Vec<NodeId>> {
        let (mut nodes, mut at, mut kept_by) = (Vec::new(), run, None);
        for _ in 0..DEEPEST {
            let own = self.checkpoints_of(at).await?.into_iter().map(|record| record.node);
            let own: Vec<_> = match kept_by {
                None => own.collect(),
                Some(later) => {
                    let kept = self.kept_nodes(later).await?;
                    own.filter(|node| kept.contains(node)).collect()
                }
            };
            nodes.splice(0..0, own);
            match self.behind(at).await? {
                Some(Behind { origin_run_id: Some(origin), .. }) => (kept_by, at) = (kept_by.or(Some(at)), RunId::new(origin)),
                _ => break,
            }
        }
        Ok(nodes)
    }

    /// The nodes whose steps a run has taken over.
    async fn kept_nodes(&self, run: RunId) -> Result<BTreeSet<NodeId>> {
        let sql = "SELECT node_id FROM step_runs WHERE run_id = $1 AND status = 'completed' AND started_seq IS NULL";
        let rows =
            Node::find_by_statement(Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()])).all(&self.read);
        Ok(rows.await?.into_iter().map(|row| NodeId::new(row.node_id)).collect())
    }

    /// The newest checkpoint of a run; only of those steps that another run has taken over, if it is asked for.
    async fn newest(&self, run: RunId, kept_by: Option<RunId>) -> Result<Option<Row>> {
        let sql = "SELECT number, node_id, attempt, body, created_at FROM checkpoints c WHERE run_id = $1 AND ($2 IS NULL OR EXISTS \
             (SELECT 1 FROM step_runs s WHERE s.run_id = $2 AND s.node_id = c.node_id AND s.status = 'completed' AND s.started_seq IS NULL)) \
             ORDER BY number DESC LIMIT 1";
        let values = [run.uuid().into(), kept_by.map(|run| run.uuid()).into()];
        Ok(Row::find_by_statement(Statement::from_sql_and_values(self.backend(), sql, values)).one(&self.read).await?)
    }

    async fn behind(&self, run: RunId) -> Result<Option<Behind>> {
        let sql = "SELECT origin_run_id, parent_run_id FROM runs WHERE id = $1";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        Ok(Behind::find_by_statement(statement).one(&self.read).await?)
    }

    /// Whether a run is kept because one that has not ended goes on with its files.
    pub(crate) async fn lends_files(&self, run: RunId) -> Result<bool> {
        let sql = "SELECT id FROM runs WHERE origin_run_id = $1 AND finished_at IS NULL LIMIT 1";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        Ok(RunKey::find_by_statement(statement).one(&self.read).await?.is_some())
    }
}

fn record(row: Row) -> Result<CheckpointRecord> {
    let unreadable =
        |fault: serde_json::Error| Error::Inconsistent { table: "checkpoints", column: "body", fault: fault.to_string() };
    Ok(CheckpointRecord {
        number: row.number.cast_unsigned(),
        node: NodeId::new(row.node_id),
        attempt: row.attempt.cast_unsigned(),
        checkpoint: Checkpoint::deserialize(row.body).map_err(unreadable)?,
        at: Timestamp(row.created_at),
    })
}

/// Whether another step of the run was given the same number at the same time.
fn is_taken(fault: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(fault)) | DbErr::Exec(RuntimeErr::SqlxError(fault))) = fault else { return false };
    fault.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
