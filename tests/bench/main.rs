//! Measures what a run costs over HTTP, beside the same durable writes made straight to the database and beside other
//! durable engines, all in turns on one machine.
//!
//! `bench REPORT` writes its tables to REPORT. `BENCH_SECONDS` is how long each repetition under load takes (5),
//! `BENCH_REPEATS` how many there are (3), `BENCH_PARTS` which parts are measured (`turns graphs history workers`). It
//! measures; it passes or fails nothing.

mod goals;
mod limit;
mod load;
mod machine;
mod peer;
mod report;
mod sample;
mod scale;
mod subject;
mod target;
mod turns;
mod workers;
mod workload;

use flowforge_tests::Database;
use report::Report;

/// The databases that the product runs on.
const DATABASES: [Database; 2] = [Database::Sqlite, Database::Postgres];

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "target/bench.md".to_owned());
    // One thread for the load, as wrk -t1 has: the server needs the other core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(measure());
    std::fs::write(&path, report.to_string()).expect("the report can be written");
    println!("{report}\nwritten to {path}");
}

async fn measure() -> Report {
    let (repeats, seconds) = (setting("BENCH_REPEATS", 3), setting("BENCH_SECONDS", 5));
    let mut report = Report::default();
    if is_wanted("turns") {
        turns::measure(&mut report, repeats, seconds).await;
    }
    if is_wanted("graphs") {
        for database in DATABASES {
            report.graphs.push(scale::graphs(database, repeats, 1).await);
        }
    }
    if is_wanted("history") {
        for database in DATABASES {
            report.history.extend(scale::history(database, repeats, seconds.min(3)).await);
        }
    }
    if let Ok(redis) = std::env::var("FLOWFORGE_TEST_REDIS")
        && is_wanted("workers")
    {
        report.workers = Some(workers::measure(&redis, repeats).await);
    }
    report
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

fn is_wanted(part: &str) -> bool {
    std::env::var("BENCH_PARTS").map_or(true, |parts| parts.split_whitespace().any(|one| one == part))
}
