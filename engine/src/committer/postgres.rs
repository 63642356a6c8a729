//! The committer on PostgreSQL: one connection, one statement a batch, one round trip.

mod columns;
mod statement;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, io::ErrorKind, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use sqlx::{Connection, PgConnection, Postgres, Row, postgres::PgArguments, query::Query};
use tokio::sync::mpsc;
use uuid::Uuid;

use self::{
    columns::{Consumed, Dispatches, Extensions, Letters, Logs, NewRuns, RunUpdates, StepKeys, Steps},
    statement::STATEMENT,
};
use super::{BATCH, Delta, Guard, Order, Passed, answer, next_batch, refuse};
use crate::{
    error::{Error, Result},
    failpoint::{Point, reached},
    hints::Hints,
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
    tokio::spawn(serve(Link { url: url.to_owned(), connection: Some(connection) }, orders, hints));
    Ok(())
}

/// The connection, which is made anew after a fault.
struct Link {
    url: String,
    connection: Option<PgConnection>,
}

async fn connect(url: &str) -> sqlx::Result<PgConnection> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
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
        let attempt = AssertUnwindSafe(tokio::time::timeout(PATIENCE, write(&mut connection, batch))).catch_unwind();
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

async fn write(connection: &mut PgConnection, batch: &[Order]) -> sqlx::Result<Passed> {
    reached(Point::Commit);
    let rows = Rows::of(batch).bind(sqlx::query(STATEMENT.as_str())).fetch_all(connection).await?;
    reached(Point::Committed);
    let passed = rows.iter().map(|row| row.try_get("id")).collect::<sqlx::Result<HashSet<Uuid>>>()?;
    Ok(batch.iter().map(|order| passed.contains(&order.delta.run.uuid())).collect())
}

/// The rows of a batch, set by set.
#[derive(Default)]
struct Rows {
    new: NewRuns,
    updates: RunUpdates,
    extensions: Extensions,
    steps: Steps,
    dispatches: Dispatches,
    recalls: StepKeys,
    logs: Logs,
    consumed: Consumed,
    letters: Letters,
}

impl Rows {
    fn of(batch: &[Order]) -> Self {
        let mut rows = Self::default();
        batch.iter().for_each(|order| rows.push(&order.delta));
        rows
    }

    fn push(&mut self, delta: &Delta) {
        match &delta.guard {
            Guard::New(row) => self.new.push(delta, row),
            Guard::Owner(epoch) => self.updates.push(delta, *epoch),
            Guard::Lease { node, attempt, epoch } => self.extensions.push(delta, node, *attempt, *epoch),
        }
        delta.steps.iter().for_each(|step| self.steps.push(delta.run, step));
        delta.dispatch.iter().for_each(|dispatch| self.dispatches.push(delta.run, dispatch));
        delta.recall.iter().for_each(|(node, attempt)| self.recalls.push(delta.run, node, *attempt));
        delta.logs.iter().for_each(|log| self.logs.push(delta.run, log));
        delta.consumed.iter().for_each(|id| self.consumed.push(delta.run, *id));
        delta.outbox.iter().for_each(|letter| self.letters.push(delta.run, letter));
    }

    /// Binds every set, in the order of the statement.
    fn bind<'q>(self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        let query = self.extensions.bind(self.updates.bind(self.new.bind(query)));
        let query = self.recalls.bind(self.dispatches.bind(self.steps.bind(query)));
        self.letters.bind(self.consumed.bind(self.logs.bind(query)))
    }
}
