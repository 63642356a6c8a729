//! Many histories at once, and what came of them.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    bug::Bug,
    cover::{Cover, Rare},
    ghost::Violation,
    rng::mix,
    world::World,
};

/// How many seeds a thread takes at once.
const PORTION: u64 = 50;

/// What came of many histories.
#[derive(Default)]
pub(crate) struct Survey {
    pub(crate) cover: Cover,
    /// By seed.
    pub(crate) violations: Vec<(u64, Violation)>,
    /// The processor time that all threads together took.
    took: Duration,
}

/// Lives through the histories of these seeds, on all cores.
pub(crate) fn survey(seeds: Range<u64>, bug: Option<Bug>) -> Survey {
    let next = AtomicU64::new(seeds.start);
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let mut whole = Survey::default();
    thread::scope(|scope| {
        let portions = || scope.spawn(|| portions(&next, seeds.end, bug));
        let threads: Vec<_> = (0..threads).map(|_| portions()).collect();
        for thread in threads {
            let part = thread.join().expect("a history that does not panic");
            whole.cover.add(&part.cover);
            whole.violations.extend(part.violations);
            whole.took += part.took;
        }
    });
    whole.violations.sort_unstable_by_key(|(seed, _)| *seed);
    whole
}

fn portions(next: &AtomicU64, end: u64, bug: Option<Bug>) -> Survey {
    let (mut survey, began) = (Survey::default(), processor_time());
    loop {
        let first = next.fetch_add(PORTION, Ordering::Relaxed);
        if first >= end {
            survey.took = processor_time().saturating_sub(began);
            return survey;
        }
        for seed in first..(first + PORTION).min(end) {
            let history = World::live(seed, bug, false);
            survey.cover.add(&history.cover);
            survey.violations.extend(history.violation.map(|violation| (seed, violation)));
        }
    }
}

impl Survey {
    /// The first violation of each rule.
    pub(crate) fn first_of_each(&self) -> Vec<&(u64, Violation)> {
        let is_first = |at: &usize| self.violations[..*at].iter().all(|(_, other)| other.rule != self.violations[*at].1.rule);
        (0..self.violations.len()).filter(is_first).map(|at| &self.violations[at]).collect()
    }

    /// The figures, and how often each rare state was met. A core's second is one of processor time, so that it does not count
    /// who else uses the machine.
    pub(crate) fn figures(&self, seeds: u64) -> String {
        let Cover { events, commits, runs, time_ms, .. } = self.cover;
        let (seconds, hours) = (self.took.as_secs_f64(), time_ms as f64 / 3_600_000.0);
        let met: Vec<String> = Rare::ALL.iter().map(|rare| format!("  {rare:?} {}", self.cover.times(*rare))).collect();
        format!(
            "{seeds} histories in {seconds:.1} s of a core: {:.0} a second, {:.0} events each; {runs} runs, {commits} commits, \
             {hours:.0} simulated hours\n{}",
            seeds as f64 / seconds,
            events as f64 / seeds.max(1) as f64,
            met.join("\n")
        )
    }
}

/// Everything that happens in these histories, in one number.
pub(crate) fn trace_of(seeds: Range<u64>) -> u64 {
    seeds.fold(0, |trace, seed| mix(trace ^ World::live(seed, None, false).trace))
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The processor time that this thread has taken.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
