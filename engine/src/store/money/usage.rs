//! What was spent on turns, added up by what people ask for.

use std::collections::BTreeMap;

use flowforge_core::{
    RunId, Timestamp, UserId, WorkflowId, WorkspaceId,
    money::{Micros, Tokens, Zone},
};
use sea_orm::{DbBackend, FromQueryResult, Statement, Value};
use serde::Deserialize;

use crate::{error::Result, store::Store};

/// The most lines of one answer.
const MOST_LINES: u64 = 500;
/// How long turns are kept, whatever becomes of their runs, in milliseconds: 400 days.
const KEPT_MS: i64 = 400 * 24 * 3_600 * 1_000;
/// How many turns are removed at once.
const LOT: u64 = 1_000;
/// Changes of clocks are multiples of it, in milliseconds.
const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// By what turns are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageBy {
    /// By node of each workflow.
    Node,
    /// By run.
    Run,
    /// By workflow.
    Workflow,
    /// By the person who has started the run.
    User,
    /// By model.
    Model,
    /// By day.
    Day,
}

/// Which turns are asked for.
#[derive(Debug, Clone, Copy)]
pub struct UsageFilter {
    /// By what they are added up.
    pub by: UsageBy,
    /// Turns that began then or later.
    pub from: Timestamp,
    /// Turns that began before.
    pub to: Timestamp,
    /// Whose midnight counts.
    pub zone: Zone,
    /// Only those of one workflow.
    pub workflow: Option<WorkflowId>,
    /// Only those of one run.
    pub run: Option<RunId>,
}

/// Turns that were added up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageLine {
    /// What they have in common, for programs: an id, a model's name, or a day like `2026-11-20`; empty when it is not known.
    pub key: String,
    /// The same for people.
    pub name: String,
    /// How many turns.
    pub turns: u64,
    /// What they have cost.
    pub cost: Micros,
    /// How much of that nobody has said for certain.
    pub estimated: Micros,
    /// What is set aside for those that are under way.
    pub reserved: Micros,
    /// What was read and written.
    pub tokens: Tokens,
}

impl UsageLine {
    fn add(&mut self, other: &Self) {
        let sum = |one: u64, other: u64| one.saturating_add(other);
        self.turns = sum(self.turns, other.turns);
        self.cost = self.cost.plus(other.cost);
        self.estimated = self.estimated.plus(other.estimated);
        self.reserved = self.reserved.plus(other.reserved);
        self.tokens = Tokens {
            input: sum(self.tokens.input, other.tokens.input),
            output: sum(self.tokens.output, other.tokens.output),
            cache_read: sum(self.tokens.cache_read, other.tokens.cache_read),
            cache_write: sum(self.tokens.cache_write, other.tokens.cache_write),
        };
    }
}

impl Store {
    /// What a workspace has spent: the lines, the dearest first or in the order of the days, and the total of all turns that fit,
    /// also of those that have no line.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn usage(&self, workspace: WorkspaceId, filter: UsageFilter) -> Result<(Vec<UsageLine>, UsageLine)> {
        let columns = Columns::of(filter.by, self.backend());
        let lines = match filter.by {
            UsageBy::Day => by_day(self.summed(workspace, filter, &columns, None).await?, filter.zone),
            _ => self.summed(workspace, filter, &columns, Some(MOST_LINES)).await?,
        };
        let everything = Columns { key: "''".to_owned(), name: "''", join: "" };
        let total = self.summed(workspace, filter, &everything, None).await?.into_iter().next().unwrap_or_default();
        Ok((lines, total))
    }

    /// Removes turns and periods that nobody asks for any more: what is older than 400 days. How many turns.
    pub(crate) async fn forget_old_money(&self) -> Result<u64> {
        let long_ago = format!("({} - {KEPT_MS})", self.now_sql());
        let turns = format!(
            "DELETE FROM agent_usage WHERE id IN (SELECT id FROM agent_usage WHERE created_at < {long_ago} AND state <> 'reserved' LIMIT {LOT})"
        );
        self.execute(format!("DELETE FROM budget_totals WHERE since > 0 AND since < {long_ago} AND open_turns = 0"), []).await?;
        self.execute(turns, []).await
    }

    async fn summed(
        &self,
        workspace: WorkspaceId,
        filter: UsageFilter,
        by: &Columns,
        limit: Option<u64>,
    ) -> Result<Vec<UsageLine>> {
        let Columns { key, name, join } = by;
        let mut values: Vec<Value> = vec![workspace.uuid().into(), filter.from.0.into(), filter.to.0.into()];
        let mut also = String::new();
        if let Some(workflow) = filter.workflow {
            values.push(workflow.uuid().into());
            also += &format!(" AND u.workflow_id = ${}", values.len());
        }
        if let Some(run) = filter.run {
            values.push(run.uuid().into());
            also += &format!(" AND u.run_id = ${}", values.len());
        }
        let limit = limit.map(|limit| format!(" ORDER BY cost DESC, key LIMIT {limit}")).unwrap_or_default();
        let sql = format!(
            "SELECT {key} AS key, {name} AS name, count(*) AS turns, CAST(coalesce(sum(u.cost_micros), 0) AS bigint) AS cost, \
             CAST(coalesce(sum(CASE WHEN u.state = 'estimated' THEN u.cost_micros ELSE 0 END), 0) AS bigint) AS estimated, \
             CAST(coalesce(sum(CASE WHEN u.state = 'reserved' THEN u.most_micros ELSE 0 END), 0) AS bigint) AS reserved, \
             CAST(coalesce(sum(u.input_tokens), 0) AS bigint) AS input, CAST(coalesce(sum(u.output_tokens), 0) AS bigint) AS output, \
             CAST(coalesce(sum(u.cache_read_tokens), 0) AS bigint) AS cache_read, \
             CAST(coalesce(sum(u.cache_write_tokens), 0) AS bigint) AS cache_write FROM agent_usage u {join} \
             WHERE u.workspace_id = $1 AND u.created_at >= $2 AND u.created_at < $3{also} GROUP BY 1, 2{limit}"
        );
        let rows =
            LineRow::find_by_statement(Statement::from_sql_and_values(self.backend(), sql, values)).all(&self.read).await?;
        Ok(rows.into_iter().map(UsageLine::from).collect())
    }
}

