//! Thousands of deliveries, each sent one to four times at once under its id, over two servers, while a server or a worker is killed
//! every moment: each delivery is one run, and what was answered stays so.
//!
//! A few hundred by default. `make hooks` plays 10,000 and writes the report: `FLOWFORGE_HOOKS` is how many, and
//! `FLOWFORGE_HOOKS_REPORT` where the figures go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flowforge_tests::{Client, Fleet, Reply, Seed, Server, chain};
use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;

use super::{path, text};

/// How many deliveries there are when nobody says.
const FEW: usize = 300;
/// How many are being sent at once.
const AT_ONCE: usize = 32;
/// How long a sender tries to be heard.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happened.
#[derive(Debug, Default)]
struct Tally {
    requests: AtomicUsize,
    accepted: AtomicUsize,
    unanswered: AtomicUsize,
    refused: AtomicUsize,
    kills: AtomicUsize,
}

/// What sends: the servers' addresses, and where.
struct Senders {
    servers: Vec<Client>,
    url: String,
    tally: Arc<Tally>,
}

impl Senders {
    /// Sends a delivery like a sender that has to be heard: again and again until it is, at one server or the other. The run.
    async fn send(&self, n: usize, copy: usize) -> String {
        let until = Instant::now() + PATIENCE;
        for attempt in 0.. {
            let server = &self.servers[(n + copy + attempt) % self.servers.len()];
            let request = server.request(Method::POST, &self.url).header("idempotency-key", format!("delivery-{n}"));
            self.tally.requests.fetch_add(1, Ordering::Relaxed);
            match server.try_send(request.json(&json!({ "n": n }))).await {
                Ok(Reply { status: 202, body, .. }) => {
                    self.tally.accepted.fetch_add(1, Ordering::Relaxed);
                    return text(&body["run_id"]);
                }
                Ok(Reply { status, body, .. }) => {
                    assert!(matches!(status, 500 | 503), "{status}: {body:#}");
                    self.tally.refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => drop(self.tally.unanswered.fetch_add(1, Ordering::Relaxed)),
            }
            assert!(Instant::now() < until, "delivery {n} is not taken within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        unreachable!("it tries for ever")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_delivery_is_one_run_whatever_dies() {
    let count = std::env::var("FLOWFORGE_HOOKS").map_or(FEW, |text| text.parse().expect("FLOWFORGE_HOOKS is a number"));
    let mut seed = Seed::printed();
    let fleet = Fleet::start(2, 2, &[]).await;
    let graph = chain(&[
        ("hook", "trigger.webhook", json!({"rate_per_minute": 600_000})),
        ("mark", "set", json!({"value": "{{ trigger.body.n }}"})),
    ]);
    let workflow = fleet.workflow(&graph).await;
    fleet.owners[0].post(&format!("/workflows/{workflow}/publish"), json!({"version": 1})).await.expect(200);
    let listed = fleet.owners[0].get(&format!("/triggers?workflow_id={workflow}")).await.expect(200);
    let tally = Arc::new(Tally::default());
    let servers = fleet.apis.iter().map(|api| Client::anonymous(&api.base())).collect();
    let senders = Senders { servers, url: path(&listed["items"][0]["url"]), tally: tally.clone() };
    let copies: Vec<(usize, usize)> = (0..count).flat_map(|n| (0..seed.pick(1..5) as usize).map(move |copy| (n, copy))).collect();
    let began = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill_now_and_then(fleet, seed.fork(), done.clone(), tally.clone()));
    let send = |(n, copy)| {
        let senders = &senders;
        async move { (n, senders.send(n, copy).await) }
    };
    let answers: Vec<(usize, String)> = stream::iter(copies.iter().copied().map(send)).buffer_unordered(AT_ONCE).collect().await;
    let sent = began.elapsed();
    done.store(true, Ordering::Relaxed);
    let fleet = killer.await.expect("every server came back");
    fleet.all_end_within(Duration::from_secs(120)).await;
    let answered = check(&fleet, count, answers).await;
    let report = report(count, copies.len(), answered, sent, began.elapsed(), &tally);
    println!("{report}");
    if let Ok(path) = std::env::var("FLOWFORGE_HOOKS_REPORT") {
        // Sections of the report are about something else.
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let sections = before.find("\n## ").map_or("", |at| &before[at..]);
        std::fs::write(&path, report + sections).expect("the report can be written");
    }
}

/// Kills one process after the other, each at a moment that nobody knows before.
async fn kill_now_and_then(mut fleet: Fleet, mut seed: Seed, done: Arc<AtomicBool>, tally: Arc<Tally>) -> Fleet {
    while !done.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(seed.pick(200..1_500))).await;
        let victim = seed.pick(0..4) as usize;
        let process: &mut Server = fleet.processes().nth(victim).expect("two and two");
        process.kill().await;
        tally.kills.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(seed.pick(0..300))).await;
        process.restart().await;
    }
    fleet
}

