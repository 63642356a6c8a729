//! How much a trigger has taken and holds back: what its limits are compared with.

use flowforge_core::{DeliveryId, Timestamp, TriggerId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::{Column, DeliveryRecord, DeliveryStatus, Entity, Store};
use crate::{clock, error::Result};

/// How much is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// How many deliveries.
    pub(crate) count: u64,
    /// How long their bodies are together.
    pub(crate) bytes: u64,
}

/// How far the clocks of processes may be apart, in milliseconds, for what they have done to be found.
const CLOCKS_APART_MS: i64 = 60_000;

impl Store {
    /// What is held back at a trigger: for the given reason when the new one is, else for all others.
    pub(crate) async fn held_deliveries(&self, new: &DeliveryRecord, reason: &str) -> Result<Held> {
        let is_same = new.reason.as_deref() == Some(reason);
        let for_it = if is_same { Column::Reason.eq(reason) } else { Column::Reason.ne(reason) };
        let query = Entity::find()
            .select_only()
            .expr_as(Column::Id.count(), "count")
            .expr_as(Expr::cust("CAST(coalesce(sum(body_size), 0) AS bigint)"), "bytes")
            .filter(Column::WorkspaceId.eq(new.workspace.uuid()))
            .filter(Column::Status.eq(DeliveryStatus::Held.as_str()))
            .filter(Column::TriggerId.eq(new.trigger.uuid()))
            .filter(for_it);
        let found: Option<(i64, i64)> = query.into_tuple().one(&self.read).await?;
        let (count, bytes) = found.unwrap_or_default();
        Ok(Held { count: count.cast_unsigned(), bytes: bytes.cast_unsigned() })
    }

    /// How many deliveries a trigger took after one moment and until another, as far as `most`: neither what was refused nor what
    /// people had played again.
    pub(crate) async fn taken_deliveries(
        &self,
        trigger: TriggerId,
        after: Timestamp,
        until: Timestamp,
        most: u64,
    ) -> Result<u64> {
        let query = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::TriggerId.eq(trigger.uuid()))
            // Ids sort by the clock of the process that made them, which may be somewhat off; the index knows only them.
            .filter(Column::Id.gt(clock::earliest_uuid(Timestamp(after.0 - CLOCKS_APART_MS))))
            .filter(Column::ReceivedAt.gt(after.0))
            .filter(Column::ReceivedAt.lte(until.0))
            .filter(Column::Status.ne(DeliveryStatus::Refused.as_str()))
            .filter(Column::ReplayOf.is_null())
            .limit(most);
        Ok(query.into_tuple::<Uuid>().all(&self.read).await?.len() as u64)
    }

    /// Drops a delivery that is held back, whatever for. Whether it was.
    pub(crate) async fn drop_delivery(&self, id: DeliveryId, why: &str, at: Timestamp) -> Result<bool> {
        self.decide_delivery(id, &[DeliveryStatus::Held], DeliveryStatus::Skipped, Some(why), at).await
    }
}
