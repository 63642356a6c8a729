//! The rows of the ledger. Whoever changes what a turn counts as holds the totals that it counts in, in the order of their ids:
//! so no two do it at once, and none waits for another in a circle.

mod budgets;
mod ledger;
mod runs;
#[cfg(test)]
mod tests;
mod usage;
mod waiting;

use flowforge_core::{
    BudgetId, RunId, Timestamp, WorkflowId,
    money::{Micros, Period, Room, Span, Zone},
};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    budgets::{BudgetChange, MOST_BUDGETS, NewBudget, NewTopUp, TopUpRecord},
    runs::{RunBudget, StepCost},
    usage::{UsageBy, UsageFilter, UsageLine},
};
pub(crate) use self::{
    ledger::{Asked, Link},
    waiting::Waiter,
};
use super::entity::money::{budget, total};
use crate::error::{Error, Result};

/// Whose money a budget is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetScope {
    /// That of all runs of the workspace.
    Workspace,
    /// That of one workflow's runs, and of the runs that these start.
    Workflow(WorkflowId),
}

impl BudgetScope {
    /// The word in the database and in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Workflow(_) => "workflow",
        }
    }
}

/// A budget, and where it stands in its current period.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetRecord {
    /// Its id.
    pub id: BudgetId,
    /// Whose money it is about.
    pub scope: BudgetScope,
    /// The workflow's name.
    pub workflow_name: Option<String>,
    /// How often it begins anew.
    pub period: Period,
    /// Whose midnight counts.
    pub zone: Zone,
    /// How much may be spent in each period.
    pub limit: Micros,
    /// How much was added to that in the current one.
    pub topped_up: Micros,
    /// How much was spent.
    pub spent: Micros,
    /// How much is set aside for turns under way.
    pub reserved: Micros,
    /// The current period.
    pub span: Span,
    /// How many steps wait for it.
    pub waiting: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// The key of a total: what it is about, and when its period began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TotalKey(pub(crate) Uuid, pub(crate) i64);

impl TotalKey {
    /// A budget, whichever its period: enough to find who waits for it.
    pub(crate) fn of_budget(budget: BudgetId) -> Self {
        Self(budget.uuid(), 0)
    }

    /// What a run and the runs below it spend.
    pub(crate) fn of_run(run: RunId) -> Self {
        Self(run.uuid(), 0)
    }

    /// What a step spends, in all its attempts.
    pub(crate) fn of_step(run: RunId, node: &str) -> Self {
        Self(Uuid::new_v5(&run.uuid(), format!("budget/{node}").as_bytes()), 0)
    }
}

fn room(limit: Option<Micros>, row: &total::Model) -> Room {
    Room {
        limit: limit.map(|limit| limit.plus(Micros(row.topped_up_micros))),
        spent: Micros(row.spent_micros),
        reserved: Micros(row.reserved_micros),
        open: row.open_turns.cast_unsigned(),
    }
}

fn empty(key: TotalKey, run: Option<RunId>) -> total::Model {
    let TotalKey(id, since) = key;
    let run_id = run.map(|run| run.uuid());
    total::Model { id, since, run_id, spent_micros: 0, reserved_micros: 0, open_turns: 0, topped_up_micros: 0 }
}

/// Makes totals that are not there yet. `rows` are in the order of their keys.
async fn make(tx: &DatabaseTransaction, rows: Vec<total::Model>) -> Result<()> {
    let there = OnConflict::columns([total::Column::Id, total::Column::Since]).do_nothing().to_owned();
    let rows = rows.into_iter().map(total::ActiveModel::from);
    match total::Entity::insert_many(rows).on_conflict(there).exec_without_returning(tx).await {
        Ok(_) | Err(sea_orm::DbErr::RecordNotInserted) => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}

/// Totals, in the order of their keys and held until the transaction ends.
async fn held(tx: &DatabaseTransaction, keys: impl IntoIterator<Item = TotalKey>) -> Result<Vec<total::Model>> {
    let select = total::Entity::find().filter(any_of(keys));
    let select = select.order_by_asc(total::Column::Id).order_by_asc(total::Column::Since).lock_exclusive();
    Ok(select.all(tx).await?)
}

fn any_of(keys: impl IntoIterator<Item = TotalKey>) -> Condition {
    keys.into_iter().fold(Condition::any(), |any, TotalKey(id, since)| {
        any.add(Condition::all().add(total::Column::Id.eq(id)).add(total::Column::Since.eq(since)))
    })
}

fn period_of(row: &budget::Model) -> Result<(Period, Zone)> {
    let broken = |column, fault: &str| Error::Inconsistent { table: "budgets", column, fault: format!("`{fault}`") };
    let period = Period::of(&row.period).ok_or_else(|| broken("period", &row.period))?;
    let zone = Zone::named(&row.time_zone).ok_or_else(|| broken("time_zone", &row.time_zone))?;
    Ok((period, zone))
}
