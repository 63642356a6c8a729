//! The inbox of triggers: one row for whatever came, and what became of it.

mod room;

use std::collections::BTreeMap;

use flowforge_core::{DeliveryId, RunId, Timestamp, TriggerId, WorkflowId, WorkspaceId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Iterable, QueryFilter, QueryOrder, QuerySelect, QueryTrait, TryInsertResult,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::room::Held;
use super::{
    Page, PageRequest, Store,
    entity::triggers::{
        delivery::{ActiveModel, Column, Entity, Model},
        trigger,
    },
};
use crate::{
    clock,
    error::{Error, Result},
};

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It is on disk; its run is to be started.
    Received,
    /// Its run exists, or did.
    Started,
    /// The trigger's filter did not want it.
    Filtered,
    /// It came before.
    Duplicate,
    /// It was not let in, or cannot be used.
    Refused,
    /// The trigger is paused, or a person has to let it go.
    Held,
    /// It waits for the run before it.
    Queued,
    /// The schedule's policy left it out.
    Skipped,
    /// Its run cannot be started.
    Failed,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Started,
        Self::Filtered,
        Self::Duplicate,
        Self::Refused,
        Self::Held,
        Self::Queued,
        Self::Skipped,
        Self::Failed,
    ];

    /// The word in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Started => "started",
            Self::Filtered => "filtered",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    /// The status of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// What came to a trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRecord {
    /// Its id.
    pub id: DeliveryId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What it came to.
    pub trigger: TriggerId,
    /// What became of it.
    pub status: DeliveryStatus,
    /// Why, for a person.
    pub reason: Option<String>,
    /// What tells a repetition of it.
    pub dedupe_key: Option<String>,
    /// What tells that signed bytes came before, whatever their sender calls them now: SHA-256 in hexadecimal digits.
    pub signed_hash: Option<String>,
    /// What its sender calls it.
    pub delivery_id: Option<String>,
    /// The moment of a schedule that it stands for.
    pub slot: Option<Timestamp>,
    /// Which delivery it repeats, if its sender has sent it before.
    pub duplicate_of: Option<DeliveryId>,
    /// Which delivery a person has had played again.
    pub replay_of: Option<DeliveryId>,
    /// Whether it came to the address for tests.
    pub is_test: bool,
    /// The version that its run executes.
    pub version: Option<u32>,
    /// The run that it starts, whether it exists yet or not.
    pub run: Option<RunId>,
    /// How many triggers and calls led to it.
    pub depth: u32,
    /// When it came.
    pub received_at: Timestamp,
    /// When it was decided what becomes of it.
    pub decided_at: Option<Timestamp>,
    /// When its run was seen to exist.
    pub started_at: Option<Timestamp>,
    /// Where it came from.
    pub remote_addr: Option<String>,
    /// SHA-256 of the body in hexadecimal digits.
    pub body_hash: Option<String>,
    /// How many bytes came.
    pub body_size: u64,
    /// The headers that are kept: an object of texts.
    pub headers: Value,
    /// What stood behind the `?`: an object.
    pub query: Option<Value>,
    /// The bytes, as they came. Absent in lists.
    pub body: Option<Vec<u8>>,
}

impl DeliveryRecord {
    /// A delivery that has just come: its run is to be started.
    pub fn new(workspace: WorkspaceId, trigger: TriggerId, at: Timestamp) -> Self {
        Self {
            id: DeliveryId::new(clock::new_uuid()),
            workspace,
            trigger,
            status: DeliveryStatus::Received,
            reason: None,
            dedupe_key: None,
            signed_hash: None,
            delivery_id: None,
            slot: None,
            duplicate_of: None,
            replay_of: None,
            is_test: false,
            version: None,
            run: Some(RunId::new(clock::new_uuid())),
            depth: 0,
            received_at: at,
            decided_at: None,
            started_at: None,
            remote_addr: None,
            body_hash: None,
            body_size: 0,
            headers: Value::Object(serde_json::Map::new()),
            query: None,
            body: None,
        }
    }
}

