//! Reads attempts. They are written by the committer.

use flowforge_core::{NodeId, RunId, Timestamp, WorkspaceId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, Iterable, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use serde_json::Value;

use super::{
    Store,
    entity::engine::step::{self, Column},
};
use crate::{
    error::{Error, Result},
    record::{AttemptRecord, Seqs, effect_key},
};

impl Store {
    /// All attempts of a run, in the order in which they began.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn steps(&self, workspace: WorkspaceId, run: RunId) -> Result<Vec<AttemptRecord>> {
        self.run_row(Some(workspace), run).await?;
        self.attempts(run).await
    }

    /// All attempts of a run, whose workspace the caller has checked.
    pub(crate) async fn attempts(&self, run: RunId) -> Result<Vec<AttemptRecord>> {
        let rows = step::Entity::find().filter(Column::RunId.eq(run.uuid())).all(&self.read).await?;
        let mut attempts = rows.into_iter().map(AttemptRecord::try_from).collect::<Result<Vec<_>>>()?;
        attempts.sort_by_key(|attempt| attempt.seqs.started.or(attempt.seqs.finished).unwrap_or(i64::MAX));
        Ok(attempts)
    }

    /// What an attempt waits for, or has waited for.
    pub(crate) async fn awaiting(&self, run: RunId, node: &NodeId, attempt: u32) -> Result<Option<Value>> {
        let select = step::Entity::find()
            .select_only()
            .column(Column::Awaiting)
            .filter(Column::RunId.eq(run.uuid()))
            .filter(Column::NodeId.eq(node.as_str()))
            .filter(Column::Attempt.eq(attempt.cast_signed()));
        let found: Option<Option<Value>> = select.into_tuple().one(&self.write).await?;
        Ok(found.flatten())
    }

    /// The attempts with a transition after a record number, without inputs and outputs, which may be large.
    pub(crate) async fn attempts_after(&self, run: RunId, seq: i64) -> Result<Vec<AttemptRecord>> {
        let after =
            Condition::any().add(Column::StartedSeq.gt(seq)).add(Column::WaitingSeq.gt(seq)).add(Column::FinishedSeq.gt(seq));
        let columns = Column::iter().filter(|column| !matches!(column, Column::Input | Column::Output));
        let select = step::Entity::find()
            .select_only()
            .columns(columns)
            .expr_as(Expr::value(None::<Value>), "input")
            .expr_as(Expr::value(None::<Value>), "output")
            .filter(Column::RunId.eq(run.uuid()))
            .filter(after)
            .order_by_asc(Column::StartedSeq);
        select.all(&self.read).await?.into_iter().map(AttemptRecord::try_from).collect()
    }
}

impl TryFrom<step::Model> for AttemptRecord {
    type Error = Error;

    fn try_from(row: step::Model) -> Result<Self> {
        let inconsistent = |column: &'static str, fault: String| Error::Inconsistent { table: "step_runs", column, fault };
        let node = NodeId::new(row.node_id);
        let error =
            row.error.map(serde_json::from_value).transpose().map_err(|fault| inconsistent("error", fault.to_string()))?;
        Ok(Self {
            effect_key: effect_key(RunId::new(row.run_id), &node, &row.item),
            node,
            item: row.item,
            attempt: row.attempt.cast_unsigned(),
            status: row
                .status
                .parse()
                .map_err(|fault: flowforge_core::status::UnknownStatus| inconsistent("status", fault.to_string()))?,
            input: row.input,
            output: row.output,
            error,
            port: row.port,
            started_at: row.started_at.map(Timestamp),
            finished_at: row.finished_at.map(Timestamp),
            wake_at: row.wake_at.map(Timestamp),
            awaiting: row.awaiting,
            seqs: Seqs { started: row.started_seq, waiting: row.waiting_seq, finished: row.finished_seq },
        })
    }
}
