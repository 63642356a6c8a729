//! Schedules: which are due, and what was decided about their slots. A schedule is decided by one process at a time, which
//! holds its row; the slots' rows are unique by themselves, so deciding one twice changes nothing.

use flowforge_core::{RunId, Timestamp, TriggerId};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement,
    sea_query::{Expr, LockBehavior, LockType},
};
use uuid::Uuid;

use super::{
    Now, Store,
    deliveries::{self, DeliveryRecord, DeliveryStatus},
    entity::triggers::{delivery, trigger},
    triggers::{STOPPED, TriggerRecord, TriggerStatus},
};
use crate::error::Result;

/// Of how many of its last runs a schedule is asked whether they are under way.
const RUNS_SEEN: u64 = 200;

/// The status is written out, for the index that holds these alone, in the order of their triggers.
const WAITING: &str =
    "SELECT DISTINCT trigger_id AS id FROM deliveries WHERE status = 'queued' AND trigger_id > $1 ORDER BY trigger_id LIMIT $2";

/// What a schedule's earlier slots are doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Runs that have not ended, or are about to exist, the newest first.
    pub(crate) under_way: Vec<RunId>,
    /// How many slots wait for their turn.
    pub(crate) queued: u64,
}

/// What was decided about a schedule.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// Rows of slots; one that has a row already is left as it is.
    pub(crate) deliveries: Vec<DeliveryRecord>,
    /// Why slots that wait do not fire any more.
    pub(crate) drop_queued: Option<&'static str>,
    pub(crate) last_slot: Timestamp,
    pub(crate) next_fire_at: Option<Timestamp>,
}

impl Store {
    /// Schedules that are due, those that have waited longest first, and when the first of the others is.
    pub(crate) async fn due_schedules(&self, limit: u64) -> Result<(Vec<TriggerId>, Option<Timestamp>)> {
        let now = self.now_sql();
        let sql = format!(
            "SELECT id FROM triggers WHERE next_fire_at <= {now} AND paused_at IS NULL ORDER BY next_fire_at LIMIT {limit}"
        );
        let due = Id::find_by_statement(self.statement(&sql)).all(&self.read).await?;
        // As far from now as the database says, since its clock decides.
        let sql = format!("SELECT min(next_fire_at) AS at FROM triggers WHERE next_fire_at > {now} AND paused_at IS NULL");
        let next = At::find_by_statement(self.statement(&sql)).one(&self.read).await?.and_then(|row| row.at);
        Ok((due.into_iter().map(|row| TriggerId::new(row.id)).collect(), next.map(Timestamp)))
    }

    /// Decides what has come to a schedule, and writes it down; `asks` says whether what its earlier slots do matters. The rows that were new; nothing when it is not due any more, or
    /// another process is at it.
    pub(crate) async fn decide_schedule(
        &self,
        id: TriggerId,
        asks: impl FnOnce(&TriggerRecord) -> bool,
        decide: impl FnOnce(&TriggerRecord, &Standing, Timestamp) -> Decided,
    ) -> Result<Option<(TriggerRecord, Vec<DeliveryRecord>)>> {
        let tx = self.begin().await?;
        let now = self.now_in(&tx).await?;
        let row = locked(&tx, id).await?.filter(|row| row.next_fire_at.is_some_and(|at| at <= now.0));
        let Some(row) = row.filter(|row| row.status == TriggerStatus::Active.as_str() && row.paused_at.is_none()) else {
            return Ok(None);
        };
        let record = super::triggers::record(row)?;
        let standing = if asks(&record) { self.standing_of(&tx, id).await? } else { Standing::default() };
        let decided = decide(&record, &standing, now);
        if let Some(reason) = decided.drop_queued {
            drop_queued(&tx, id, reason, now).await?;
        }
        let mut new = Vec::with_capacity(decided.deliveries.len());
        for delivery in decided.deliveries {
            if deliveries::insert(&tx, &delivery).await? {
                new.push(delivery);
            }
        }
        let moved = trigger::ActiveModel {
            id: Set(id.uuid()),
            last_slot: Set(Some(decided.last_slot.0)),
            next_fire_at: Set(decided.next_fire_at.map(|at| at.0)),
            ..Default::default()
        };
        trigger::Entity::update(moved).exec_without_returning(&tx).await?;
        tx.commit().await?;
        Ok(Some((record, new)))
    }

    /// Schedules with slots that wait for their turn: those that come after the last that were looked at, which `seen` remembers,
    /// and from the first on again when there are no more. So none waits for ever behind others whose runs go on and on.
    pub(crate) async fn waiting_schedules(&self, seen: &mut Option<TriggerId>, limit: u64) -> Result<Vec<TriggerId>> {
        let after = seen.map_or(Uuid::nil(), TriggerId::uuid);
        let statement = Statement::from_sql_and_values(self.backend(), WAITING, [after.into(), limit.cast_signed().into()]);
        let rows = Id::find_by_statement(statement).all(&self.read).await?;
        let waiting: Vec<_> = rows.into_iter().map(|row| TriggerId::new(row.id)).collect();
        *seen = waiting.last().copied().filter(|_| waiting.len() as u64 == limit);
        Ok(waiting)
    }

