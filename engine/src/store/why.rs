//! What tells why a run stands where it stands, read at one moment.

use std::time::Duration;

use flowforge_core::{NodeId, RunId, Timestamp, WorkerId, WorkspaceId, money::Shortage};
use sea_orm::{
    AccessMode, ColumnTrait, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult, IsolationLevel, QueryFilter,
    Statement, TransactionOptions, TransactionTrait,
};

use super::{
    Store,
    entity::engine::run::{self, Column},
    runs::{RunRow, light},
};
use crate::{
    error::{Error, Result},
    queue::StepRef,
};

/// A run, and all that can move it.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The database's time.
    pub(crate) now: Timestamp,
    pub(crate) run: RunRow,
    /// The worker that owns it, with the age of its heartbeat in milliseconds; nothing when it is not on the list any more.
    pub(crate) worker: Option<(String, u64)>,
    /// Whether something is in its inbox, and whether that is a wish to stop.
    pub(crate) called: bool,
    pub(crate) cancelled: bool,
    /// How many runs stand before it among those that wait for a worker, and in the line of its key.
    pub(crate) before: u64,
    pub(crate) before_in_line: u64,
    /// Whether a step is executed by its owner.
    pub(crate) busy: bool,
    pub(crate) lease: Option<Lease>,
    pub(crate) wait: Option<Wait>,
}

/// A dispatched step; one that is executed, if there is any.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) node: NodeId,
    /// The living worker that executes it.
    pub(crate) worker: Option<String>,
    /// What it waits for when others with its key take all the room there is: the key, how many at once, how many before it.
    pub(crate) blocked: Option<(String, u32, u64)>,
}

/// A waiting step; one that waits for a person, if there is any.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) node: NodeId,
    pub(crate) until: Option<Timestamp>,
    pub(crate) what: Option<Awaited>,
}

/// What a step waits for beside the time.
#[derive(Debug)]
pub(crate) enum Awaited {
    Approval { approvers: Vec<String> },
    Signal { name: String },
    Children { open: u64, total: u64 },
    Funds(Shortage),
    Resolutions { open: u64 },
}

