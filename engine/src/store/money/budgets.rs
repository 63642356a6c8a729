//! Budgets of workspaces and workflows, and money that is added to them.

use std::collections::BTreeMap;

use flowforge_core::{
    BudgetId, Timestamp, UserId, WorkflowId, WorkspaceId,
    money::{Micros, Period, Span, Zone},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{BudgetRecord, BudgetScope, TotalKey, any_of, empty, held, make, period_of};
use crate::{
    clock,
    engine::Dedupe,
    error::{Error, Result},
    store::{
        Store,
        entity::{
            money::{budget, top_up, total, usage},
            workflows::workflow,
        },
    },
};

/// The most budgets of one workspace.
pub const MOST_BUDGETS: u64 = 200;
/// The most top-ups that are shown of one budget.
const TOP_UPS_SHOWN: u64 = 50;

/// A budget to be made.
#[derive(Debug, Clone)]
pub struct NewBudget {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Whose money it is about.
    pub scope: BudgetScope,
    /// How often it begins anew.
    pub period: Period,
    /// Whose midnight counts.
    pub zone: Zone,
    /// How much may be spent in each period.
    pub limit: Micros,
    /// Who makes it.
    pub created_by: Option<UserId>,
}

/// What is to change of a budget; what is left out stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct BudgetChange {
    /// How much may be spent in each period.
    pub limit: Option<Micros>,
}

/// Money that is to be added.
#[derive(Debug, Clone)]
pub struct NewTopUp {
    /// How much.
    pub amount: Micros,
    /// Why, for people.
    pub note: String,
    /// Who adds it.
    pub by: UserId,
    /// What tells a repetition of the same request.
    pub dedupe: Option<Dedupe>,
}

/// Money that was added.
#[derive(Debug, Clone, PartialEq)]
pub struct TopUpRecord {
    /// Its id.
    pub id: Uuid,
    /// The step that it was for; the whole when absent.
    pub node: Option<String>,
    /// How much.
    pub amount: Micros,
    /// Why, for people.
    pub note: String,
    /// The e-mail address of who has added it.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a top-up goes to.
pub(super) struct Target<'t> {
    pub(super) workspace: WorkspaceId,
    pub(super) key: TotalKey,
    pub(super) run: Option<flowforge_core::RunId>,
    pub(super) node: Option<&'t str>,
}

