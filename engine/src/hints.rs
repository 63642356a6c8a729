//! Wakes whoever waits for news of a run, in this process and in others. A ring says that there may be something to read and
//! nothing more.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use flowforge_core::RunId;
use tokio::sync::Notify;

use crate::{
    clock,
    queue::{Bell, Queue},
    shared::lock,
};

/// How long another process is told of a run's news after it has last said that somebody watches it.
const TELL_FOR: Duration = Duration::from_secs(15);
/// The most runs that other processes are told of. Who watches one more looks every second.
const TELL_OF: usize = 10_000;

/// The bells of this process, by run.
#[derive(Debug)]
pub(crate) struct Hints {
    queue: Queue,
    bells: Mutex<HashMap<RunId, Bells>>,
    /// How many bells there are, so that a ring for nobody costs no lock.
    count: AtomicUsize,
    /// The runs that are watched elsewhere, and until when.
    elsewhere: Mutex<HashMap<RunId, Instant>>,
    /// How many those are.
    elsewhere_count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Bells {
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
    pub(crate) fn new(queue: Queue) -> Self {
        Self {
            queue,
            bells: Mutex::default(),
            count: AtomicUsize::new(0),
            elsewhere: Mutex::default(),
            elsewhere_count: AtomicUsize::new(0),
        }
    }

    /// Begins to listen.
    pub(crate) fn watch(self: &Arc<Self>, run: RunId) -> Watch {
        let mut bells = lock(&self.bells);
        let bell = bells.entry(run).or_default();
        bell.watchers += 1;
        let notify = bell.notify.clone();
        self.count.store(bells.len(), Ordering::Release);
        drop(bells);
        self.queue.tell(Bell::Watched(run));
        Watch { hints: self.clone(), run, notify }
    }

    /// The runs that are watched here.
    pub(crate) fn watched(&self) -> Vec<RunId> {
        lock(&self.bells).keys().copied().collect()
    }

    /// Says that a run has changed.
    pub(crate) fn ring(&self, run: RunId) {
        self.ring_here(run);
        if self.elsewhere_count.load(Ordering::Acquire) != 0 && self.is_watched_elsewhere(run) {
            self.queue.tell(Bell::News(run));
        }
    }

    /// Passes on that a run has changed, which another process said.
    pub(crate) fn ring_here(&self, run: RunId) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(bell) = lock(&self.bells).get(&run) {
            bell.notify.notify_waiters();
        }
    }

    /// Takes note that another process watches a run.
    pub(crate) fn note_watched_elsewhere(&self, run: RunId) {
        let now = clock::monotonic();
        let mut elsewhere = lock(&self.elsewhere);
        if elsewhere.len() >= TELL_OF {
            elsewhere.retain(|_, until| *until > now);
        }
        if elsewhere.len() < TELL_OF {
            elsewhere.insert(run, now + TELL_FOR);
        }
        self.elsewhere_count.store(elsewhere.len(), Ordering::Release);
    }

    fn is_watched_elsewhere(&self, run: RunId) -> bool {
        let mut elsewhere = lock(&self.elsewhere);
        let is_watched = elsewhere.get(&run).is_some_and(|until| *until > clock::monotonic());
        if !is_watched && elsewhere.remove(&run).is_some() {
            self.elsewhere_count.store(elsewhere.len(), Ordering::Release);
        }
        is_watched
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
        let mut bells = lock(&self.hints.bells);
        if let Some(bell) = bells.get_mut(&self.run) {
            bell.watchers -= 1;
            if bell.watchers == 0 {
                bells.remove(&self.run);
            }
        }
        self.hints.count.store(bells.len(), Ordering::Release);
    }
}
