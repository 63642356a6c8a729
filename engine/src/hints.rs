//! Wakes whoever waits for news of a run in this process. A ring says that there may be something to read and nothing more.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use flowforge_core::RunId;
use tokio::sync::Notify;

/// The bells of this process, by run.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    bells: Mutex<HashMap<RunId, Bell>>,
    /// How many bells there are, so that a ring for nobody costs no lock.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Bell {
    notify: Arc<Notify>,
    watchers: usize,
}

/// Someone who waits for news of a run. Take one before reading, so that nothing falls between.
#[derive(Debug)]
pub(crate) struct Watch {
    hints: Arc<Hints>,
    run: RunId,
    notify: Arc<Notify>,
}

impl Hints {
    /// Begins to listen.
    pub(crate) fn watch(self: &Arc<Self>, run: RunId) -> Watch {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = bells.entry(run).or_default();
        bell.watchers += 1;
        let notify = bell.notify.clone();
        self.count.store(bells.len(), Ordering::Release);
        drop(bells);
        Watch { hints: self.clone(), run, notify }
    }

    /// Says that a run has changed.
    pub(crate) fn ring(&self, run: RunId) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(&run) {
            bell.notify.notify_waiters();
        }
    }
}

impl Watch {
    /// Completes at the next ring after this call.
    pub(crate) fn rung(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut bells = self.hints.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get_mut(&self.run) {
            bell.watchers -= 1;
            if bell.watchers == 0 {
                bells.remove(&self.run);
            }
        }
        self.hints.count.store(bells.len(), Ordering::Release);
    }
}
