//! Versions of a workflow: inserted once, never changed.

use std::collections::BTreeMap;

use flowforge_core::{Timestamp, UserId, WorkflowId, WorkspaceId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, Iterable, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    NewVersion, VersionRecord, WorkflowRecord, WorkflowStatus, changes, locked_workflow, number, one_workflow, workflow_record,
};
use crate::{
    error::{Error, Result},
    store::{
        Store,
        entity::workflows::{version, workflow},
        triggers,
    },
};

impl Store {
    /// Adds a version, when `base` is still the newest one.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` with the code `version_conflict` when somebody else has added one meanwhile.
    pub async fn add_version(&self, workspace: WorkspaceId, id: WorkflowId, base: u32, new: NewVersion) -> Result<VersionRecord> {
        let tx = self.begin().await?;
        let moved = workflow::Entity::update_many()
            .col_expr(workflow::Column::Version, Expr::col(workflow::Column::Version).add(1))
            .col_expr(workflow::Column::UpdatedAt, Expr::value(new.at.0))
            .filter(workflow::Column::Id.eq(id.uuid()))
            .filter(workflow::Column::WorkspaceId.eq(workspace.uuid()))
            .filter(workflow::Column::Version.eq(i32::try_from(base).unwrap_or(0)))
            .exec(&tx)
            .await?;
        let row = one_workflow(&tx, workspace, id).await?;
        if moved.rows_affected == 0 {
            return Err(version_conflict(base, row.version));
        }
        let version = version_row(workspace, row.id, row.version, new);
        version::Entity::insert(version::ActiveModel::from(version.clone())).exec_without_returning(&tx).await?;
        let of = triggers::Owned { workspace, workflow: id, version: version.version, at: Timestamp(version.created_at) };
        triggers::save(&tx, of, &version.graph).await?;
        tx.commit().await?;
        version_record(version, row.name)
    }

    /// The versions of a workflow without their graphs, newest first.
    ///
    /// # Errors
    /// `NotFound` when this workspace has no such workflow.
    pub async fn versions(&self, workspace: WorkspaceId, id: WorkflowId, before: u32, limit: u64) -> Result<Vec<VersionRecord>> {
        let name = one_workflow(&self.read, workspace, id).await?.name;
        let rows = versions_of(workspace, id)
            .filter(version::Column::Version.lt(i32::try_from(before).unwrap_or(i32::MAX)))
            .select_only()
            .columns(version::Column::iter().filter(|column| !matches!(column, version::Column::Graph)))
            .expr_as(Expr::val(Value::Null), "graph")
            .order_by_desc(version::Column::Version)
            .limit(limit)
            .all(&self.read)
            .await?;
        rows.into_iter().map(|row| version_record(row, name.clone())).collect()
    }

    /// One version with its graph.
    ///
    /// # Errors
    /// `NotFound` when this workspace has no such version.
    pub async fn version(&self, workspace: WorkspaceId, id: WorkflowId, number: u32) -> Result<VersionRecord> {
        let name = one_workflow(&self.read, workspace, id).await?.name;
        version_record(one_version(&self.read, workspace, id, number).await?, name)
    }

    /// Makes a version the one that triggers start.
    ///
    /// # Errors
    /// `NotFound` when this workspace has no such version.
    pub async fn publish(&self, workspace: WorkspaceId, id: WorkflowId, number: u32, at: Timestamp) -> Result<WorkflowRecord> {
        let tx = self.begin().await?;
        let mut row = locked_workflow(&tx, workspace, id).await?;
        row.published_version = Some(one_version(&tx, workspace, id, number).await?.version);
        row.status = WorkflowStatus::Active.to_string();
        row.updated_at = at.0;
        workflow::Entity::update(changes(&row)).exec_without_returning(&tx).await?;
        follow(&tx, workspace, &row, at).await?;
        tx.commit().await?;
        workflow_record(row)
    }

    /// The number of the version that a new run executes: the one asked for, else the published one, else the newest. And the
    /// workflow's name.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when the workflow is archived.
    pub async fn version_to_run(&self, workspace: WorkspaceId, id: WorkflowId, asked: Option<u32>) -> Result<(u32, String)> {
        let workflow = self.workflow(workspace, id).await?;
        if workflow.status == WorkflowStatus::Archived {
            return Err(Error::Conflict {
                code: "workflow_archived",
                message: format!("the workflow {id} is archived; set its status to draft or active to run it"),
            });
        }
        Ok((asked.or(workflow.published_version).unwrap_or(workflow.version), workflow.name))
    }
}

/// What a workflow's triggers become when it is published, archived or made active again.
pub(super) async fn follow(tx: &DatabaseTransaction, workspace: WorkspaceId, row: &workflow::Model, at: Timestamp) -> Result<()> {
    let workflow = WorkflowId::new(row.id);
    let published = row.published_version.filter(|_| row.status == WorkflowStatus::Active.as_str());
    let Some(published) = published else { return triggers::stop(tx, workflow, at).await };
    let version = one_version(tx, workspace, workflow, number(published)?).await?;
    triggers::activate(tx, triggers::Owned { workspace, workflow, version: published, at }, &version.graph).await
}

async fn one_version(db: &impl ConnectionTrait, workspace: WorkspaceId, id: WorkflowId, number: u32) -> Result<version::Model> {
    let number = i32::try_from(number).map_err(|_| Error::NotFound("version"))?;
    let query = versions_of(workspace, id).filter(version::Column::Version.eq(number));
    query.one(db).await?.ok_or(Error::NotFound("version"))
}

fn versions_of(workspace: WorkspaceId, id: WorkflowId) -> Select<version::Entity> {
    version::Entity::find()
        .filter(version::Column::WorkspaceId.eq(workspace.uuid()))
        .filter(version::Column::WorkflowId.eq(id.uuid()))
}

pub(super) fn version_row(workspace: WorkspaceId, workflow: Uuid, number: i32, new: NewVersion) -> version::Model {
    version::Model {
        workflow_id: workflow,
        version: number,
        workspace_id: workspace.uuid(),
        content_hash: content_hash(&new.graph),
        graph: new.graph,
        note: new.note,
        created_by: new.created_by.map(UserId::uuid),
        created_at: new.at.0,
    }
}

pub(super) fn version_record(row: version::Model, workflow_name: String) -> Result<VersionRecord> {
    Ok(VersionRecord {
        workflow: WorkflowId::new(row.workflow_id),
        workflow_name,
        version: number(row.version)?,
        graph: row.graph,
        note: row.note,
        content_hash: row.content_hash,
        created_by: row.created_by.map(UserId::new),
        created_at: Timestamp(row.created_at),
    })
}

fn version_conflict(base: u32, newest: i32) -> Error {
    let message = format!("version {base} is not the newest one, version {newest} is; load that one and save again");
    Error::Conflict { code: "version_conflict", message }
}

/// Equal for documents that differ in the order of their keys only, as PostgreSQL does not keep that order.
pub fn content_hash(graph: &Value) -> String {
    let canonical = serde_json::to_vec(&Canonical(graph)).unwrap_or_default();
    Sha256::digest(canonical).iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"))
}

/// A document with its keys in order.
struct Canonical<'a>(&'a Value);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(key, value)| (key, Canonical(value))).collect::<BTreeMap<_, _>>())
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Canonical)),
            plain => plain.serialize(serializer),
        }
    }
}
