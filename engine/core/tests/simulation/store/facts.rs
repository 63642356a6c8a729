//! Rows back into the facts that they record, as in `engine/src/owner/load.rs`.

use std::sync::Arc;

use flowforge_core::{Awaiting, Event, RunStatus, StepIx, StepStatus, Timestamp, node::NodeError};
use serde_json::Value;

use super::{Parent, RunRow, StepRow, Store};

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
        // What the row says without a number: it holds now, whenever it came about.
        let signals =
            self.signals.iter().map(|(name, payload)| Event::SignalKept { name: name.clone(), payload: payload.clone() });
        let paused = self.paused.then_some(Event::RunPaused);
        let standing = signals.chain(paused).filter(|_| self.finished.is_none());
        facts.into_iter().map(|(_, fact)| fact).chain(standing).collect()
    }

    fn awaits_children(&self, parent: Parent) -> bool {
        let is_it = |row: &&StepRow| row.step == parent.step && row.attempt == parent.attempt && row.finished.is_none();
        let row = self.steps.iter().find(is_it);
        row.is_some_and(|row| matches!(row.awaiting.as_deref(), Some(Awaiting::Children(_))))
    }
}

impl Store {
    /// The facts of a run, with what its children's own rows say of the attempts that wait for them.
    pub(crate) fn facts(&self, run: u32) -> Option<Vec<Event>> {
        let row = self.run(run)?;
        let mut facts = row.facts();
        for (parent, child) in self.children(run).filter(|(parent, _)| row.awaits_children(*parent)) {
            let Parent { step, attempt, index, .. } = parent;
            facts.push(Event::ChildStarted { step, attempt, index });
            if child.finished.is_some() {
                facts.push(Event::ChildEnded { step, index, failed: child.status != RunStatus::Completed });
            }
        }
        Some(facts)
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
    if row.status == StepStatus::Completed && row.started.is_none() {
        let output = row.output.clone().unwrap_or_default();
        return facts.push((seq, Event::StepKept { step, output, port: row.port.clone().unwrap_or_default() }));
    }
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
