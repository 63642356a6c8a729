//! Readers of event streams that go away in the middle and come back at the other API.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use flowforge_tests::{Event, Events, Seed};

use crate::clients::Site;

/// How long a stream may be silent before its reader tries another: heartbeats come every 15 s.
const SILENCE: Duration = Duration::from_secs(20);

/// What one reader saw of one run, over all its streams.
pub(crate) type Recording = Vec<Event>;

/// What all readers saw. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recordings(Arc<Book>);

#[derive(Debug, Default)]
struct Book {
    by_run: Mutex<BTreeMap<String, Recording>>,
    resumes: AtomicU64,
    fruitful: AtomicU64,
}

impl Recordings {
    /// Every recording, by the run's id.
    pub(crate) fn all(&self) -> BTreeMap<String, Recording> {
        self.0.by_run.lock().expect("not poisoned").clone()
    }

    /// How often a stream was resumed, and how often that brought events that were missed.
    pub(crate) fn resumes(&self) -> (u64, u64) {
        (self.0.resumes.load(Ordering::Relaxed), self.0.fruitful.load(Ordering::Relaxed))
    }
}

/// A reader.
#[derive(Debug)]
pub(crate) struct Recorder(pub(crate) Seed);

impl Recorder {
    /// Reads a run's events to their end, or until the round is over.
    pub(crate) async fn record(mut self, site: &Site, run: &str, mut turn: usize) {
        let mut recording: Recording = Vec::new();
        let mut streams = 0;
        while recording.last().is_none_or(|event| event.kind != "run_finished") && Instant::now() < site.deadline {
            turn += 1;
            let after = recording.last().map(|event| event.id);
            let opened = tokio::time::timeout(Duration::from_secs(10), Events::try_open(site.api(turn), run, after)).await;
            let Ok(Ok(stream)) = opened else {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            streams += 1;
            let wanted = self.0.pick(1..5);
            let began = Instant::now();
            let missed = read(stream, &mut recording, wanted, began).await;
            if streams > 1 {
                site.recordings.0.resumes.fetch_add(1, Ordering::Relaxed);
                site.recordings.0.fruitful.fetch_add(u64::from(missed), Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(self.0.pick(0..400))).await;
        }
        site.recordings.0.by_run.lock().expect("not poisoned").insert(run.to_owned(), recording);
    }
}

/// Reads so many events, fewer when the stream is cut. Whether the first one had been waiting for its reader.
async fn read(mut stream: Events, recording: &mut Recording, wanted: u64, began: Instant) -> bool {
    let mut missed = false;
    for number in 0..wanted {
        let Ok(Some(event)) = stream.next_within(SILENCE).await else { return missed };
        missed |= number == 0 && began.elapsed() < Duration::from_millis(100);
        let is_last = event.kind == "run_finished";
        recording.push(event);
        if is_last {
            return missed;
        }
    }
    missed
}
