//! Rules over whole tables, as queries for what breaks them.

use std::time::Duration;

use flowforge_core::RunId;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    Store,
    entity::engine::{log, run},
};
use crate::error::Result;

/// A rule, and the query that finds what breaks it.
pub(crate) struct Rule {
    /// Its name.
    pub(crate) name: &'static str,
    /// Finds `id`, the run, and `what`, a text about it. `{alive}` stands for the living workers, `{dead}` for the time before which
    /// something is too long ago.
    query: &'static str,
    /// Says what is wrong; `{}` stands for `what`.
    says: &'static str,
}

const TERMINAL: &str = "('completed', 'failed', 'cancelled')";

/// Every rule.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "an end is an end",
        query: "SELECT id, status AS what FROM runs WHERE (finished_at IS NULL) = (status IN {terminal})",
        says: "the status is {}, and the time of its end says otherwise",
    },
    Rule {
        name: "nobody owns what has ended",
        query: "SELECT id, status AS what FROM runs WHERE finished_at IS NOT NULL AND owner IS NOT NULL",
        says: "it has ended ({}) and still has an owner",
    },
    Rule {
        name: "no step outlives its run",
        query: "SELECT r.id, s.node_id AS what FROM runs r JOIN step_runs s ON s.run_id = r.id WHERE r.finished_at IS NOT NULL \
             AND s.finished_seq IS NULL AND r.status <> 'failed'",
        says: "it has ended, and its step `{}` has not",
    },
    Rule {
        name: "no lease outlives its run",
        query: "SELECT r.id, l.node_id AS what FROM runs r JOIN step_leases l ON l.run_id = r.id WHERE r.finished_at < {dead} AND l.owner IS NULL",
        says: "it has ended, and `{}` may still be claimed",
    },
    Rule {
        name: "every row has its run",
        query: "SELECT s.run_id AS id, s.node_id AS what FROM step_runs s WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = s.run_id) \
             UNION ALL SELECT l.run_id, l.node_id FROM step_logs l WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = l.run_id) \
             UNION ALL SELECT e.run_id, e.node_id FROM step_leases e WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = e.run_id)",
        says: "there is a row of `{}`, and no such run",
    },
    Rule {
        name: "an item is started once",
        query: "SELECT parent_run_id AS id, parent_node AS what FROM runs WHERE parent_run_id IS NOT NULL \
             GROUP BY parent_run_id, parent_node, parent_attempt, parent_index HAVING count(*) > 1",
        says: "`{}` has started two runs for one item",
    },
    Rule {
        name: "no child outlives its parent",
        query: "SELECT c.id, c.parent_node AS what FROM runs c JOIN runs p ON p.id = c.parent_run_id WHERE c.finished_at IS NULL \
             AND p.finished_at < {dead}",
        says: "its parent has ended long ago; it was started by `{}`",
    },
    Rule {
        name: "limits on runs hold",
        query: "SELECT CAST(NULL AS uuid) AS id, concurrency_key AS what FROM runs WHERE concurrency_key IS NOT NULL AND finished_at IS NULL \
             AND admitted_at IS NOT NULL GROUP BY concurrency_key HAVING count(*) > max(concurrency_limit)",
        says: "more runs than allowed are under way with the key {}",
    },
    Rule {
        name: "limits on steps hold",
        query: "SELECT CAST(NULL AS uuid) AS id, concurrency_key AS what FROM step_leases WHERE concurrency_key IS NOT NULL AND owner IN ({alive}) \
             GROUP BY concurrency_key HAVING count(*) > max(concurrency_limit)",
        says: "more steps than allowed are executed with the key {}",
    },
    Rule {
        name: "somebody looks after every run",
        query: "SELECT id, status AS what FROM runs WHERE finished_at IS NULL AND owner IS NOT NULL AND owner NOT IN ({alive}) \
             AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = owner AND w.heartbeat_at > {dead})",
        says: "it is {}, and its owner is dead: no worker takes it over",
    },
    Rule {
        name: "the ledger adds up",
        query: "SELECT run_id AS id, CAST(reserved_micros AS text) AS what FROM budget_totals WHERE spent_micros < 0 OR reserved_micros < 0 \
             OR open_turns < 0 OR (open_turns = 0 AND reserved_micros <> 0)",
        says: "a total has {} millionths of a dollar set aside that no turn accounts for",
    },
    Rule {
        name: "messages are read",
        query: "SELECT i.run_id AS id, i.kind AS what FROM run_inbox i JOIN runs r ON r.id = i.run_id WHERE r.finished_at IS NULL \
             AND r.owner IN ({alive}) AND i.created_at < {dead}",
        says: "a message ({}) has not been read for long",
    },
];

#[derive(FromQueryResult)]
struct Example {
    id: Option<Uuid>,
    what: String,
}

impl Store {
    /// What breaks a rule: the run, if it is one run's, and what is wrong.
    pub(crate) async fn broken(&self, rule: &Rule, lease: Duration, limit: u64) -> Result<Vec<(Option<RunId>, String)>> {
        let long_ago = format!("({} - {})", self.now_sql(), lease.as_millis() * 4);
        let query =
            rule.query.replace("{alive}", &self.alive_sql(lease)).replace("{dead}", &long_ago).replace("{terminal}", TERMINAL);
        let sql = format!("SELECT * FROM ({query}) AS broken LIMIT {limit}");
        let rows = Example::find_by_statement(self.statement(&sql)).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| (row.id.map(RunId::new), rule.says.replace("{}", &row.what))).collect())
    }

    /// The newest runs of all workspaces.
    pub(crate) async fn newest_runs(&self, limit: u64) -> Result<Vec<RunId>> {
        let select = run::Entity::find().select_only().column(run::Column::Id).order_by_desc(run::Column::Id).limit(limit);
        let ids: Vec<Uuid> = select.into_tuple().all(&self.read).await?;
        Ok(ids.into_iter().map(RunId::new).collect())
    }

    /// The record numbers of a run's log lines.
    pub(crate) async fn line_numbers(&self, run: RunId) -> Result<Vec<i64>> {
        let select = log::Entity::find().select_only().column(log::Column::Seq).filter(log::Column::RunId.eq(run.uuid()));
        Ok(select.into_tuple().all(&self.read).await?)
    }
}
