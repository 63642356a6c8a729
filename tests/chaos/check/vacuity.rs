//! I18: a round that broke nothing, or in which nothing worked, proves nothing.

use crate::{plan::Quota, world::World};

use super::triggers::is_crashed;

/// What was done to the product in one round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    /// Kills of a worker that owned runs.
    pub(crate) kills_hit: u64,
    pub(crate) pauses: u64,
    /// Pauses of a worker that owned runs.
    pub(crate) pauses_hit: u64,
    pub(crate) api_kills: u64,
    pub(crate) postgres_kills: u64,
    pub(crate) redis_wipes: u64,
    pub(crate) cuts: u64,
    /// Links that were held, slowed down or broken.
    pub(crate) links: u64,
    pub(crate) replays: u64,
    pub(crate) resumes: u64,
    /// Resumed streams that had missed something.
    pub(crate) fruitful: u64,
    /// Writes and reports that came too late and were refused.
    pub(crate) fenced: u64,
}

/// Why a round proves nothing; empty when it does.
pub(crate) fn vacuous(world: &World, tally: &Tally, quota: &Quota) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut at_least = |what: &str, is: u64, wanted: u64| {
        if is < wanted {
            reasons.push(format!("{what}: {is}, at least {wanted} are needed"));
        }
    };
    let planned = world.known().filter(|(run, ..)| run.status != "cancelled").count() as u64;
    let completed = world.known().filter(|(run, ..)| run.status == "completed").count() as u64;
    at_least("runs that completed", completed, (planned * 9).div_ceil(10));
    at_least("kills of a worker that owned runs", tally.kills_hit, (quota.kills / 3).min(10));
    at_least("resumed streams that had missed something", tally.fruitful, (world.recordings.len() as u64 / 2).min(20));
    let delivered = world.effects.values().flatten().filter(|line| holds(line.authorization.as_deref(), &world.canary)).count();
    at_least("calls that carried the secret", delivered as u64, 1);
    at_least("snapshots of what is final", world.observed.snapshots, 3);
    at_least("cuts at a commit", tally.cuts, quota.cuts / 3);
    reasons
}

fn holds(text: Option<&str>, canary: &str) -> bool {
    text.is_some_and(|text| text.contains(canary))
}

impl Tally {
    /// Adds another round.
    pub(crate) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.kills_hit += other.kills_hit;
        self.pauses += other.pauses;
        self.pauses_hit += other.pauses_hit;
        self.api_kills += other.api_kills;
        self.postgres_kills += other.postgres_kills;
        self.redis_wipes += other.redis_wipes;
        self.cuts += other.cuts;
        self.links += other.links;
        self.replays += other.replays;
        self.resumes += other.resumes;
        self.fruitful += other.fruitful;
        self.fenced += other.fenced;
    }
}

/// How many runs of a round failed because too many workers died with them.
pub(crate) fn crashed(world: &World) -> u64 {
    world.runs.iter().filter(|run| is_crashed(run)).count() as u64
}