impl Store {
    /// Reads what tells why a run stands where it stands; of any workspace when none is named.
    pub(crate) async fn standing(&self, workspace: Option<WorkspaceId>, run: RunId, lease: Duration) -> Result<Standing> {
        let postgres = self.backend() == DbBackend::Postgres;
        // Everything is read as it was at one moment: what moves meanwhile must not look as if nothing moved it.
        let options = TransactionOptions {
            isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: postgres.then_some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        let snapshot = Snapshot { store: self, tx: self.read.begin_with_options(options).await?, run, lease };
        let standing = snapshot.standing(workspace).await;
        snapshot.tx.commit().await?;
        match (standing, workspace) {
            (Err(Error::NotFound(_)), Some(workspace)) => Err(self.no_run(workspace, run).await?),
            (standing, _) => standing,
        }
    }

    /// Runs older than an age that nothing seems to move: nobody owns them, no time is set, nothing is in their inbox, and none
    /// of their steps waits for anything.
    pub(crate) async fn find_stuck(&self, age: Duration, limit: u64) -> Result<Vec<RunId>> {
        let sql = format!(
            "SELECT id FROM runs WHERE finished_at IS NULL AND owner IS NULL AND status <> 'pending' AND wake_at IS NULL \
             AND paused_at IS NULL AND (concurrency_key IS NULL OR admitted_at IS NOT NULL) AND created_at < {} - {} \
             AND NOT EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = runs.id) AND NOT EXISTS (SELECT 1 FROM step_runs s \
             WHERE s.run_id = runs.id AND s.awaiting IS NOT NULL AND s.finished_at IS NULL) ORDER BY created_at LIMIT {limit}",
            self.now_sql(),
            age.as_millis()
        );
        self.run_ids(&sql).await
    }

    /// Runs with a step whose children have all ended a while ago, and whose inbox does not say so.
    pub(crate) async fn find_forgotten_children(&self, age: Duration, limit: u64) -> Result<Vec<RunId>> {
        let children = "SELECT 1 FROM runs c WHERE c.parent_run_id = s.run_id AND c.parent_node = s.node_id AND c.parent_attempt = s.attempt";
        let sql = format!(
            "SELECT DISTINCT s.run_id AS id FROM step_runs s JOIN runs p ON p.id = s.run_id WHERE s.awaiting IS NOT NULL \
             AND s.finished_at IS NULL AND p.finished_at IS NULL AND p.paused_at IS NULL AND EXISTS ({children}) \
             AND NOT EXISTS ({children} AND (c.finished_at IS NULL OR c.finished_at > {} - {})) \
             AND NOT EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = s.run_id) LIMIT {limit}",
            self.now_sql(),
            age.as_millis()
        );
        self.run_ids(&sql).await
    }

    /// Runs of a worker with a step that began an age ago, or should have been called again by then, and has no lease: one that
    /// the owner executes itself, or a dispatched one that nobody can claim any more. Any of them, since only the owner knows.
    pub(crate) async fn find_unleased(&self, worker: WorkerId, age: Duration, limit: u64) -> Result<Vec<RunId>> {
        let then = format!("{} - {}", self.now_sql(), age.as_millis());
        let sql = format!(
            "SELECT id FROM runs WHERE owner = $1 AND finished_at IS NULL AND paused_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = runs.id) \
             AND EXISTS (SELECT 1 FROM step_runs s WHERE s.run_id = runs.id AND s.finished_seq IS NULL \
             AND ((s.status = 'running' AND s.started_at < {then}) OR (s.status = 'waiting' AND s.awaiting IS NULL AND s.wake_at < {then})) \
             AND NOT EXISTS (SELECT 1 FROM step_leases l WHERE l.run_id = s.run_id AND l.node_id = s.node_id \
             AND l.attempt = s.attempt)) ORDER BY random() LIMIT {limit}"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [worker.uuid().into()]);
        let rows = super::leases::RunKey::find_by_statement(statement).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| RunId::new(row.id)).collect())
    }

    /// The dispatched steps of a run that can be claimed, or are executed.
    pub(crate) async fn leased(&self, run: RunId) -> Result<Vec<StepRef>> {
        let sql = "SELECT run_id, node_id, item, attempt FROM step_leases WHERE run_id = $1";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        let rows = super::leases::StepKey::find_by_statement(statement).all(&self.write).await?;
        Ok(rows.into_iter().map(StepRef::from).collect())
    }

    async fn run_ids(&self, sql: &str) -> Result<Vec<RunId>> {
        let rows = super::leases::RunKey::find_by_statement(self.statement(sql)).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| RunId::new(row.id)).collect())
    }
}

struct Snapshot<'s> {
    store: &'s Store,
    tx: DatabaseTransaction,
    run: RunId,
    lease: Duration,
}

