//! Moves the ownership of runs and dispatched steps from worker to worker, and nothing else of them. Every statement is a
//! compare-and-set, and every change of hands takes the next epoch.

use std::time::Duration;

use flowforge_core::{NodeId, RunId, WorkerId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::{Store, entity::engine::run, runs::RunRow};
use crate::{error::Result, queue::StepRef};

/// Whether a run that is found by its id has not ended. Said in this way PostgreSQL does not see that one of the indexes of
/// unfinished runs would do: it takes them for as small as they were when it made its plan, and would read all of one for
/// each run as long as that plan is kept.
pub(super) const UNFINISHED: &str = "coalesce(finished_at, -1) = -1";

/// A run that was claimed, as it is from then on.
#[derive(Debug)]
pub(crate) struct RunLease {
    /// The fencing token.
    pub(crate) epoch: i64,
    /// Its row, or why that cannot be read.
    pub(crate) row: Result<RunRow>,
    /// Whether something was in its inbox. What comes after that rings for the owner, whom there is by then.
    pub(crate) called: bool,
}

/// A dispatched step that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepLease {
    /// The fencing token.
    pub(crate) epoch: i64,
    /// How many workers died with it.
    pub(crate) crashes: u32,
    /// What it is counted under, if it has a limit.
    pub(crate) key: Option<String>,
}

/// Whether a claim counts as a crash that the run may have caused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blame {
    /// When this worker lost track of a run of its own.
    pub(crate) own: bool,
    /// When another worker was silent: not when this one was silent as well, which no run causes.
    pub(crate) others: bool,
}

/// What may be claimed, found by the sweeper.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) runs: Vec<RunId>,
    pub(crate) steps: Vec<StepRef>,
}

/// What a worker owns, as the database has it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Its runs, and whether something is in their inbox.
    pub(crate) runs: Vec<(RunId, bool)>,
    pub(crate) steps: Vec<StepRef>,
}

impl Store {
    /// Claims a run that nobody else alive owns, and reads it in the same round trip; nothing when it cannot be claimed. A run that
    /// this worker owns already is one that it lost track of.
    ///
    /// The first owner that died counts as a crash whatever it did, which it has told nobody. Those after it count if they
    /// have said that they were about to begin something.
    pub(crate) async fn claim_run(
        &self,
        run: RunId,
        worker: WorkerId,
        lease: Duration,
        blame: Blame,
    ) -> Result<Option<RunLease>> {
        let alive = self.alive_sql(lease);
        let sql = format!(
            "UPDATE runs SET owner = $2, epoch = epoch + 1, crashes = crashes + CASE WHEN owner IS NULL OR owner = $2 THEN $3 \
             WHEN crashes = 0 OR begun_epoch = epoch THEN $4 ELSE 0 END \
             WHERE id = $1 AND {UNFINISHED} AND (owner IS NULL OR owner = $2 OR owner NOT IN ({alive})) AND {} RETURNING *, EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = $1) AS called",
            self.admitted_sql()
        );
        let values: [Value; 4] =
            [run.uuid().into(), worker.uuid().into(), i32::from(blame.own).into(), i32::from(blame.others).into()];
        let claimed = self.write.query_one_raw(Statement::from_sql_and_values(self.backend(), sql, values)).await?;
        let Some(claimed) = claimed else { return Ok(None) };
        let row = run::Model::from_query_result(&claimed, "").map_err(Into::into).and_then(RunRow::try_from);
        Ok(Some(RunLease { epoch: claimed.try_get("", "epoch")?, called: claimed.try_get("", "called")?, row }))
    }

    /// SQL for whether a run counts as under way, or is only to be brought to its end.
    fn admitted_sql(&self) -> String {
        let now = self.now_sql();
        format!(
            "(concurrency_key IS NULL OR admitted_at IS NOT NULL OR deadline_at <= {now} \
             OR EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = runs.id AND i.kind = 'cancel'))"
        )
    }

    /// What a run waits for that nobody has let in: the key that it is counted under.
    pub(crate) async fn line_of(&self, run: RunId) -> Result<Option<String>> {
        let sql = format!(
            "SELECT concurrency_key AS key FROM runs WHERE id = $1 AND concurrency_key IS NOT NULL AND admitted_at IS NULL \
             AND {UNFINISHED} AND owner IS NULL"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        Ok(Key::find_by_statement(statement).one(&self.read).await?.map(|row| row.key))
    }

    async fn epoch<const N: usize>(&self, sql: String, values: [Value; N]) -> Result<Option<i64>> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(Epoch::find_by_statement(statement).one(&self.write).await?.map(|row| row.epoch))
    }

