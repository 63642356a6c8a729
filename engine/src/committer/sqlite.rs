//! The committer on SQLite: a thread of its own with prepared statements, since a hop between threads per row costs more
//! than the row.

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use tokio::sync::mpsc;

use super::{BATCH, Delta, Dispatch, Guard, Order, Passed, answer, next_batch, refuse};
use crate::{
    error::{Error, Result},
    failpoint::{Point, reached},
    hints::Hints,
};

/// How long a transaction waits for the other writer of this process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const INSERT_RUN: &str = "INSERT INTO runs (id, workspace_id, workflow_id, version, status, trigger, trigger_node, input, output, error, epoch, \
     owner, next_seq, crashes, dedupe_key, dedupe_hash, wake_at, deadline_at, started_seq, cancel_seq, finished_seq, created_at, started_at, \
     cancel_requested_at, finished_at, priority, parent_run_id, parent_node, parent_attempt, parent_index, body, depth, origin_run_id, \
     concurrency_key, concurrency_limit, paused_at, signals, response, started_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
     1 + ?13, 0, ?14, ?15, ?16, ?17, 1 + ?18, 1 + ?19, 1 + ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, \
     ?35, ?36, ?37, ?38) ON CONFLICT DO NOTHING";
const UPDATE_RUN: &str = "UPDATE runs SET next_seq = next_seq + ?3, status = coalesce(?4, status), output = coalesce(?5, output), \
     error = coalesce(?6, error), wake_at = ?7, owner = CASE WHEN ?8 THEN NULL ELSE owner END, crashes = CASE WHEN ?9 THEN 0 ELSE crashes END, \
     begun_epoch = CASE WHEN ?20 THEN epoch ELSE begun_epoch END, \
     started_seq = coalesce(next_seq + ?10, started_seq), started_at = coalesce(?11, started_at), cancel_seq = coalesce(next_seq + ?12, \
     cancel_seq), cancel_requested_at = coalesce(?13, cancel_requested_at), finished_seq = coalesce(next_seq + ?14, finished_seq), \
     finished_at = coalesce(?15, finished_at), paused_at = CASE WHEN ?16 THEN ?17 ELSE paused_at END, \
     signals = coalesce(?18, signals), response = coalesce(response, ?19) WHERE id = ?1 AND epoch = ?2 RETURNING next_seq - ?3";
const EXTEND_RUN: &str = "UPDATE runs SET next_seq = next_seq + ?2 WHERE id = ?1 AND finished_at IS NULL AND EXISTS (SELECT 1 FROM \
     step_leases WHERE run_id = ?1 AND node_id = ?3 AND item = '' AND attempt = ?4 AND epoch = ?5) RETURNING next_seq - ?2";
const UPSERT_STEP: &str = "INSERT INTO step_runs (run_id, node_id, item, attempt, status, input, output, error, port, started_seq, waiting_seq, \
     finished_seq, started_at, finished_at, wake_at, awaiting) VALUES (?1, ?2, '', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
     ON CONFLICT DO UPDATE SET awaiting = coalesce(excluded.awaiting, awaiting), \
     status = excluded.status, input = coalesce(excluded.input, input), output = excluded.output, error = excluded.error, \
     port = excluded.port, started_seq = coalesce(started_seq, excluded.started_seq), waiting_seq = coalesce(waiting_seq, \
     excluded.waiting_seq), finished_seq = excluded.finished_seq, started_at = coalesce(started_at, excluded.started_at), \
     finished_at = excluded.finished_at, wake_at = CASE WHEN excluded.status = 'failed' THEN excluded.wake_at ELSE coalesce(excluded.wake_at, wake_at) END";
/// Epochs go on from dispatch to dispatch of one attempt, so that an old holder never passes for a new one: a time is larger than
/// the one before plus the claims in between.
const DISPATCH: &str = "INSERT INTO step_leases (run_id, node_id, item, attempt, owner, epoch, crashes, dispatched_at, claimed_at, \
     concurrency_key, concurrency_limit) VALUES (?1, ?2, '', ?3, NULL, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0, CAST(unixepoch('subsec') * 1000 AS INTEGER), NULL, ?4, ?5) ON CONFLICT DO NOTHING";
const RECALL: &str = "DELETE FROM step_leases WHERE run_id = ?1 AND node_id = ?2 AND item = '' AND attempt = ?3";
const INSERT_LOG: &str =
    "INSERT INTO step_logs (run_id, seq, node_id, item, attempt, stream, text, at) VALUES (?1, ?2, ?3, '', ?4, ?5, ?6, ?7)";
