//! Log lines on their way from a step to its run's owner.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use flowforge_core::{
    StepIx, Timestamp,
    node::{BoxFuture, LogSink, Stream},
};
use tokio::sync::mpsc;

use crate::clock::Clock;

/// The longest line, in bytes; the rest of a longer one is cut off.
pub(crate) const LONGEST_LINE: usize = 8 * 1024;
/// The most lines of one attempt; further ones are left out, with a line that says so.
pub(crate) const MOST_LINES: usize = 20_000;

/// A log line of an inline step.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) step: StepIx,
    pub(super) attempt: u32,
    pub(super) stream: Stream,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// The owner's end of all its steps' logs.
pub(super) struct OwnerLog {
    sender: mpsc::Sender<Line>,
    clock: Clock,
}

impl OwnerLog {
    pub(super) fn new(sender: mpsc::Sender<Line>, clock: Clock) -> Self {
        Self { sender, clock }
    }
}

/// The log of one attempt.
pub(super) struct StepLog {
    owner: Arc<OwnerLog>,
    step: StepIx,
    attempt: u32,
    lines: AtomicUsize,
}

impl StepLog {
    pub(super) fn new(owner: Arc<OwnerLog>, step: StepIx, attempt: u32) -> Self {
        Self { owner, step, attempt, lines: AtomicUsize::new(0) }
    }
}

impl LogSink for StepLog {
    fn line(&self, stream: Stream, text: String) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some((stream, text)) = admitted(&self.lines, stream, text) else { return };
            let line = Line { step: self.step, attempt: self.attempt, stream, text, at: self.owner.clock.now() };
            // When the owner is gone the step is about to be dropped as well.
            let _ = self.owner.sender.send(line).await;
        })
    }
}

/// A line as it may be written, or nothing when there were too many.
pub(crate) fn admitted(lines: &AtomicUsize, stream: Stream, mut text: String) -> Option<(Stream, String)> {
    match lines.fetch_add(1, Ordering::Relaxed) {
        n if n < MOST_LINES => {
            if text.len() > LONGEST_LINE {
                text.truncate(text.floor_char_boundary(LONGEST_LINE));
                text.push_str(" … (cut off)");
            }
            Some((stream, crate::executor::storable_text(&text)))
        }
        MOST_LINES => Some((Stream::System, format!("more than {MOST_LINES} lines: the rest is left out"))),
        _ => None,
    }
}