    /// The epoch under which a run is owned now; nothing when it has ended or does not exist.
    pub(crate) async fn epoch_of(&self, run: RunId) -> Result<Option<i64>> {
        self.epoch(format!("SELECT epoch FROM runs WHERE id = $1 AND {UNFINISHED}"), [run.uuid().into()]).await
    }

    /// Claims a dispatched step that nobody else alive executes. One that this worker holds already is one that it lost
    /// track of. A step with a limit is claimed when fewer than that are executed by living workers. Deaths count as those of a
    /// run's owners do.
    pub(crate) async fn claim_step(&self, step: &StepRef, worker: WorkerId, lease: Duration) -> Result<Option<StepLease>> {
        let sql = self.claim_step_sql(lease, "concurrency_key IS NULL");
        let statement = Statement::from_sql_and_values(self.backend(), sql, step_values(step, worker.uuid().into()));
        if let Some(row) = Claimed::find_by_statement(statement).one(&self.write).await? {
            return Ok(Some(row.into()));
        }
        match self.step_limit(step).await? {
            Some(key) => self.claim_limited_step(step, &key, worker, lease).await,
            None => Ok(None),
        }
    }

    /// What a dispatched step is counted under, if it has a limit.
    async fn step_limit(&self, step: &StepRef) -> Result<Option<String>> {
        let sql = "SELECT concurrency_key AS key FROM step_leases WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 \
             AND concurrency_key IS NOT NULL";
        let [run, node, item, attempt, _] = step_values(step, 0.into());
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run, node, item, attempt]);
        Ok(Key::find_by_statement(statement).one(&self.read).await?.map(|row| row.key))
    }

    async fn claim_limited_step(
        &self,
        step: &StepRef,
        key: &str,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Option<StepLease>> {
        let alive = self.alive_sql(lease);
        let room = format!(
            "(SELECT count(*) FROM step_leases l WHERE l.concurrency_key = step_leases.concurrency_key AND l.owner IN ({alive}) \
             AND NOT (l.run_id = $1 AND l.node_id = $2 AND l.item = $3 AND l.attempt = $4)) < concurrency_limit"
        );
        let transaction = self.begin().await?;
        self.lock_key(&transaction, key).await?;
        let sql = self.claim_step_sql(lease, &room);
        let statement = Statement::from_sql_and_values(self.backend(), sql, step_values(step, worker.uuid().into()));
        let row = Claimed::find_by_statement(statement).one(&transaction).await?;
        transaction.commit().await?;
        Ok(row.map(Into::into))
    }

    /// Whoever counts what is under way with a key does so alone. SQLite has one writer anyway.
    pub(super) async fn lock_key(&self, transaction: &DatabaseTransaction, key: &str) -> Result<()> {
        if self.backend() == DbBackend::Postgres {
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            transaction.query_one_raw(Statement::from_sql_and_values(self.backend(), sql, [key.into()])).await?;
        }
        Ok(())
    }

    fn claim_step_sql(&self, lease: Duration, condition: &str) -> String {
        let (alive, now) = (self.alive_sql(lease), self.now_sql());
        format!(
            "UPDATE step_leases SET owner = $5, epoch = epoch + 1, claimed_at = {now}, \
             crashes = crashes + CASE WHEN owner IS NULL OR owner = $5 THEN 0 WHEN crashes = 0 OR begun_epoch = epoch THEN 1 ELSE 0 END \
             WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 \
             AND (owner IS NULL OR owner = $5 OR owner NOT IN ({alive})) AND {condition} RETURNING epoch, crashes, concurrency_key AS key"
        )
    }

    /// Says that a dispatched step, with which workers have died, is about to be executed. Whether it may be: see
    /// [`Store::holds_step`].
    pub(crate) async fn begin_step(&self, step: &StepRef, epoch: i64) -> Result<bool> {
        let sql = format!(
            "UPDATE step_leases SET begun_epoch = epoch WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 \
             AND epoch = $5 AND EXISTS (SELECT 1 FROM runs WHERE id = $1 AND {UNFINISHED}) RETURNING epoch"
        );
        let begun = self.epoch(sql, step_values(step, epoch.into())).await?;
        Ok(begun.is_some())
    }

    /// Hands a dispatched step back without counting a crash.
    pub(crate) async fn release_step(&self, step: &StepRef, epoch: i64) -> Result<()> {
        let sql = "UPDATE step_leases SET owner = NULL, epoch = epoch + 1 \
             WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 AND epoch = $5";
        self.execute(sql.to_owned(), step_values(step, epoch.into())).await?;
        Ok(())
    }

    /// Ends the lease of a step that is not to be executed any more.
    pub(crate) async fn end_lease(&self, step: &StepRef, epoch: i64) -> Result<()> {
        let sql = "DELETE FROM step_leases WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 AND epoch = $5";
        self.execute(sql.to_owned(), step_values(step, epoch.into())).await?;
        Ok(())
    }

    /// Whether a dispatched step of a run that has not ended is still leased under an epoch.
    pub(crate) async fn holds_step(&self, step: &StepRef, epoch: i64) -> Result<bool> {
        let sql = format!(
            "SELECT epoch FROM step_leases WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 AND epoch = $5 \
             AND EXISTS (SELECT 1 FROM runs WHERE id = $1 AND {UNFINISHED})"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, step_values(step, epoch.into()));
        Ok(Epoch::find_by_statement(statement).one(&self.read).await?.is_some())
    }

    /// Runs and dispatched steps that someone should look at, the most urgent and oldest first: no living owner and something to
    /// do. A minute of waiting outweighs a degree of urgency, so that nothing waits for ever.
    ///
    /// A step that was dispatched less than `on_the_way` ago has its hint on the way.
    pub(crate) async fn find_work(&self, lease: Duration, on_the_way: Duration, limit: u64) -> Result<Found> {
        let (alive, now) = (self.alive_sql(lease), self.now_sql());
        let hinted = on_the_way.as_millis();
        let runs = format!(
            "SELECT id FROM runs WHERE finished_at IS NULL AND ((owner IS NULL AND (status = 'pending' OR wake_at <= {now} OR deadline_at <= {now} \
             OR EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = runs.id))) OR (owner IS NOT NULL AND owner NOT IN ({alive}))) \
             AND {} ORDER BY created_at + priority * 60000, id LIMIT {limit}",
            self.admitted_sql()
        );
        let steps = format!(
            "SELECT run_id, node_id, item, attempt FROM step_leases WHERE ((owner IS NULL AND dispatched_at < {now} - {hinted}) \
             OR owner NOT IN ({alive})) AND (concurrency_key IS NULL OR concurrency_limit > (SELECT count(*) FROM step_leases l \
             WHERE l.concurrency_key = step_leases.concurrency_key AND l.owner IN ({alive}))) ORDER BY dispatched_at LIMIT {limit}"
        );
        let runs = RunKey::find_by_statement(self.statement(&runs)).all(&self.read).await?;
        let steps = StepKey::find_by_statement(self.statement(&steps)).all(&self.read).await?;
        Ok(Found {
            runs: runs.into_iter().map(|row| RunId::new(row.id)).collect(),
            steps: steps.into_iter().map(StepRef::from).collect(),
        })
    }

    /// What a worker owns.
    pub(crate) async fn held_by(&self, worker: WorkerId) -> Result<Held> {
        let statement = |sql| Statement::from_sql_and_values(self.backend(), sql, [worker.uuid().into()]);
        let runs = statement(
            "SELECT id, EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = runs.id) AS called FROM runs \
             WHERE owner = $1 AND finished_at IS NULL",
        );
        let steps = statement("SELECT run_id, node_id, item, attempt FROM step_leases WHERE owner = $1");
        let runs = HeldRun::find_by_statement(runs).all(&self.read).await?;
        let steps = StepKey::find_by_statement(steps).all(&self.read).await?;
        Ok(Held {
            runs: runs.into_iter().map(|row| (RunId::new(row.id), row.called)).collect(),
            steps: steps.into_iter().map(StepRef::from).collect(),
        })
    }
}