impl Store {
    /// A workspace's budgets, those of the workspace first, with where they stand now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budgets(&self, workspace: WorkspaceId) -> Result<Vec<BudgetRecord>> {
        let now = self.now().await?;
        let rows = of(workspace).order_by_desc(budget::Column::Scope).order_by_asc(budget::Column::Id).all(&self.read).await?;
        self.stand(workspace, rows, now).await
    }

    /// One of a workspace's budgets.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn budget(&self, workspace: WorkspaceId, id: BudgetId) -> Result<BudgetRecord> {
        let now = self.now().await?;
        let row = of(workspace).filter(budget::Column::Id.eq(id.uuid())).one(&self.read).await?;
        let rows = self.stand(workspace, row.into_iter().collect(), now).await?;
        rows.into_iter().next().ok_or(Error::NotFound("budget"))
    }

    async fn stand(&self, workspace: WorkspaceId, rows: Vec<budget::Model>, now: Timestamp) -> Result<Vec<BudgetRecord>> {
        let mut spans = Vec::with_capacity(rows.len());
        for row in &rows {
            let (period, zone) = period_of(row)?;
            spans.push((period, zone, period.span(zone, now)));
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let keys = rows.iter().zip(&spans).map(|(row, (.., span))| TotalKey(row.id, span.since.0));
        let totals = total::Entity::find().filter(any_of(keys)).all(&self.read).await?;
        let totals: BTreeMap<Uuid, total::Model> = totals.into_iter().map(|row| (row.id, row)).collect();
        let names = self.names(workspace, &rows).await?;
        let waiting = self.waiting_by_budget(workspace).await?;
        let record = |(row, (period, zone, span)): (budget::Model, (Period, Zone, Span))| {
            let total = totals.get(&row.id).cloned().unwrap_or_else(|| empty(TotalKey(row.id, span.since.0), None));
            BudgetRecord {
                id: BudgetId::new(row.id),
                workflow_name: names.get(&row.scope_id).cloned(),
                scope: match row.scope.as_str() {
                    "workflow" => BudgetScope::Workflow(WorkflowId::new(row.scope_id)),
                    _ => BudgetScope::Workspace,
                },
                period,
                zone,
                limit: Micros(row.limit_micros),
                topped_up: Micros(total.topped_up_micros),
                spent: Micros(total.spent_micros),
                reserved: Micros(total.reserved_micros),
                span,
                waiting: waiting.get(&BudgetId::new(row.id).to_string()).copied().unwrap_or_default(),
                created_at: Timestamp(row.created_at),
                updated_at: Timestamp(row.updated_at),
            }
        };
        Ok(rows.into_iter().zip(spans).map(record).collect())
    }

    async fn names(&self, workspace: WorkspaceId, rows: &[budget::Model]) -> Result<BTreeMap<Uuid, String>> {
        let select = workflow::Entity::find().select_only().columns([workflow::Column::Id, workflow::Column::Name]);
        let select = select.filter(workflow::Column::WorkspaceId.eq(workspace.uuid()));
        let names = select.filter(workflow::Column::Id.is_in(rows.iter().map(|row| row.scope_id)));
        Ok(names.into_tuple::<(Uuid, String)>().all(&self.read).await?.into_iter().collect())
    }

    /// Makes a budget. What was settled in its current period counts from the beginning; what is under way does not.
    ///
    /// # Errors
    /// `NotFound` for the workflow, `Conflict` when there is one for the same period, or there are as many as may be.
    pub(crate) async fn create_budget(&self, new: &NewBudget) -> Result<BudgetId> {
        let scope_id = match new.scope {
            BudgetScope::Workspace => new.workspace.uuid(),
            BudgetScope::Workflow(workflow) => workflow.uuid(),
        };
        let tx = self.begin().await?;
        let now = self.now_in(&tx).await?;
        if let BudgetScope::Workflow(id) = new.scope {
            let there = workflow::Entity::find_by_id(id.uuid()).filter(workflow::Column::WorkspaceId.eq(new.workspace.uuid()));
            there.one(&tx).await?.ok_or(Error::NotFound("workflow"))?;
        }
        if of(new.workspace).count(&tx).await? >= MOST_BUDGETS {
            let message = format!("the workspace has {MOST_BUDGETS} budgets, which is the most; delete some first");
            return Err(Error::Conflict { code: "too_many_budgets", message });
        }
        let id = BudgetId::new(clock::new_uuid());
        let row = budget::Model {
            id: id.uuid(),
            workspace_id: new.workspace.uuid(),
            scope: new.scope.as_str().to_owned(),
            scope_id,
            period: new.period.as_str().to_owned(),
            time_zone: new.zone.name().to_owned(),
            limit_micros: new.limit.0,
            created_by: new.created_by.map(|user| user.uuid()),
            created_at: now.0,
            updated_at: now.0,
        };
        let taken = OnConflict::columns([budget::Column::ScopeId, budget::Column::Period]).do_nothing().to_owned();
        let added = budget::Entity::insert(budget::ActiveModel::from(row)).on_conflict(taken).exec_without_returning(&tx).await;
        match added {
            Ok(1) => {}
            Ok(_) | Err(sea_orm::DbErr::RecordNotInserted) => {
                let message = "there is a budget for the same period already; change its limit instead".to_owned();
                return Err(Error::Conflict { code: "budget_exists", message });
            }
            Err(fault) => return Err(fault.into()),
        }
        let span = new.period.span(new.zone, now);
        let spent = self.settled_since(&tx, new, span).await?;
        make(&tx, vec![total::Model { spent_micros: spent, ..empty(TotalKey(id.uuid(), span.since.0), None) }]).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// What was spent in a period that has begun before its budget was made: the one time that turns are added up.
    async fn settled_since(&self, tx: &DatabaseTransaction, new: &NewBudget, span: Span) -> Result<i64> {
        let select = usage::Entity::find().select_only().filter(usage::Column::WorkspaceId.eq(new.workspace.uuid()));
        let mut select = select.filter(usage::Column::CreatedAt.gte(span.since.0));
        if let BudgetScope::Workflow(workflow) = new.scope {
            select = select.filter(usage::Column::WorkflowId.eq(workflow.uuid()));
        }
        let sum = Expr::cust("CAST(coalesce(sum(cost_micros), 0) AS bigint)");
        let spent: Option<i64> = select.column_as(sum, "spent").into_tuple().one(tx).await?;
        Ok(spent.unwrap_or_default())
    }

    /// Changes a budget.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn change_budget(&self, workspace: WorkspaceId, id: BudgetId, change: BudgetChange) -> Result<()> {
        let Some(limit) = change.limit else { return self.budget(workspace, id).await.map(drop) };
        let changed = budget::Entity::update_many()
            .col_expr(budget::Column::LimitMicros, Expr::value(limit.0))
            .col_expr(budget::Column::UpdatedAt, Expr::cust(self.now_sql()))
            .filter(budget::Column::Id.eq(id.uuid()))
            .filter(budget::Column::WorkspaceId.eq(workspace.uuid()))
            .exec(&self.write)
            .await?;
        if changed.rows_affected == 1 { Ok(()) } else { Err(Error::NotFound("budget")) }
    }

    /// Deletes a budget: nothing is held back by it any more. What was spent stays in the turns.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn delete_budget(&self, workspace: WorkspaceId, id: BudgetId) -> Result<()> {
        let tx = self.begin().await?;
        let gone = budget::Entity::delete_many().filter(budget::Column::Id.eq(id.uuid()));
        let gone = gone.filter(budget::Column::WorkspaceId.eq(workspace.uuid())).exec(&tx).await?;
        if gone.rows_affected == 0 {
            return Err(Error::NotFound("budget"));
        }
        total::Entity::delete_many().filter(total::Column::Id.eq(id.uuid())).exec(&tx).await?;
        top_up::Entity::delete_many().filter(top_up::Column::TotalId.eq(id.uuid())).exec(&tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Adds money to the current period of a budget. Whether it was new: a repetition changes nothing.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when the dedupe key was used for something else.
    pub(crate) async fn top_up_budget(&self, workspace: WorkspaceId, id: BudgetId, new: &NewTopUp) -> Result<bool> {
        let tx = self.begin().await?;
        let now = self.now_in(&tx).await?;
        let row = of(workspace).filter(budget::Column::Id.eq(id.uuid())).one(&tx).await?.ok_or(Error::NotFound("budget"))?;
        let (period, zone) = period_of(&row)?;
        let key = TotalKey(id.uuid(), period.span(zone, now).since.0);
        let is_new = add(&tx, &Target { workspace, key, run: None, node: None }, new, now).await?;
        tx.commit().await?;
        Ok(is_new)
    }

    /// What was added to a budget, the newest first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn top_ups(&self, workspace: WorkspaceId, id: BudgetId) -> Result<Vec<TopUpRecord>> {
        self.budget(workspace, id).await?;
        self.top_ups_where("t.total_id = $1", id.uuid()).await
    }

    pub(super) async fn top_ups_where(&self, condition: &str, id: Uuid) -> Result<Vec<TopUpRecord>> {
        let sql = format!(
            "SELECT t.id, t.node_id, t.amount_micros, t.note, t.created_at, u.email FROM budget_top_ups t LEFT JOIN users u \
             ON u.id = t.created_by WHERE {condition} ORDER BY t.id DESC LIMIT {TOP_UPS_SHOWN}"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [id.into()]);
        let rows = TopUpRow::find_by_statement(statement).all(&self.read).await?;
        Ok(rows.into_iter().map(TopUpRecord::from).collect())
    }
}

