//! Whatever takes runs over HTTP and is measured.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::load::{self, Ask, Load};
use crate::sample::Sample;
use crate::{limit, machine};

/// How long runs that were accepted may take to end after the load.
const DRAIN: Duration = Duration::from_secs(90);

/// The processes that do the work, and where their data lies.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) processes: Vec<u32>,
    /// Whether PostgreSQL works for it too.
    pub(crate) postgres: Option<flowforge_tests::Postgres>,
    pub(crate) folder: PathBuf,
}

impl Subject {
    /// So many runs on one connection, each after the answer to the one before.
    pub(crate) async fn one_at_a_time(&self, ask: &Ask, runs: usize) -> Sample {
        self.sampled(load::sequence(ask, runs)).await
    }

    /// As many runs as clients get in this time.
    pub(crate) async fn at_once(&self, ask: &Ask, clients: usize, seconds: u64) -> Sample {
        self.sampled(load::together(ask, clients, Duration::from_secs(seconds))).await
    }

    /// Measures what this does.
    pub(crate) async fn sampled(&self, work: impl Future<Output = Load>) -> Sample {
        let fsync = machine::fsync_probe(&self.folder);
        let before = self.cpu();
        let load = work.await;
        let cpu = self.cpu().saturating_sub(before);
        Sample::new(load, cpu, fsync)
    }

    /// Returns when nothing is left to be done: hardly any processor time is used any more.
    pub(crate) async fn settle(&self) {
        let pause = Duration::from_millis(200);
        let limit = Instant::now() + DRAIN;
        let mut before = self.cpu();
        loop {
            tokio::time::sleep(pause).await;
            let now = self.cpu();
            if now.saturating_sub(before) < pause / 10 {
                return;
            }
            if Instant::now() > limit {
                println!("{} still works after {DRAIN:?}", self.name);
                return;
            }
            before = now;
        }
    }

    fn cpu(&self) -> Duration {
        let own: Duration = self.processes.iter().map(|pid| machine::cpu(*pid)).sum();
        own + self.postgres.as_ref().map(limit::server_cpu).unwrap_or_default()
    }
}
