//! Rows back into the facts that they record, as in `engine/src/owner/load.rs`.

use std::sync::Arc;

use flowforge_core::{Event, StepIx, StepStatus, Timestamp, node::NodeError};
use serde_json::Value;

use super::{RunRow, StepRow};

impl RunRow {
    /// The facts, in the order of their numbers.
    pub(crate) fn facts(&self) -> Vec<Event> {
        let mut facts: Vec<(i64, Event)> = Vec::with_capacity(self.steps.len() * 2 + 2);
        facts.extend(self.started.map(|seq| (seq, Event::RunStarted { trigger: self.compiled.trigger() })));
        self.steps.iter().for_each(|row| facts_of(row, &mut facts));
        facts.extend(self.cancelled.map(|seq| (seq, Event::CancelRequested)));
        if let Some(seq) = self.finished {
            let output = self.output.clone().unwrap_or_default();
            facts.push((seq, Event::RunFinished { status: self.status, output, error: self.error.clone() }));
        }
        facts.sort_unstable_by_key(|(seq, _)| *seq);
        facts.into_iter().map(|(_, fact)| fact).collect()
    }
}

fn facts_of(row: &StepRow, facts: &mut Vec<(i64, Event)>) {
    let (step, attempt) = (row.step, row.attempt);
    facts.extend(row.started.map(|seq| (seq, Event::StepStarted { step, attempt })));
    // An attempt that slept and has ended was called again in between: its end follows its beginning just as well.
    if let (Some(seq), None) = (row.waiting, row.finished) {
        let (until, awaiting) = (row.wake_at.map(Timestamp), row.awaiting.clone());
        facts.push((seq, Event::StepWaiting { step, attempt, until, awaiting }));
    }
    let Some(seq) = row.finished else { return };
    let fact = match row.status {
        StepStatus::Completed => {
            let output = row.output.clone().unwrap_or_else(|| Arc::new(Value::Null));
            Event::StepCompleted { step, attempt, output, port: row.port.clone().unwrap_or_default() }
        }
        StepStatus::Failed => {
            let error = row.error.clone().unwrap_or_else(|| Arc::new(NodeError::fatal("UNKNOWN", "")));
            Event::StepFailed { step, attempt, error, retry_at: row.wake_at.map(Timestamp) }
        }
        StepStatus::Skipped => Event::StepSkipped { step },
        _ => Event::StepCancelled { step, attempt },
    };
    facts.push((seq, fact));
}

/// Attempts whose row is open, and whether it says that they slept.
pub(crate) fn open_attempts(row: &RunRow) -> impl Iterator<Item = (StepIx, u32, bool)> {
    row.steps.iter().filter(|row| row.finished.is_none()).map(|row| (row.step, row.attempt, row.waiting.is_some()))
}