/// Adds money to a total, once.
pub(super) async fn add(tx: &DatabaseTransaction, to: &Target<'_>, new: &NewTopUp, now: Timestamp) -> Result<bool> {
    make(tx, vec![empty(to.key, to.run)]).await?;
    held(tx, [to.key]).await?;
    let key = new.dedupe.as_ref().map(|dedupe| dedupe.key.clone());
    if let Some(dedupe) = &new.dedupe {
        let earlier = top_up::Entity::find().filter(top_up::Column::WorkspaceId.eq(to.workspace.uuid()));
        if let Some(earlier) = earlier.filter(top_up::Column::DedupeKey.eq(&dedupe.key)).one(tx).await? {
            return match earlier.dedupe_hash.as_ref() == Some(&dedupe.hash) {
                true => Ok(false),
                false => {
                    let message = "the idempotency key was used for another top-up; use a fresh key".to_owned();
                    Err(Error::Conflict { code: "idempotency_conflict", message })
                }
            };
        }
    }
    let row = top_up::ActiveModel {
        id: Set(clock::new_uuid()),
        workspace_id: Set(to.workspace.uuid()),
        total_id: Set(to.key.0),
        since: Set(to.key.1),
        run_id: Set(to.run.map(|run| run.uuid())),
        node_id: Set(to.node.map(ToOwned::to_owned)),
        amount_micros: Set(new.amount.0),
        note: Set(new.note.clone()),
        created_by: Set(Some(new.by.uuid())),
        created_at: Set(now.0),
        dedupe_key: Set(key),
        dedupe_hash: Set(new.dedupe.as_ref().map(|dedupe| dedupe.hash.clone())),
    };
    top_up::Entity::insert(row).exec_without_returning(tx).await?;
    let backend = tx.get_database_backend();
    let sql = "UPDATE budget_totals SET topped_up_micros = topped_up_micros + $3 WHERE id = $1 AND since = $2";
    let values: [sea_orm::Value; 3] = [to.key.0.into(), to.key.1.into(), new.amount.0.into()];
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(true)
}

fn of(workspace: WorkspaceId) -> sea_orm::Select<budget::Entity> {
    budget::Entity::find().filter(budget::Column::WorkspaceId.eq(workspace.uuid()))
}

#[derive(FromQueryResult)]
struct TopUpRow {
    id: Uuid,
    node_id: Option<String>,
    amount_micros: i64,
    note: String,
    created_at: i64,
    email: Option<String>,
}

impl From<TopUpRow> for TopUpRecord {
    fn from(row: TopUpRow) -> Self {
        Self {
            id: row.id,
            node: row.node_id,
            amount: Micros(row.amount_micros),
            note: row.note,
            by: row.email,
            at: Timestamp(row.created_at),
        }
    }
}