impl Snapshot<'_> {
    async fn standing(&self, workspace: Option<WorkspaceId>) -> Result<Standing> {
        let mut select = run::Entity::find().filter(Column::Id.eq(self.run.uuid()));
        if let Some(workspace) = workspace {
            select = select.filter(Column::WorkspaceId.eq(workspace.uuid()));
        }
        let run = RunRow::try_from(light(select).one(&self.tx).await?.ok_or(Error::NotFound("run"))?)?;
        let facts = self.facts().await?;
        let before_in_line = if run.limit.is_some() && run.admitted_at.is_none() { self.before_in_line().await? } else { 0 };
        Ok(Standing {
            now: Timestamp(facts.now),
            before: if run.owner.is_none() { self.before().await? } else { 0 },
            run,
            worker: facts.worker.zip(facts.heartbeat_at.map(|at| Timestamp(facts.now).ms_since(Timestamp(at)))),
            called: facts.called,
            cancelled: facts.cancelled,
            before_in_line,
            busy: facts.busy,
            lease: self.step_lease().await?,
            wait: self.wait().await?,
        })
    }

    /// What needs no more than a look at an index.
    async fn facts(&self) -> Result<Facts> {
        let inbox = "SELECT 1 FROM run_inbox i WHERE i.run_id = runs.id";
        let sql = format!(
            "SELECT {} AS now, w.name AS worker, w.heartbeat_at AS heartbeat_at, EXISTS ({inbox}) AS called, \
             EXISTS ({inbox} AND i.kind = 'cancel') AS cancelled, EXISTS (SELECT 1 FROM step_runs s WHERE s.run_id = runs.id \
             AND s.status = 'running' AND s.finished_seq IS NULL AND NOT EXISTS (SELECT 1 FROM step_leases l \
             WHERE l.run_id = s.run_id AND l.node_id = s.node_id AND l.attempt = s.attempt)) AS busy \
             FROM runs LEFT JOIN workers w ON w.id = runs.owner WHERE runs.id = $1",
            self.store.now_sql()
        );
        self.one(&sql).await?.ok_or(Error::NotFound("run"))
    }

    /// How many of the runs that can be claimed stand before this one: see `find_work`.
    async fn before(&self) -> Result<u64> {
        let now = self.store.now_sql();
        let sql = format!(
            "SELECT count(*) AS count FROM runs o, runs r WHERE r.id = $1 AND o.finished_at IS NULL AND o.owner IS NULL \
             AND (o.status = 'pending' OR o.wake_at <= {now}) AND (o.concurrency_key IS NULL OR o.admitted_at IS NOT NULL) \
             AND (o.created_at + o.priority * 60000 < r.created_at + r.priority * 60000 \
             OR (o.created_at + o.priority * 60000 = r.created_at + r.priority * 60000 AND o.id < r.id))"
        );
        self.count(&sql).await
    }

    async fn before_in_line(&self) -> Result<u64> {
        let sql = "SELECT count(*) AS count FROM runs o, runs r WHERE r.id = $1 AND o.concurrency_key = r.concurrency_key \
             AND o.finished_at IS NULL AND o.admitted_at IS NULL \
             AND (o.priority < r.priority OR (o.priority = r.priority AND o.id < r.id))";
        self.count(sql).await
    }

    async fn step_lease(&self) -> Result<Option<Lease>> {
        let alive = self.store.alive_sql(self.lease);
        let sql = format!(
            "SELECT l.node_id, w.name AS worker, l.concurrency_key AS key, l.concurrency_limit AS most, \
             (SELECT count(*) FROM step_leases o WHERE o.concurrency_key = l.concurrency_key AND o.owner IN ({alive})) AS executed, \
             (SELECT count(*) FROM step_leases o WHERE o.concurrency_key = l.concurrency_key AND (o.owner IS NULL OR o.owner NOT IN ({alive})) \
             AND o.dispatched_at < l.dispatched_at) AS before FROM step_leases l LEFT JOIN workers w ON w.id = l.owner AND w.id IN ({alive}) \
             WHERE l.run_id = $1 ORDER BY CASE WHEN w.id IS NULL THEN 1 ELSE 0 END, l.dispatched_at LIMIT 1"
        );
        Ok(self.one::<LeaseRow>(&sql).await?.map(Lease::from))
    }

    async fn wait(&self) -> Result<Option<Wait>> {
        // A long list lies elsewhere in pages, each of which says how many items it has.
        let total = match self.store.backend() {
            DbBackend::Postgres => {
                "jsonb_array_length(s.awaiting -> 'items') + (SELECT coalesce(sum((page ->> 'count')::bigint), 0)::bigint \
                 FROM jsonb_array_elements(s.awaiting -> 'pages') page)"
            }
            _ => {
                "CAST(json_array_length(s.awaiting -> 'items') + (SELECT coalesce(sum(page.value ->> 'count'), 0) \
                 FROM json_each(s.awaiting, '$.pages') page) AS integer)"
            }
        };
        let kind = "s.awaiting ->> 'kind'";
        let sql = format!(
            "SELECT s.node_id, s.wake_at, {kind} AS kind, s.awaiting ->> 'name' AS name, CAST(s.awaiting ->> 'open' AS bigint) AS answers, CAST(s.awaiting -> 'approvers' AS text) AS approvers, \
             CASE WHEN {kind} = 'funds' THEN CAST(s.awaiting AS text) END AS funds, \
             {total} AS total, (SELECT count(*) FROM runs c WHERE c.parent_run_id = s.run_id AND c.parent_node = s.node_id \
             AND c.parent_attempt = s.attempt AND c.finished_at IS NOT NULL) AS ended \
             FROM step_runs s WHERE s.run_id = $1 AND s.status = 'waiting' AND s.finished_seq IS NULL \
             AND NOT EXISTS (SELECT 1 FROM step_leases l WHERE l.run_id = s.run_id AND l.node_id = s.node_id AND l.attempt = s.attempt) \
             ORDER BY CASE {kind} WHEN 'approval' THEN 0 WHEN 'funds' THEN 1 WHEN 'signal' THEN 2 WHEN 'resolutions' THEN 3 WHEN 'children' THEN 4 ELSE 5 END, s.started_seq LIMIT 1"
        );
        Ok(self.one::<WaitRow>(&sql).await?.map(Wait::from))
    }

    async fn count(&self, sql: &str) -> Result<u64> {
        Ok(self.one::<Count>(sql).await?.map_or(0, |row| row.count.cast_unsigned()))
    }

    async fn one<T: FromQueryResult>(&self, sql: &str) -> Result<Option<T>> {
        let statement = Statement::from_sql_and_values(self.store.backend(), sql, [self.run.uuid().into()]);
        Ok(T::find_by_statement(statement).one(&self.tx).await?)
    }
}

