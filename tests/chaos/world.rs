//! Everything that the checker judges: the database's rows, the ledger, what clients and readers know, what was observed.

use std::collections::{BTreeMap, HashMap};

use flowforge_tests::Effect;
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    journal::Entry,
    observer::Observed,
    plan::Trigger,
    recorder::Recording,
    workload::{Scenario, effect_key},
};

/// The step that started a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Parent {
    pub(crate) run: String,
    pub(crate) node: String,
    pub(crate) attempt: i32,
    pub(crate) index: i32,
}

/// A row of `runs`.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunRow {
    /// As the API writes it, `run_…`.
    pub(crate) id: String,
    pub(crate) key: Option<String>,
    pub(crate) status: String,
    pub(crate) epoch: i64,
    pub(crate) next_seq: i64,
    pub(crate) started_seq: Option<i64>,
    pub(crate) cancel_seq: Option<i64>,
    pub(crate) finished_seq: Option<i64>,
    /// On the ledger's clock.
    pub(crate) finished_at_ms: Option<i64>,
    pub(crate) error: Option<Value>,
    pub(crate) parent: Option<Parent>,
}

/// An effect that a run is to have.
#[derive(Debug, Clone)]
pub(crate) struct Due<'w> {
    /// The run, which may be a child of the one that was triggered.
    pub(crate) run: &'w RunRow,
    /// The step.
    pub(crate) node: &'w str,
    /// The ledger's key.
    pub(crate) key: String,
    /// How many calls the ledger refuses before it takes one.
    pub(crate) refused: u32,
    /// Whether it came about when nothing went wrong.
    pub(crate) calm: bool,
}

/// A row of `step_runs`.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepRow {
    pub(crate) node: String,
    pub(crate) item: String,
    pub(crate) attempt: i32,
    pub(crate) status: String,
    pub(crate) started_seq: Option<i64>,
    pub(crate) waiting_seq: Option<i64>,
    pub(crate) finished_seq: Option<i64>,
    pub(crate) wake_at: Option<i64>,
    pub(crate) output: Option<Value>,
}

/// A row of `step_logs`, without its text.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogRow {
    pub(crate) seq: i64,
    pub(crate) node: String,
    pub(crate) attempt: i64,
    /// The kind of an event of the run itself; empty for a line of a step.
    pub(crate) event: String,
}

/// What is left in the tables that hold work under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leftovers {
    /// Leases of dispatched steps.
    pub(crate) leases: Vec<String>,
    /// Messages to runs that have not ended.
    pub(crate) messages: Vec<String>,
    /// Transactions that are open for more than five seconds, and advisory locks of sessions.
    pub(crate) transactions: Vec<String>,
    /// Processes that should be dead.
    pub(crate) processes: Vec<String>,
}

/// A round after it has come to rest.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) runs: Vec<RunRow>,
    /// By run, in the order of node and attempt.
    pub(crate) steps: HashMap<String, Vec<StepRow>>,
    pub(crate) logs: HashMap<String, Vec<LogRow>>,
    pub(crate) leftovers: Leftovers,
    /// What each kind is to come to, by its place.
    pub(crate) scenarios: Vec<Scenario>,
    /// The triggers of the round, by key.
    pub(crate) triggers: HashMap<String, Trigger>,
    /// The keys that were triggered when nothing went wrong.
    pub(crate) calm: Vec<String>,
    /// When the last fault was over, in milliseconds since the beginning.
    pub(crate) healed_ms: i64,
    pub(crate) journal: BTreeMap<String, Entry>,
    /// The ledger's lines by key, in order.
    pub(crate) effects: HashMap<String, Vec<Effect>>,
    /// How often the ledger was called with each key.
    pub(crate) calls: HashMap<String, u32>,
    pub(crate) recordings: BTreeMap<String, Recording>,
    pub(crate) observed: Observed,
    /// The secret, and where it was found.
    pub(crate) canary: String,
    pub(crate) canary_found: Vec<String>,
    /// Lines in logs that should not be there.
    pub(crate) alarms: Vec<String>,
    /// Why the round did not come to rest, if it did not.
    pub(crate) restless: Option<String>,
}

impl World {
    /// Runs that a trigger of this round started, with their trigger and scenario.
    pub(crate) fn known(&self) -> impl Iterator<Item = (&RunRow, &Trigger, &Scenario)> {
        self.runs.iter().filter_map(|run| {
            let trigger = self.triggers.get(run.key.as_ref()?)?;
            Some((run, trigger, self.scenarios.get(trigger.kind)?))
        })
    }

    /// The runs that a step of a run started, in item order.
    pub(crate) fn children(&self, run: &str, node: &str) -> Vec<&RunRow> {
        let mut found: Vec<_> = self.runs.iter().filter(|child| is_child(child, run, node)).collect();
        found.sort_by(|one, other| one.parent.cmp(&other.parent));
        found
    }