/// What a run was started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunBy {
    /// What came.
    pub delivery: DeliveryId,
    /// What it came to.
    pub trigger: TriggerId,
    /// What that is called now: the name of its node, or its id.
    pub name: String,
}

/// Which deliveries a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFilter {
    /// Only those of this trigger.
    pub trigger: Option<TriggerId>,
    /// Only those of this workflow's triggers.
    pub workflow: Option<WorkflowId>,
    /// Only those of this status.
    pub status: Option<DeliveryStatus>,
}

impl Store {
    /// Writes a delivery down. The one that came before with the same key, or with the same signed bytes, if there is one: then
    /// nothing is written.
    ///
    /// # Errors
    /// When the database fails: then it is not known whether it was written.
    pub async fn insert_delivery(&self, new: &DeliveryRecord) -> Result<Option<DeliveryRecord>> {
        if insert(&self.write, new).await? {
            return Ok(None);
        }
        // The row that stands in the way may be committed while the statement runs, so another statement looks for it.
        let gone = || Error::Storage("a delivery was not written, and nothing stands in its way any more".to_owned());
        self.earlier_delivery(new).await?.ok_or_else(gone).map(Some)
    }

    /// The delivery that came before with the same key, or with the same signed bytes.
    pub(crate) async fn earlier_delivery(&self, new: &DeliveryRecord) -> Result<Option<DeliveryRecord>> {
        for (column, key) in [(Column::DedupeKey, &new.dedupe_key), (Column::SignedHash, &new.signed_hash)] {
            let Some(key) = key else { continue };
            let query = light().filter(Column::TriggerId.eq(new.trigger.uuid())).filter(column.eq(key));
            if let Some(first) = query.one(&self.write).await? {
                return record(first).map(Some);
            }
        }
        Ok(None)
    }

    /// One delivery, with its body.
    ///
    /// # Errors
    /// `NotFound` when this workspace has none of that id.
    pub async fn delivery(&self, workspace: WorkspaceId, id: DeliveryId) -> Result<DeliveryRecord> {
        let query = Entity::find_by_id(id.uuid()).filter(Column::WorkspaceId.eq(workspace.uuid()));
        record(query.one(&self.read).await?.ok_or(Error::NotFound("delivery"))?)
    }

