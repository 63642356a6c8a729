//! The raw limit: the durable writes of a run made straight to the database, by nobody but the database.
//!
//! A run is a row that is inserted in the first commit and updated in the last; each commit also inserts its step rows.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::load::Load;
use crate::machine;
use crate::report::Sample;

const TIME: Duration = Duration::from_secs(3);

/// SQLite in WAL mode with synchronous=FULL has one writer; many clients at once are runs that advance in one commit.
pub(crate) fn sqlite(file: &Path, commits: &[usize], clients: usize) -> Sample {
    std::fs::remove_file(file).ok();
    let fsync = machine::fsync_probe(file.parent().expect("a folder"));
    let connection = Connection::open(file).expect("a database");
    connection
        .execute_batch(
            "pragma journal_mode=wal; pragma synchronous=full;
             create table runs (id integer primary key, status text not null, input text, output text);
             create table steps (run integer, seq integer, status text not null, output text, primary key (run, seq)) without rowid;",
        )
        .expect("tables");
    let (began, mut load, mut next) = (Instant::now(), Load::default(), 0);
    while began.elapsed() < TIME {
        let cycle = Instant::now();
        write_runs(&connection, next..next + clients as i64, commits);
        next += clients as i64;
        load.times.extend(std::iter::repeat_n(cycle.elapsed(), clients));
    }
    load.total = began.elapsed();
    Sample::new(load, None, fsync)
}

fn write_runs(connection: &Connection, runs: std::ops::Range<i64>, commits: &[usize]) {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).expect("a write");
    };
    let mut seq = 0i64;
    for (place, steps) in commits.iter().enumerate() {
        run("begin immediate", &[]);
        for id in runs.clone() {
            if place == 0 {
                run("insert into runs values (?1, 'running', '{\"n\":1}', null)", params![id]);
            }
            for step in 0..*steps as i64 {
                run("insert into steps values (?1, ?2, 'completed', '{\"n\":1}')", params![id, seq + step]);
            }
            if place + 1 == commits.len() && place > 0 {
                run("update runs set status = 'completed', output = '{\"n\":1}' where id = ?1", params![id]);
            }
        }
        run("commit", &[]);
        seq += *steps as i64;
    }
}

/// PostgreSQL through pgbench, which commits after each statement.
pub(crate) fn postgres(commits: &[usize], clients: usize) -> Sample {
    let database = flowforge_tests::Postgres::start();
    database.query(
        "create table runs (id bigserial primary key, status text not null, input jsonb, output jsonb);
         create table steps (run bigint, seq int, status text not null, output jsonb, primary key (run, seq))",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let fsync = machine::fsync_probe(folder.path());
    let script = folder.path().join("run.sql");
    std::fs::write(&script, script_of(commits)).expect("a script");
    let seconds = TIME.as_secs().to_string();
    let clients_text = clients.to_string();
    let log = folder.path().join("log");
    let done = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-j", "1", "-T", &seconds, "-c", &clients_text, "-l", "--log-prefix"])
        .arg(&log)
        .arg("-f")
        .arg(&script)
        .arg(database.url())
        .output()
        .expect("pgbench starts: install the package postgresql");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let load = Load { times: latencies(folder.path()), total: TIME, wrong: 0 };
    Sample::new(load, None, fsync)
}

fn script_of(commits: &[usize]) -> String {
    if let [steps] = commits
        && *steps > 0
    {
        return format!(
            "with r as (insert into runs (status, input) values ('completed', '{{\"n\":1}}') returning id)
             insert into steps (run, seq, status, output)
             select id, seq, 'completed', '{{\"n\":1}}' from r, generate_series(1, {steps}) as seq;\n"
        )
        .replace("\n             ", " ");
    }
    let mut script = String::from("insert into runs (status, input) values ('running', '{\"n\":1}') returning id \\gset\n");
    let mut seq = 0;
    for (place, steps) in commits.iter().enumerate().skip(1) {
        let rows: Vec<_> = (seq..seq + steps).map(|step| format!("(:id, {step}, 'completed', '{{\"n\":1}}')")).collect();
        seq += steps;
        let insert = format!("insert into steps (run, seq, status, output) values {}", rows.join(", "));
        script += &if place + 1 == commits.len() {
            format!("with s as ({insert}) update runs set status = 'completed', output = '{{\"n\":1}}' where id = :id;\n")
        } else {
            format!("{insert};\n")
        };
    }
    script
}

/// The third column of pgbench's log is a transaction's time in microseconds.
fn latencies(folder: &Path) -> Vec<Duration> {
    let logs = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let logs = logs.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log")));
    let text: String = logs.map(|path| std::fs::read_to_string(path).expect("a log")).collect();
    let micros = text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse().ok());
    micros.map(Duration::from_micros).collect()
}