const SEND: &str = "INSERT INTO run_inbox (id, run_id, kind, body, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
const CONSUME: &str = "DELETE FROM run_inbox WHERE id = ?1";

/// The first number of a run's record.
const FIRST: i64 = 1;

/// Starts the thread.
pub(super) fn spawn(path: &Path, orders: mpsc::Receiver<Order>, hints: Arc<Hints>) -> Result<()> {
    let connection = open(path).map_err(storage)?;
    let thread = thread::Builder::new().name("committer".to_owned());
    thread
        .spawn(move || serve(connection, orders, &hints))
        .map_err(|fault| Error::Storage(format!("no thread for the committer: {fault}")))?;
    Ok(())
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32000; PRAGMA foreign_keys = ON;",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn serve(mut connection: Connection, mut orders: mpsc::Receiver<Order>, hints: &Hints) {
    let mut waiting = Vec::with_capacity(BATCH);
    loop {
        // What was left over is written at once, together with whatever else has come.
        if waiting.is_empty() && orders.blocking_recv_many(&mut waiting, BATCH) == 0 {
            return;
        }
        while waiting.len() < BATCH
            && let Ok(order) = orders.try_recv()
        {
            waiting.push(order);
        }
        let batch = next_batch(&mut waiting);
        // A fault in here drops the batch, whose writers then read their runs again; the transaction is rolled back.
        let written = panic::catch_unwind(AssertUnwindSafe(|| write_or_split(&mut connection, batch, hints)));
        if written.is_err() {
            tracing::error!("the committer stopped on a fault in FlowForge itself and goes on with the next batch");
        }
    }
}

fn write_or_split(connection: &mut Connection, mut batch: Vec<Order>, hints: &Hints) {
    match write(connection, &batch) {
        Ok(passed) => answer(batch, &passed, hints),
        Err(fault) if batch.len() == 1 => refuse(batch, &refusal(fault)),
        Err(fault) => {
            tracing::warn!(%fault, deltas = batch.len(), "a batch was refused; writing it in halves");
            let rest = batch.split_off(batch.len() / 2);
            write_or_split(connection, batch, hints);
            write_or_split(connection, rest, hints);
        }
    }
}

/// Writes a batch in one transaction, which is rolled back when it is dropped on an error.
fn write(connection: &mut Connection, batch: &[Order]) -> rusqlite::Result<Passed> {
    reached(Point::Commit);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let passed = {
        let mut statements = Statements::prepare(&transaction)?;
        batch.iter().map(|order| statements.apply(&order.delta)).collect::<rusqlite::Result<_>>()?
    };
    transaction.commit()?;
    reached(Point::Committed);
    Ok(passed)
}

