//! Triggers: the rows of trigger nodes. They change with the workflow that they belong to, in the same transaction, so that
//! "published" and "answers" are never two things.

mod control;

use flowforge_core::{
    Document, NodeId, Timestamp, TriggerId, WorkflowId, WorkspaceId,
    trigger::{TriggerKind, TriggerNode, triggers},
};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::Value;

use super::{
    Page, PageRequest, Store,
    entity::triggers::trigger::{ActiveModel, Column, Entity, Model},
    schedules::drop_queued,
};
use crate::{
    clock,
    error::{Error, Result},
};

/// Whether a trigger answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerStatus {
    /// Its node was saved and never published: only its test address answers.
    Draft,
    /// It begins runs of the published version.
    Active,
    /// Its workflow is archived or not active, or the published version has no such node.
    Stopped,
}

impl TriggerStatus {
    /// The word in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Stopped => "stopped",
        }
    }

    fn of(word: &str) -> Result<Self> {
        let all = [Self::Draft, Self::Active, Self::Stopped];
        all.into_iter().find(|status| status.as_str() == word).ok_or_else(|| inconsistent("status", word))
    }
}

/// Why slots do not fire that wait for their turn when their schedule stops.
pub(super) const STOPPED: &str = "its schedule does not run any more: archived, not active, or not in the published version";

/// A trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerRecord {
    /// Its id.
    pub id: TriggerId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What it begins runs of.
    pub workflow: WorkflowId,
    /// Its node.
    pub node: NodeId,
    /// What its author calls the node; by its id when absent.
    pub name: Option<String>,
    /// What it listens to.
    pub kind: TriggerKind,
    /// Whether it answers.
    pub status: TriggerStatus,
    /// The version that its parameters are from, and that its runs execute.
    pub version: u32,
    /// The node's parameters.
    pub params: Value,
    /// What its address ends with: nobody else can guess it.
    pub token: String,
    /// Since when what comes is held back.
    pub paused_at: Option<Timestamp>,
    /// How often the slots of a schedule were changed.
    pub revision: u32,
    /// Since when its callers have to prove what they have to prove now.
    pub auth_at: Timestamp,
    /// When a schedule is to be looked at.
    pub next_fire_at: Option<Timestamp>,
    /// The last slot of a schedule that was decided.
    pub last_slot: Option<Timestamp>,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// Which triggers a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct TriggerFilter {
    /// Only those of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Only those of this kind.
    pub kind: Option<TriggerKind>,
}

impl Store {
    /// One trigger.
    ///
    /// # Errors
    /// `NotFound` when this workspace has none of that id.
    pub async fn trigger(&self, workspace: WorkspaceId, id: TriggerId) -> Result<TriggerRecord> {
        let query = Entity::find_by_id(id.uuid()).filter(Column::WorkspaceId.eq(workspace.uuid()));
        record(query.one(&self.read).await?.ok_or(Error::NotFound("trigger"))?)
    }

    /// The trigger whose address ends with a token, whatever its status.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn trigger_by_token(&self, token: &str) -> Result<Option<TriggerRecord>> {
        Entity::find().filter(Column::Token.eq(token)).one(&self.read).await?.map(record).transpose()
    }

    /// The triggers of a workspace, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn triggers(
        &self,
        workspace: WorkspaceId,
        filter: TriggerFilter,
        page: PageRequest,
    ) -> Result<Page<TriggerRecord>> {
        let mut query = Entity::find().filter(Column::WorkspaceId.eq(workspace.uuid()));
        if let Some(workflow) = filter.workflow {
            query = query.filter(Column::WorkflowId.eq(workflow.uuid()));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(Column::Kind.eq(kind.as_str()));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Id.lt(before));
        }
        let rows = query.order_by_desc(Column::Id).limit(page.limit + 1).all(&self.read).await?;
        Page::of(rows, page.limit, |row| row.id).try_map(record)
    }
}

