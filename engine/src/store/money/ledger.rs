//! Setting money aside for turns, and settling what they have cost.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_core::{
    BudgetId, NodeId, RunId, Timestamp, UserId, WorkerId, WorkflowId, WorkspaceId,
    money::{Micros, Shortage, Spent, Turn},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, Statement, sea_query::Expr,
};
use serde_json::Value;
use uuid::Uuid;

use super::{TotalKey, empty, held, make, period_of, room};
use crate::{
    clock,
    error::{Error, Result},
    store::{
        Store,
        entity::money::{budget, total, usage},
    },
};

/// Money is set aside.
const RESERVED: &str = "reserved";
/// It is known what the turn has cost.
const SETTLED: &str = "settled";
/// Nobody has said what it has cost: the most counts.
const ESTIMATED: &str = "estimated";
/// Written out, for the index that holds these alone.
const IS_RESERVED: &str = "state = 'reserved'";

/// Who asks for money: one execution of one attempt of a step.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) workspace: WorkspaceId,
    pub(crate) workflow: WorkflowId,
    pub(crate) run: RunId,
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
    /// Tells this execution from every other one.
    pub(crate) holder: Uuid,
    pub(crate) worker: WorkerId,
}

/// A run whose budget a step spends: its own, or one above it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub(crate) run: RunId,
    pub(crate) workflow: WorkflowId,
    /// What its graph allows.
    pub(crate) cap: Option<Micros>,
    /// The person who has started it.
    pub(crate) started_by: Option<UserId>,
}

/// A budget that a turn has to fit into.
struct Claim {
    key: TotalKey,
    run: Option<RunId>,
    limit: Option<Micros>,
    /// As a shortage has it.
    budget: String,
    scope: String,
    resets_at: Option<Timestamp>,
}

impl Claim {
    fn shortage(&self, row: &total::Model) -> Shortage {
        let room = room(self.limit, row);
        Shortage {
            budget: self.budget.clone(),
            scope: self.scope.clone(),
            limit: room.limit.unwrap_or_default(),
            spent: room.spent,
            reserved: room.reserved,
            resets_at: self.resets_at,
        }
    }
}

