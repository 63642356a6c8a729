//! Reads runs. They are written by the committer; `leases` moves their ownership.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use flowforge_core::{NodeId, Priority, RunId, RunStatus, Timestamp, WorkerId, WorkflowId, WorkspaceId, event::RunError};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Page, PageRequest, Store,
    entity::engine::run::{self, Column},
};
use crate::{
    committer::KeyedLimit,
    error::{Error, Result},
    record::{Parent, RunRecord},
};

/// Which runs are wanted.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only those started for this run's steps, in the order of their items; only those that no step has started when absent.
    pub parent: Option<RunId>,
    /// Only this workflow's.
    pub workflow: Option<WorkflowId>,
    /// Only those that stand so.
    pub status: Option<RunStatus>,
    /// Only those started for this node of the parent.
    pub node: Option<NodeId>,
}

/// How many children an attempt has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChildCount {
    /// Those that exist and have not ended.
    pub open: u64,
    /// Those that have ended.
    pub ended: u64,
}

/// Everything about a run that its owner has to know.
#[derive(Debug, Clone)]
pub(crate) struct RunRow {
    pub(crate) record: RunRecord,
    pub(crate) trigger_node: Option<String>,
    pub(crate) epoch: i64,
    pub(crate) next_seq: i64,
    pub(crate) crashes: u32,
    pub(crate) deadline_at: Option<Timestamp>,
    pub(crate) started_seq: Option<i64>,
    pub(crate) cancel_seq: Option<i64>,
    pub(crate) finished_seq: Option<i64>,
    /// The way down to the graph that is executed, within its version's.
    pub(crate) body: Option<String>,
    /// Signals that no step has taken, oldest first.
    pub(crate) signals: Vec<KeptSignal>,
    pub(crate) limit: Option<KeyedLimit>,
    pub(crate) admitted_at: Option<Timestamp>,
    pub(crate) owner: Option<WorkerId>,
    pub(crate) wake_at: Option<Timestamp>,
}

/// A signal that no step has taken, as it is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptSignal {
    pub(crate) name: String,
    pub(crate) payload: Arc<Value>,
}

/// Where a child of a step stands.
#[derive(Debug, Clone)]
pub(crate) struct ChildRow {
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
    pub(crate) index: u32,
    pub(crate) status: RunStatus,
}

/// The children of an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Children<'n> {
    pub(crate) run: RunId,
    pub(crate) node: &'n NodeId,
    pub(crate) attempt: u32,
}

/// What a child of a step has come to.
#[derive(Debug, Clone)]
pub(crate) struct ChildResult {
    pub(crate) id: RunId,
    pub(crate) index: u32,
    pub(crate) status: RunStatus,
    pub(crate) output: Option<Value>,
    pub(crate) error: Option<Value>,
}

