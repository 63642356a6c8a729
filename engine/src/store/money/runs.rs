//! What a run has spent, step by step, and how much more it may.

use flowforge_core::{
    RunId, Timestamp, WorkspaceId,
    money::{Micros, Room, Tokens},
};
use sea_orm::{EntityTrait, FromQueryResult, Statement};

use super::{
    TopUpRecord, TotalKey,
    budgets::{NewTopUp, Target, add},
    empty, room,
};
use crate::{
    error::{Error, Result},
    store::{Store, entity::money::total},
};

/// What a run has spent, with the runs below it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunBudget {
    /// What its graph allows; no limit when absent.
    pub cap: Option<Micros>,
    /// How much was added to that.
    pub topped_up: Micros,
    /// How much was spent.
    pub spent: Micros,
    /// How much is set aside for turns under way.
    pub reserved: Micros,
    /// The steps that have paid for turns, or whose runs have.
    pub steps: Vec<StepCost>,
    /// What was added, the newest first.
    pub top_ups: Vec<TopUpRecord>,
}

/// What a step has spent, with the runs that it has started.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCost {
    /// The node.
    pub node: String,
    /// How much was spent.
    pub spent: Micros,
    /// How much of that nobody has said for certain.
    pub estimated: Micros,
    /// How much is set aside for turns under way.
    pub reserved: Micros,
    /// How much was added to what its author allows it.
    pub topped_up: Micros,
    /// How many turns.
    pub turns: u64,
    /// What was read and written.
    pub tokens: Tokens,
    /// When its first turn began.
    pub first_at: Timestamp,
}

/// Turns of `$1` and of the runs below it, each under the node of `$1` that it comes from.
const STEPS: &str = "WITH RECURSIVE below(id, node) AS (SELECT id, parent_node FROM runs WHERE parent_run_id = $1 UNION ALL \
     SELECT r.id, below.node FROM below JOIN runs r ON r.parent_run_id = below.id), \
     turns AS (SELECT u.node_id AS node, u.* FROM agent_usage u WHERE u.run_id = $1 UNION ALL \
     SELECT b.node, u.* FROM below b JOIN agent_usage u ON u.run_id = b.id) \
     SELECT node, CAST(sum(cost_micros) AS bigint) AS spent, CAST(sum(CASE WHEN state = 'estimated' THEN cost_micros ELSE 0 END) AS bigint) AS estimated, \
     CAST(sum(CASE WHEN state = 'reserved' THEN most_micros ELSE 0 END) AS bigint) AS reserved, count(*) AS turns, \
     CAST(sum(input_tokens) AS bigint) AS input, CAST(sum(output_tokens) AS bigint) AS output, \
     CAST(sum(cache_read_tokens) AS bigint) AS cache_read, CAST(sum(cache_write_tokens) AS bigint) AS cache_write, \
     min(created_at) AS first_at FROM turns GROUP BY node ORDER BY first_at, node";

impl Store {
    /// What a run has spent, and how much more it may.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn run_budget(&self, workspace: WorkspaceId, run: RunId) -> Result<RunBudget> {
        self.run(workspace, run).await?;
        let Room { limit, spent, reserved, .. } = self.room_of_run(run).await?;
        let rows = StepRow::find_by_statement(Statement::from_sql_and_values(self.backend(), STEPS, [run.uuid().into()]));
        let mut steps: Vec<StepCost> = rows.all(&self.read).await?.into_iter().map(StepCost::from).collect();
        let top_ups = self.top_ups_where("t.run_id = $1", run.uuid()).await?;
        for step in &mut steps {
            let to_it = top_ups.iter().filter(|top_up| top_up.node.as_ref() == Some(&step.node));
            step.topped_up = to_it.fold(Micros::ZERO, |sum, top_up| sum.plus(top_up.amount));
        }
        let cap = self.chain(run).await?.into_iter().next().and_then(|link| link.cap);
        let topped_up = limit.zip(cap).map_or(Micros::ZERO, |(limit, cap)| limit.less(cap));
        Ok(RunBudget { cap, topped_up, spent, reserved, steps, top_ups })
    }

    async fn room_of_run(&self, run: RunId) -> Result<Room> {
        let TotalKey(id, since) = TotalKey::of_run(run);
        let row = total::Entity::find_by_id((id, since)).one(&self.read).await?;
        let cap = self.chain(run).await?.into_iter().next().and_then(|link| link.cap);
        Ok(room(cap, &row.unwrap_or_else(|| empty(TotalKey(id, since), Some(run)))))
    }

    /// Adds money to a run, or to one of its steps. Whether it was new: a repetition changes nothing.
    ///
    /// # Errors
    /// `Conflict` when the run has no cap, or the dedupe key was used for something else.
    pub(crate) async fn top_up_run(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        node: Option<&str>,
        new: &NewTopUp,
    ) -> Result<bool> {
        let cap = self.chain(run).await?.into_iter().next().and_then(|link| link.cap);
        if node.is_none() && cap.is_none() {
            let message =
                "the run has no cap of its own: its workflow's settings name none; raise the budget that is used up".to_owned();
            return Err(Error::Conflict { code: "no_run_budget", message });
        }
        let tx = self.begin().await?;
        let now = self.now_in(&tx).await?;
        let key = node.map_or(TotalKey::of_run(run), |node| TotalKey::of_step(run, node));
        let is_new = add(&tx, &Target { workspace, key, run: Some(run), node }, new, now).await?;
        tx.commit().await?;
        Ok(is_new)
    }
}

#[derive(FromQueryResult)]
struct StepRow {
    node: Option<String>,
    spent: i64,
    estimated: i64,
    reserved: i64,
    turns: i64,
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write: i64,
    first_at: i64,
}

impl From<StepRow> for StepCost {
    fn from(row: StepRow) -> Self {
        let tokens = Tokens {
            input: row.input.cast_unsigned(),
            output: row.output.cast_unsigned(),
            cache_read: row.cache_read.cast_unsigned(),
            cache_write: row.cache_write.cast_unsigned(),
        };
        Self {
            node: row.node.unwrap_or_default(),
            spent: Micros(row.spent),
            estimated: Micros(row.estimated),
            reserved: Micros(row.reserved),
            topped_up: Micros::ZERO,
            turns: row.turns.cast_unsigned(),
            tokens,
            first_at: Timestamp(row.first_at),
        }
    }
}
