//! Workflows and their versions. A version is inserted once and never changed; the workflow's row says which is newest
//! and which is published.

mod versions;

use std::{fmt, str::FromStr};

use flowforge_core::{Timestamp, UserId, WorkflowId, WorkspaceId};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Func, LikeExpr},
};
use serde_json::Value;
use uuid::Uuid;

pub use self::versions::content_hash;
use self::versions::version_row;
use super::{
    Store,
    entity::workflows::{version, workflow},
    page::{Page, PageRequest},
    triggers,
};
use crate::{
    clock,
    error::{Error, Result},
};

/// Where a workflow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkflowStatus {
    /// No version is published.
    Draft,
    /// A version is published.
    Active,
    /// Kept for its runs; nothing new is started.
    Archived,
}

impl WorkflowStatus {
    /// The word used in SQL and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

impl fmt::Display for WorkflowStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WorkflowStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Draft, Self::Active, Self::Archived]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Error::BadInput(format!("`{text}` is not the status of a workflow; use draft, active or archived")))
    }
}

/// A workflow, without its graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowRecord {
    /// Its id.
    pub id: WorkflowId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it stands.
    pub status: WorkflowStatus,
    /// The newest version.
    pub version: u32,
    /// The version that triggers start.
    pub published_version: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it or the list of its versions changed last.
    pub updated_at: Timestamp,
}

/// One version of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRecord {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The workflow's name.
    pub workflow_name: String,
    /// The number, from 1.
    pub version: u32,
    /// The document; null in lists.
    pub graph: Value,
    /// What its author says about it.
    pub note: String,
    /// `sha256:` and the hash of the canonical document.
    pub content_hash: String,
    /// Who made it; nobody for examples.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A version to be added.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The document, checked already.
    pub graph: Value,
    /// What its author says about it.
    pub note: String,
    /// Who makes it.
    pub created_by: Option<UserId>,
    /// The time.
    pub at: Timestamp,
}

/// What is to change in a workflow; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct WorkflowPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// A new status.
    pub status: Option<WorkflowStatus>,
}

/// Which workflows a list holds. Archived ones only when asked for.
#[derive(Debug, Clone, Default)]
pub struct WorkflowFilter {
    /// Only those that stand here.
    pub status: Option<WorkflowStatus>,
    /// Only those whose name holds this text, whatever its case.
    pub name: Option<String>,
}

