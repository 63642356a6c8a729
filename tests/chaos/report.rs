//! What is printed, and what is written down.

use std::{fmt, time::Duration};

use crate::{
    check::{INVARIANTS, Tally},
    round::Outcome,
};

/// All rounds so far.
#[derive(Debug)]
pub(crate) struct Report {
    rounds: Vec<Outcome>,
    /// What the product ran on.
    setting: String,
}

impl Report {
    /// No rounds yet.
    pub(crate) fn new(setting: String) -> Self {
        Self { rounds: Vec::new(), setting }
    }

    /// Adds a round and prints its line.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        if self.rounds.is_empty() {
            println!("{HEAD}\n{RULE}");
        }
        println!("{}", Line(&outcome));
        for violation in outcome.violations.iter().take(20) {
            println!("    {}: {}", violation.id, violation.found);
        }
        if outcome.violations.len() > 20 {
            println!("    … and {} more", outcome.violations.len() - 20);
        }
        outcome.vacuous.iter().for_each(|reason| println!("    I18: {reason}"));
        if let Some(folder) = &outcome.kept {
            println!("    kept: {}", folder.display());
        }
        self.rounds.push(outcome);
    }

    /// What was done in all rounds.
    pub(crate) fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        self.rounds.iter().for_each(|round| sum.add(&round.tally));
        sum
    }

    /// Whether every round held and proved something.
    pub(crate) fn is_green(&self) -> bool {
        self.enough_was_refused() && self.rounds.iter().all(|round| round.violations.is_empty() && round.vacuous.is_empty())
    }

    /// Whether fencing was seen at work. A paused worker mostly sees its own silence first, so one round alone may see none.
    fn enough_was_refused(&self) -> bool {
        let sum = self.tally();
        sum.fenced >= sum.pauses_hit / 6
    }

    /// Whether an invariant was violated.
    pub(crate) fn is_red(&self) -> bool {
        self.rounds.iter().any(|round| !round.violations.is_empty())
    }

    fn sum(&self, of: impl Fn(&Outcome) -> u64) -> u64 {
        self.rounds.iter().map(of).sum()
    }

    fn recoveries(&self, clear_only: bool) -> Vec<Duration> {
        let all = self.rounds.iter().flat_map(|round| &round.recoveries);
        let mut times: Vec<_> = all.filter(|(_, clear)| *clear || !clear_only).map(|(time, _)| *time).collect();
        times.sort();
        times
    }

    fn violations_of(&self, ids: &[&str]) -> u64 {
        self.sum(|round| round.violations.iter().filter(|violation| ids.contains(&violation.id)).count() as u64)
    }
}

const HEAD: &str = "| seed | runs | steps | events | kills (hit) | pauses (hit) | API kills | PG kills | Redis | cuts | links | replays | resumes | fenced | crashed | rest | recovery p50/max | result |";
const RULE: &str = "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

struct Line<'o>(&'o Outcome);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { seed, runs, steps, events, crashed, tally, rest, recoveries, violations, vacuous, .. } = self.0;
        let mut times: Vec<_> = recoveries.iter().map(|(time, _)| *time).collect();
        times.sort();
        let Tally { kills, kills_hit, pauses, pauses_hit, api_kills, postgres_kills, redis_wipes, cuts, links, .. } = tally;
        let result = match (violations.len(), vacuous.is_empty()) {
            (0, true) => "held".to_owned(),
            (0, false) => "INVALID".to_owned(),
            (count, _) => format!("{count} VIOLATIONS"),
        };
        write!(f, "| {seed} | {runs} | {steps} | {events} | {kills} ({kills_hit}) | {pauses} ({pauses_hit}) | {api_kills} ")?;
        write!(
            f,
            "| {postgres_kills} | {redis_wipes} | {cuts} | {links} | {} | {} | {} ",
            tally.replays, tally.resumes, tally.fenced
        )?;
        write!(f, "| {crashed} | {:.1} s | {} / {} | {result} |", rest.as_secs_f64(), at(&times, 50), at(&times, 100))
    }
}