impl Store {
    /// One run of a workspace; without inputs, outputs, signals and responses when one of those cannot be read.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn run(&self, workspace: WorkspaceId, run: RunId) -> Result<RunRecord> {
        Ok(self.readable_row(Some(workspace), run).await?.record)
    }

    /// A page of a workspace's runs, newest first, or in the order of their parent's nodes and items; without inputs, outputs
    /// and responses.
    ///
    /// # Errors
    /// `BadInput` when the page is to begin after a run that the parent has not.
    pub async fn runs(&self, workspace: WorkspaceId, filter: RunFilter, page: PageRequest) -> Result<Page<RunRecord>> {
        let mut select = run::Entity::find().filter(Column::WorkspaceId.eq(workspace.uuid())).limit(page.limit + 1);
        select = match filter.parent {
            Some(parent) => self.children_after(select, parent, page.before).await?,
            None => {
                let select = select.filter(Column::ParentRunId.is_null()).order_by_desc(Column::Id);
                page.before.into_iter().fold(select, |select, before| select.filter(Column::Id.lt(before)))
            }
        };
        if let Some(node) = &filter.node {
            select = select.filter(Column::ParentNode.eq(node.as_str()));
        }
        if let Some(workflow) = filter.workflow {
            select = select.filter(Column::WorkflowId.eq(workflow.uuid()));
        }
        if let Some(status) = filter.status {
            select = select.filter(Column::Status.eq(status.as_str()));
        }
        Page::of(light(select).all(&self.read).await?, page.limit, |row| row.id).try_map(|row| Ok(RunRow::try_from(row)?.record))
    }

    /// The children of a run after one of them, in the order that their index has: by node and item, a later attempt after
    /// an earlier one.
    async fn children_after(
        &self,
        select: Select<run::Entity>,
        parent: RunId,
        after: Option<Uuid>,
    ) -> Result<Select<run::Entity>> {
        const ORDER: [Column; 3] = [Column::ParentNode, Column::ParentIndex, Column::ParentAttempt];
        let select = select.filter(Column::ParentRunId.eq(parent.uuid()));
        let select = ORDER.into_iter().fold(select, |select, column| select.order_by_asc(column));
        let Some(after) = after else { return Ok(select) };
        let place = run::Entity::find_by_id(after).filter(Column::ParentRunId.eq(parent.uuid())).select_only().columns(ORDER);
        let place: Option<(String, i32, i32)> = place.into_tuple().one(&self.read).await?;
        let (node, index, attempt) =
            place.ok_or_else(|| Error::BadInput("`cursor` is not the `next_cursor` of this list".to_owned()))?;
        let here = Expr::tuple(ORDER.map(|column| Expr::col((run::Entity, column))));
        let there = Expr::tuple([Expr::value(node), Expr::value(index), Expr::value(attempt)]);
        Ok(select.filter(here.gt(there)))
    }

    /// How many children each attempt of a run's steps has, by node and attempt.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn child_counts(&self, run: RunId) -> Result<BTreeMap<(NodeId, u32), ChildCount>> {
        let select = run::Entity::find()
            .select_only()
            .columns([Column::ParentNode, Column::ParentAttempt])
            .column_as(Column::Id.count(), "started")
            .column_as(Column::FinishedAt.count(), "ended")
            .filter(Column::ParentRunId.eq(run.uuid()))
            .group_by(Column::ParentNode)
            .group_by(Column::ParentAttempt);
        let rows: Vec<(String, i32, i64, i64)> = select.into_tuple().all(&self.read).await?;
        let count = |(node, attempt, started, ended): (String, i32, i64, i64)| {
            let count = ChildCount { open: (started - ended).cast_unsigned(), ended: ended.cast_unsigned() };
            ((NodeId::new(node), attempt.cast_unsigned()), count)
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// The newest run of each of these workflows, without inputs and outputs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_runs(&self, workspace: WorkspaceId, workflows: &[WorkflowId]) -> Result<HashMap<WorkflowId, RunRecord>> {
        let mut found = HashMap::new();
        for workflow in workflows {
            let select = run::Entity::find()
                .filter(Column::WorkspaceId.eq(workspace.uuid()))
                .filter(Column::WorkflowId.eq(workflow.uuid()))
                .filter(Column::ParentRunId.is_null());
            if let Some(row) = light(select.order_by_desc(Column::Id).limit(1)).one(&self.read).await? {
                found.insert(*workflow, RunRow::try_from(row)?.record);
            }
        }
        Ok(found)
    }

    /// Those of these runs, of any workspace, that ended before a time: what a process may clear away after.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ended_before(&self, runs: &[RunId], at: Timestamp) -> Result<Vec<RunId>> {
        let ids = runs.iter().map(|run| run.uuid());
        let select = run::Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(ids));
        let ended: Vec<Uuid> = select.filter(Column::FinishedAt.lt(at.0)).into_tuple().all(&self.read).await?;
        Ok(ended.into_iter().map(RunId::new).collect())
    }

    /// The run that was started with a dedupe key, and the hash of what it was asked for.
    pub(crate) async fn run_by_dedupe_key(
        &self,
        workspace: WorkspaceId,
        key: &str,
    ) -> Result<Option<(RunRecord, Option<String>)>> {
        let select = run::Entity::find().filter(Column::WorkspaceId.eq(workspace.uuid())).filter(Column::DedupeKey.eq(key));
        let Some(row) = select.one(&self.write).await? else { return Ok(None) };
        let hash = row.dedupe_hash.clone();
        Ok(Some((RunRow::try_from(row)?.record, hash)))
    }

    /// Where the children of a run's steps stand.
    pub(crate) async fn children(&self, run: RunId) -> Result<Vec<ChildRow>> {
        let select = run::Entity::find()
            .select_only()
            .columns([Column::ParentNode, Column::ParentAttempt, Column::ParentIndex, Column::Status])
            .filter(Column::ParentRunId.eq(run.uuid()));
        let rows: Vec<(String, i32, i32, String)> = select.into_tuple().all(&self.write).await?;
        let child = |(node, attempt, index, word): (String, i32, i32, String)| {
            let status =
                word.parse().map_err(|fault: flowforge_core::status::UnknownStatus| inconsistent("status", fault.to_string()))?;
            Ok(ChildRow { node: NodeId::new(node), attempt: attempt.cast_unsigned(), index: index.cast_unsigned(), status })
        };
        rows.into_iter().map(child).collect()
    }

    /// What the children of an attempt have come to, in the order of their items, after one of them.
    pub(crate) async fn child_results(&self, of: Children<'_>, after: Option<u32>, limit: u64) -> Result<Vec<ChildResult>> {
        let select = run::Entity::find()
            .select_only()
            .columns([Column::Id, Column::ParentIndex, Column::Status, Column::Output, Column::Error])
            .filter(Column::ParentRunId.eq(of.run.uuid()))
            .filter(Column::ParentNode.eq(of.node.as_str()))
            .filter(Column::ParentAttempt.eq(of.attempt.cast_signed()))
            .filter(Column::ParentIndex.gt(after.map_or(-1, u32::cast_signed)))
            .limit(limit)
            .order_by_asc(Column::ParentIndex);
        type Tuple = (Uuid, i32, String, Option<Value>, Option<Value>);
        let rows: Vec<Tuple> = select.into_tuple().all(&self.write).await?;
        let result = |(id, index, word, output, error): Tuple| {
            let status =
                word.parse().map_err(|fault: flowforge_core::status::UnknownStatus| inconsistent("status", fault.to_string()))?;
            Ok(ChildResult { id: RunId::new(id), index: index.cast_unsigned(), status, output, error })
        };
        rows.into_iter().map(result).collect()
    }

    /// One run with what its owner has to know; of any workspace when none is named.
    pub(crate) async fn run_row(&self, workspace: Option<WorkspaceId>, run: RunId) -> Result<RunRow> {
        let select = found(workspace, run);
        match (select.one(&self.read).await?, workspace) {
            (Some(row), _) => RunRow::try_from(row),
            (None, Some(workspace)) => Err(self.no_run(workspace, run).await?),
            (None, None) => Err(Error::NotFound("run")),
        }
    }

    /// The same, or as much of it as can be read: what users wrote is left out of a row where that cannot be.
    pub(crate) async fn readable_row(&self, workspace: Option<WorkspaceId>, run: RunId) -> Result<RunRow> {
        let fault = match self.run_row(workspace, run).await {
            Err(fault @ Error::Inconsistent { .. }) => fault,
            read => return read,
        };
        tracing::warn!(%run, %fault, "a run cannot be read; what users wrote is left out of it");
        light(found(workspace, run)).one(&self.read).await?.map_or(Err(fault), RunRow::try_from)
    }
}