    /// Every effect of every run that a trigger of this round started, children included.
    pub(crate) fn dues(&self) -> Vec<Due<'_>> {
        let mut all = Vec::new();
        for (run, trigger, scenario) in self.known() {
            let calm = self.calm.contains(&trigger.key);
            for (node, refused) in &scenario.effects {
                all.push(Due { run, node, key: effect_key(&trigger.key, node), refused: *refused, calm });
            }
            for children in &scenario.children {
                for child in self.children(&run.id, children.node) {
                    let index = child.parent.as_ref().map_or(0, |parent| parent.index as usize);
                    let key = children.key(&trigger.key, index);
                    all.push(Due { run: child, node: children.effect, key, refused: 0, calm });
                }
            }
        }
        all
    }

    /// The attempts of a run.
    pub(crate) fn steps_of(&self, run: &str) -> &[StepRow] {
        self.steps.get(run).map_or(&[], Vec::as_slice)
    }

    /// The log rows of a run.
    pub(crate) fn logs_of(&self, run: &str) -> &[LogRow] {
        self.logs.get(run).map_or(&[], Vec::as_slice)
    }

    /// The ledger's lines with this key.
    pub(crate) fn effects_of(&self, key: &str) -> &[Effect] {
        self.effects.get(key).map_or(&[], Vec::as_slice)
    }
}

fn is_child(run: &RunRow, of: &str, node: &str) -> bool {
    run.parent.as_ref().is_some_and(|parent| parent.run == of && parent.node == node)
}

type RunTuple = (
    String,
    Option<String>,
    String,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<Value>,
    Option<String>,
    Option<String>,
    Option<i32>,
    Option<i32>,
);
type StepTuple = (String, String, String, i32, String, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<Value>);

/// The rows of `runs`.
///
/// `origin_ms` is when the ledger's clock began, in milliseconds since 1970.
pub(crate) async fn runs(pool: &PgPool, origin_ms: i64) -> sqlx::Result<Vec<RunRow>> {
    let sql = "SELECT 'run_' || replace(id::text, '-', ''), dedupe_key, status, epoch, next_seq, started_seq, cancel_seq, finished_seq, \
         finished_at, error, 'run_' || replace(parent_run_id::text, '-', ''), parent_node, parent_attempt, parent_index FROM runs ORDER BY id";
    let rows: Vec<RunTuple> = sqlx::query_as(sql).fetch_all(pool).await?;
    let row = |row: RunTuple| {
        let (
            id,
            key,
            status,
            epoch,
            next_seq,
            started_seq,
            cancel_seq,
            finished_seq,
            finished_at,
            error,
            parent,
            node,
            attempt,
            index,
        ) = row;
        let finished_at_ms = finished_at.map(|at| at - origin_ms);
        let (node, attempt, index) = (node.unwrap_or_default(), attempt.unwrap_or_default(), index.unwrap_or_default());
        let parent = parent.map(|run| Parent { run, node, attempt, index });
        RunRow { id, key, status, epoch, next_seq, started_seq, cancel_seq, finished_seq, finished_at_ms, error, parent }
    };
    Ok(rows.into_iter().map(row).collect())
}

/// The rows of `step_runs`, by run.
pub(crate) async fn steps(pool: &PgPool) -> sqlx::Result<HashMap<String, Vec<StepRow>>> {
    let sql = "SELECT 'run_' || replace(run_id::text, '-', ''), node_id, item, attempt, status, started_seq, waiting_seq, finished_seq, \
         wake_at, output FROM step_runs ORDER BY run_id, node_id, item, attempt";
    let mut by_run: HashMap<String, Vec<StepRow>> = HashMap::new();
    for row in sqlx::query_as::<_, StepTuple>(sql).fetch_all(pool).await? {
        let (run, node, item, attempt, status, started_seq, waiting_seq, finished_seq, wake_at, output) = row;
        let row = StepRow { node, item, attempt, status, started_seq, waiting_seq, finished_seq, wake_at, output };
        by_run.entry(run).or_default().push(row);
    }
    Ok(by_run)
}

/// The rows of `step_logs`, by run.
pub(crate) async fn logs(pool: &PgPool) -> sqlx::Result<HashMap<String, Vec<LogRow>>> {
    let sql = "SELECT 'run_' || replace(run_id::text, '-', ''), seq, node_id, attempt::bigint, CASE stream WHEN 'event' THEN text ELSE '' END \
         FROM step_logs ORDER BY run_id, seq";
    let mut by_run: HashMap<String, Vec<LogRow>> = HashMap::new();
    for (run, seq, node, attempt, event) in sqlx::query_as::<_, (String, i64, String, i64, String)>(sql).fetch_all(pool).await? {
        by_run.entry(run).or_default().push(LogRow { seq, node, attempt, event });
    }
    Ok(by_run)
}

/// What the tables of work under way still hold.
pub(crate) async fn leftovers(pool: &PgPool) -> sqlx::Result<Leftovers> {
    let leases = "SELECT run_id::text || ' ' || node_id || ' ' || attempt FROM step_leases";
    let messages =
        "SELECT i.kind || ' to ' || i.run_id FROM run_inbox i JOIN runs r ON r.id = i.run_id WHERE r.finished_at IS NULL";
    let transactions = "SELECT 'open since ' || xact_start || ': ' || left(query, 100) FROM pg_stat_activity \
         WHERE datname = current_database() AND xact_start < clock_timestamp() - interval '5 s' AND backend_type = 'client backend' \
         UNION ALL SELECT 'advisory lock of pid ' || pid FROM pg_locks WHERE locktype = 'advisory'";
    let mut found = Vec::new();
    for sql in [leases, messages, transactions] {
        found.push(sqlx::query_scalar::<_, String>(sql).fetch_all(pool).await?);
    }
    let mut found = found.into_iter();
    let mut next = || found.next().unwrap_or_default();
    Ok(Leftovers { leases: next(), messages: next(), transactions: next(), processes: Vec::new() })
}
