//! Measures what a run costs over HTTP, beside the same durable writes made straight to the database.
//!
//! `bench REPORT` writes its tables to REPORT. `BENCH_SECONDS` is how long each repetition under load takes (8),
//! `BENCH_REPEATS` how many there are (3). It measures; it passes or fails nothing.

mod limit;
mod load;
mod machine;
mod report;
mod target;

use flowforge_tests::Database;
use report::{Report, Row};
use target::Target;

/// A workload: its name, its graph, and the rows that each commit of the raw limit inserts.
pub(crate) struct Workload {
    name: &'static str,
    graph: serde_json::Value,
    commits: Vec<usize>,
}

/// How many clients ask at once under load.
const CLIENTS: usize = 64;

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "target/bench.md".to_owned());
    // One thread for the load, as wrk -t1 has: the server needs the other core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(async {
        let mut report = Report::default();
        for database in [Database::Sqlite, Database::Postgres] {
            measure(database, &mut report).await;
        }
        report
    });
    std::fs::write(&path, report.to_string()).expect("the report can be written");
    println!("{report}\nwritten to {path}");
}

async fn measure(database: Database, report: &mut Report) {
    let target = Target::start(database).await;
    report.add_start(&target);
    for workload in workloads() {
        let workflow = target.publish(&workload).await;
        target.one_at_a_time(&workflow, 30, true).await;
        report.add(repeat(&target, Kind::Alone, &workload, &workflow).await);
        if workload.name == "W1 three steps" {
            report.add(repeat(&target, Kind::Busy, &workload, &workflow).await);
            let acks = repeat(&target, Kind::Ack, &workload, &workflow).await;
            report.add(Row { workload: "W5 acknowledged", ..acks });
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Alone,
    Busy,
    Ack,
}

/// Product and raw limits in turns, so that all see the same disk.
async fn repeat(target: &Target, kind: Kind, workload: &Workload, workflow: &str) -> Row {
    let (clients, commits) = match kind {
        Kind::Alone => (1, workload.commits.clone()),
        Kind::Busy => (CLIENTS, workload.commits.clone()),
        Kind::Ack => (CLIENTS, vec![0]),
    };
    let (measured, limit, whole) = (Vec::new(), Vec::new(), Vec::new());
    let mut row = Row { database: target.database, workload: workload.name, clients, measured, limit, whole };
    for _ in 0..setting("BENCH_REPEATS", 3) {
        let seconds = setting("BENCH_SECONDS", 8);
        row.limit.push(target.limit(&commits, clients));
        row.whole.push(target.limit(&[commits.iter().sum()], clients));
        row.measured.push(match kind {
            Kind::Alone => target.one_at_a_time(workflow, 200, true).await,
            Kind::Busy => target.at_once(workflow, CLIENTS, seconds, true).await,
            Kind::Ack => target.at_once(workflow, CLIENTS, seconds, false).await,
        });
        target.drained().await;
    }
    row
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

fn workloads() -> Vec<Workload> {
    use serde_json::json;
    let set = |id: String| json!({"id": id, "type": "set", "position": {"x": 0, "y": 0}, "params": {"value": {"n": "{{ trigger.n }}"}}});
    let start = json!({"id": "start", "type": "trigger.manual", "position": {"x": 0, "y": 0}, "params": {}});
    let chain = |length: usize| {
        let mut nodes = vec![start.clone()];
        nodes.extend((1..=length).map(|number| set(format!("s{number}"))));
        let name = |number: usize| if number == 0 { "start".to_owned() } else { format!("s{number}") };
        let edges: Vec<_> = (0..length).map(|number| json!({"source": name(number), "target": name(number + 1)})).collect();
        json!({"nodes": nodes, "edges": edges})
    };
    let fan = || {
        let (mut nodes, mut edges) = (vec![start.clone(), set("first".into()), set("last".into())], Vec::new());
        edges.push(json!({"source": "start", "target": "first"}));
        for number in 0..100 {
            nodes.push(set(format!("m{number}")));
            edges.push(json!({"source": "first", "target": format!("m{number}")}));
            edges.push(json!({"source": format!("m{number}"), "target": "last"}));
        }
        json!({"nodes": nodes, "edges": edges})
    };
    let steps = |length| std::iter::once(0).chain(std::iter::repeat_n(1, length)).collect();
    vec![
        Workload { name: "W1 three steps", graph: chain(3), commits: steps(3) },
        Workload { name: "W3 forty in a row", graph: chain(40), commits: steps(40) },
        Workload { name: "W2 one to a hundred to one", graph: fan(), commits: vec![0, 1, 100, 1] },
    ]
}
