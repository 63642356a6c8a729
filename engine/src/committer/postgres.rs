//! The committer on PostgreSQL: one connection, one statement a batch, one round trip.

mod columns;
mod statement;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, io::ErrorKind, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use flowforge_core::{StepStatus, trigger::TriggerKind};
use futures::FutureExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgRow};
use tokio::sync::mpsc;
use uuid::Uuid;

use self::{
    columns::{Consumed, Dispatches, Extensions, Letters, Logs, NewRuns, RunUpdates, StepKeys, Steps},
    statement::{Shape, Statements},
};
use super::{BATCH, Delta, Guard, NewRunRow, Order, Passed, StepWrite, answer, next_batch, refuse};
use crate::{
    error::{Error, Result},
    failpoint::{Point, reached},
    hints::Hints,
    store::DISCREET,
};

/// A cached plan that was made while `runs` was empty scans the whole table for ever after; these keep it on the indexes.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_mergejoin = off; SET jit = off; \
     SET synchronous_commit = on";
/// Waits between attempts to reach the server again.
const RECONNECT: Duration = Duration::from_millis(200);
/// How long the server may take over a batch: a connection that went silent is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a batch is tried on a fresh connection before its writers are told.
const TRIES: u32 = 3;

/// Connects and starts the task.
pub(super) async fn spawn(url: &str, orders: mpsc::Receiver<Order>, hints: Arc<Hints>) -> Result<()> {
    let connection = connect(url).await.map_err(|fault| Error::Storage(fault.to_string()))?;
    let link = Link { url: url.to_owned(), connection: Some(connection), statements: Statements::default() };
    tokio::spawn(serve(link, orders, hints));
    Ok(())
}

/// The connection, which is made anew after a fault.
struct Link {
    url: String,
    connection: Option<PgConnection>,
    statements: Statements,
}

async fn connect(url: &str) -> sqlx::Result<PgConnection> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
    sqlx::raw_sql(DISCREET).execute(&mut connection).await?;
    Ok(connection)
}

async fn serve(mut link: Link, mut orders: mpsc::Receiver<Order>, hints: Arc<Hints>) {
    let mut waiting = Vec::with_capacity(BATCH);
    loop {
        if waiting.is_empty() && orders.recv_many(&mut waiting, BATCH).await == 0 {
            return;
        }
        while waiting.len() < BATCH
            && let Ok(order) = orders.try_recv()
        {
            waiting.push(order);
        }
        let mut open = vec![next_batch(&mut waiting)];
        while let Some(mut batch) = open.pop() {
            match link.write(&batch).await {
                Ok(passed) => answer(batch, &passed, &hints),
                Err(fault) if batch.len() == 1 || !is_refusal(&fault) => refuse(batch, &refusal(&fault)),
                Err(fault) => {
                    tracing::warn!(%fault, deltas = batch.len(), "a batch was refused; writing it in halves");
                    let rest = batch.split_off(batch.len() / 2);
                    open.extend([rest, batch]);
                }
            }
        }
    }
}

fn io(fault: &str, kind: ErrorKind) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(kind, fault))
}

/// Whether the server refused the statement itself, so that a smaller one may pass.
fn is_refusal(fault: &sqlx::Error) -> bool {
    matches!(fault, sqlx::Error::Database(_))
}

/// What a fault of a delta that stood alone says: whether it will ever be taken. 22 is data, 23 a constraint, 54 a limit.
fn refusal(fault: &sqlx::Error) -> Error {
    let code = fault.as_database_error().and_then(|fault| fault.code()).unwrap_or_default();
    if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) {
        Error::BadInput(fault.to_string())
    } else {
        Error::Storage(fault.to_string())
    }
}

impl Link {
    /// Writes a batch. A fault of the connection leaves it unknown whether the batch was written: the writers find out when
    /// they read their runs again, so it is not sent a second time.
    async fn write(&mut self, batch: &[Order]) -> sqlx::Result<Passed> {
        let mut connection = self.take().await?;
        let attempt =
            AssertUnwindSafe(tokio::time::timeout(PATIENCE, write(&mut connection, &mut self.statements, batch))).catch_unwind();
        let written = match attempt.await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(io("the database did not answer", ErrorKind::TimedOut)),
            Err(_) => Err(io("the committer stopped on a fault in FlowForge itself", ErrorKind::Other)),
        };
        if written.as_ref().err().is_none_or(is_refusal) {
            self.connection = Some(connection);
        }
        written
    }

    async fn take(&mut self) -> sqlx::Result<PgConnection> {
        let mut tries = 0;
        loop {
            if let Some(connection) = self.connection.take() {
                return Ok(connection);
            }
            tries += 1;
            match connect(&self.url).await {
                Ok(connection) => return Ok(connection),
                Err(fault) if tries == TRIES => return Err(fault),
                Err(fault) => {
                    tracing::warn!(%fault, "the database cannot be reached; trying again");
                    tokio::time::sleep(RECONNECT * tries).await;
                }
            }
        }
    }
}