/// Every delivery is one run, every answer named it, and no row is left on its way. How many answers there were.
async fn check(fleet: &Fleet, count: usize, answers: Vec<(usize, String)>) -> usize {
    let mut named: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let answered = answers.len();
    for (n, run) in answers {
        named.entry(n).or_default().insert(run.trim_start_matches("run_").replace('-', ""));
    }
    assert_eq!(named.len(), count, "each was answered");
    let torn: Vec<_> = named.iter().filter(|(_, runs)| runs.len() != 1).collect();
    assert!(torn.is_empty(), "deliveries whose answers name different runs: {torn:#?}");
    let rows = fleet.postgres.query("select replace(id::text, '-', ''), input->'body'->>'n', status, output from runs");
    let mut runs: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for row in &rows {
        let fields: Vec<_> = row.split('|').collect();
        assert_eq!((fields[2], fields[3]), ("completed", fields[1]), "{row}");
        runs.entry(fields[1].parse().expect("a number")).or_default().push(fields[0].to_owned());
    }
    assert_eq!(rows.len(), count, "each is one run");
    for (n, ids) in &runs {
        assert!(ids.len() == 1 && named[n].contains(&ids[0]), "delivery {n}: runs {ids:?}, answers {:?}", named[n]);
    }
    let until = Instant::now() + Duration::from_secs(60);
    while fleet.number("select count(*) from deliveries where status = 'received'") > 0 {
        assert!(Instant::now() < until, "deliveries that stay on their way");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let started = fleet.number("select count(*) from deliveries where status = 'started'");
    assert_eq!(started, i64::try_from(count).expect("a count"), "one row each says that its run exists");
    assert_eq!(fleet.number("select count(*) from deliveries where status not in ('started', 'duplicate')"), 0);
    answered
}

fn report(count: usize, copies: usize, answered: usize, sent: Duration, whole: Duration, tally: &Tally) -> String {
    let of = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let mut text = String::from("# Deliveries while servers die\n\n");
    let rows = [
        ("Deliveries", count),
        ("Copies that were sent, one to four of each at once", copies),
        ("Requests, with those that were sent again because nobody had answered", of(&tally.requests)),
        ("Answered 202", of(&tally.accepted)),
        ("Not answered: the server died, or was dead", of(&tally.unanswered)),
        ("Answered 500 or 503", of(&tally.refused)),
        ("`kill -9` of one of two servers and two workers", of(&tally.kills)),
        ("Deliveries without a run", 0),
        ("Deliveries with more than one run", 0),
        ("Answers that name another run than the one there is", 0),
    ];
    writeln!(text, "| What | How many |\n|---|---:|").expect("memory");
    for (what, many) in rows {
        writeln!(text, "| {what} | {many} |").expect("memory");
    }
    let rate = answered as f64 / sent.as_secs_f64();
    let binary = flowforge_tests::binary();
    let profile = binary.parent().and_then(|folder| folder.file_name()).unwrap_or_default().to_string_lossy();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    writeln!(
        text,
        "\nThe last three are checked against the rows; the program ends before it writes this when one is not 0. All were sent \
         within {:.0} s ({rate:.0} answers/s, a PostgreSQL and the senders on the same machine of {cores} cores, {profile} build); everything had \
         ended after {:.0} s. `make hooks` plays it again.",
        sent.as_secs_f64(),
        whole.as_secs_f64(),
    )
    .expect("memory");
    text
}