impl Store {
    /// A run and those above it, the run itself first.
    pub(crate) async fn chain(&self, run: RunId) -> Result<Vec<Link>> {
        let cap = match self.backend() {
            DbBackend::Postgres => {
                "CASE WHEN jsonb_typeof(v.graph -> 'settings' -> 'budget_usd') = 'number' \
                 THEN (v.graph -> 'settings' ->> 'budget_usd')::double precision END"
            }
            _ => {
                "CASE WHEN json_type(v.graph, '$.settings.budget_usd') IN ('integer', 'real') \
                 THEN CAST(v.graph -> 'settings' ->> 'budget_usd' AS REAL) END"
            }
        };
        // The graph in a node is its run's own, and what the version around it allows is said by the run above.
        let sql = format!(
            "WITH RECURSIVE up(id, parent, workflow_id, version, body, started_by, level) AS (SELECT id, parent_run_id, workflow_id, version, \
             body, started_by, 0 FROM runs WHERE id = $1 UNION ALL SELECT r.id, r.parent_run_id, r.workflow_id, r.version, r.body, r.started_by, \
             up.level + 1 FROM up JOIN runs r ON r.id = up.parent) SELECT up.id, up.workflow_id, up.started_by, \
             CASE WHEN up.body IS NULL THEN {cap} END AS cap FROM up LEFT JOIN workflow_versions v ON v.workflow_id = up.workflow_id \
             AND v.version = up.version ORDER BY up.level"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        let rows = LinkRow::find_by_statement(statement).all(&self.read).await?;
        Ok(rows.into_iter().map(Link::from).collect())
    }

    /// Sets money aside for a turn in every budget that holds for the step, or in none. What other executions of the step have
    /// left behind counts as spent from now on, whatever the answer.
    pub(crate) async fn reserve(&self, who: &Asked, chain: &[Link], turn: &Turn) -> Result<Result<Uuid, Shortage>> {
        let tx = self.begin().await?;
        let now = self.now_in(&tx).await?;
        let claims = claims(&tx, who, chain, turn, now).await?;
        let mut rows: Vec<total::Model> = claims.iter().map(|claim| empty(claim.key, claim.run)).collect();
        rows.sort_by_key(|row| (row.id, row.since));
        make(&tx, rows).await?;
        let left = open_of(&tx, who).await?.into_iter().filter(|row| row.holder != who.holder);
        let mut book = Book::open(&tx, claims.iter().map(|claim| claim.key), left.map(|row| row.id).collect()).await?;
        book.estimate(&tx, now).await?;
        let answer = match same(&tx, who, turn).await? {
            Some(id) => Ok(id),
            None => book.reserve(&tx, who, &claims, chain, turn, now).await?,
        };
        book.close(&tx).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Replaces what was set aside by what a turn has cost. The totals it counts in, when something changed.
    ///
    /// # Errors
    /// `NotFound` when nothing was set aside under this id.
    pub(crate) async fn settle(&self, reservation: Uuid, spent: Spent) -> Result<Option<Vec<TotalKey>>> {
        let tx = self.begin().await?;
        let now = self.now_in(&tx).await?;
        let mut book = Book::open(&tx, [], [reservation].into()).await?;
        let row = book.turns.pop().ok_or(Error::NotFound("reservation"))?;
        // What was given up may still be told better by whoever has paid for it.
        let changes = row.state == RESERVED || (row.state == ESTIMATED && !spent.estimated);
        if changes {
            book.settle(&tx, &row, spent, now).await?;
        }
        let charged = charged(&row)?;
        book.close(&tx).await?;
        tx.commit().await?;
        Ok(changes.then_some(charged))
    }

    /// Counts as spent what an execution of a step has set aside and not settled.
    pub(crate) async fn give_up(&self, holder: Uuid) -> Result<Vec<TotalKey>> {
        let open = usage::Entity::find().filter(usage::Column::Holder.eq(holder)).filter(Expr::cust(IS_RESERVED));
        let open = open.all(&self.write).await?;
        self.give_up_these(open.into_iter().map(|row| row.id).collect()).await
    }

    /// Counts as spent what nobody will settle any more: its worker is dead, or its attempt or run has ended. How many turns, and
    /// the totals they count in.
    pub(crate) async fn give_up_orphans(&self, lease: std::time::Duration, limit: u64) -> Result<(usize, Vec<TotalKey>)> {
        let (alive, now) = (self.alive_sql(lease), self.now_sql());
        let sql = format!(
            "SELECT u.id FROM agent_usage u WHERE u.state = 'reserved' AND (u.worker_id NOT IN ({alive}) OR (u.created_at < {now} - {} AND \
             (NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = u.run_id AND r.finished_at IS NULL) OR EXISTS (SELECT 1 FROM step_runs s \
             WHERE s.run_id = u.run_id AND s.node_id = u.node_id AND s.attempt = u.attempt AND s.finished_seq IS NOT NULL)))) LIMIT {limit}",
            lease.as_millis()
        );
        let found = Id::find_by_statement(self.statement(&sql)).all(&self.read).await?;
        let found: BTreeSet<Uuid> = found.into_iter().map(|row| row.id).collect();
        let count = found.len();
        Ok((count, self.give_up_these(found).await?))
    }

    async fn give_up_these(&self, turns: BTreeSet<Uuid>) -> Result<Vec<TotalKey>> {
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let tx = self.begin().await?;
        let now = self.now_in(&tx).await?;
        let mut book = Book::open(&tx, [], turns).await?;
        let keys = book.estimate(&tx, now).await?;
        book.close(&tx).await?;
        tx.commit().await?;
        Ok(keys)
    }
}

/// Totals that are held, and turns that count in them and nobody else can change meanwhile.
struct Book {
    totals: BTreeMap<TotalKey, total::Model>,
    before: BTreeMap<TotalKey, total::Model>,
    turns: Vec<usage::Model>,
}

impl Book {
    /// Holds the totals with these keys and those that the turns count in. Which these are never changes; how they stand is read
    /// when nobody else can change it any more.
    async fn open(tx: &DatabaseTransaction, keys: impl IntoIterator<Item = TotalKey>, turns: BTreeSet<Uuid>) -> Result<Self> {
        let mut keys: BTreeSet<TotalKey> = keys.into_iter().collect();
        for row in turns_of(tx, &turns).await? {
            keys.extend(charged(&row)?);
        }
        let totals = if keys.is_empty() { Vec::new() } else { held(tx, keys).await? };
        let totals: BTreeMap<_, _> = totals.into_iter().map(|row| (TotalKey(row.id, row.since), row)).collect();
        Ok(Self { before: totals.clone(), totals, turns: turns_of(tx, &turns).await? })
    }

    /// Counts the most of every turn that is still open as spent. The totals that they count in.
    async fn estimate(&mut self, tx: &DatabaseTransaction, now: Timestamp) -> Result<Vec<TotalKey>> {
        let mut keys = BTreeSet::new();
        for row in std::mem::take(&mut self.turns).into_iter().filter(|row| row.state == RESERVED) {
            let most = Spent { tokens: Default::default(), cost: Micros(row.most_micros), estimated: true };
            self.settle(tx, &row, most, now).await?;
            keys.extend(charged(&row)?);
        }
        Ok(keys.into_iter().collect())
    }

    async fn settle(&mut self, tx: &DatabaseTransaction, row: &usage::Model, spent: Spent, now: Timestamp) -> Result<()> {
        let was_open = row.state == RESERVED;
        for key in charged(row)? {
            // A budget that was deleted has no totals any more.
            let Some(total) = self.totals.get_mut(&key) else { continue };
            total.spent_micros = total.spent_micros.saturating_add(spent.cost.0).saturating_sub(row.cost_micros);
            if was_open {
                total.reserved_micros -= row.most_micros;
                total.open_turns -= 1;
            }
        }
        let count = |tokens: u64| Set(i64::try_from(tokens).unwrap_or(i64::MAX));
        let settled = usage::ActiveModel {
            id: Set(row.id),
            state: Set(if spent.estimated { ESTIMATED } else { SETTLED }.to_owned()),
            cost_micros: Set(spent.cost.0),
            input_tokens: count(spent.tokens.input),
            output_tokens: count(spent.tokens.output),
            cache_read_tokens: count(spent.tokens.cache_read),
            cache_write_tokens: count(spent.tokens.cache_write),
            settled_at: Set(Some(now.0)),
            ..Default::default()
        };
        usage::Entity::update(settled).exec_without_returning(tx).await?;
        Ok(())
    }

    async fn reserve(
        &mut self,
        tx: &DatabaseTransaction,
        who: &Asked,
        claims: &[Claim],
        chain: &[Link],
        turn: &Turn,
        now: Timestamp,
    ) -> Result<Result<Uuid, Shortage>> {
        for claim in claims {
            let row = self.totals.get(&claim.key).ok_or(Error::NotFound("total"))?;
            if !room(claim.limit, row).admits(turn.most) {
                return Ok(Err(claim.shortage(row)));
            }
        }
        for claim in claims {
            if let Some(total) = self.totals.get_mut(&claim.key) {
                total.reserved_micros = total.reserved_micros.saturating_add(turn.most.0);
                total.open_turns += 1;
            }
        }
        let row = new_turn(who, claims, chain, turn, now)?;
        let id = row.id;
        usage::Entity::insert(usage::ActiveModel::from(row)).exec_without_returning(tx).await?;
        Ok(Ok(id))
    }

    /// Writes down the totals that have changed.
    async fn close(self, tx: &DatabaseTransaction) -> Result<()> {
        for (key, row) in self.totals.into_iter().filter(|(key, row)| self.before.get(key) != Some(row)) {
            total::Entity::update_many()
                .col_expr(total::Column::SpentMicros, Expr::value(row.spent_micros))
                .col_expr(total::Column::ReservedMicros, Expr::value(row.reserved_micros))
                .col_expr(total::Column::OpenTurns, Expr::value(row.open_turns))
                .filter(super::any_of([key]))
                .exec(tx)
                .await?;
        }
        Ok(())
    }
}

/// Every budget that a turn of a step has to fit into, the narrowest first.
async fn claims(tx: &DatabaseTransaction, who: &Asked, chain: &[Link], turn: &Turn, now: Timestamp) -> Result<Vec<Claim>> {
    let narrow = |key, run, limit, budget: &str, scope: &str| Claim {
        key,
        run: Some(run),
        limit,
        budget: budget.to_owned(),
        scope: scope.to_owned(),
        resets_at: None,
    };
    let step = TotalKey::of_step(who.run, who.node.as_str());
    let mut claims = vec![narrow(step, who.run, turn.step_cap, "step", &format!("step `{}`", who.node))];
    for link in chain {
        let scope = if link.run == who.run { "run" } else { "run above this one" };
        claims.push(narrow(TotalKey::of_run(link.run), link.run, link.cap, "run", scope));
    }
    let scopes: BTreeSet<Uuid> = chain.iter().map(|link| link.workflow.uuid()).chain([who.workflow.uuid()]).collect();
    for (row, name) in budgets_of(tx, who.workspace, &scopes).await? {
        let (period, zone) = period_of(&row)?;
        let span = period.span(zone, now);
        let whose = name.map_or_else(|| "workspace".to_owned(), |name| format!("workflow `{name}`"));
        claims.push(Claim {
            key: TotalKey(row.id, span.since.0),
            run: None,
            limit: Some(Micros(row.limit_micros)),
            budget: BudgetId::new(row.id).to_string(),
            scope: period.this().map_or_else(|| whose.clone(), |this| format!("{whose}, {this}")),
            resets_at: span.until,
        });
    }
    Ok(claims)
}

/// The budgets of a workspace and of some of its workflows, with the names of the workflows; those of workflows first.
async fn budgets_of(
    tx: &DatabaseTransaction,
    workspace: WorkspaceId,
    workflows: &BTreeSet<Uuid>,
) -> Result<Vec<(budget::Model, Option<String>)>> {
    use crate::store::entity::workflows::workflow;

    let scopes = workflows.iter().copied().chain([workspace.uuid()]);
    let select = budget::Entity::find().filter(budget::Column::WorkspaceId.eq(workspace.uuid()));
    let select = select.filter(budget::Column::ScopeId.is_in(scopes));
    let rows = select.order_by_asc(budget::Column::Scope).order_by_asc(budget::Column::Id).all(tx).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let names = workflow::Entity::find().select_only().columns([workflow::Column::Id, workflow::Column::Name]);
    let names: Vec<(Uuid, String)> =
        names.filter(workflow::Column::Id.is_in(workflows.iter().copied())).into_tuple().all(tx).await?;
    let names: BTreeMap<Uuid, String> = names.into_iter().collect();
    let mut rows: Vec<_> =
        rows.into_iter().map(|row| (names.get(&row.scope_id).cloned(), row)).map(|(name, row)| (row, name)).collect();
    rows.sort_by_key(|(_, name)| name.is_none());
    Ok(rows)
}

/// The turns of a step that are open.
async fn open_of(tx: &DatabaseTransaction, who: &Asked) -> Result<Vec<usage::Model>> {
    let of_step = Condition::all().add(usage::Column::RunId.eq(who.run.uuid())).add(usage::Column::NodeId.eq(who.node.as_str()));
    Ok(usage::Entity::find().filter(of_step).filter(Expr::cust(IS_RESERVED)).all(tx).await?)
}

/// What was set aside for the same turn by the same execution.
async fn same(tx: &DatabaseTransaction, who: &Asked, turn: &Turn) -> Result<Option<Uuid>> {
    let select = usage::Entity::find().select_only().column(usage::Column::Id).filter(usage::Column::Holder.eq(who.holder));
    let select = select.filter(usage::Column::TurnKey.eq(&turn.key)).filter(Expr::cust(IS_RESERVED));
    Ok(select.into_tuple().one(tx).await?)
}

async fn turns_of(tx: &DatabaseTransaction, ids: &BTreeSet<Uuid>) -> Result<Vec<usage::Model>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = usage::Entity::find().filter(usage::Column::Id.is_in(ids.iter().copied()));
    Ok(select.order_by_asc(usage::Column::Id).all(tx).await?)
}

fn new_turn(who: &Asked, claims: &[Claim], chain: &[Link], turn: &Turn, now: Timestamp) -> Result<usage::Model> {
    let charged: Vec<TotalKey> = claims.iter().map(|claim| claim.key).collect();
    let charged = serde_json::to_value(charged).map_err(|fault| Error::Storage(format!("a turn cannot be written: {fault}")))?;
    Ok(usage::Model {
        id: clock::new_uuid(),
        workspace_id: who.workspace.uuid(),
        workflow_id: who.workflow.uuid(),
        run_id: who.run.uuid(),
        node_id: who.node.to_string(),
        attempt: who.attempt.cast_signed(),
        turn_key: turn.key.clone(),
        holder: who.holder,
        worker_id: who.worker.uuid(),
        model: turn.model.clone(),
        state: RESERVED.to_owned(),
        most_micros: turn.most.0,
        cost_micros: 0,
        input_tokens: 0,
        output_tokens: 0,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        started_by: chain.last().and_then(|link| link.started_by).map(|user| user.uuid()),
        created_at: now.0,
        settled_at: None,
        charged,
    })
}

/// The totals that a turn counts in.
fn charged(row: &usage::Model) -> Result<Vec<TotalKey>> {
    let unreadable =
        |fault: serde_json::Error| Error::Inconsistent { table: "agent_usage", column: "charged", fault: fault.to_string() };
    serde_json::from_value::<Vec<TotalKey>>(Value::clone(&row.charged)).map_err(unreadable)
}

#[derive(FromQueryResult)]
struct LinkRow {
    id: Uuid,
    workflow_id: Uuid,
    started_by: Option<Uuid>,
    cap: Option<f64>,
}

impl From<LinkRow> for Link {
    fn from(row: LinkRow) -> Self {
        Self {
            run: RunId::new(row.id),
            workflow: WorkflowId::new(row.workflow_id),
            cap: row.cap.map(Micros::from_usd),
            started_by: row.started_by.map(UserId::new),
        }
    }
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}