/// Which workflow's triggers change, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owned {
    pub(super) workspace: WorkspaceId,
    pub(super) workflow: WorkflowId,
    pub(super) version: i32,
    pub(super) at: Timestamp,
}

/// A version was saved: its trigger nodes get their rows, and with them the addresses for tests.
pub(super) async fn save(tx: &DatabaseTransaction, of: Owned, graph: &Value) -> Result<()> {
    let existing = rows(tx, of.workflow).await?;
    for node in nodes(graph) {
        match existing.iter().find(|row| row.node_id == node.node.as_str()) {
            None => insert(tx, new_row(of, &node, TriggerStatus::Draft)).await?,
            Some(row) if row.status == TriggerStatus::Draft.as_str() => {
                let (kind, params) = (node.kind.to_string(), Value::Object(node.params.clone()));
                let auth_at = if auth(&row.params) == auth(&params) { row.auth_at } else { of.at.0 };
                let (version, updated_at, node_name) = (of.version, of.at.0, node.name.clone());
                update(tx, Model { kind, params, version, auth_at, updated_at, node_name, ..row.clone() }).await?;
            }
            // What answers is what was published.
            Some(_) => {}
        }
    }
    Ok(())
}

/// A version was published: its trigger nodes answer, and no others.
pub(super) async fn activate(tx: &DatabaseTransaction, of: Owned, graph: &Value) -> Result<()> {
    let nodes = nodes(graph);
    let existing = rows(tx, of.workflow).await?;
    for row in existing.iter().filter(|row| !nodes.iter().any(|node| node.node.as_str() == row.node_id)) {
        stop_one(tx, row.clone(), of.at).await?;
    }
    for node in nodes {
        match existing.iter().find(|row| row.node_id == node.node.as_str()) {
            None => insert(tx, new_row(of, &node, TriggerStatus::Active)).await?,
            Some(row) => {
                if node.kind != TriggerKind::Schedule {
                    leave_out(tx, row, of.at).await?;
                }
                update(tx, changed(row, of, &node)).await?;
            }
        }
    }
    Ok(())
}

/// A workflow is not active any more: nothing of it answers.
pub(super) async fn stop(tx: &DatabaseTransaction, workflow: WorkflowId, at: Timestamp) -> Result<()> {
    for row in rows(tx, workflow).await? {
        if row.status == TriggerStatus::Active.as_str() {
            stop_one(tx, row, at).await?;
        }
    }
    Ok(())
}

async fn stop_one(tx: &DatabaseTransaction, row: Model, at: Timestamp) -> Result<()> {
    leave_out(tx, &row, at).await?;
    update(tx, stopped(row, at)).await
}

/// What waits for its turn at a schedule that is none any more is left out.
async fn leave_out(tx: &DatabaseTransaction, row: &Model, at: Timestamp) -> Result<()> {
    if row.kind != TriggerKind::Schedule.as_str() {
        return Ok(());
    }
    drop_queued(tx, TriggerId::new(row.id), STOPPED, at).await
}

/// A workflow's triggers, about to change: PostgreSQL keeps other writers away until the commit, and SQLite has no other writer.
async fn rows(tx: &DatabaseTransaction, workflow: WorkflowId) -> Result<Vec<Model>> {
    let query = Entity::find().filter(Column::WorkflowId.eq(workflow.uuid())).order_by_asc(Column::Id);
    Ok(query.lock_exclusive().all(tx).await?)
}

/// A document that cannot be read has no triggers; nothing is published that cannot be compiled.
fn nodes(graph: &Value) -> Vec<TriggerNode> {
    serde_json::from_value::<Document>(graph.clone()).map(|document| triggers(&document)).unwrap_or_default()
}