/// How lines are told apart.
struct Columns {
    key: String,
    name: &'static str,
    join: &'static str,
}

impl Columns {
    fn of(by: UsageBy, backend: DbBackend) -> Self {
        const WORKFLOW: &str = "LEFT JOIN workflows w ON w.id = u.workflow_id";
        const NAMED: &str = "coalesce(w.name, '')";
        let workflow = || id_text(WorkflowId::PREFIX, "u.workflow_id", backend);
        let (key, name, join) = match by {
            UsageBy::Node => {
                (format!("{} || '/' || u.node_id", workflow()), "coalesce(w.name || ' / ', '') || u.node_id", WORKFLOW)
            }
            UsageBy::Run => (id_text(RunId::PREFIX, "u.run_id", backend), NAMED, WORKFLOW),
            UsageBy::Workflow => (workflow(), NAMED, WORKFLOW),
            UsageBy::User => (
                id_text(UserId::PREFIX, "u.started_by", backend),
                "coalesce(p.email, '')",
                "LEFT JOIN users p ON p.id = u.started_by",
            ),
            UsageBy::Model => ("u.model".to_owned(), "u.model", ""),
            UsageBy::Day => (format!("CAST(u.created_at / {QUARTER_MS} AS text)"), "''", ""),
        };
        Self { key, name, join }
    }
}

/// SQL for an id as JSON has it; empty when there is none.
fn id_text(prefix: &str, column: &str, backend: DbBackend) -> String {
    let digits = match backend {
        DbBackend::Postgres => format!("replace(CAST({column} AS text), '-', '')"),
        _ => format!("lower(hex({column}))"),
    };
    format!("CASE WHEN {column} IS NULL THEN '' ELSE '{prefix}_' || {digits} END")
}

/// Adds up what began on the same day, as the calendar on the wall has it.
fn by_day(quarters: Vec<UsageLine>, zone: Zone) -> Vec<UsageLine> {
    let mut days: BTreeMap<String, UsageLine> = BTreeMap::new();
    for line in quarters {
        let at = Timestamp(line.key.parse::<i64>().unwrap_or_default().saturating_mul(QUARTER_MS));
        let day = zone.day(at).to_string();
        let line_of_day =
            days.entry(day.clone()).or_insert_with(|| UsageLine { key: day.clone(), name: day, ..UsageLine::default() });
        line_of_day.add(&line);
    }
    days.into_values().collect()
}

#[derive(FromQueryResult)]
struct LineRow {
    key: String,
    name: String,
    turns: i64,
    cost: i64,
    estimated: i64,
    reserved: i64,
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write: i64,
}

impl From<LineRow> for UsageLine {
    fn from(row: LineRow) -> Self {
        Self {
            key: row.key,
            name: row.name,
            turns: row.turns.cast_unsigned(),
            cost: Micros(row.cost),
            estimated: Micros(row.estimated),
            reserved: Micros(row.reserved),
            tokens: Tokens {
                input: row.input.cast_unsigned(),
                output: row.output.cast_unsigned(),
                cache_read: row.cache_read.cast_unsigned(),
                cache_write: row.cache_write.cast_unsigned(),
            },
        }
    }
}