fn step_values(step: &StepRef, last: Value) -> [Value; 5] {
    [step.run.uuid().into(), step.node.as_str().into(), step.item.as_str().into(), step.attempt.cast_signed().into(), last]
}

#[derive(FromQueryResult)]
struct Epoch {
    epoch: i64,
}

#[derive(FromQueryResult)]
struct Claimed {
    epoch: i64,
    crashes: i32,
    key: Option<String>,
}

impl From<Claimed> for StepLease {
    fn from(row: Claimed) -> Self {
        Self { epoch: row.epoch, crashes: row.crashes.cast_unsigned(), key: row.key }
    }
}

#[derive(FromQueryResult)]
struct Key {
    key: String,
}

#[derive(FromQueryResult)]
pub(super) struct RunKey {
    pub(super) id: Uuid,
}

#[derive(FromQueryResult)]
struct HeldRun {
    id: Uuid,
    called: bool,
}

#[derive(FromQueryResult)]
pub(super) struct StepKey {
    run_id: Uuid,
    node_id: String,
    item: String,
    attempt: i32,
}

impl From<StepKey> for StepRef {
    fn from(row: StepKey) -> Self {
        Self { run: RunId::new(row.run_id), node: NodeId::new(row.node_id), item: row.item, attempt: row.attempt.cast_unsigned() }
    }
}