/// A run, of any workspace when none is named.
fn found(workspace: Option<WorkspaceId>, run: RunId) -> Select<run::Entity> {
    let select = run::Entity::find_by_id(run.uuid());
    workspace.into_iter().fold(select, |select, workspace| select.filter(Column::WorkspaceId.eq(workspace.uuid())))
}

/// Leaves the large columns where they are: what lists do not show is not read.
pub(super) fn light(select: Select<run::Entity>) -> Select<run::Entity> {
    use sea_orm::Iterable as _;

    let columns =
        Column::iter().filter(|column| !matches!(column, Column::Input | Column::Output | Column::Signals | Column::Response));
    let nothing = || Expr::value(None::<Value>);
    let select = select.select_only().columns(columns).expr_as(Expr::value(Value::Null), "input");
    select.expr_as(nothing(), "output").expr_as(nothing(), "signals").expr_as(nothing(), "response")
}

impl TryFrom<run::Model> for RunRow {
    type Error = Error;

    fn try_from(row: run::Model) -> Result<Self> {
        let signals: Option<Vec<KeptSignal>> =
            row.signals.map(serde_json::from_value).transpose().map_err(|fault| inconsistent("signals", fault.to_string()))?;
        let parent = row.parent_run_id.zip(row.parent_node).map(|(run, node)| Parent {
            run: RunId::new(run),
            node: NodeId::new(node),
            attempt: row.parent_attempt.unwrap_or(1).cast_unsigned(),
            index: row.parent_index.unwrap_or(0).cast_unsigned(),
        });
        let limit = row.concurrency_key.zip(row.concurrency_limit);
        let error: Option<RunError> =
            row.error.map(serde_json::from_value).transpose().map_err(|fault| inconsistent("error", fault.to_string()))?;
        let record = RunRecord {
            id: RunId::new(row.id),
            workspace: WorkspaceId::new(row.workspace_id),
            workflow: WorkflowId::new(row.workflow_id),
            version: row.version.cast_unsigned(),
            status: row
                .status
                .parse()
                .map_err(|fault: flowforge_core::status::UnknownStatus| inconsistent("status", fault.to_string()))?,
            trigger: row.trigger,
            input: Arc::new(row.input),
            output: row.output.map(Arc::new),
            error,
            created_at: Timestamp(row.created_at),
            started_at: row.started_at.map(Timestamp),
            cancel_requested_at: row.cancel_requested_at.map(Timestamp),
            finished_at: row.finished_at.map(Timestamp),
            paused_at: row.paused_at.map(Timestamp),
            priority: Priority::of_rank(row.priority),
            parent,
            depth: row.depth.cast_unsigned(),
            origin: row.origin_run_id.map(RunId::new),
            response: row.response.map(Arc::new),
        };
        Ok(Self {
            record,
            trigger_node: row.trigger_node,
            epoch: row.epoch,
            next_seq: row.next_seq,
            crashes: row.crashes.cast_unsigned(),
            deadline_at: row.deadline_at.map(Timestamp),
            started_seq: row.started_seq,
            cancel_seq: row.cancel_seq,
            finished_seq: row.finished_seq,
            body: row.body,
            signals: signals.unwrap_or_default(),
            limit: limit.map(|(key, limit)| KeyedLimit { key, limit: limit.cast_unsigned() }),
            admitted_at: row.admitted_at.map(Timestamp),
            owner: row.owner.map(WorkerId::new),
            wake_at: row.wake_at.map(Timestamp),
        })
    }
}

fn inconsistent(column: &'static str, fault: String) -> Error {
    Error::Inconsistent { table: "runs", column, fault }
}
