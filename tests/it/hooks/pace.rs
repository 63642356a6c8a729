//! How fast deliveries are answered, and that each is one run: a moment with few clients by default.
//!
//! `make hooks CLIENTS=64` measures on both databases with the release build and prints the figures: `FLOWFORGE_HOOK_CLIENTS` is
//! how many send at once, `FLOWFORGE_HOOK_SECONDS` for how long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flowforge_tests::{Client, Database, Forge};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::Hook;

/// How long senders warm up before they are measured, as a part of the time that they are.
const WARM_UP: f64 = 0.2;
/// How long the runs may take after the last answer.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_of_many_clients_are_answered_at_once_and_run_once() {
    let clients = number("FLOWFORGE_HOOK_CLIENTS", 8.0) as usize;
    let time = Duration::from_secs_f64(number("FLOWFORGE_HOOK_SECONDS", 0.5));
    for database in [Database::Sqlite, Database::Postgres] {
        println!("{}", measured(database, clients, time).await);
    }
}

fn number(variable: &str, otherwise: f64) -> f64 {
    let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: `{text}`"));
    std::env::var(variable).map_or(otherwise, parse)
}

/// Sends as fast as the answers come, each delivery under an id of its own, and checks that each has become one run.
async fn measured(database: Database, clients: usize, time: Duration) -> String {
    let forge = Forge::start(database).await;
    let hook = Hook::start(&forge, json!({"rate_per_minute": 600_000})).await;
    let (ids, http) = (AtomicU64::new(0), Client::anonymous(&forge.server.base()));
    let begin = Instant::now() + time.mul_f64(WARM_UP);
    let end = begin + time;
    let sender = async || {
        let mut times = Vec::new();
        while Instant::now() < end {
            let n = ids.fetch_add(1, Ordering::Relaxed);
            let request = http.request(Method::POST, &hook.url).header("idempotency-key", format!("delivery-{n}"));
            let sent = Instant::now();
            http.send(request.json(&json!({ "n": n }))).await.expect(202);
            if sent >= begin {
                times.push(sent.elapsed());
            }
        }
        times
    };
    let mut times = join_all((0..clients).map(|_| sender())).await.concat();
    let took = begin.elapsed();
    times.sort();
    let sent = ids.load(Ordering::Relaxed);
    let runs = all_have_run(&forge, sent).await;
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0;
    let rate = times.len() as f64 / took.as_secs_f64();
    let profile = flowforge_tests::binary()
        .parent()
        .and_then(|folder| folder.file_name())
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    format!(
        "{database:?}: {clients} clients, {:.1} s, {profile} build: {rate:.0} answers/s, p50 {:.1} ms, p99 {:.1} ms; {sent} deliveries, {runs} runs",
        time.as_secs_f64(),
        at(0.5),
        at(0.99),
    )
}

/// Waits until no delivery is on its way and no run has not ended. How many runs there are: as many as deliveries.
async fn all_have_run(forge: &Forge, sent: u64) -> u64 {
    let count = |sql: &str| forge.query(sql)[0].parse::<u64>().expect("a number");
    let until = Instant::now() + PATIENCE;
    while count("select count(*) from deliveries where status <> 'started'")
        + count("select count(*) from runs where finished_at is null")
        > 0
    {
        assert!(Instant::now() < until, "{:?}", forge.query("select status, count(*) from deliveries group by status"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(count("select count(*) from deliveries"), sent, "one row each");
    assert_eq!(
        count("select count(distinct d.id) from deliveries d join runs r on r.id = d.run_id"),
        sent,
        "each has a run of its own"
    );
    let runs = count("select count(*) from runs where status = 'completed'");
    assert_eq!(runs, sent);
    runs
}
