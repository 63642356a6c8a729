//! What people do with triggers: pause, resume, give another address, look at what came last.

use std::collections::BTreeMap;

use flowforge_core::{Timestamp, TriggerId, WorkspaceId, trigger::TriggerKind};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select, Statement,
    Value,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{ActiveModel, Column, Entity, Model, TriggerRecord, TriggerStatus, record};
use crate::{
    clock,
    error::{Error, Result},
    store::{
        Store,
        deliveries::{DeliveryRecord, DeliveryStatus},
        entity::triggers::delivery,
    },
};

#[derive(FromQueryResult)]
struct Last {
    trigger_id: Uuid,
    delivery_id: Uuid,
}

/// The active triggers that listen to GitHub, of every workspace.
fn of_github() -> Select<Entity> {
    Entity::find().filter(Column::Kind.eq(TriggerKind::Github.as_str())).filter(Column::Status.eq(TriggerStatus::Active.as_str()))
}

impl Store {
    /// Whether an active trigger listens to GitHub.
    pub(crate) async fn is_github_heard(&self) -> Result<bool> {
        let query = of_github().select_only().column(Column::Id).limit(1);
        Ok(query.into_tuple::<Uuid>().one(&self.read).await?.is_some())
    }

    /// The active triggers that listen to GitHub, by their workspaces, the oldest first.
    pub(crate) async fn github_triggers(&self, limit: u64) -> Result<Vec<(WorkspaceId, TriggerId)>> {
        let query = of_github().select_only().column(Column::WorkspaceId).column(Column::Id);
        let query = query.order_by_asc(Column::Id).limit(limit);
        let found: Vec<(Uuid, Uuid)> = query.into_tuple().all(&self.read).await?;
        Ok(found.into_iter().map(|(workspace, id)| (WorkspaceId::new(workspace), TriggerId::new(id))).collect())
    }

    /// These triggers.
    pub(crate) async fn triggers_of(&self, ids: &[TriggerId]) -> Result<Vec<TriggerRecord>> {
        let query = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.uuid()))).order_by_asc(Column::Id);
        query.all(&self.read).await?.into_iter().map(record).collect()
    }

    /// Holds back from now on what comes to a trigger. One that is paused stays so since when it was.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pause_trigger(&self, workspace: WorkspaceId, id: TriggerId, at: Timestamp) -> Result<TriggerRecord> {
        let since = |row: &Model| row.paused_at.or(Some(at.0));
        self.change_trigger(workspace, id, |row| ActiveModel { paused_at: Set(since(row)), ..Default::default() }).await
    }

    /// Gives a trigger another address; the old one answers nobody.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn rotate_trigger(&self, workspace: WorkspaceId, id: TriggerId) -> Result<TriggerRecord> {
        self.change_trigger(workspace, id, |_| ActiveModel { token: Set(clock::new_token()), ..Default::default() }).await
    }

    /// Changes what `change` sets of a trigger, and nothing else of it.
    async fn change_trigger(
        &self,
        workspace: WorkspaceId,
        id: TriggerId,
        change: impl FnOnce(&Model) -> ActiveModel,
    ) -> Result<TriggerRecord> {
        let tx = self.begin().await?;
        let row = locked_trigger(&tx, workspace, id).await?;
        let changed = ActiveModel { id: Unchanged(row.id), ..change(&row) };
        let row = Entity::update(changed).exec(&tx).await?;
        tx.commit().await?;
        record(row)
    }

    /// Lets what comes to a trigger pass again, and decides in the same transaction what becomes of that which was held back for
    /// this reason. How many these were. A schedule that was not paused goes on as it does.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn resume_trigger(
        &self,
        workspace: WorkspaceId,
        id: TriggerId,
        held: (&str, DeliveryStatus, Option<&str>),
        at: Timestamp,
    ) -> Result<(TriggerRecord, u64)> {
        let (reason, to, why) = held;
        let tx = self.begin().await?;
        let row = locked_trigger(&tx, workspace, id).await?;
        let row = if row.paused_at.is_some() { go_on(&tx, row, at).await? } else { row };
        let released = delivery::Entity::update_many()
            .col_expr(delivery::Column::Status, Expr::value(to.as_str()))
            .col_expr(delivery::Column::Reason, Expr::value(why))
            .col_expr(delivery::Column::DecidedAt, Expr::value(at.0))
            .filter(delivery::Column::TriggerId.eq(row.id))
            .filter(delivery::Column::Status.eq(DeliveryStatus::Held.as_str()))
            .filter(delivery::Column::Reason.eq(reason))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok((record(row)?, released.rows_affected))
    }

    /// How many deliveries are held back at each of these triggers that holds any back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held_at(&self, workspace: WorkspaceId, triggers: &[TriggerId]) -> Result<BTreeMap<TriggerId, u64>> {
        let counts: Vec<(Uuid, i64)> = delivery::Entity::find()
            .select_only()
            .column(delivery::Column::TriggerId)
            .column_as(delivery::Column::Id.count(), "held")
            .filter(delivery::Column::WorkspaceId.eq(workspace.uuid()))
            .filter(delivery::Column::Status.eq(DeliveryStatus::Held.as_str()))
            .filter(delivery::Column::TriggerId.is_in(triggers.iter().map(|id| id.uuid())))
            .group_by(delivery::Column::TriggerId)
            .into_tuple()
            .all(&self.read)
            .await?;
        Ok(counts.into_iter().map(|(id, held)| (TriggerId::new(id), held.cast_unsigned())).collect())
    }

    /// What came last to each of these triggers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_deliveries(&self, triggers: &[TriggerId]) -> Result<BTreeMap<TriggerId, DeliveryRecord>> {
        if triggers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<Value> = triggers.iter().map(|id| id.uuid().into()).collect();
        let these = (1..=ids.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT t.id AS trigger_id, d.id AS delivery_id FROM triggers t JOIN deliveries d ON d.id = \
             (SELECT l.id FROM deliveries l WHERE l.trigger_id = t.id ORDER BY l.id DESC LIMIT 1) WHERE t.id IN ({these})"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, ids);
        let last = Last::find_by_statement(statement).all(&self.read).await?;
        let rows = self.deliveries_of(last.iter().map(|last| last.delivery_id)).await?;
        let trigger = |id: Uuid| last.iter().find(|last| last.delivery_id == id).map(|last| TriggerId::new(last.trigger_id));
        Ok(rows.into_iter().filter_map(|row| Some((trigger(row.id.uuid())?, row))).collect())
    }
}

/// The row of a trigger that is about to change: PostgreSQL keeps other writers away until the commit, and SQLite has no other
/// writer.
async fn locked_trigger(tx: &DatabaseTransaction, workspace: WorkspaceId, id: TriggerId) -> Result<Model> {
    let query = Entity::find_by_id(id.uuid()).filter(Column::WorkspaceId.eq(workspace.uuid()));
    query.lock_exclusive().one(tx).await?.ok_or(Error::NotFound("trigger"))
}

/// A trigger is not paused any more. A schedule goes on with this moment: what passed while it was paused does not fire.
async fn go_on(tx: &DatabaseTransaction, row: Model, at: Timestamp) -> Result<Model> {
    let mut resumed = ActiveModel { id: Unchanged(row.id), paused_at: Set(None), ..Default::default() };
    if row.next_fire_at.is_some() {
        (resumed.last_slot, resumed.next_fire_at) = (Set(Some(at.0)), Set(Some(at.0)));
    }
    Ok(Entity::update(resumed).exec(tx).await?)
}