async fn write(connection: &mut PgConnection, statements: &mut Statements, batch: &[Order]) -> sqlx::Result<Passed> {
    reached(Point::Commit);
    let rows = match Rows::of(batch, Trust::New).write(connection, statements).await {
        // Of a statement that was refused nothing is written.
        Err(fault) if is_duplicate(&fault) => Rows::of(batch, Trust::Nothing).write(connection, statements).await?,
        written => written?,
    };
    reached(Point::Committed);
    let passed = rows.iter().map(|row| row.try_get("id")).collect::<sqlx::Result<HashSet<Uuid>>>()?;
    Ok(batch.iter().map(|order| passed.contains(&order.delta.run.uuid())).collect())
}

fn is_duplicate(fault: &sqlx::Error) -> bool {
    fault.as_database_error().is_some_and(|fault| fault.is_unique_violation())
}

/// Which rows are taken not to exist. Where they may, the server looks before it inserts, which costs half as much again; a row
/// that is new by what its delta says and exists all the same refuses the batch, which is then written without trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    New,
    Nothing,
}

/// The rows of a batch, set by set.
struct Rows {
    trust: Trust,
    new: NewRuns,
    may_exist: bool,
    updates: RunUpdates,
    extensions: Extensions,
    begun: Steps,
    steps: Steps,
    dispatches: Dispatches,
    recalls: StepKeys,
    logs: Logs,
    consumed: Consumed,
    letters: Letters,
}

impl Rows {
    fn of(batch: &[Order], trust: Trust) -> Self {
        let (new, updates, extensions, begun, steps) = Default::default();
        let (dispatches, recalls, logs, consumed, letters) = Default::default();
        let mut rows = Self {
            trust,
            new,
            may_exist: false,
            updates,
            extensions,
            begun,
            steps,
            dispatches,
            recalls,
            logs,
            consumed,
            letters,
        };
        batch.iter().for_each(|order| rows.push(&order.delta));
        rows
    }

    fn push(&mut self, delta: &Delta) {
        match &delta.guard {
            Guard::New(row) => {
                self.may_exist |= self.trust == Trust::Nothing || may_exist(row, delta);
                self.new.push(delta, row);
            }
            Guard::Owner(epoch) => self.updates.push(delta, *epoch),
            Guard::Lease { node, attempt, epoch } => self.extensions.push(delta, node, *attempt, *epoch),
        }
        for step in &delta.steps {
            let begins = self.trust == Trust::New && begins(step, delta);
            let set = if begins { &mut self.begun } else { &mut self.steps };
            set.push(delta.run, step);
        }
        delta.dispatch.iter().for_each(|dispatch| self.dispatches.push(delta.run, dispatch));
        delta.recall.iter().for_each(|(node, attempt)| self.recalls.push(delta.run, node, *attempt));
        delta.logs.iter().for_each(|log| self.logs.push(delta.run, log));
        delta.consumed.iter().for_each(|id| self.consumed.push(delta.run, *id));
        delta.outbox.iter().for_each(|letter| self.letters.push(delta.run, letter));
    }

    fn shape(&self) -> Shape {
        Shape {
            new: self.new.form(),
            may_exist: self.may_exist,
            updates: self.updates.form(),
            extensions: self.extensions.form().widened(),
            begun: self.begun.form(),
            steps: self.steps.form(),
            dispatches: self.dispatches.form().widened(),
            recalls: self.recalls.form().widened(),
            logs: self.logs.form().widened(),
            consumed: self.consumed.form().widened(),
            letters: self.letters.form().widened(),
        }
    }

    /// Writes them, and returns the runs whose guard held.
    async fn write(self, connection: &mut PgConnection, statements: &mut Statements) -> sqlx::Result<Vec<PgRow>> {
        let shape = self.shape();
        let query = sqlx::query(AssertSqlSafe(statements.get(shape)));
        let query = self.updates.bind(shape.updates, self.new.bind(shape.new, query));
        let query = self.begun.bind(shape.begun, self.extensions.bind(shape.extensions, query));
        let query = self.dispatches.bind(shape.dispatches, self.steps.bind(shape.steps, query));
        let query = self.logs.bind(shape.logs, self.recalls.bind(shape.recalls, query));
        let query = self.letters.bind(shape.letters, self.consumed.bind(shape.consumed, query));
        query.fetch_all(connection).await
    }
}

/// Whether a run that is to be created may be there: it was asked for under a key, by another run, or by a delivery, which several
/// processes may start at once.
fn may_exist(row: &NewRunRow, delta: &Delta) -> bool {
    let is_delivered = row.trigger.parse::<TriggerKind>().is_ok();
    row.dedupe_key.is_some() || row.parent.is_some() || is_delivered || !delta.consumed.is_empty()
}

/// Whether an attempt has no row yet: its beginning is written once.
fn begins(step: &StepWrite, delta: &Delta) -> bool {
    matches!(delta.guard, Guard::New(_)) || step.started.is_some() || step.status == StepStatus::Skipped
}
