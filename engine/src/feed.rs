//! A run's events from a cursor: history and what is still to come are the same query, woken by hints.
//!
//! Record numbers are dense and given out under the run's own row, so the reader first learns how far the record goes and
//! then reads up to there: nothing below that mark can appear later.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use flowforge_core::{NodeId, RunId, StepStatus, Timestamp, WorkspaceId};
use futures::{Stream, stream};
use serde_json::{Map, Value, json};

use crate::{
    error::Result,
    hints::Watch,
    owner::EVENT,
    record::{AttemptRecord, LogRecord},
    shared::Shared,
    store::runs::RunRow,
};

/// The most log lines that are read at once.
const LINES: u64 = 500;
/// How long nobody's hint is waited for before looking anyway.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// Something that happened to a run, as a screen wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedEvent {
    /// Where in the run's record it stands, from 1, without gaps.
    pub seq: i64,
    /// What happened, for example `step_succeeded`.
    pub kind: &'static str,
    /// When.
    pub at: Timestamp,
    /// To which node; none for what happened to the run itself.
    pub node: Option<NodeId>,
    /// To which map item; empty outside a map.
    pub item: String,
    /// In which attempt.
    pub attempt: Option<u32>,
    /// What else belongs to it.
    pub data: Map<String, Value>,
}

impl FeedEvent {
    /// Whether nothing can follow.
    pub fn is_last(&self) -> bool {
        self.kind == "run_finished"
    }
}

struct Reader {
    shared: Arc<Shared>,
    workspace: WorkspaceId,
    run: RunId,
    watch: Watch,
    cursor: i64,
    ready: VecDeque<FeedEvent>,
    over: bool,
}

/// Events of a run after a record number, as they come. Ends after the run's last one, or after an error.
pub(crate) fn feed(
    shared: Arc<Shared>,
    workspace: WorkspaceId,
    run: RunId,
    after: i64,
) -> impl Stream<Item = Result<FeedEvent>> + Send + 'static {
    let watch = shared.hints.watch(run);
    let reader = Reader { shared, workspace, run, watch, cursor: after, ready: VecDeque::new(), over: false };
    stream::unfold(reader, |mut reader| async move {
        match reader.next().await {
            Ok(Some(event)) => Some((Ok(event), reader)),
            Ok(None) => None,
            Err(fault) => {
                reader.over = true;
                reader.ready.clear();
                Some((Err(fault), reader))
            }
        }
    })
}

impl Reader {
    async fn next(&mut self) -> Result<Option<FeedEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.cursor = event.seq;
                self.over |= event.is_last();
                return Ok(Some(event));
            }
            if self.over {
                return Ok(None);
            }
            // The bell is taken before looking, so that nothing falls between the look and the wait.
            let shared = self.shared.clone();
            let row = {
                let rung = self.watch.rung();
                let row = shared.store.run_row(Some(self.workspace), self.run).await?;
                if row.next_seq - 1 <= self.cursor && row.finished_seq.is_none() {
                    let _ = tokio::time::timeout(LOOK_ANYWAY, rung).await;
                    continue;
                }
                row
            };
            // Whoever asks for what comes after the end is told that there is nothing.
            self.over = row.finished_seq.is_some_and(|end| end <= self.cursor);
            self.read(&row).await?;
            if self.ready.is_empty() && !self.over {
                tracing::error!(run = %self.run, after = self.cursor, "the run's record has a gap");
                tokio::time::sleep(LOOK_ANYWAY).await;
            }
        }
    }

    /// Reads everything between the cursor and the mark.
    async fn read(&mut self, row: &RunRow) -> Result<()> {
        let mut mark = row.next_seq - 1;
        let lines = self.shared.store.logs_after(self.run, None, self.cursor, LINES).await?;
        if lines.len() as u64 == LINES
            && let Some(last) = lines.last()
        {
            mark = mark.min(last.seq);
        }
        let attempts = self.shared.store.attempts_after(self.run, self.cursor).await?;
        let mut events = of_run(row);
        events.extend(attempts.iter().flat_map(of_attempt));
        events.extend(lines.into_iter().map(of_line));
        events.retain(|event| event.seq > self.cursor && event.seq <= mark);
        events.sort_unstable_by_key(|event| event.seq);
        self.ready = events.into();
        Ok(())
    }
}

fn of_run(row: &RunRow) -> Vec<FeedEvent> {
    let record = &row.record;
    let event = |seq: Option<i64>, kind, at: Option<Timestamp>, data: Value| {
        Some(FeedEvent { seq: seq?, kind, at: at?, node: None, item: String::new(), attempt: None, data: object(data) })
    };
    let finished = json!({ "status": record.status, "error": record.error });
    [
        event(row.started_seq, "run_started", record.started_at, json!({})),
        event(row.cancel_seq, "run_cancelling", record.cancel_requested_at, json!({})),
        event(row.finished_seq, "run_finished", record.finished_at, finished),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_attempt(row: &AttemptRecord) -> Vec<FeedEvent> {
    let event = |seq: Option<i64>, kind, at: Option<Timestamp>, data: Value| {
        let (node, item, attempt) = (Some(row.node.clone()), row.item.clone(), Some(row.attempt));
        Some(FeedEvent { seq: seq?, kind, at: at.unwrap_or_default(), node, item, attempt, data: object(data) })
    };
    let (kind, data) = match row.status {
        StepStatus::Completed if row.is_kept() => ("step_succeeded", json!({ "port": row.port, "kept": true })),
        StepStatus::Completed => ("step_succeeded", json!({ "port": row.port })),
        StepStatus::Failed if row.wake_at.is_some() => ("step_retrying", json!({ "error": row.error, "retry_at": row.wake_at })),
        StepStatus::Failed => ("step_failed", json!({ "error": row.error })),
        StepStatus::Skipped => ("step_skipped", json!({})),
        _ => ("step_cancelled", json!({})),
    };
    [
        event(row.seqs.started, "step_started", row.started_at, json!({})),
        event(
            row.seqs.waiting,
            "step_waiting",
            row.started_at,
            json!({ "wake_at": row.wake_at, "awaiting": row.awaiting_shown() }),
        ),
        event(row.seqs.finished, kind, row.finished_at, data),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_line(line: LogRecord) -> FeedEvent {
    if line.stream == EVENT {
        let kind = if line.text == "run_paused" { "run_paused" } else { "run_resumed" };
        let (node, item, attempt, data) = (None, String::new(), None, Map::new());
        return FeedEvent { seq: line.seq, kind, at: line.at, node, item, attempt, data };
    }
    let data = object(json!({ "stream": line.stream, "text": line.text }));
    FeedEvent {
        seq: line.seq,
        kind: "step_log",
        at: line.at,
        node: Some(line.node),
        item: line.item,
        attempt: Some(line.attempt),
        data,
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
