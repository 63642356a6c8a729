//! What the clients know for certain: every attempt to trigger or cancel, written down before the next step is taken.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};

/// What is known of one trigger.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entry {
    /// How often it was sent.
    pub(crate) sent: u64,
    /// The ids that it was answered with, in order.
    pub(crate) acks: Vec<String>,
    /// How many answers never came.
    pub(crate) unknown: u64,
    /// Answers that neither start a run nor say that the server is in trouble.
    pub(crate) refused: Vec<String>,
    /// When its cancellation was acknowledged, on the ledger's clock.
    pub(crate) cancelled_at: Option<u64>,
    /// The decisions that were accepted.
    pub(crate) decided: Vec<String>,
}

/// The client log. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    file: File,
    entries: BTreeMap<String, Entry>,
}

impl Journal {
    /// An empty log in this folder.
    pub(crate) fn create(folder: &Path) -> Self {
        let file = File::create(folder.join("clients.txt")).expect("the folder is ours");
        Self(Arc::new(Mutex::new(Pages { file, entries: BTreeMap::new() })))
    }

    /// Before a trigger is sent.
    pub(crate) fn intent(&self, key: &str) {
        self.write(key, &format!("INTENT {key}"), |entry| entry.sent += 1);
    }

    /// A trigger was answered with this run.
    pub(crate) fn ack(&self, key: &str, run: &str) {
        self.write(key, &format!("ACK {key} {run}"), |entry| entry.acks.push(run.to_owned()));
    }

    /// It is not known what became of a trigger.
    pub(crate) fn unknown(&self, key: &str, fault: &str) {
        self.write(key, &format!("UNKNOWN {key} {fault}"), |entry| entry.unknown += 1);
    }

    /// A trigger was refused.
    pub(crate) fn refused(&self, key: &str, answer: &str) {
        self.write(key, &format!("REFUSED {key} {answer}"), |entry| entry.refused.push(answer.to_owned()));
    }

    /// A cancellation was acknowledged.
    pub(crate) fn cancelled(&self, key: &str, at_ms: u64) {
        self.write(key, &format!("CANCELLED {key} {at_ms}"), |entry| entry.cancelled_at = Some(at_ms));
    }

    /// A decision was accepted.
    pub(crate) fn decided(&self, key: &str, decision: &str) {
        self.write(key, &format!("DECIDED {key} {decision}"), |entry| entry.decided.push(decision.to_owned()));
    }

    /// Everything so far, by key.
    pub(crate) fn entries(&self) -> BTreeMap<String, Entry> {
        self.0.lock().expect("not poisoned").entries.clone()
    }

    /// The run that a trigger was first answered with.
    pub(crate) fn run_of(&self, key: &str) -> Option<String> {
        self.0.lock().expect("not poisoned").entries.get(key)?.acks.first().cloned()
    }

    fn write(&self, key: &str, line: &str, change: impl FnOnce(&mut Entry)) {
        let mut pages = self.0.lock().expect("not poisoned");
        writeln!(pages.file, "{line}").expect("the disk takes it");
        pages.file.sync_data().expect("the disk keeps it");
        change(pages.entries.entry(key.to_owned()).or_default());
    }
}
