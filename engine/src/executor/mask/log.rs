//! Masks a step's log lines, also where a secret is spread over several of them.

use std::sync::{Arc, Mutex};

use flowforge_core::node::{BoxFuture, LogSink, Stream};

use super::{Edges, MASKED, Mask};
use crate::shared::lock;

/// Masks lines on their way to another log.
pub(crate) struct MaskedLog {
    log: Arc<dyn LogSink>,
    mask: Mask,
    /// How each stream ended so far, where that may be the beginning of a secret.
    open: Mutex<[String; 3]>,
}

impl MaskedLog {
    pub(crate) fn new(log: Arc<dyn LogSink>, mask: Mask) -> Self {
        Self { log, mask, open: Mutex::default() }
    }

    /// The line as it may be written. What a stream has already written cannot be taken back, but it was less than half of a secret,
    /// or it was masked.
    fn masked(&self, stream: Stream, line: String) -> String {
        let open = &mut lock(&self.open)[stream as usize];
        let before = open.len();
        let whole = std::mem::take(open) + &line;
        let places = self.mask.places(&whole, Edges::End);
        if let Some(start) = places.open {
            *open = whole[start..].to_owned();
        }
        if before == 0 {
            return self.mask.text(line, Edges::End);
        }
        let mut masked = String::with_capacity(line.len());
        let mut done = before;
        for place in places.found.iter().filter(|place| place.end > before) {
            masked.push_str(&whole[done..place.start.max(before)]);
            masked.push_str(MASKED);
            done = place.end;
        }
        masked.push_str(&whole[done..]);
        masked
    }
}

impl LogSink for MaskedLog {
    fn line(&self, stream: Stream, text: String) -> BoxFuture<'_, ()> {
        let text = self.masked(stream, text);
        self.log.line(stream, text)
    }
}
