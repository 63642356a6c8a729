//! The figures, as tables.

use std::collections::BTreeMap;
use std::fmt;

use flowforge_tests::Database;

use crate::goals;
use crate::machine;
use crate::sample::{Sample, median, short, spread};
use crate::scale::{Beside, Graphs, NODES};
use crate::workers::Workers;
use crate::workload::{CLIENTS, Case, Workload};

/// What the figures mean beyond themselves; written by hand.
const NOTES: &str = include_str!("NOTES.md");

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    /// By case and by whom.
    rows: BTreeMap<(usize, usize), Vec<Sample>>,
    subjects: Vec<String>,
    limits: BTreeMap<(&'static str, usize, &'static str), Vec<Sample>>,
    /// Versions of the peers that were there.
    pub(crate) peers: Vec<String>,
    /// Who was ready after how many milliseconds, and how many MiB it used while idle.
    pub(crate) starts: Vec<(String, Vec<f64>, f64)>,
    /// How many MiB it used after all of the load.
    pub(crate) loaded: Vec<(String, f64)>,
    pub(crate) graphs: Vec<Graphs>,
    pub(crate) history: Vec<Beside>,
    pub(crate) workers: Option<Workers>,
}

impl Report {
    pub(crate) fn add(&mut self, case: Case, subject: &str, sample: Sample) {
        let place = Case::all().iter().position(|one| *one == case).expect("one of all cases");
        let who = self.subjects.iter().position(|one| one == subject).unwrap_or_else(|| {
            self.subjects.push(subject.to_owned());
            self.subjects.len() - 1
        });
        println!(
            "  {} / {} / {subject}: {} runs/s, {} CPU-ms",
            case.name(),
            case.clients,
            short(sample.per_second),
            short(sample.cpu_ms)
        );
        self.rows.entry((place, who)).or_default().push(sample);
    }

    pub(crate) fn add_limit(&mut self, database: Database, name: &'static str, clients: usize, sample: Sample) {
        let database = if database == Database::Sqlite { "SQLite" } else { "PostgreSQL" };
        println!("  limit {name} / {clients} / {database}: {} runs/s", short(sample.per_second));
        self.limits.entry((name, clients, database)).or_default().push(sample);
    }

    /// What FlowForge showed in a case on a database.
    pub(crate) fn of(&self, case: Case, database: &str) -> Option<&[Sample]> {
        let place = Case::all().iter().position(|one| *one == case)?;
        let who = self.subjects.iter().position(|one| *one == format!("FlowForge, {database}"))?;
        self.rows.get(&(place, who)).map(Vec::as_slice)
    }

    /// How often PostgreSQL does the same by itself, a commit a step and unbatched, in a second.
    pub(crate) fn unbatched(&self, case: Case) -> Option<f64> {
        let samples = self.limits.get(&(limit_of(case), case.clients, "PostgreSQL"))?;
        Some(median(samples.iter().map(|sample| sample.per_second)))
    }

    fn write_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ROWS)?;
        let cases = Case::all();
        for ((place, who), samples) in &self.rows {
            let case = cases[*place];
            let of = |get: fn(&Sample) -> f64| spread(samples.iter().map(get));
            let wrong: usize = samples.iter().map(|sample| sample.wrong).sum();
            let mark = if wrong == 0 { String::new() } else { format!(" **{wrong} wrong answers**") };
            let rate = median(samples.iter().map(|sample| sample.per_second));
            let share = self.unbatched(case).map_or("–".to_owned(), |limit| format!("{} ×", short(rate / limit)));
            let (p50, p99, per_second, cpu) = (of(|s| s.p50), of(|s| s.p99), of(|s| s.per_second), of(|s| s.cpu_ms));
            let (name, clients, subject, fsync) = (case.name(), case.clients, &self.subjects[*who], of(|s| s.fsync_us));
            writeln!(f, "| {name}{mark} | {clients} | {subject} | {p50} | {p99} | {per_second} | {cpu} | {share} | {fsync} |")?;
        }
        Ok(())
    }

    fn write_limits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LIMITS)?;
        for ((name, clients, database), samples) in &self.limits {
            let of = |get: fn(&Sample) -> f64| spread(samples.iter().map(get));
            let (p50, p99, per_second, cpu) = (of(|s| s.p50), of(|s| s.p99), of(|s| s.per_second), of(|s| s.cpu_ms));
            let fsync = of(|s| s.fsync_us);
            writeln!(f, "| {name} | {clients} | {database} | {p50} | {p99} | {per_second} | {cpu} | {fsync} |")?;
        }
        Ok(())
    }

    fn write_graphs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(GRAPHS)?;
        for Graphs { subject, samples } in &self.graphs {
            let fixed = median(samples[0].iter().map(|sample| sample.cpu_ms));
            for (nodes, samples) in NODES.iter().zip(samples) {
                let (p50, cpu) = (spread(samples.iter().map(|s| s.p50)), spread(samples.iter().map(|s| s.cpu_ms)));
                let step = spread(samples.iter().map(|s| (s.cpu_ms - fixed).max(0.0) * 1e3 / (*nodes - 2).max(1) as f64));
                let step = if *nodes == NODES[0] { "–".to_owned() } else { step };
                let fsync = spread(samples.iter().map(|s| s.fsync_us));
                writeln!(f, "| {nodes} | {subject} | {p50} | {cpu} | {step} | {fsync} |")?;
            }
        }
        Ok(())
    }

    fn write_history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HISTORY)?;
        for Beside { subject, finished, alone, busy } in &self.history {
            let of = |samples: &[Sample], get: fn(&Sample) -> f64| spread(samples.iter().map(get));
            let (p50, cpu_alone) = (of(alone, |s| s.p50), of(alone, |s| s.cpu_ms));
            let (rate, cpu, fsync) = (of(busy, |s| s.per_second), of(busy, |s| s.cpu_ms), of(busy, |s| s.fsync_us));
            writeln!(f, "| {finished} | {subject} | {p50} | {cpu_alone} | {rate} | {cpu} | {fsync} |")?;
        }
        Ok(())
    }

    fn write_processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Processes\n")?;
        for (name, times, memory) in &self.starts {
            let times = spread(times.iter().copied());
            writeln!(f, "- {name}: ready {times} ms after its start; {} MiB in use when idle.", short(*memory))?;
        }
        for (name, memory) in &self.loaded {
            writeln!(f, "- {name}: {} MiB in use after all of the load.", short(*memory))?;
        }
        match &self.workers {
            None => writeln!(f, "- Two workers were not measured: there was no Redis."),
            Some(workers) => {
                let (one, two) = (spread(workers.one.iter().copied()), spread(workers.two.iter().copied()));
                let (most_one, most_two) = (short(Workers::most(1)), short(Workers::most(2)));
                writeln!(
                    f,
                    "- Runs with a step that waits 50 ms, 32 at once in a worker, on PostgreSQL with Redis: one worker {one} runs/s \
                     (at most {most_one}), two workers {two} runs/s (at most {most_two})."
                )
            }
        }
    }
}

