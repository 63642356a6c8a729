//! Everything that a round's seed decides: which faults come when, and which runs are triggered.

use std::time::Duration;

use flowforge_tests::Seed;

use crate::{
    args::{Args, Targets},
    proxy::{Cut, Link},
    workload::KINDS,
};

/// How long a worker may be silent before its runs are taken over: what `flowforge_tests::command` sets.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// How many processes serve HTTP.
pub(crate) const APIS: usize = 2;
/// How many processes work.
pub(crate) const WORKERS: usize = 3;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// `kill -9`; started again after a while.
    Kill { node: usize, down: Duration },
    /// `kill -STOP`, and `-CONT` after a while.
    Pause { node: usize, length: Duration },
    /// `kill -9` for the server and its backends.
    KillPostgres { down: Duration },
    /// `kill -9`: what it held is gone.
    KillRedis { down: Duration },
    /// `FLUSHALL`.
    WipeRedis,
    /// The next write over this process's link to PostgreSQL is cut.
    CutAtCommit { node: usize, cut: Cut },
    /// Nothing passes for a while, and nobody is told; afterwards what was held passes, or the connections break.
    HalfOpen { node: usize, link: Link, length: Duration, breaks: bool },
    /// Everything comes late.
    Slow { node: usize, link: Link, delay: Duration, length: Duration },
    /// Every connection breaks.
    Break { node: usize, link: Link },
}

/// A run to be triggered.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    /// When, since the beginning of the round.
    pub(crate) at: Duration,
    /// Its place in [`KINDS`].
    pub(crate) kind: usize,
    /// The `Idempotency-Key`.
    pub(crate) key: String,
    /// How often it is sent, and how long each waits; the APIs take turns.
    pub(crate) copies: Vec<Duration>,
    /// Whether the sender gives up after one answer that never came.
    pub(crate) gives_up: bool,
    /// When it is cancelled, after it was acknowledged.
    pub(crate) cancel: Option<Duration>,
    /// When signals and decisions that it waits for are sent, after it was acknowledged.
    pub(crate) answer: Duration,
    /// Whether its events are recorded.
    pub(crate) recorded: bool,
}

/// How often each thing happens in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) kills: u64,
    pub(crate) pauses: u64,
    pub(crate) postgres_kills: u64,
    pub(crate) redis_wipes: u64,
    pub(crate) cuts: u64,
    pub(crate) api_kills: u64,
    pub(crate) links: u64,
    pub(crate) runs: u64,
    /// Repeated triggers for each run, at the most.
    pub(crate) copies: u64,
    /// The share of runs whose events are recorded, in percent.
    pub(crate) recorded: u64,
}

impl Quota {
    /// What one round has to do so that all reach the targets.
    pub(crate) fn of(args: &Args) -> Self {
        let share = |target: Option<u64>, usual: u64| target.map_or(usual, |total| total.div_ceil(args.rounds.max(1)));
        let Targets { kills, pauses, postgres_kills, redis_wipes, cuts, replays, resumes } = args.targets.clone();
        // A run is sent 2.5 times on average, and a recording is resumed about four times.
        let runs = args.runs.max(share(replays, 0) * 2 / 3).max(share(resumes, 0) / 4);
        Self {
            kills: share(kills, 6),
            pauses: share(pauses, 2),
            postgres_kills: share(postgres_kills, 1),
            redis_wipes: share(redis_wipes, 2),
            cuts: share(cuts, 14),
            api_kills: 2 + args.seconds / 15,
            links: 3 + args.seconds / 10,
            runs,
            copies: 4,
            recorded: if resumes.is_some() { 100 } else { 50 },
        }
    }
}

/// A round.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The faults, in order.
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// The triggers, in order.
    pub(crate) triggers: Vec<Trigger>,
    /// What decides how readers of events behave.
    pub(crate) readers: Seed,
}

impl Plan {
    /// The plan of a seed. The same seed and quota give the same plan.
    pub(crate) fn new(seed: u64, window: Duration, quota: Quota, redis: bool) -> Self {
        let mut root = Seed::of(seed);
        let (mut faults, mut work, readers) = (root.fork(), root.fork(), root.fork());
        Self { faults: schedule(&mut faults, window, quota, redis), triggers: triggers(&mut work, seed, window, quota), readers }
    }
}