impl Store {
    /// Saves a new workflow together with its first version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_workflow(
        &self,
        workspace: WorkspaceId,
        name: String,
        description: String,
        first: NewVersion,
    ) -> Result<WorkflowRecord> {
        let row = workflow::Model {
            id: clock::new_uuid(),
            workspace_id: workspace.uuid(),
            name,
            description,
            status: WorkflowStatus::Draft.to_string(),
            version: 1,
            published_version: None,
            created_at: first.at.0,
            updated_at: first.at.0,
        };
        let version = version_row(workspace, row.id, 1, first);
        let tx = self.begin().await?;
        workflow::Entity::insert(workflow::ActiveModel::from(row.clone())).exec_without_returning(&tx).await?;
        let of = triggers::Owned { workspace, workflow: WorkflowId::new(row.id), version: 1, at: Timestamp(row.created_at) };
        triggers::save(&tx, of, &version.graph).await?;
        version::Entity::insert(version::ActiveModel::from(version)).exec_without_returning(&tx).await?;
        tx.commit().await?;
        workflow_record(row)
    }

    /// One workflow.
    ///
    /// # Errors
    /// `NotFound` when this workspace has none of that id.
    pub async fn workflow(&self, workspace: WorkspaceId, id: WorkflowId) -> Result<WorkflowRecord> {
        workflow_record(one_workflow(&self.read, workspace, id).await?)
    }

    /// The workflow of an id or a name; of several with the name, the newest that is not archived.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such workflow.
    pub async fn find_workflow(&self, workspace: WorkspaceId, id_or_name: &str) -> Result<WorkflowId> {
        if let Ok(id) = id_or_name.parse() {
            return Ok(id);
        }
        let select = workflow::Entity::find()
            .filter(workflow::Column::WorkspaceId.eq(workspace.uuid()))
            .filter(workflow::Column::Name.eq(id_or_name))
            .filter(workflow::Column::Status.ne(WorkflowStatus::Archived.as_str()));
        let row = select.order_by_desc(workflow::Column::Id).one(&self.read).await?;
        row.map(|row| WorkflowId::new(row.id)).ok_or(Error::NotFound("workflow"))
    }

    /// The workflows of a workspace, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workflows(
        &self,
        workspace: WorkspaceId,
        filter: &WorkflowFilter,
        page: PageRequest,
    ) -> Result<Page<WorkflowRecord>> {
        let mut query = workflow::Entity::find().filter(workflow::Column::WorkspaceId.eq(workspace.uuid()));
        query = match filter.status {
            Some(status) => query.filter(workflow::Column::Status.eq(status.as_str())),
            None => query.filter(workflow::Column::Status.ne(WorkflowStatus::Archived.as_str())),
        };
        if let Some(name) = &filter.name {
            query = query.filter(Expr::expr(Func::lower(Expr::col(workflow::Column::Name))).like(containing(name)));
        }
        if let Some(before) = page.before {
            query = query.filter(workflow::Column::Id.lt(before));
        }
        let rows = query.order_by_desc(workflow::Column::Id).limit(page.limit + 1).all(&self.read).await?;
        Page::of(rows, page.limit, |row| row.id).try_map(workflow_record)
    }

    /// The names of some workflows of a workspace.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workflow_names(&self, workspace: WorkspaceId, ids: &[WorkflowId]) -> Result<Vec<(WorkflowId, String)>> {
        let rows: Vec<(Uuid, String)> = workflow::Entity::find()
            .filter(workflow::Column::WorkspaceId.eq(workspace.uuid()))
            .filter(workflow::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .select_only()
            .columns([workflow::Column::Id, workflow::Column::Name])
            .into_tuple()
            .all(&self.read)
            .await?;
        Ok(rows.into_iter().map(|(id, name)| (WorkflowId::new(id), name)).collect())
    }

    /// Changes name, description or status.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when a workflow without a published version is to become active.
    pub async fn update_workflow(
        &self,
        workspace: WorkspaceId,
        id: WorkflowId,
        patch: WorkflowPatch,
        at: Timestamp,
    ) -> Result<WorkflowRecord> {
        let tx = self.begin().await?;
        let mut row = locked_workflow(&tx, workspace, id).await?;
        if patch.status == Some(WorkflowStatus::Active) && row.published_version.is_none() {
            return Err(Error::Conflict {
                code: "not_published",
                message: "the workflow has no published version; publish one to make it active".to_owned(),
            });
        }
        row.name = patch.name.unwrap_or(row.name);
        row.description = patch.description.unwrap_or(row.description);
        row.status = patch.status.map_or(row.status, |status| status.to_string());
        row.updated_at = at.0;
        workflow::Entity::update(changes(&row)).exec_without_returning(&tx).await?;
        if patch.status.is_some() {
            versions::follow(&tx, workspace, &row, at).await?;
        }
        tx.commit().await?;
        workflow_record(row)
    }
}

async fn one_workflow(db: &impl ConnectionTrait, workspace: WorkspaceId, id: WorkflowId) -> Result<workflow::Model> {
    workflow_by_id(workspace, id).one(db).await?.ok_or(Error::NotFound("workflow"))
}

/// Like [`one_workflow`], for a row that is about to change: PostgreSQL keeps other writers away until the commit, and
/// SQLite has no other writer.
async fn locked_workflow(tx: &DatabaseTransaction, workspace: WorkspaceId, id: WorkflowId) -> Result<workflow::Model> {
    workflow_by_id(workspace, id).lock_exclusive().one(tx).await?.ok_or(Error::NotFound("workflow"))
}

fn workflow_by_id(workspace: WorkspaceId, id: WorkflowId) -> Select<workflow::Entity> {
    workflow::Entity::find_by_id(id.uuid()).filter(workflow::Column::WorkspaceId.eq(workspace.uuid()))
}

/// The columns that an update may change, guarded by the primary key that was read in the same transaction.
fn changes(row: &workflow::Model) -> workflow::ActiveModel {
    workflow::ActiveModel {
        id: Set(row.id),
        name: Set(row.name.clone()),
        description: Set(row.description.clone()),
        status: Set(row.status.clone()),
        published_version: Set(row.published_version),
        updated_at: Set(row.updated_at),
        ..Default::default()
    }
}

fn workflow_record(row: workflow::Model) -> Result<WorkflowRecord> {
    let status = row.status.parse().map_err(|_| inconsistent("status", &row.status))?;
    Ok(WorkflowRecord {
        id: WorkflowId::new(row.id),
        status,
        version: number(row.version)?,
        published_version: row.published_version.map(number).transpose()?,
        name: row.name,
        description: row.description,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

fn number(version: i32) -> Result<u32> {
    u32::try_from(version).map_err(|_| inconsistent("version", &version.to_string()))
}

fn inconsistent(column: &'static str, found: &str) -> Error {
    Error::Inconsistent { table: "workflows", column, fault: format!("`{found}`") }
}

/// A LIKE pattern for a text anywhere in a lower-case column; what is special in patterns stands for itself.
fn containing(text: &str) -> LikeExpr {
    let text = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    LikeExpr::new(format!("%{text}%")).escape('\\')
}
