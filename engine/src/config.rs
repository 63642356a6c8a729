//! The settings of a process's engine.

use std::time::Duration;

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
    /// Whether this process works on runs, or only accepts them.
    pub works: bool,
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
            works: true,
            exclusive: false,
        }
    }
}
