//! The raw limit: the durable writes of a run made straight to the database, by nobody but the database.
//!
//! A run is a row that is inserted in the first commit and updated in the last; each commit also inserts its step rows.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flowforge_tests::Postgres;
use rusqlite::{Connection, params};

use crate::load::Load;
use crate::machine;
use crate::sample::Sample;

const TIME: Duration = Duration::from_secs(2);

/// SQLite in WAL mode with synchronous=FULL: one writer, one run after the other.
pub(crate) fn sqlite(folder: &Path, commits: &[usize]) -> Sample {
    let file = folder.join("limit.db");
    std::fs::remove_file(&file).ok();
    let fsync = machine::fsync_probe(folder);
    let connection = Connection::open(&file).expect("a database");
    connection
        .execute_batch(
            "pragma journal_mode=wal; pragma synchronous=full;
             create table runs (id integer primary key, status text not null, input text, output text);
             create table steps (run integer, seq integer, status text not null, output text, primary key (run, seq)) without rowid;",
        )
        .expect("tables");
    let before = machine::cpu(std::process::id());
    let (began, mut load) = (Instant::now(), Load::default());
    while began.elapsed() < TIME {
        let one = Instant::now();
        write_run(&connection, load.times.len() as i64, commits);
        load.times.push(one.elapsed());
    }
    load.total = began.elapsed();
    Sample::new(load, machine::cpu(std::process::id()).saturating_sub(before), fsync)
}

fn write_run(connection: &Connection, id: i64, commits: &[usize]) {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).expect("a write");
    };
    let mut seq = 0i64;
    for (place, steps) in commits.iter().enumerate() {
        run("begin immediate", &[]);
        if place == 0 {
            run("insert into runs values (?1, 'running', '{\"n\":1}', null)", params![id]);
        }
        for step in 0..*steps as i64 {
            run("insert into steps values (?1, ?2, 'completed', '{\"n\":1}')", params![id, seq + step]);
        }
        if place + 1 == commits.len() && place > 0 {
            run("update runs set status = 'completed', output = '{\"n\":1}' where id = ?1", params![id]);
        }
        run("commit", &[]);
        seq += *steps as i64;
    }
}

/// PostgreSQL through pgbench, which commits after each statement.
pub(crate) fn postgres(folder: &Path, commits: &[usize], clients: usize) -> Sample {
    let database = Postgres::start();
    database.query(
        "create table runs (id bigserial primary key, status text not null, input jsonb, output jsonb);
         create table steps (run bigint, seq int, status text not null, output jsonb, primary key (run, seq))",
    );
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let fsync = machine::fsync_probe(folder.path());
    let script = folder.path().join("run.sql");
    std::fs::write(&script, script_of(commits)).expect("a script");
    let before = server_cpu(&database);
    let done = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-j", "1", "-T", &TIME.as_secs().to_string(), "-c", &clients.to_string(), "-l"])
        .arg("--log-prefix")
        .arg(folder.path().join("log"))
        .arg("-f")
        .arg(&script)
        .arg(database.url())
        .output()
        .expect("pgbench starts: install the package postgresql");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let load = Load { times: latencies(folder.path()), total: TIME, wrong: 0 };
    Sample::new(load, server_cpu(&database).saturating_sub(before), fsync)
}

/// Processor time of a PostgreSQL server, its ended sessions included.
pub(crate) fn server_cpu(database: &Postgres) -> Duration {
    let folder = database.query("show data_directory").concat();
    let pid = std::fs::read_to_string(Path::new(&folder).join("postmaster.pid")).expect("a pid file");
    machine::cpu(pid.lines().next().expect("a line").parse().expect("a pid"))
}

fn script_of(commits: &[usize]) -> String {
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
