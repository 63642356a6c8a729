//! Reads attempts. They are written by the committer.

use std::collections::HashMap;

use flowforge_core::{NodeId, RunId, StepStatus, Timestamp, WorkflowId, WorkspaceId};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Iterable, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Query},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Store,
    entity::engine::{
        run,
        step::{self, Column},
    },
};
use crate::{
    error::{Error, Result},
    record::{AttemptRecord, Seqs, effect_key},
};

/// Where a list of waiting attempts goes on: it runs from the newest run to the oldest, and through a run's nodes by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPlace {
    /// The run of the last attempt that was listed.
    pub run: RunId,
    /// Its node.
    pub node: NodeId,
}

/// An attempt that waits for a person's decision.
#[derive(Debug, Clone)]
pub struct WaitingApproval {
    /// Its run.
    pub run: RunId,
    /// What the run executes.
    pub workflow: WorkflowId,
    /// The attempt.
    pub attempt: AttemptRecord,
}

impl Store {
    /// Attempts of a workspace that wait for a person's decision, after a place in the list, without inputs and outputs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting_approvals(
        &self,
        workspace: WorkspaceId,
        after: Option<WaitingPlace>,
        limit: u64,
    ) -> Result<Vec<WaitingApproval>> {
        let theirs = Query::select()
            .column(run::Column::Id)
            .from(run::Entity)
            .and_where(run::Column::WorkspaceId.eq(workspace.uuid()).and(run::Column::FinishedAt.is_null()))
            .and_where(Expr::col((run::Entity, run::Column::Id)).equals((step::Entity, Column::RunId)))
            .to_owned();
        // The first conditions are those of an index that holds nothing but decisions that are waited for.
        let select = light()
            .filter(Expr::cust("awaiting ->> 'kind' = 'approval'"))
            .filter(Column::FinishedAt.is_null())
            .filter(Column::Status.eq(StepStatus::Waiting.as_str()))
            .filter(Expr::exists(theirs))
            .order_by_desc(Column::RunId)
            .order_by_asc(Column::NodeId)
            .limit(limit);
        let select = after.into_iter().fold(select, |select, WaitingPlace { run, node }| {
            let same_run = Column::RunId.eq(run.uuid()).and(Column::NodeId.gt(node.as_str()));
            select.filter(Condition::any().add(Column::RunId.lt(run.uuid())).add(same_run))
        });
        let rows = select.all(&self.read).await?;
        let runs = run::Entity::find().select_only().columns([run::Column::Id, run::Column::WorkflowId]);
        let ids = rows.iter().map(|row| row.run_id);
        let workflows: Vec<(Uuid, Uuid)> = runs.filter(run::Column::Id.is_in(ids)).into_tuple().all(&self.read).await?;
        let workflows: HashMap<Uuid, Uuid> = workflows.into_iter().collect();
        let approval = |row: step::Model| {
            // A run that was cleared away in between asks nothing any more.
            let workflow = WorkflowId::new(*workflows.get(&row.run_id)?);
            let run = RunId::new(row.run_id);
            Some(AttemptRecord::try_from(row).map(|attempt| WaitingApproval { run, workflow, attempt }))
        };
        rows.into_iter().filter_map(approval).collect()
    }

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

    /// What the runs that were started for an attempt see of the graph around theirs.
    pub(crate) async fn outer(&self, run: RunId, node: &NodeId, attempt: u32) -> Result<Option<Value>> {
        // Beside it there may be a long list, which each of these runs would read.
        let outer = Expr::cust("awaiting -> 'outer'");
        let select = step::Entity::find()
            .select_only()
            .expr_as(outer, "outer")
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
        let select = light().filter(Column::RunId.eq(run.uuid())).filter(after).order_by_asc(Column::StartedSeq);
        select.all(&self.read).await?.into_iter().map(AttemptRecord::try_from).collect()
    }
}

/// Leaves the large columns where they are.
fn light() -> Select<step::Entity> {
    let columns = Column::iter().filter(|column| !matches!(column, Column::Input | Column::Output));
    let nothing = || Expr::value(None::<Value>);
    step::Entity::find().select_only().columns(columns).expr_as(nothing(), "input").expr_as(nothing(), "output")
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
