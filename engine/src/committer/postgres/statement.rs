//! The one statement that writes a batch: one round trip, one commit.
//!
//! Every set is one group of `UNNEST` arrays. `passed` holds the runs whose guard held, with their first record number, and
//! everything else is joined to it.

use std::sync::LazyLock;

use super::columns::{Consumed, Dispatches, Extensions, Letters, Logs, NewRuns, RunUpdates, StepKeys, Steps};

/// The statement. Its parameters are numbered in the order of [`SETS`].
pub(super) static STATEMENT: LazyLock<String> = LazyLock::new(statement);

/// How many parameters it has.
#[cfg(test)]
pub(super) fn parameters() -> usize {
    let mut next = 1;
    SETS.iter().for_each(|(_, unnest)| drop(unnest(&mut next)));
    next - 1
}

type Unnest = fn(&mut usize) -> String;

/// The sets of rows, by the name that stands for them in the text below, in the order in which they are bound.
const SETS: [(&str, Unnest); 9] = [
    ("{new}", NewRuns::unnest),
    ("{updates}", RunUpdates::unnest),
    ("{extensions}", Extensions::unnest),
    ("{steps}", Steps::unnest),
    ("{dispatches}", Dispatches::unnest),
    ("{recalls}", StepKeys::unnest),
    ("{logs}", Logs::unnest),
    ("{consumed}", Consumed::unnest),
    ("{letters}", Letters::unnest),
];

fn statement() -> String {
    let mut next = 1;
    SETS.iter().fold(TEXT.to_owned(), |text, (name, unnest)| text.replace(name, &unnest(&mut next)))
}

const TEXT: &str = "
WITH inserted AS (
  INSERT INTO runs (id, workspace_id, workflow_id, version, status, trigger, trigger_node, input, output, error, epoch, owner, next_seq,
    crashes, dedupe_key, dedupe_hash, wake_at, deadline_at, started_seq, cancel_seq, finished_seq, created_at, started_at,
    cancel_requested_at, finished_at, priority, parent_run_id, parent_node, parent_attempt, parent_index, body, depth, origin_run_id,
    concurrency_key, concurrency_limit, paused_at, signals, response)
  SELECT id, workspace, workflow, version, status, trigger, trigger_node, input::jsonb, output::jsonb, error::jsonb, epoch, owner, 1 + seqs,
    0, dedupe_key, dedupe_hash, wake_at, deadline_at, 1 + started, 1 + cancelled, 1 + finished, created_at, started_at, cancelled_at, finished_at,
    priority, parent_run, parent_node, parent_attempt, parent_index, body, depth, origin, limit_key, most, paused_at, signals::jsonb,
    response::jsonb
  FROM {new}
  ON CONFLICT DO NOTHING RETURNING id, 1::bigint AS first
), updated AS (
  UPDATE runs r SET next_seq = r.next_seq + d.seqs, status = coalesce(d.status, r.status), output = coalesce(d.output::jsonb, r.output),
    error = coalesce(d.error::jsonb, r.error), wake_at = d.wake_at, owner = CASE WHEN d.release THEN NULL ELSE r.owner END,
    crashes = CASE WHEN d.progress THEN 0 ELSE r.crashes END,
    begun_epoch = CASE WHEN d.begins THEN r.epoch ELSE r.begun_epoch END, started_seq = coalesce(r.next_seq + d.started, r.started_seq),
    started_at = coalesce(d.started_at, r.started_at), cancel_seq = coalesce(r.next_seq + d.cancelled, r.cancel_seq),
    cancel_requested_at = coalesce(d.cancelled_at, r.cancel_requested_at), finished_seq = coalesce(r.next_seq + d.finished, r.finished_seq),
    finished_at = coalesce(d.finished_at, r.finished_at), paused_at = CASE WHEN d.pauses THEN d.paused_at ELSE r.paused_at END,
    signals = coalesce(d.signals::jsonb, r.signals), response = coalesce(r.response, d.response::jsonb)
  FROM {updates}
  WHERE r.id = d.id AND r.epoch = d.epoch RETURNING r.id, r.next_seq - d.seqs AS first
), extended AS (
  UPDATE runs r SET next_seq = r.next_seq + d.seqs
  FROM {extensions}
  WHERE r.id = d.id AND r.finished_at IS NULL AND EXISTS (SELECT 1 FROM step_leases l WHERE l.run_id = d.id AND l.node_id = d.node
    AND l.item = '' AND l.attempt = d.attempt AND l.epoch = d.epoch)
  RETURNING r.id, r.next_seq - d.seqs AS first
), passed AS MATERIALIZED (
  SELECT id, first FROM inserted UNION ALL SELECT id, first FROM updated UNION ALL SELECT id, first FROM extended
), steps AS (
  INSERT INTO step_runs AS s (run_id, node_id, item, attempt, status, input, output, error, port, started_seq, waiting_seq, finished_seq,
    started_at, finished_at, wake_at, awaiting)
  SELECT d.run, d.node, '', d.attempt, d.status, d.input::jsonb, d.output::jsonb, d.error::jsonb, d.port, p.first + d.started,
    p.first + d.waiting, p.first + d.finished, d.started_at, d.finished_at, d.wake_at, d.awaiting::jsonb
  FROM {steps}
  JOIN passed p ON p.id = d.run
  ON CONFLICT (run_id, node_id, item, attempt) DO UPDATE SET status = excluded.status, input = coalesce(excluded.input, s.input),
    output = excluded.output, error = excluded.error, port = excluded.port, started_seq = coalesce(s.started_seq, excluded.started_seq),
    waiting_seq = coalesce(s.waiting_seq, excluded.waiting_seq), finished_seq = excluded.finished_seq,
    started_at = coalesce(s.started_at, excluded.started_at), finished_at = excluded.finished_at,
    wake_at = CASE WHEN excluded.status = 'failed' THEN excluded.wake_at ELSE coalesce(excluded.wake_at, s.wake_at) END,
    awaiting = coalesce(excluded.awaiting, s.awaiting)
), dispatched AS (
  INSERT INTO step_leases (run_id, node_id, item, attempt, owner, epoch, crashes, dispatched_at, claimed_at, concurrency_key, concurrency_limit)
  SELECT d.run, d.node, '', d.attempt, NULL, d.now, 0, d.now, NULL, d.limit_key, d.most
  FROM (SELECT *, (extract(epoch from clock_timestamp()) * 1000)::bigint AS now FROM {dispatches}) d JOIN passed p ON p.id = d.run
  ON CONFLICT DO NOTHING
), recalled AS (
  DELETE FROM step_leases l USING {recalls}, passed p
  WHERE p.id = d.run AND l.run_id = d.run AND l.node_id = d.node AND l.item = '' AND l.attempt = d.attempt
), logged AS (
  INSERT INTO step_logs (run_id, seq, node_id, item, attempt, stream, text, at)
  SELECT d.run, p.first + d.seq, d.node, '', d.attempt, d.stream, d.text, d.at
  FROM {logs} JOIN passed p ON p.id = d.run
), consumed AS (
  DELETE FROM run_inbox i USING {consumed}, passed p WHERE p.id = d.run AND i.id = d.id
), sent AS (
  INSERT INTO run_inbox (id, run_id, kind, body, created_at)
  SELECT d.id, d.target, d.kind, d.body::jsonb, d.at FROM {letters} JOIN passed p ON p.id = d.run
)
SELECT id FROM passed";
