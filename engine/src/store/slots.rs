//! Which slots have fired, however long ago: their deliveries say so, and when those are removed a ledger of its own does.

use std::collections::BTreeSet;

use flowforge_core::{DeliveryId, RunId, Timestamp, TriggerId, WorkspaceId};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockBehavior, LockType, OnConflict},
};
use uuid::Uuid;

use super::{
    Store,
    deliveries::{DeliveryRecord, DeliveryStatus, insert},
    entity::triggers::{
        delivery::{Column, Entity},
        fired_slot,
    },
};
use crate::error::Result;

/// Of what stands there something is still to be done.
const OPEN: [DeliveryStatus; 3] = [DeliveryStatus::Received, DeliveryStatus::Held, DeliveryStatus::Queued];

impl Store {
    /// Removes deliveries of a workspace that came before a moment and of which nothing is to be done any more; slots among them
    /// that fired go into the ledger. How many.
    pub(crate) async fn remove_deliveries(&self, workspace: WorkspaceId, before: Timestamp, limit: u64) -> Result<u64> {
        let tx = self.begin().await?;
        let old: Vec<(Uuid, Uuid, Option<i64>, String)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::TriggerId, Column::Slot, Column::Status])
            .filter(Column::WorkspaceId.eq(workspace.uuid()))
            .filter(Column::ReceivedAt.lt(before.0))
            .filter(Column::Status.is_not_in(OPEN.map(DeliveryStatus::as_str)))
            .order_by_asc(Column::Id)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .into_tuple()
            .all(&tx)
            .await?;
        let fired = old.iter().filter(|(.., status)| status != DeliveryStatus::Skipped.as_str());
        let fired: BTreeSet<_> = fired.filter_map(|(_, trigger, slot, _)| Some((*trigger, (*slot)?))).collect();
        remember(&tx, fired).await?;
        let removed = Entity::delete_many().filter(Column::Id.is_in(old.iter().map(|(id, ..)| *id))).exec(&tx).await?;
        tx.commit().await?;
        Ok(removed.rows_affected)
    }

    /// Writes down slots of one schedule. Those that were new or had been left out before; slots that fired, at any time, are left
    /// as they are.
    pub(crate) async fn backfill(&self, trigger: TriggerId, slots: Vec<DeliveryRecord>) -> Result<Vec<DeliveryRecord>> {
        let tx = self.begin().await?;
        let (mut inserted, mut taken_up) = (Vec::with_capacity(slots.len()), Vec::new());
        for slot in slots {
            match insert(&tx, &slot).await? {
                true => inserted.push(slot),
                false => taken_up.extend(take_up(&tx, slot).await?),
            }
        }
        // Asked last: a slot that could be written down because its delivery was just removed is in the ledger by now.
        let fired = fired(&tx, trigger, &inserted).await?;
        let (again, mut new): (Vec<_>, Vec<_>) = inserted.into_iter().partition(|slot| fired.contains(&slot.slot));
        Entity::delete_many().filter(Column::Id.is_in(again.iter().map(|slot| slot.id.uuid()))).exec(&tx).await?;
        tx.commit().await?;
        new.extend(taken_up);
        new.sort_by_key(|slot| slot.slot);
        Ok(new)
    }
}

async fn remember(tx: &DatabaseTransaction, fired: BTreeSet<(Uuid, i64)>) -> Result<()> {
    let row = |(trigger, slot)| fired_slot::ActiveModel::from(fired_slot::Model { trigger_id: trigger, slot });
    let nothing = OnConflict::new().do_nothing().to_owned();
    let insert = fired_slot::Entity::insert_many(fired.into_iter().map(row)).on_conflict(nothing).try_insert();
    insert.exec_without_returning(tx).await?;
    Ok(())
}

/// Which of these the ledger has.
async fn fired(tx: &DatabaseTransaction, trigger: TriggerId, slots: &[DeliveryRecord]) -> Result<BTreeSet<Option<Timestamp>>> {
    let found: Vec<i64> = fired_slot::Entity::find()
        .select_only()
        .column(fired_slot::Column::Slot)
        .filter(fired_slot::Column::TriggerId.eq(trigger.uuid()))
        .filter(fired_slot::Column::Slot.is_in(slots.iter().filter_map(|slot| slot.slot).map(|slot| slot.0)))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(found.into_iter().map(|slot| Some(Timestamp(slot))).collect())
}

/// Lets a slot fire, as its schedule is now, that had been left out; nothing when it had not been.
async fn take_up(tx: &DatabaseTransaction, slot: DeliveryRecord) -> Result<Option<DeliveryRecord>> {
    let skipped: Option<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::TriggerId.eq(slot.trigger.uuid()))
        .filter(Column::DedupeKey.eq(slot.dedupe_key.as_deref()))
        .filter(Column::Status.eq(DeliveryStatus::Skipped.as_str()))
        .into_tuple()
        .one(tx)
        .await?;
    let Some(id) = skipped else { return Ok(None) };
    let changed = Entity::update_many()
        .col_expr(Column::Status, Expr::value(slot.status.as_str()))
        .col_expr(Column::Reason, Expr::value(Option::<String>::None))
        .col_expr(Column::DecidedAt, Expr::value(Option::<i64>::None))
        .col_expr(Column::Version, Expr::value(slot.version.map(u32::cast_signed)))
        .col_expr(Column::RunId, Expr::value(slot.run.map(RunId::uuid)))
        .filter(Column::Id.eq(id))
        .filter(Column::Status.eq(DeliveryStatus::Skipped.as_str()))
        .exec(tx)
        .await?;
    Ok((changed.rows_affected == 1).then(|| DeliveryRecord { id: DeliveryId::new(id), ..slot }))
}