/// Under which name the raw limit of a case is kept.
fn limit_of(case: Case) -> &'static str {
    match case.workload {
        _ if !case.wait => "W5",
        Workload::W1 | Workload::W1Reading => "W1",
        Workload::W2 => "W2",
        Workload::W3 => "W3",
    }
}

const HEAD: &str = "\
# Benchmark

Made by `make bench`. Load, servers and databases share the machine. Everybody has a turn, three times; a figure is the
median of the turns, with the smallest and the largest. Beside each stands what the disk took to sync 4 KiB just before.
Processor time is that of the server, its children and PostgreSQL, without the load; it hardly notices a busy machine.
SQLite runs with `synchronous=FULL`, PostgreSQL with `fsync` and `synchronous_commit`.

";

const ROWS: &str = "
## Runs over HTTP

A client asks with a token, and the answer comes when the run is over and on disk; for W5 when it is accepted and on disk.
Steps are `set`. They have no effect, so FlowForge may commit a whole run at once. *A commit a step* is the same server set
to commit each step before the next begins, as it does after every step with an effect (`--commit-each-step`). *Everything
on*: each step reads those before it and the run, every request is logged as JSON, and one more client starts runs and
follows their events to the end. *Limit* is how many times as many runs as PostgreSQL by itself: the same rows, a commit a
step, unbatched, as many clients.

| what | clients | who | p50 ms | p99 ms | runs/s | CPU-ms/run | limit | fsync µs |
|---|--:|---|--:|--:|--:|--:|--:|--:|
";

const LIMITS: &str = "
## The databases by themselves

The rows of a run, a commit a step: insert a run, insert each step, the last one together with the end of the run. The
hundred of W2 are one commit; W5 is the first insert alone. PostgreSQL through pgbench; SQLite through one writer.

| rows of | clients | database | p50 ms | p99 ms | runs/s | CPU-ms/run | fsync µs |
|---|--:|---|--:|--:|--:|--:|--:|
";

const GRAPHS: &str = "
## Large graphs

Chains of `set`, four clients. The cost of a step is what a run takes beyond a run of two nodes, by the steps it has more.

| nodes | who | p50 ms | CPU-ms/run | CPU-µs a further step | fsync µs |
|--:|---|--:|--:|--:|--:|
";

const HISTORY: &str = "
## Many finished runs

W1, alone and with 64 clients, when the tables hold so many finished runs of four steps each.

| finished runs | who | alone p50 ms | alone CPU-ms/run | 64 clients runs/s | 64 clients CPU-ms/run | fsync µs |
|--:|---|--:|--:|--:|--:|--:|
";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        writeln!(f, "Machine: {}. {CLIENTS} clients are as many connections.", machine::description())?;
        if self.peers.is_empty() {
            writeln!(f, "No other engine was measured: npm could not fetch any.")?;
        } else {
            writeln!(f, "Measured beside it: {}; their handlers are in `tests/bench/peers`.", self.peers.join("; "))?;
        }
        goals::write(self, f)?;
        self.write_rows(f)?;
        self.write_limits(f)?;
        self.write_graphs(f)?;
        self.write_history(f)?;
        self.write_processes(f)?;
        write!(f, "\n{NOTES}")
    }
}