struct Statements<'c> {
    insert_run: CachedStatement<'c>,
    update_run: CachedStatement<'c>,
    extend_run: CachedStatement<'c>,
    upsert_step: CachedStatement<'c>,
    dispatch: CachedStatement<'c>,
    recall: CachedStatement<'c>,
    insert_log: CachedStatement<'c>,
    consume: CachedStatement<'c>,
    send: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            insert_run: connection.prepare_cached(INSERT_RUN)?,
            update_run: connection.prepare_cached(UPDATE_RUN)?,
            extend_run: connection.prepare_cached(EXTEND_RUN)?,
            upsert_step: connection.prepare_cached(UPSERT_STEP)?,
            dispatch: connection.prepare_cached(DISPATCH)?,
            recall: connection.prepare_cached(RECALL)?,
            insert_log: connection.prepare_cached(INSERT_LOG)?,
            consume: connection.prepare_cached(CONSUME)?,
            send: connection.prepare_cached(SEND)?,
        })
    }

    /// Whether the delta's guard held; if so, it is written.
    fn apply(&mut self, delta: &Delta) -> rusqlite::Result<bool> {
        let Some(first) = self.guard(delta)? else { return Ok(false) };
        let run = delta.run.uuid();
        for step in &delta.steps {
            self.upsert_step.execute(params![
                run,
                step.node.as_str(),
                step.attempt,
                step.status.as_str(),
                step.input,
                step.output,
                step.error,
                step.port,
                step.started.map(|offset| first + offset),
                step.waiting.map(|offset| first + offset),
                step.finished.map(|offset| first + offset),
                step.started_at.map(|at| at.0),
                step.finished_at.map(|at| at.0),
                step.wake_at.map(|at| at.0),
                step.awaiting,
            ])?;
        }
        for Dispatch { node, attempt, limit } in &delta.dispatch {
            let (key, limit) = (limit.as_ref().map(|limit| &limit.key), limit.as_ref().map(|limit| limit.limit));
            self.dispatch.execute(params![run, node.as_str(), attempt, key, limit])?;
        }
        for (node, attempt) in &delta.recall {
            self.recall.execute(params![run, node.as_str(), attempt])?;
        }
        for log in &delta.logs {
            self.insert_log.execute(params![
                run,
                first + log.offset,
                log.node.as_str(),
                log.attempt,
                log.stream,
                log.text,
                log.at.0
            ])?;
        }
        for id in &delta.consumed {
            self.consume.execute(params![id])?;
        }
        for letter in &delta.outbox {
            self.send.execute(params![letter.id, letter.to.uuid(), letter.kind, letter.body, letter.at.0])?;
        }
        Ok(true)
    }

    /// The delta's first record number, if its guard holds.
    fn guard(&mut self, delta: &Delta) -> rusqlite::Result<Option<i64>> {
        match &delta.guard {
            Guard::New(_) => self.insert(delta),
            Guard::Owner(epoch) => self.update(delta, *epoch),
            Guard::Lease { node, attempt, epoch } => self
                .extend_run
                .query_row(params![delta.run.uuid(), delta.seqs, node.as_str(), attempt, epoch], |row| row.get(0))
                .optional(),
        }
    }

    fn insert(&mut self, delta: &Delta) -> rusqlite::Result<Option<i64>> {
        let Guard::New(row) = &delta.guard else { return Ok(None) };
        let (patch, parent) = (&delta.patch, row.parent.as_ref());
        let values = params![
            delta.run.uuid(),
            row.workspace.uuid(),
            row.workflow.uuid(),
            row.version,
            patch.status.unwrap_or(flowforge_core::RunStatus::Pending).as_str(),
            row.trigger,
            row.trigger_node.as_ref().map(|node| node.as_str()),
            row.input,
            patch.output,
            patch.error,
            row.epoch(),
            row.owner.filter(|_| !patch.release).map(|owner| owner.uuid()),
            delta.seqs,
            row.dedupe_key,
            row.dedupe_hash,
            patch.wake_at.map(|at| at.0),
            row.deadline_at.map(|at| at.0),
            patch.started.map(|(offset, _)| offset),
            patch.cancelled.map(|(offset, _)| offset),
            patch.finished.map(|(offset, _)| offset),
            row.created_at.0,
            patch.started.map(|(_, at)| at.0),
            patch.cancelled.map(|(_, at)| at.0),
            patch.finished.map(|(_, at)| at.0),
            row.priority.rank(),
            parent.map(|parent| parent.run.uuid()),
            parent.map(|parent| parent.node.as_str()),
            parent.map(|parent| parent.attempt),
            parent.map(|parent| parent.index),
            row.body,
            row.depth,
            row.origin.map(|origin| origin.uuid()),
            row.limit.as_ref().map(|limit| &limit.key),
            row.limit.as_ref().map(|limit| limit.limit),
            patch.paused.flatten().map(|at| at.0),
            patch.signals,
            patch.response,
            row.started_by.map(|user| user.uuid()),
        ];
        // A RETURNING clause would cost as much as the insert: SQLite makes a trigger and a journal of it.
        let inserted = self.insert_run.execute(values)?;
        Ok((inserted == 1).then_some(FIRST))
    }

    fn update(&mut self, delta: &Delta, epoch: i64) -> rusqlite::Result<Option<i64>> {
        let patch = &delta.patch;
        let values = params![
            delta.run.uuid(),
            epoch,
            delta.seqs,
            patch.status.map(|status| status.as_str()),
            patch.output,
            patch.error,
            patch.wake_at.map(|at| at.0),
            patch.release,
            patch.progress,
            patch.started.map(|(offset, _)| offset),
            patch.started.map(|(_, at)| at.0),
            patch.cancelled.map(|(offset, _)| offset),
            patch.cancelled.map(|(_, at)| at.0),
            patch.finished.map(|(offset, _)| offset),
            patch.finished.map(|(_, at)| at.0),
            patch.paused.is_some(),
            patch.paused.flatten().map(|at| at.0),
            patch.signals,
            patch.response,
            patch.begins,
        ];
        self.update_run.query_row(values, |row| row.get(0)).optional()
    }
}

/// What a fault of a delta that stood alone says: whether it will ever be taken.
fn refusal(fault: rusqlite::Error) -> Error {
    match fault.sqlite_error_code() {
        Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => Error::BadInput(fault.to_string()),
        _ => storage(fault),
    }
}

fn storage(fault: rusqlite::Error) -> Error {
    Error::Storage(fault.to_string())
}
