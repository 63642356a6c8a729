//! Whether a step costs the same in a large graph, and a run the same beside many others.

use std::fmt::Write;

use flowforge_tests::Database;
use rusqlite::Connection;

use crate::load::Ask;
use crate::sample::Sample;
use crate::target::Target;
use crate::workload::{CLIENTS, Mode, chain};

/// How many nodes the graphs have.
pub(crate) const NODES: [usize; 5] = [2, 10, 100, 1_000, 10_000];
/// How many runs stand in the tables.
pub(crate) const HISTORY: [usize; 2] = [1_000, 1_000_000];
/// Few clients, so that large runs have their turn too.
const GRAPH_CLIENTS: usize = 4;

/// Runs of graphs of all sizes, on one database.
pub(crate) struct Graphs {
    pub(crate) subject: String,
    /// As [`NODES`].
    pub(crate) samples: Vec<Vec<Sample>>,
}

/// Measures chains of so many nodes.
pub(crate) async fn graphs(database: Database, repeats: u64, seconds: u64) -> Graphs {
    let target = Target::empty(database, Mode::Plain).await;
    let mut asks: Vec<Ask> = Vec::new();
    for nodes in NODES {
        let workflow = target.publish(&format!("{nodes} nodes"), chain(nodes - 1)).await;
        asks.push(target.ask(&workflow, true));
    }
    println!("{}: large graphs", target.subject.name);
    let mut samples = vec![Vec::new(); NODES.len()];
    for _ in 0..repeats {
        for (ask, samples) in asks.iter().zip(&mut samples) {
            target.subject.at_once(ask, GRAPH_CLIENTS, 1).await;
            samples.push(target.subject.at_once(ask, GRAPH_CLIENTS, seconds).await);
        }
    }
    Graphs { subject: target.subject.name, samples }
}

/// Runs beside so many others, on one database.
pub(crate) struct Beside {
    pub(crate) subject: String,
    pub(crate) finished: usize,
    pub(crate) alone: Vec<Sample>,
    pub(crate) busy: Vec<Sample>,
}

/// Measures runs of three steps while the tables hold more and more.
pub(crate) async fn history(database: Database, repeats: u64, seconds: u64) -> Vec<Beside> {
    let mut target = Target::empty(database, Mode::Plain).await;
    let workflow = target.publish("W1", chain(3)).await;
    let mut found = Vec::new();
    for finished in HISTORY {
        println!("{}: {finished} finished runs", target.subject.name);
        let ask = target.ask(&workflow, true);
        target.subject.one_at_a_time(&ask, 1).await;
        fill(&mut target, finished).await;
        let mut one = Beside { subject: target.subject.name.clone(), finished, alone: Vec::new(), busy: Vec::new() };
        target.subject.at_once(&ask, CLIENTS, 1).await;
        for _ in 0..repeats {
            one.alone.push(target.subject.one_at_a_time(&ask, 300).await);
            one.busy.push(target.subject.at_once(&ask, CLIENTS, seconds).await);
        }
        found.push(one);
    }
    found
}

/// Copies one finished run until there are so many.
async fn fill(target: &mut Target, count: usize) {
    assert!(target.server.stop().await, "the server stops well");
    match &target.subject.postgres {
        Some(postgres) => {
            let columns = |table: &str| {
                postgres.query(&format!(
                    "select column_name from information_schema.columns where table_schema = 'public' and table_name = '{table}' \
                     order by ordinal_position"
                ))
            };
            let id = "(lpad(to_hex(extract(epoch from now())::bigint * 1000 - n), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid";
            let numbers = format!("generate_series(1, {count}) n");
            postgres.query("alter system set max_wal_size = '8GB'");
            postgres.query(&format!("set synchronous_commit = off; {}", copies(columns, id, &numbers)));
            postgres.query("vacuum (analyze) runs");
            postgres.query("vacuum (analyze) step_runs");
            postgres.query("checkpoint");
        }
        None => {
            let database = Connection::open(target.server.folder().join("data/flowforge.db")).expect("the database");
            let columns = |table: &str| {
                let mut rows =
                    database.prepare(&format!("select name from pragma_table_info('{table}') order by cid")).expect("a table");
                let names = rows.query_map([], |row| row.get(0)).expect("columns");
                names.collect::<Result<Vec<String>, _>>().expect("names")
            };
            let id = "unhex(printf('%012x70008000%012x', unixepoch() * 1000 - n, n))";
            let numbers =
                format!("(with recursive c(n) as (select 1 union all select n + 1 from c where n < {count}) select n from c)");
            let sql = copies(columns, id, &numbers);
            database
                .execute_batch(&format!("pragma synchronous = off; begin; {sql} commit; pragma wal_checkpoint(truncate)"))
                .expect("copies");
        }
    }
    target.server.restart().await;
    target.subject.processes = vec![target.server.pid()];
}

/// Statements that copy the newest run with its steps, each copy under an id of its own that is older.
fn copies(columns: impl Fn(&str) -> Vec<String>, id: &str, numbers: &str) -> String {
    let newest = "(select id from runs where finished_at is not null order by id desc limit 1)";
    let mut sql = "create temp table newest as select * from runs where id = ".to_owned() + newest + "; ";
    write!(sql, "create temp table its_steps as select * from step_runs where run_id = {newest}; ").expect("a string");
    for (table, from, key) in [("runs", "newest", "id"), ("step_runs", "its_steps", "run_id")] {
        let columns = columns(table);
        let values = columns.iter().map(|column| if column == key { id.to_owned() } else { format!("t.{column}") });
        let values = values.collect::<Vec<_>>().join(", ");
        write!(sql, "insert into {table} ({}) select {values} from {numbers}, {from} t; ", columns.join(", ")).expect("a string");
    }
    sql
}