    /// The deliveries of a workspace without their bodies, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries(
        &self,
        workspace: WorkspaceId,
        filter: DeliveryFilter,
        page: PageRequest,
    ) -> Result<Page<DeliveryRecord>> {
        let mut query = light().filter(Column::WorkspaceId.eq(workspace.uuid()));
        if let Some(trigger) = filter.trigger {
            query = query.filter(Column::TriggerId.eq(trigger.uuid()));
        }
        if let Some(workflow) = filter.workflow {
            let own = trigger::Entity::find().filter(trigger::Column::WorkflowId.eq(workflow.uuid()));
            let own = own.select_only().column(trigger::Column::Id).into_query();
            query = query.filter(Column::TriggerId.in_subquery(own));
        }
        if let Some(status) = filter.status {
            query = query.filter(Column::Status.eq(status.as_str()));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Id.lt(before));
        }
        let rows = query.order_by_desc(Column::Id).limit(page.limit + 1).all(&self.read).await?;
        Page::of(rows, page.limit, |row| row.id).try_map(record)
    }

    /// These deliveries, without their bodies.
    pub(super) async fn deliveries_of(&self, ids: impl Iterator<Item = Uuid>) -> Result<Vec<DeliveryRecord>> {
        light().filter(Column::Id.is_in(ids)).all(&self.read).await?.into_iter().map(record).collect()
    }

    /// Decides a delivery that stands at one of `from`. Whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn decide_delivery(
        &self,
        id: DeliveryId,
        from: &[DeliveryStatus],
        to: DeliveryStatus,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Result<bool> {
        let from = from.iter().map(|status| status.as_str());
        let started = if to == DeliveryStatus::Started { Expr::value(at.0) } else { Expr::col(Column::StartedAt) };
        let changed = Entity::update_many()
            .col_expr(Column::Status, Expr::value(to.as_str()))
            .col_expr(Column::Reason, Expr::value(reason))
            .col_expr(Column::DecidedAt, Expr::value(at.0))
            .col_expr(Column::StartedAt, started)
            .filter(Column::Id.eq(id.uuid()))
            .filter(Column::Status.is_in(from))
            .exec(&self.write)
            .await?;
        Ok(changed.rows_affected == 1)
    }

    /// Deliveries whose run should exist by now, without their bodies, the oldest first: received before a moment, after the one
    /// given, and of a trigger that is still known.
    pub(crate) async fn open_deliveries(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, DeliveryId)>,
        limit: u64,
    ) -> Result<Vec<DeliveryRecord>> {
        let query = open(before, after);
        let rows = query.order_by_asc(Column::ReceivedAt).order_by_asc(Column::Id).limit(limit).all(&self.read).await?;
        rows.into_iter().map(record).collect()
    }

    /// Says of deliveries that stand at `received` that their runs exist.
    pub(crate) async fn mark_started(&self, ids: &[DeliveryId], at: Timestamp) -> Result<()> {
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(DeliveryStatus::Started.as_str()))
            .col_expr(Column::StartedAt, Expr::value(at.0))
            .col_expr(Column::DecidedAt, Expr::value(at.0))
            .filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(Column::Status.eq(DeliveryStatus::Received.as_str()))
            .exec(&self.write)
            .await?;
        Ok(())
    }

    /// What these runs were started for, as far as it was a delivery.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begun_by(&self, runs: &[RunId]) -> Result<BTreeMap<RunId, BegunBy>> {
        if runs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows: Vec<(Option<Uuid>, Uuid, Uuid)> = Entity::find()
            .select_only()
            .columns([Column::RunId, Column::Id, Column::TriggerId])
            .filter(Column::RunId.is_in(runs.iter().map(|run| run.uuid())))
            .into_tuple()
            .all(&self.read)
            .await?;
        let names: Vec<(Uuid, String, Option<String>)> = trigger::Entity::find()
            .select_only()
            .columns([trigger::Column::Id, trigger::Column::NodeId, trigger::Column::NodeName])
            .filter(trigger::Column::Id.is_in(rows.iter().map(|row| row.2)))
            .into_tuple()
            .all(&self.read)
            .await?;
        let names: BTreeMap<Uuid, String> = names.into_iter().map(|(id, node, name)| (id, name.unwrap_or(node))).collect();
        let begun = |(run, delivery, trigger): (Option<Uuid>, Uuid, Uuid)| {
            let name = names.get(&trigger).cloned().unwrap_or_default();
            let by = BegunBy { delivery: DeliveryId::new(delivery), trigger: TriggerId::new(trigger), name };
            Some((RunId::new(run?), by))
        };
        Ok(rows.into_iter().filter_map(begun).collect())
    }

    /// Where a delivery stands now.
    pub(crate) async fn delivery_status(&self, id: DeliveryId) -> Result<DeliveryStatus> {
        let row = light().filter(Column::Id.eq(id.uuid())).one(&self.write).await?;
        Ok(record(row.ok_or(Error::NotFound("delivery"))?)?.status)
    }

    /// The trigger of a delivery.
    pub(crate) async fn trigger_of(&self, id: TriggerId) -> Result<Option<super::triggers::TriggerRecord>> {
        trigger::Entity::find_by_id(id.uuid()).one(&self.read).await?.map(super::triggers::record).transpose()
    }
}

