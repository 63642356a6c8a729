//! Reads log lines. They are written by the committer.

use flowforge_core::{NodeId, RunId, Timestamp, WorkspaceId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    Store,
    entity::engine::log::{self, Column},
};
use crate::{error::Result, record::LogRecord};

impl Store {
    /// Log lines of a run, or of one of its nodes, after a record number.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn logs(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        node: Option<&NodeId>,
        after: i64,
        limit: u64,
    ) -> Result<Vec<LogRecord>> {
        self.run_row(Some(workspace), run).await?;
        self.logs_after(run, node, after, limit).await
    }

    /// The same for a run whose workspace the caller has checked.
    pub(crate) async fn logs_after(&self, run: RunId, node: Option<&NodeId>, after: i64, limit: u64) -> Result<Vec<LogRecord>> {
        let mut select = log::Entity::find().filter(Column::RunId.eq(run.uuid())).filter(Column::Seq.gt(after));
        if let Some(node) = node {
            select = select.filter(Column::NodeId.eq(node.as_str()));
        }
        let rows = select.order_by_asc(Column::Seq).limit(limit).all(&self.read).await?;
        Ok(rows.into_iter().map(LogRecord::from).collect())
    }
}

impl From<log::Model> for LogRecord {
    fn from(row: log::Model) -> Self {
        Self {
            seq: row.seq,
            node: NodeId::new(row.node_id),
            item: row.item,
            attempt: row.attempt.cast_unsigned(),
            stream: row.stream,
            text: row.text,
            at: Timestamp(row.at),
        }
    }
}