#[derive(FromQueryResult)]
struct Facts {
    now: i64,
    worker: Option<String>,
    heartbeat_at: Option<i64>,
    called: bool,
    cancelled: bool,
    busy: bool,
}

#[derive(FromQueryResult)]
struct Count {
    count: i64,
}

#[derive(FromQueryResult)]
struct LeaseRow {
    node_id: String,
    worker: Option<String>,
    key: Option<String>,
    most: Option<i32>,
    executed: i64,
    before: i64,
}

impl From<LeaseRow> for Lease {
    fn from(row: LeaseRow) -> Self {
        let is_full = row.worker.is_none() && row.most.is_some_and(|most| row.executed >= i64::from(most));
        let limit = row.key.zip(row.most.map(i32::cast_unsigned)).filter(|_| is_full);
        let blocked = limit.map(|(key, most)| (key, most, row.before.cast_unsigned()));
        Self { node: NodeId::new(row.node_id), worker: row.worker, blocked }
    }
}

#[derive(FromQueryResult)]
struct WaitRow {
    node_id: String,
    wake_at: Option<i64>,
    kind: Option<String>,
    name: Option<String>,
    approvers: Option<String>,
    funds: Option<String>,
    answers: Option<i64>,
    total: Option<i64>,
    ended: i64,
}

impl From<WaitRow> for Wait {
    fn from(row: WaitRow) -> Self {
        let total = row.total.unwrap_or_default().cast_unsigned();
        let approvers = row.approvers.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let what = row.kind.and_then(|kind| match kind.as_str() {
            "approval" => Some(Awaited::Approval { approvers }),
            "signal" => Some(Awaited::Signal { name: row.name.unwrap_or_default() }),
            "resolutions" => Some(Awaited::Resolutions { open: row.answers.unwrap_or_default().cast_unsigned() }),
            "children" => Some(Awaited::Children { open: total.saturating_sub(row.ended.cast_unsigned()), total }),
            "funds" => row.funds.as_deref().and_then(|json| serde_json::from_str(json).ok()).map(Awaited::Funds),
            _ => None,
        });
        Self { node: NodeId::new(row.node_id), until: row.wake_at.map(Timestamp), what }
    }
}