/// Writes a delivery down. Whether it was new: no unique index was in the way.
pub(super) async fn insert(db: &impl ConnectionTrait, new: &DeliveryRecord) -> Result<bool> {
    let nothing = OnConflict::new().do_nothing().to_owned();
    let insert = Entity::insert(ActiveModel::from(row(new))).on_conflict(nothing).try_insert();
    Ok(matches!(insert.exec_without_returning(db).await?, TryInsertResult::Inserted(1..)))
}

/// Deliveries that stand at `received`, without their bodies: come before a moment, after the one given.
pub(super) fn open(before: Timestamp, after: Option<(Timestamp, DeliveryId)>) -> sea_orm::Select<Entity> {
    let mut query = light()
        // Written out, for the index that holds these alone.
        .filter(Expr::cust("status = 'received'"))
        .filter(Column::ReceivedAt.lt(before.0))
        .filter(Expr::cust("EXISTS (SELECT 1 FROM triggers t WHERE t.id = deliveries.trigger_id)"));
    if let Some((at, id)) = after {
        let same = Column::ReceivedAt.eq(at.0).and(Column::Id.gt(id.uuid()));
        query = query.filter(Column::ReceivedAt.gt(at.0).or(same));
    }
    query
}

/// Deliveries without their bodies.
fn light() -> sea_orm::Select<Entity> {
    let columns = Column::iter().filter(|column| !matches!(column, Column::Body));
    Entity::find().select_only().columns(columns).expr_as(Expr::value(Option::<Vec<u8>>::None), "body")
}

fn row(new: &DeliveryRecord) -> Model {
    Model {
        id: new.id.uuid(),
        workspace_id: new.workspace.uuid(),
        trigger_id: new.trigger.uuid(),
        status: new.status.as_str().to_owned(),
        reason: new.reason.clone(),
        dedupe_key: new.dedupe_key.clone(),
        signed_hash: new.signed_hash.clone(),
        delivery_id: new.delivery_id.clone(),
        slot: new.slot.map(|slot| slot.0),
        duplicate_of: new.duplicate_of.map(DeliveryId::uuid),
        replay_of: new.replay_of.map(DeliveryId::uuid),
        is_test: new.is_test,
        version: new.version.map(u32::cast_signed),
        run_id: new.run.map(RunId::uuid),
        depth: new.depth.cast_signed(),
        received_at: new.received_at.0,
        decided_at: new.decided_at.map(|at| at.0),
        started_at: new.started_at.map(|at| at.0),
        remote_addr: new.remote_addr.clone(),
        body_hash: new.body_hash.clone(),
        body_size: new.body_size.cast_signed(),
        headers: new.headers.clone(),
        query: new.query.clone(),
        body: new.body.clone(),
    }
}

pub(super) fn record(row: Model) -> Result<DeliveryRecord> {
    let fault = || Error::Inconsistent { table: "deliveries", column: "status", fault: format!("`{}`", row.status) };
    Ok(DeliveryRecord {
        status: DeliveryStatus::of(&row.status).ok_or_else(fault)?,
        id: DeliveryId::new(row.id),
        workspace: WorkspaceId::new(row.workspace_id),
        trigger: TriggerId::new(row.trigger_id),
        reason: row.reason,
        dedupe_key: row.dedupe_key,
        signed_hash: row.signed_hash,
        delivery_id: row.delivery_id,
        slot: row.slot.map(Timestamp),
        duplicate_of: row.duplicate_of.map(DeliveryId::new),
        replay_of: row.replay_of.map(DeliveryId::new),
        is_test: row.is_test,
        version: row.version.map(i32::cast_unsigned),
        run: row.run_id.map(RunId::new),
        depth: row.depth.cast_unsigned(),
        received_at: Timestamp(row.received_at),
        decided_at: row.decided_at.map(Timestamp),
        started_at: row.started_at.map(Timestamp),
        remote_addr: row.remote_addr,
        body_hash: row.body_hash,
        body_size: row.body_size.cast_unsigned(),
        headers: row.headers,
        query: row.query,
        body: row.body,
    })
}
