//! The committer on PostgreSQL: one connection, one statement a batch, one round trip.

mod columns;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, io::ErrorKind, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::mpsc;
use uuid::Uuid;

use self::columns::{Logs, NewRuns, RunUpdates, StepKeys, Steps};
use super::{BATCH, Guard, Order, Passed, answer, next_batch, refuse};
use crate::{
    error::{Error, Result},
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

/// Every set is one group of `UNNEST` arrays. `passed` holds the runs whose guard held, with their first record number, and
/// everything else is joined to it.
const STATEMENT: &str = "
WITH inserted AS (
  INSERT INTO runs (id, workspace_id, workflow_id, version, status, trigger, trigger_node, input, output, error, epoch, owner, next_seq,
    crashes, dedupe_key, dedupe_hash, wake_at, deadline_at, started_seq, cancel_seq, finished_seq, created_at, started_at,
    cancel_requested_at, finished_at)
  SELECT id, workspace, workflow, version, status, trigger, trigger_node, input::jsonb, output::jsonb, error::jsonb, epoch, owner, 1 + seqs,
    0, dedupe_key, dedupe_hash, wake_at, deadline_at, 1 + started, 1 + cancelled, 1 + finished, created_at, started_at, cancelled_at, finished_at
  FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::bigint[], $12::uuid[], $13::bigint[], $14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[],
    $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[])
    AS d (id, workspace, workflow, version, status, trigger, trigger_node, input, output, error, epoch, owner, seqs, dedupe_key, dedupe_hash,
    wake_at, deadline_at, started, cancelled, finished, created_at, started_at, cancelled_at, finished_at)
  ON CONFLICT DO NOTHING RETURNING id, 1::bigint AS first
), updated AS (
  UPDATE runs r SET next_seq = r.next_seq + d.seqs, status = coalesce(d.status, r.status), output = coalesce(d.output::jsonb, r.output),
    error = coalesce(d.error::jsonb, r.error), wake_at = d.wake_at, owner = CASE WHEN d.release THEN NULL ELSE r.owner END,
    crashes = CASE WHEN d.progress THEN 0 ELSE r.crashes END, started_seq = coalesce(r.next_seq + d.started, r.started_seq),
    started_at = coalesce(d.started_at, r.started_at), cancel_seq = coalesce(r.next_seq + d.cancelled, r.cancel_seq),
    cancel_requested_at = coalesce(d.cancelled_at, r.cancel_requested_at), finished_seq = coalesce(r.next_seq + d.finished, r.finished_seq),
    finished_at = coalesce(d.finished_at, r.finished_at)
  FROM UNNEST($25::uuid[], $26::bigint[], $27::bigint[], $28::text[], $29::text[], $30::text[], $31::bigint[], $32::bool[], $33::bool[],
    $34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[])
    AS d (id, epoch, seqs, status, output, error, wake_at, release, progress, started, started_at, cancelled, cancelled_at, finished, finished_at)
  WHERE r.id = d.id AND r.epoch = d.epoch RETURNING r.id, r.next_seq - d.seqs AS first
), extended AS (
  UPDATE runs r SET next_seq = r.next_seq + d.seqs
  FROM UNNEST($40::uuid[], $41::text[], $42::int[], $43::bigint[], $44::bigint[]) AS d (id, node, attempt, epoch, seqs)
  WHERE r.id = d.id AND r.finished_at IS NULL AND EXISTS (SELECT 1 FROM step_leases l WHERE l.run_id = d.id AND l.node_id = d.node
    AND l.item = '' AND l.attempt = d.attempt AND l.epoch = d.epoch)
  RETURNING r.id, r.next_seq - d.seqs AS first
), passed AS MATERIALIZED (
  SELECT id, first FROM inserted UNION ALL SELECT id, first FROM updated UNION ALL SELECT id, first FROM extended
), steps AS (
  INSERT INTO step_runs AS s (run_id, node_id, item, attempt, status, input, output, error, port, started_seq, waiting_seq, finished_seq,
    started_at, finished_at, wake_at)
  SELECT d.run, d.node, '', d.attempt, d.status, d.input::jsonb, d.output::jsonb, d.error::jsonb, d.port, p.first + d.started,
    p.first + d.waiting, p.first + d.finished, d.started_at, d.finished_at, d.wake_at
  FROM UNNEST($45::uuid[], $46::text[], $47::int[], $48::text[], $49::text[], $50::text[], $51::text[], $52::text[], $53::bigint[],
    $54::bigint[], $55::bigint[], $56::bigint[], $57::bigint[], $58::bigint[])
    AS d (run, node, attempt, status, input, output, error, port, started, waiting, finished, started_at, finished_at, wake_at)
  JOIN passed p ON p.id = d.run
  ON CONFLICT (run_id, node_id, item, attempt) DO UPDATE SET status = excluded.status, input = coalesce(excluded.input, s.input),
    output = excluded.output, error = excluded.error, port = excluded.port, started_seq = coalesce(s.started_seq, excluded.started_seq),
    waiting_seq = coalesce(s.waiting_seq, excluded.waiting_seq), finished_seq = excluded.finished_seq,
    started_at = coalesce(s.started_at, excluded.started_at), finished_at = excluded.finished_at,
    wake_at = CASE WHEN excluded.status = 'failed' THEN excluded.wake_at ELSE coalesce(excluded.wake_at, s.wake_at) END
), dispatched AS (
  INSERT INTO step_leases (run_id, node_id, item, attempt, owner, epoch, crashes, dispatched_at, claimed_at)
  SELECT d.run, d.node, '', d.attempt, NULL, 0, 0, (extract(epoch from clock_timestamp()) * 1000)::bigint, NULL
  FROM UNNEST($59::uuid[], $60::text[], $61::int[]) AS d (run, node, attempt) JOIN passed p ON p.id = d.run
  ON CONFLICT DO NOTHING
), recalled AS (
  DELETE FROM step_leases l USING UNNEST($62::uuid[], $63::text[], $64::int[]) AS d (run, node, attempt), passed p
  WHERE p.id = d.run AND l.run_id = d.run AND l.node_id = d.node AND l.item = '' AND l.attempt = d.attempt
), logged AS (
  INSERT INTO step_logs (run_id, seq, node_id, item, attempt, stream, text, at)
  SELECT d.run, p.first + d.seq, d.node, '', d.attempt, d.stream, d.text, d.at
  FROM UNNEST($65::uuid[], $66::bigint[], $67::text[], $68::int[], $69::text[], $70::text[], $71::bigint[])
    AS d (run, seq, node, attempt, stream, text, at) JOIN passed p ON p.id = d.run
), consumed AS (
  DELETE FROM run_inbox i USING UNNEST($72::uuid[], $73::uuid[]) AS d (run, id), passed p WHERE p.id = d.run AND i.id = d.id
)
SELECT id FROM passed";

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
    let (mut new, mut updates, mut leases) = (NewRuns::default(), RunUpdates::default(), StepKeys::default());
    let (mut lease_epochs, mut lease_seqs) = (Vec::new(), Vec::new());
    let (mut steps, mut dispatch, mut recall, mut logs) =
        (Steps::default(), StepKeys::default(), StepKeys::default(), Logs::default());
    let (mut consumed_runs, mut consumed) = (Vec::<Uuid>::new(), Vec::<Uuid>::new());
    for Order { delta, .. } in batch {
        match &delta.guard {
            Guard::New(row) => new.push(delta, row),
            Guard::Owner(epoch) => updates.push(delta, *epoch),
            Guard::Lease { node, attempt, epoch } => {
                leases.push(delta.run, node, *attempt);
                lease_epochs.push(*epoch);
                lease_seqs.push(delta.seqs);
            }
        }
        delta.steps.iter().for_each(|step| steps.push(delta.run, step));
        delta.dispatch.iter().for_each(|(node, attempt)| dispatch.push(delta.run, node, *attempt));
        delta.recall.iter().for_each(|(node, attempt)| recall.push(delta.run, node, *attempt));
        delta.logs.iter().for_each(|log| logs.push(delta.run, log));
        consumed_runs.extend(delta.consumed.iter().map(|_| delta.run.uuid()));
        consumed.extend(&delta.consumed);
    }
    let query = leases.bind(updates.bind(new.bind(sqlx::query(STATEMENT))));
    let query = recall.bind(dispatch.bind(steps.bind(query.bind(lease_epochs).bind(lease_seqs))));
    let query = logs.bind(query).bind(consumed_runs).bind(consumed);
    let rows = query.fetch_all(connection).await?;
    let passed = rows.iter().map(|row| row.try_get("id")).collect::<sqlx::Result<HashSet<Uuid>>>()?;
    Ok(batch.iter().map(|order| passed.contains(&order.delta.run.uuid())).collect())
}