async fn insert(tx: &DatabaseTransaction, row: Model) -> Result<()> {
    Entity::insert(ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(())
}

/// Writes what versions say of a trigger. Its address, and whether it is paused, is for people to change.
async fn update(tx: &DatabaseTransaction, row: Model) -> Result<()> {
    let changed = ActiveModel {
        id: Unchanged(row.id),
        node_name: Set(row.node_name),
        kind: Set(row.kind),
        status: Set(row.status),
        version: Set(row.version),
        params: Set(row.params),
        revision: Set(row.revision),
        auth_at: Set(row.auth_at),
        next_fire_at: Set(row.next_fire_at),
        last_slot: Set(row.last_slot),
        updated_at: Set(row.updated_at),
        ..Default::default()
    };
    Entity::update(changed).exec_without_returning(tx).await?;
    Ok(())
}

fn new_row(of: Owned, node: &TriggerNode, status: TriggerStatus) -> Model {
    let is_due = node.kind == TriggerKind::Schedule && status == TriggerStatus::Active;
    Model {
        id: clock::new_uuid(),
        workspace_id: of.workspace.uuid(),
        workflow_id: of.workflow.uuid(),
        node_id: node.node.to_string(),
        node_name: node.name.clone(),
        kind: node.kind.to_string(),
        status: status.as_str().to_owned(),
        version: of.version,
        params: Value::Object(node.params.clone()),
        token: clock::new_token(),
        paused_at: None,
        revision: 0,
        auth_at: of.at.0,
        next_fire_at: is_due.then_some(of.at.0),
        last_slot: is_due.then_some(of.at.0),
        created_at: of.at.0,
        updated_at: of.at.0,
    }
}

/// The row as it answers for a version. A schedule that begins, or whose slots are others now, begins with this moment: slots
/// that have passed are never made up for.
fn changed(row: &Model, of: Owned, node: &TriggerNode) -> Model {
    let params = Value::Object(node.params.clone());
    let slots = |kind: &str, params: &Value| (kind.to_owned(), params["cron"].clone(), params["timezone"].clone());
    let has_other_slots = slots(&row.kind, &row.params) != slots(node.kind.as_str(), &params);
    let begins = row.status != TriggerStatus::Active.as_str() || has_other_slots;
    let is_schedule = node.kind == TriggerKind::Schedule;
    let has_other_auth = auth(&row.params) != auth(&params);
    Model {
        node_name: node.name.clone(),
        kind: node.kind.to_string(),
        status: TriggerStatus::Active.as_str().to_owned(),
        version: of.version,
        params,
        revision: row.revision + i32::from(has_other_slots),
        auth_at: if has_other_auth { of.at.0 } else { row.auth_at },
        next_fire_at: is_schedule.then_some(of.at.0),
        last_slot: if is_schedule && !begins { row.last_slot } else { is_schedule.then_some(of.at.0) },
        updated_at: of.at.0,
        ..row.clone()
    }
}

/// What callers have to prove: a webhook's `auth`, the secrets of one that listens to GitHub.
fn auth(params: &Value) -> [&Value; 3] {
    [&params["auth"], &params["secret"], &params["previous_secret"]]
}

fn stopped(row: Model, at: Timestamp) -> Model {
    Model { status: TriggerStatus::Stopped.as_str().to_owned(), next_fire_at: None, updated_at: at.0, ..row }
}

pub(super) fn record(row: Model) -> Result<TriggerRecord> {
    Ok(TriggerRecord {
        id: TriggerId::new(row.id),
        workspace: WorkspaceId::new(row.workspace_id),
        workflow: WorkflowId::new(row.workflow_id),
        node: NodeId::from(row.node_id.as_str()),
        name: row.node_name,
        kind: row.kind.parse().map_err(|_| inconsistent("kind", &row.kind))?,
        status: TriggerStatus::of(&row.status)?,
        version: u32::try_from(row.version).map_err(|_| inconsistent("version", &row.version.to_string()))?,
        params: row.params,
        token: row.token,
        paused_at: row.paused_at.map(Timestamp),
        revision: row.revision.cast_unsigned(),
        auth_at: Timestamp(row.auth_at),
        next_fire_at: row.next_fire_at.map(Timestamp),
        last_slot: row.last_slot.map(Timestamp),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

fn inconsistent(column: &'static str, found: &str) -> Error {
    Error::Inconsistent { table: "triggers", column, fault: format!("`{found}`") }
}
