//! The figures, as tables.

use std::fmt;
use std::time::Duration;

use flowforge_tests::Database;

use crate::load::Load;
use crate::machine;
use crate::target::Target;

/// One repetition.
#[derive(Clone)]
pub(crate) struct Sample {
    p50: f64,
    p99: f64,
    per_second: f64,
    cpu_ms: Option<f64>,
    fsync_us: f64,
    wrong: usize,
}

impl Sample {
    pub(crate) fn new(mut load: Load, cpu: Option<Duration>, fsync: Duration) -> Self {
        load.times.sort();
        let count = load.times.len().max(1);
        let at = |share: f64| load.times.get((count as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        Self {
            p50: at(0.5),
            p99: at(0.99),
            per_second: count as f64 / load.total.as_secs_f64(),
            cpu_ms: cpu.map(|time| time.as_secs_f64() * 1e3 / count as f64),
            fsync_us: fsync.as_secs_f64() * 1e6,
            wrong: load.wrong,
        }
    }
}

/// One line of the table: what was measured, beside the limit of the same minutes.
pub(crate) struct Row {
    pub(crate) database: Database,
    pub(crate) workload: &'static str,
    pub(crate) clients: usize,
    pub(crate) measured: Vec<Sample>,
    pub(crate) limit: Vec<Sample>,
    pub(crate) whole: Vec<Sample>,
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    starts: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, row: Row) {
        println!("{row}");
        self.rows.push(row);
    }

    pub(crate) fn add_start(&mut self, target: &Target) {
        let memory = machine::resident_mib(target.server.pid());
        let (database, time) = (target.database, target.started_in.as_millis());
        self.starts.push(format!("{database:?}: ready {time} ms after its start, {memory} MiB in use when idle."));
    }
}

impl Row {
    fn share_of(&self, limit: &[Sample]) -> String {
        let share = median(&self.measured, |s| s.per_second) / median(limit, |s| s.per_second);
        format!("{} %", short(100.0 * share))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = |get: fn(&Sample) -> f64| spread(&self.measured, get);
        let wrong: usize = self.measured.iter().map(|sample| sample.wrong).sum();
        write!(
            f,
            "| {:?} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {wrong} |",
            self.database,
            self.workload,
            self.clients,
            ours(|s| s.p50),
            ours(|s| s.p99),
            ours(|s| s.per_second),
            ours(|s| s.cpu_ms.unwrap_or_default()),
            ours(|s| s.fsync_us),
            spread(&self.limit, |s| s.per_second),
            self.share_of(&self.limit),
            spread(&self.whole, |s| s.per_second),
            self.share_of(&self.whole),
        )
    }
}

const HEAD: &str = "\
# Benchmark

Medians, with the smallest and largest repetition. CPU is that of the server, its children and PostgreSQL, without the load.
Steps are `set`. The limits are the same rows straight to the database, in turns with the server: a commit per step (a run
row, each step, the end; the hundred of W2 in one), and everything of a run in one commit, which is how a chain of steps
without effects may be written. On SQLite many clients are one writer that takes all their runs further in the same commit;
on PostgreSQL they are connections of pgbench.

| database | workload | clients | p50 ms | p99 ms | runs/s | CPU-ms/run | fsync µs | limit by steps, runs/s | share | limit in one, runs/s | share | wrong |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        writeln!(f)?;
        self.starts.iter().try_for_each(|line| writeln!(f, "- {line}"))
    }
}

fn median(samples: &[Sample], get: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(get).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn spread(samples: &[Sample], get: fn(&Sample) -> f64) -> String {
    let values = samples.iter().map(get);
    let (low, high) = values.fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    format!("{} ({}–{})", short(median(samples, get)), short(low), short(high))
}

/// Three digits are more than such a figure deserves.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
