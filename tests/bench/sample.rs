//! One repetition of a measurement, and what several come to.

use std::time::Duration;

use crate::load::Load;

/// One repetition.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) per_second: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) fsync_us: f64,
    pub(crate) wrong: usize,
}

impl Sample {
    /// Figures of one series of requests: how much processor time they took, and what the disk was like just before.
    pub(crate) fn new(mut load: Load, cpu: Duration, fsync: Duration) -> Self {
        load.times.sort();
        let count = load.times.len().max(1);
        let at = |share: f64| load.times.get((count as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        Self {
            p50: at(0.5),
            p99: at(0.99),
            per_second: count as f64 / load.total.as_secs_f64(),
            cpu_ms: cpu.as_secs_f64() * 1e3 / count as f64,
            fsync_us: fsync.as_secs_f64() * 1e6,
            wrong: load.wrong,
        }
    }
}

/// The middle one.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The middle one, with the smallest and the largest.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> String {
    let values: Vec<_> = values.into_iter().collect();
    let (low, high) = values.iter().fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
    format!("{} ({}–{})", short(median(values)), short(low), short(high))
}

/// Three digits are more than such a figure deserves.
pub(crate) fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 0.1 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}
