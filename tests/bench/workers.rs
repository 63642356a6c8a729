//! Whether two workers do more than one where the database is not the limit.

use std::process::Stdio;
use std::time::{Duration, Instant};

use flowforge_tests::{Postgres, Server, Settings, command};
use tokio::process::Child;

use crate::load;
use crate::target::Target;
use crate::workload::waiting;

/// How many runs a worker holds at once.
const HELD: usize = 32;
/// How long the one slow step of a run takes, in seconds.
const STEP: f64 = 0.05;
/// How many runs there are to be done.
const RUNS: usize = 2_500;
/// How long they may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a second, by the number of workers: 1, 2.
pub(crate) struct Workers {
    pub(crate) one: Vec<f64>,
    pub(crate) two: Vec<f64>,
}

impl Workers {
    /// What no number of workers that hold so many runs could surpass.
    pub(crate) fn most(workers: usize) -> f64 {
        (workers * HELD) as f64 / STEP
    }
}

/// Measures how fast runs that wait are done by one worker and by two, which share PostgreSQL and Redis.
pub(crate) async fn measure(redis: &str, repeats: u64) -> Workers {
    let mut found = Workers { one: Vec::new(), two: Vec::new() };
    let postgres = Postgres::start();
    let environment = [("FLOWFORGE_ROLE", "api"), ("FLOWFORGE_REDIS_URL", redis)];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let database_url = Some(postgres.url().to_owned());
    let target = Target::on(Server::start(Settings { database_url, environment, ..Settings::default() }).await, None).await;
    let workflow = target.publish("waiting", waiting(STEP)).await;
    let ask = target.ask(&workflow, false);
    for _ in 0..repeats {
        for (count, found) in [(1, &mut found.one), (2, &mut found.two)] {
            let workers: Vec<_> = (0..count).map(|_| Worker::start(postgres.url(), redis)).collect();
            // Until they have read the lists, so that it does not count how fast a process starts.
            load::burst(&ask, 8, 64).await;
            until_done(&postgres).await;
            let began = Instant::now();
            let load = load::burst(&ask, 50, RUNS).await;
            until_done(&postgres).await;
            found.push(load.times.len() as f64 / began.elapsed().as_secs_f64());
            assert_eq!(load.wrong, 0, "every run is accepted");
            for mut worker in workers {
                worker.stop().await;
            }
        }
    }
    found
}

async fn until_done(postgres: &Postgres) {
    let limit = Instant::now() + LIMIT;
    while postgres.query("select 1 from runs where finished_at is null limit 1") != Vec::<String>::new() {
        assert!(Instant::now() < limit, "runs are not done after {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Worker {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Worker {
    fn start(database: &str, redis: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command(folder.path());
        command.arg("worker").env("FLOWFORGE_DATABASE_URL", database).env("FLOWFORGE_REDIS_URL", redis);
        command.env("FLOWFORGE_MAX_RUNS", HELD.to_string());
        let log = std::fs::File::create(folder.path().join("worker.log")).expect("a log file");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        Self { child: command.spawn().expect("the worker starts"), _folder: folder }
    }

    async fn stop(&mut self) {
        self.child.kill().await.expect("the worker can be killed");
    }
}
