//! The chaos harness: kills, pauses and cuts everything that FlowForge stands on while it works, and then checks that
//! nothing was lost, doubled or left behind. It knows the product by its binary, HTTP and the rows of its database.
//!
//! `chaos --seed 7 --rounds 3`; `--help` tells the rest. It ends with 0 when every round held, 1 when an invariant was
//! violated, 2 when a round proved nothing.

mod args;
mod backing;
mod check;
mod clients;
mod cluster;
mod evidence;
mod inject;
mod journal;
mod observer;
mod plan;
mod proxy;
mod recorder;
mod report;
mod round;
mod sabotage;
mod workload;
mod world;

use std::{process::ExitCode, sync::Arc};

use clap::Parser;

use crate::{args::Args, backing::Backing, check::Tally, plan::Quota, report::Report};

/// Rounds that may be added to reach the targets, for each that was asked for.
const MORE: u64 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 40);
    println!("SEED={seed} ROUNDS={}", args.rounds);
    let binary = flowforge_tests::binary();
    let redis = round::knows(&binary, "--redis-url");
    let backing = Arc::new(Backing::start(redis).await);
    let quota = Quota::of(&args);
    let mut report = Report::new(setting(&args, seed, redis));
    for number in 0..args.rounds * (1 + MORE) {
        if number >= args.rounds && is_reached(&args, &report.tally(), redis) {
            break;
        }
        report.add(round::play(&args, quota, seed + number, Arc::clone(&backing)).await);
    }
    println!("\n{report}");
    if let Some(path) = &args.report {
        std::fs::write(path, report.to_string()).expect("the report can be written");
        println!("written to {}", path.display());
    }
    match (report.is_green(), report.is_red()) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::from(2),
    }
}

fn is_reached(args: &Args, done: &Tally, redis: bool) -> bool {
    let targets = &args.targets;
    let pairs = [
        (targets.kills, done.kills),
        (targets.pauses, done.pauses),
        (targets.postgres_kills, done.postgres_kills),
        (targets.redis_wipes.filter(|_| redis), done.redis_wipes),
        (targets.cuts, done.cuts),
        (targets.replays, done.replays),
        (targets.resumes, done.resumes),
    ];
    pairs.iter().all(|(target, done)| target.is_none_or(|target| *done >= target))
}

fn setting(args: &Args, seed: u64, redis: bool) -> String {
    let redis = if redis { "Redis" } else { "no Redis: the binary does not know `--redis-url`" };
    format!(
        "{} processes serve HTTP and {} work, each behind its own proxies; one PostgreSQL, {redis}. Lease {} s. \
         Faults are injected for {} s a round. First seed {seed}; each round takes the next, and \
         `make chaos SEED=… ROUNDS=1` repeats its plan.",
        plan::APIS,
        plan::WORKERS,
        plan::LEASE.as_secs(),
        args.seconds,
    )
}
