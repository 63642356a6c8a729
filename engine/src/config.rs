//! The settings of a process's engine.

use std::time::Duration;

use crate::{blob::BlobConfig, secrets::MasterKey};

/// What tells workers where to look. It only saves time: whatever it loses is found by looking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum QueueConfig {
    /// Channels inside this process.
    #[default]
    Memory,
    /// A Redis, by its URL, over which several processes tell each other.
    Redis(String),
    /// Nobody tells anybody: each process finds by looking what it can do.
    None,
}

/// The settings of a process's engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// How long a worker may be silent before its runs are taken over.
    pub lease: Duration,
    /// How often the sweeper looks.
    pub sweep: Duration,
    /// How long steps may go on when the process is asked to leave.
    pub grace: Duration,
    /// How many dispatched steps are executed at once.
    pub lane_slots: usize,
    /// How many runs are held in memory at once.
    pub max_runs: usize,
    /// Whether every step is on disk before the next one begins, also when neither has an effect: slower, for measuring.
    pub commit_each_step: bool,
    /// Whether this process works on runs, or only accepts them.
    pub works: bool,
    /// What tells workers, here and in other processes, where to look.
    pub queue: QueueConfig,
    /// Where values lie that are too large for the database.
    pub blobs: BlobConfig,
    /// What the secrets of workspaces are encrypted with; without it there can be none.
    pub master_key: Option<MasterKey>,
    /// Whether no other process uses the database: then every other worker on its list is dead.
    pub exclusive: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            sweep: Duration::from_secs(2),
            grace: Duration::from_secs(20),
            lane_slots: 4,
            max_runs: 4_096,
            commit_each_step: false,
            works: true,
            queue: QueueConfig::Memory,
            blobs: BlobConfig::Folder("data/blobs".into()),
            master_key: None,
            exclusive: false,
        }
    }
}
