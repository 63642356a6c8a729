//! What people do with triggers: pause, resume, give another address, look at what came last.

use std::collections::BTreeMap;

use flowforge_core::{Timestamp, TriggerId, WorkspaceId, trigger::TriggerKind};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Statement, Value,
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

impl Store {
    /// Active triggers that listen to GitHub, of every workspace, the oldest first.
    pub(crate) async fn github_triggers(&self, limit: u64) -> Result<Vec<TriggerRecord>> {
        let query = Entity::find()
            .filter(Column::Kind.eq(TriggerKind::Github.as_str()))
            .filter(Column::Status.eq(TriggerStatus::Active.as_str()))
            .order_by_asc(Column::Id)
            .limit(limit);
        query.all(&self.read).await?.into_iter().map(record).collect()
    }

    /// Holds back from now on what comes to a trigger. One that is paused stays so since when it was.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pause_trigger(&self, workspace: WorkspaceId, id: TriggerId, at: Timestamp) -> Result<TriggerRecord> {
        self.change_trigger(workspace, id, |row| Model { paused_at: row.paused_at.or(Some(at.0)), ..row }).await
    }

    /// Gives a trigger another address; the old one answers nobody.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn rotate_trigger(&self, workspace: WorkspaceId, id: TriggerId) -> Result<TriggerRecord> {
        self.change_trigger(workspace, id, |row| Model { token: clock::new_token(), ..row }).await
    }

    async fn change_trigger(
        &self,
        workspace: WorkspaceId,
        id: TriggerId,
        change: impl FnOnce(Model) -> Model,
    ) -> Result<TriggerRecord> {
        let tx = self.begin().await?;
        let found = Entity::find_by_id(id.uuid()).filter(Column::WorkspaceId.eq(workspace.uuid())).one(&tx).await?;
        let row = change(found.ok_or(Error::NotFound("trigger"))?);
        // Only these: publishing may change the others meanwhile.
        let changed = ActiveModel {
            id: Unchanged(row.id),
            paused_at: Set(row.paused_at),
            token: Set(row.token.clone()),
            ..Default::default()
        };
        Entity::update(changed).exec_without_returning(&tx).await?;
        tx.commit().await?;
        record(row)
    }

    /// Lets what comes to a trigger pass again, and decides in the same transaction what becomes of that which was held back for
    /// this reason. How many these were.
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
        let found = Entity::find_by_id(id.uuid()).filter(Column::WorkspaceId.eq(workspace.uuid())).one(&tx).await?;
        let row = Model { paused_at: None, ..found.ok_or(Error::NotFound("trigger"))? };
        let changed = Entity::update_many().col_expr(Column::PausedAt, Expr::value(Option::<i64>::None));
        changed.filter(Column::Id.eq(row.id)).exec(&tx).await?;
        let row = go_on(&tx, row, at).await?;
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

/// A schedule goes on with this moment: what passed while it was paused does not fire.
async fn go_on(tx: &DatabaseTransaction, row: Model, at: Timestamp) -> Result<Model> {
    if row.next_fire_at.is_none() {
        return Ok(row);
    }
    let row = Model { last_slot: Some(at.0), next_fire_at: Some(at.0), ..row };
    let moved = ActiveModel {
        id: Unchanged(row.id),
        last_slot: Set(row.last_slot),
        next_fire_at: Set(row.next_fire_at),
        ..Default::default()
    };
    Entity::update(moved).exec_without_returning(tx).await?;
    Ok(row)
}