    /// Lets the first slot that waits have its turn, when no earlier run is under way. Those of a trigger that is not active are
    /// left out: one may have been written down just as it stopped.
    pub(crate) async fn next_slot_in_line(&self, id: TriggerId) -> Result<Option<(TriggerRecord, DeliveryRecord)>> {
        let tx = self.begin().await?;
        let Some(row) = locked(&tx, id).await? else { return Ok(None) };
        if row.status != TriggerStatus::Active.as_str() {
            let now = self.now_in(&tx).await?;
            drop_queued(&tx, id, STOPPED, now).await?;
            tx.commit().await?;
            return Ok(None);
        }
        if row.paused_at.is_some() {
            return Ok(None);
        }
        if !self.standing_of(&tx, id).await?.under_way.is_empty() {
            return Ok(None);
        }
        let first = delivery::Entity::find()
            .filter(delivery::Column::TriggerId.eq(id.uuid()))
            .filter(Expr::cust("status = 'queued'"))
            .order_by_asc(delivery::Column::Slot)
            .one(&tx)
            .await?;
        let Some(first) = first else { return Ok(None) };
        let received = delivery::ActiveModel {
            id: Set(first.id),
            status: Set(DeliveryStatus::Received.as_str().to_owned()),
            reason: Set(None),
            ..Default::default()
        };
        delivery::Entity::update(received).exec_without_returning(&tx).await?;
        tx.commit().await?;
        let first = delivery::Model { status: DeliveryStatus::Received.as_str().to_owned(), reason: None, ..first };
        Ok(Some((super::triggers::record(row)?, deliveries::record(first)?)))
    }

    async fn standing_of(&self, tx: &DatabaseTransaction, id: TriggerId) -> Result<Standing> {
        let backend = self.backend();
        let sql = format!(
            "SELECT d.run_id AS id FROM (SELECT run_id, status FROM deliveries WHERE trigger_id = $1 AND run_id IS NOT NULL \
             AND status IN ('received', 'started') ORDER BY id DESC LIMIT {RUNS_SEEN}) d LEFT JOIN runs r ON r.id = d.run_id \
             WHERE d.status = 'received' OR (r.id IS NOT NULL AND r.finished_at IS NULL)"
        );
        let statement = Statement::from_sql_and_values(backend, sql, [id.uuid().into()]);
        let under_way = Id::find_by_statement(statement).all(tx).await?;
        let sql = "SELECT count(*) AS at FROM deliveries WHERE trigger_id = $1 AND status = 'queued'";
        let queued = At::find_by_statement(Statement::from_sql_and_values(backend, sql, [id.uuid().into()])).one(tx).await?;
        Ok(Standing {
            under_way: under_way.into_iter().map(|row| RunId::new(row.id)).collect(),
            queued: queued.and_then(|row| row.at).unwrap_or(0).cast_unsigned(),
        })
    }

    pub(super) async fn now_in(&self, tx: &impl ConnectionTrait) -> Result<Timestamp> {
        let sql = format!("SELECT {} AS now", self.now_sql());
        let row = Now::find_by_statement(self.statement(&sql)).one(tx).await?;
        Ok(Timestamp(row.map_or(0, |row| row.now)))
    }
}

/// The row of a trigger, held until the transaction ends; nothing while another process holds it.
async fn locked(tx: &DatabaseTransaction, id: TriggerId) -> Result<Option<trigger::Model>> {
    let query = trigger::Entity::find_by_id(id.uuid()).lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    Ok(query.one(tx).await?)
}

/// Leaves out what waits for its turn.
pub(super) async fn drop_queued(tx: &DatabaseTransaction, id: TriggerId, reason: &str, at: Timestamp) -> Result<()> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::Status, Expr::value(DeliveryStatus::Skipped.as_str()))
        .col_expr(delivery::Column::Reason, Expr::value(reason))
        .col_expr(delivery::Column::DecidedAt, Expr::value(at.0))
        .filter(delivery::Column::TriggerId.eq(id.uuid()))
        .filter(delivery::Column::Status.eq(DeliveryStatus::Queued.as_str()))
        .exec(tx)
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct At {
    at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use flowforge_core::WorkspaceId;
    use flowforge_migrations::{Migrator, MigratorTrait};
    use sea_orm::{DbBackend, QueryTrait};

    use super::*;
    use crate::store::Location;

    #[derive(FromQueryResult)]
    struct Plan {
        detail: String,
    }

    async fn store(folder: &Path) -> Store {
        let store = Store::connect(&Location::Sqlite(folder.join("test.db"))).await.unwrap();
        Migrator::up(store.connection(), None).await.unwrap();
        store
    }

    #[tokio::test]
    async fn every_schedule_that_waits_is_looked_at_however_many_wait() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let at = store.now().await.unwrap();
        let mut waiting: Vec<_> = (0..5).map(|_| TriggerId::new(crate::clock::new_uuid())).collect();
        for (trigger, slot) in waiting.iter().flat_map(|trigger| [(*trigger, 1), (*trigger, 2)]) {
            let new = DeliveryRecord::new(WorkspaceId::new(Uuid::nil()), trigger, at);
            let (dedupe_key, slot) = (Some(format!("slot/{slot}")), Some(Timestamp(slot)));
            let row = DeliveryRecord { status: DeliveryStatus::Queued, dedupe_key, slot, ..new };
            assert!(store.insert_delivery(&row).await.unwrap().is_none());
        }
        waiting.sort_unstable();
        let mut seen = None;
        // None of them ever has its turn, and so all go on waiting.
        for round in 0..2 {
            for expected in waiting.chunks(2) {
                assert_eq!(store.waiting_schedules(&mut seen, 2).await.unwrap(), expected, "round {round}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_asked_every_second_reads_no_table_on_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let open = deliveries::open(Timestamp(7), None).build(DbBackend::Sqlite).to_string();
        for (sql, index) in [(WAITING, "deliveries_queued"), (open.as_str(), "deliveries_received")] {
            let plan =
                Plan::find_by_statement(store.statement(&format!("EXPLAIN QUERY PLAN {sql}"))).all(&store.read).await.unwrap();
            let plan: Vec<_> = plan.into_iter().map(|row| row.detail).collect();
            assert!(plan.iter().any(|line| line.contains(index)), "{sql}: {plan:?}");
        }
    }
}