/// A percentile of sorted times, in seconds.
fn at(times: &[Duration], percent: usize) -> String {
    let place = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(place).map_or_else(|| "–".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.tally();
        let (runs, steps, events) = (self.sum(|round| round.runs), self.sum(|round| round.steps), self.sum(|round| round.events));
        writeln!(f, "# Chaos report\n\n{}\n", self.setting)?;
        writeln!(f, "| what was done | how often |\n|---|---|")?;
        let done = [
            ("rounds", self.rounds.len() as u64),
            ("runs", runs),
            ("step attempts", steps),
            ("events", events),
            ("`kill -9` of a worker", sum.kills),
            ("… that owned runs", sum.kills_hit),
            ("pauses of a worker of 1.2 to 4 leases", sum.pauses),
            ("… that owned runs", sum.pauses_hit),
            ("`kill -9` of an API", sum.api_kills),
            ("`kill -9` of PostgreSQL with its backends", sum.postgres_kills),
            ("kills and wipes of Redis", sum.redis_wipes),
            ("connections cut at a commit", sum.cuts),
            ("links held, slowed down or broken", sum.links),
            ("repeated triggers", sum.replays),
            ("resumed event streams", sum.resumes),
            ("… that had missed something", sum.fruitful),
        ];
        done.iter().try_for_each(|(what, count)| writeln!(f, "| {what} | {count} |"))?;
        writeln!(f, "\n| what came of it | |\n|---|---|")?;
        writeln!(f, "| lost (I1, I8, D14) | {} |", self.violations_of(&["I1", "I8", "D14"]))?;
        writeln!(f, "| doubled (I2, I3, I4, I9, I12) | {} |", self.violations_of(&["I2", "I3", "I4", "I9", "I12"]))?;
        writeln!(f, "| gaps (I6, I7) | {} |", self.violations_of(&["I6", "I7"]))?;
        writeln!(f, "| other violations | {} |", self.violations_of(&["I5", "I11", "I15", "I16", "I17", "LOG"]))?;
        writeln!(f, "| late writes refused | {} |", sum.fenced)?;
        writeln!(f, "| runs failed by the crash budget | {} |", self.sum(|round| round.crashed))?;
        for (name, clear_only) in
            [("a run goes on after its worker was killed", false), ("… with nothing else broken meanwhile", true)]
        {
            let times = self.recoveries(clear_only);
            let (p50, p99, max) = (at(&times, 50), at(&times, 99), at(&times, 100));
            writeln!(f, "| {name} ({} runs): p50, p99, longest | {p50}, {p99}, {max} |", times.len())?;
        }
        writeln!(f, "\n| invariant | says | violations |\n|---|---|---|")?;
        for invariant in INVARIANTS {
            writeln!(f, "| {} | {} | {} |", invariant.id, invariant.says, self.violations_of(&[invariant.id]))?;
        }
        let vacuous = self.rounds.iter().filter(|round| !round.vacuous.is_empty()).count();
        writeln!(f, "| I18 | no round is vacuous: enough was hit, refused, resumed and completed | {vacuous} |")?;
        if !self.enough_was_refused() {
            writeln!(f, "\n**INVALID**: too few late writes were refused to show that fencing works.")?;
        }
        writeln!(
            f,
            "\nI10 (schedules) is judged by `tests/it/schedules.rs`; I14 (audit chain) judges what does not exist yet.\n\n{HEAD}\n{RULE}"
        )?;
        self.rounds.iter().try_for_each(|round| writeln!(f, "{}", Line(round)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_times_there_are() {
        let times: Vec<_> = (1..=200).map(Duration::from_secs).collect();
        assert_eq!((at(&times, 50), at(&times, 99), at(&times, 100)), ("100.00 s".into(), "198.00 s".into(), "200.00 s".into()));
        assert_eq!(at(&[], 99), "–");
    }
}
