//! What the harness is asked to do.

use std::path::PathBuf;

use clap::Parser;

/// Kills, pauses and cuts everything that FlowForge stands on while it works, and then checks that nothing was lost, doubled
/// or left behind.
#[derive(Debug, Clone, Parser)]
#[command(name = "chaos")]
pub(crate) struct Args {
    /// Decides workload and faults of the first round; each later round takes the next number. Random when absent.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How many rounds.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u64,
    /// How long faults are injected in each round, in seconds.
    #[arg(long, default_value_t = 12)]
    pub(crate) seconds: u64,
    /// How many runs are triggered in each round.
    #[arg(long, default_value_t = 80)]
    pub(crate) runs: u64,
    /// The faults to reach over all rounds.
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Write the report here, in Markdown.
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
    /// Keep the folder of every round: logs, client log, recordings. That of a round that failed is always kept.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Spoil the database behind the product's back, to see that the checker notices.
    #[arg(long, value_enum)]
    pub(crate) sabotage: Option<crate::sabotage::Sabotage>,
}

/// How often something is to happen over all rounds; rounds are added until it has. Without a number each round has a few.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Targets {
    /// `kill -9` of workers.
    #[arg(long)]
    pub(crate) kills: Option<u64>,
    /// Pauses of workers, longer than a lease.
    #[arg(long)]
    pub(crate) pauses: Option<u64>,
    /// `kill -9` of PostgreSQL with its backends.
    #[arg(long)]
    pub(crate) postgres_kills: Option<u64>,
    /// Kills and wipes of Redis.
    #[arg(long)]
    pub(crate) redis_wipes: Option<u64>,
    /// Connections cut at a commit.
    #[arg(long)]
    pub(crate) cuts: Option<u64>,
    /// Repeated triggers.
    #[arg(long)]
    pub(crate) replays: Option<u64>,
    /// Event streams that were resumed.
    #[arg(long)]
    pub(crate) resumes: Option<u64>,
}