fn schedule(seed: &mut Seed, window: Duration, quota: Quota, redis: bool) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    let window_ms = window.as_millis() as u64;
    // Runs have to be there first, and what goes down has to come up.
    let begin = (window_ms / 12).min(1_500);
    let mut add = |seed: &mut Seed, count: u64, make: &dyn Fn(&mut Seed) -> Fault| {
        for _ in 0..count {
            let at = ms(seed.pick(begin..window_ms));
            faults.push((at, make(seed)));
        }
    };
    add(seed, quota.kills, &|seed| Fault::Kill { node: worker(seed), down: ms(seed.pick(50..1_500)) });
    add(seed, quota.api_kills, &|seed| Fault::Kill { node: seed.pick(0..APIS as u64) as usize, down: ms(seed.pick(50..1_500)) });
    let lease = LEASE.as_millis() as u64;
    add(seed, quota.pauses, &|seed| Fault::Pause { node: worker(seed), length: ms(seed.pick(lease * 12 / 10..lease * 4)) });
    add(seed, quota.postgres_kills, &|seed| Fault::KillPostgres { down: ms(seed.pick(0..1_500)) });
    add(seed, quota.cuts, &|seed| Fault::CutAtCommit { node: any_node(seed), cut: Cut::pick(seed) });
    add(seed, quota.links, &|seed| fault_of_link(seed, redis));
    if redis {
        add(seed, quota.redis_wipes, &|seed| match seed.percent(50) {
            true => Fault::KillRedis { down: ms(seed.pick(0..3_000)) },
            false => Fault::WipeRedis,
        });
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn fault_of_link(seed: &mut Seed, redis: bool) -> Fault {
    let node = any_node(seed);
    let link = if redis && seed.percent(40) { Link::Redis } else { Link::Postgres };
    let length = ms(seed.pick(200..4_000));
    match seed.pick(0..3) {
        0 => Fault::HalfOpen { node, link, length, breaks: seed.percent(50) },
        1 => Fault::Slow { node, link, delay: ms(seed.pick(20..300)), length },
        _ => Fault::Break { node, link },
    }
}

fn triggers(seed: &mut Seed, name: u64, window: Duration, quota: Quota) -> Vec<Trigger> {
    let window_ms = window.as_millis() as u64;
    let weights: u64 = KINDS.iter().map(|kind| kind.weight).sum();
    let mut all: Vec<Trigger> = (0..quota.runs)
        .map(|number| {
            let copies = seed.pick(1..quota.copies + 1);
            let copies = (0..copies).map(|copy| ms(if copy == 0 { 0 } else { seed.pick(0..1_500) })).collect();
            Trigger {
                at: ms(seed.pick(0..window_ms)),
                kind: kind(seed.pick(0..weights)),
                key: format!("k{name}-{number}"),
                copies,
                gives_up: seed.percent(10),
                cancel: seed.percent(8).then(|| ms(seed.pick(0..2_000))),
                answer: ms(seed.pick(0..2_500)),
                recorded: seed.percent(quota.recorded),
            }
        })
        .collect();
    all.sort_by_key(|trigger| trigger.at);
    all
}

fn kind(mut place: u64) -> usize {
    let found = KINDS.iter().position(|kind| {
        let is_here = place < kind.weight;
        place = place.saturating_sub(kind.weight);
        is_here
    });
    found.unwrap_or(0)
}

fn worker(seed: &mut Seed) -> usize {
    APIS + seed.pick(0..WORKERS as u64) as usize
}

/// Workers commit more than APIs do.
fn any_node(seed: &mut Seed) -> usize {
    if seed.percent(80) { worker(seed) } else { seed.pick(0..APIS as u64) as usize }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_seed_gives_one_plan() {
        let args = Args::parse_from(["chaos", "--rounds", "10", "--kills", "95", "--replays", "3000"]);
        let quota = Quota::of(&args);
        assert_eq!((quota.kills, quota.runs), (10, 200));
        let plan = |seed| format!("{:?}", Plan::new(seed, Duration::from_secs(10), quota, true));
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_kind_has_its_share() {
        let weights: u64 = KINDS.iter().map(|kind| kind.weight).sum();
        let mut counts = vec![0; KINDS.len()];
        (0..weights).for_each(|place| counts[kind(place)] += 1);
        assert!(counts.iter().zip(KINDS).all(|(count, kind)| *count == kind.weight), "{counts:?}");
    }
}
