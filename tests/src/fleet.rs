//! Several processes over one PostgreSQL, each with one part of the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Client, Ledger, Postgres, Server, Settings};

/// Processes that answer requests, processes that work, and what they share.
#[derive(Debug)]
pub struct Fleet {
    /// The processes of the role `api`.
    pub apis: Vec<Server>,
    /// The processes of the role `worker`.
    pub workers: Vec<Server>,
    /// The owner, at each of the former.
    pub owners: Vec<Client>,
    /// What they share.
    pub postgres: Postgres,
    /// The record of effects.
    pub ledger: Ledger,
    environment: Vec<(String, String)>,
    _data: TempDir,
}

impl Fleet {
    /// Starts so many of each, with more environment variables.
    pub async fn start(apis: usize, workers: usize, environment: &[(&str, &str)]) -> Self {
        let data = tempfile::Builder::new().prefix("ff-fleet-").tempdir().expect("a temporary folder");
        let postgres = Postgres::start();
        let mut environment: Vec<_> = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.push(("FLOWFORGE_JWT_KEY".to_owned(), "0123456789abcdef0123456789abcdef".to_owned()));
        environment.push(("FLOWFORGE_DATA_DIR".to_owned(), data.path().to_string_lossy().into_owned()));
        let mut fleet = Self {
            apis: Vec::new(),
            workers: Vec::new(),
            owners: Vec::new(),
            postgres,
            ledger: Ledger::start().await,
            environment,
            _data: data,
        };
        // The first one makes the tables and the owner.
        fleet.apis.push(fleet.process("api").await);
        let rest = (1..apis).map(|_| fleet.process("api"));
        let (rest, working) = futures::join!(join_all(rest), join_all((0..workers).map(|_| fleet.process("worker"))));
        fleet.apis.extend(rest);
        fleet.workers.extend(working);
        fleet.owners = join_all(fleet.apis.iter().map(Server::owner)).await;
        println!("{} and {} more processes", fleet.apis[0].base(), apis + workers - 1);
        fleet
    }

    async fn process(&self, role: &str) -> Server {
        let mut environment = self.environment.clone();
        environment.push(("FLOWFORGE_ROLE".to_owned(), role.to_owned()));
        Server::start(Settings { database_url: Some(self.postgres.url().to_owned()), environment, ..Settings::default() }).await
    }

    /// Every process.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Server> {
        self.apis.iter_mut().chain(&mut self.workers)
    }

    /// Saves a workflow and returns its id.
    pub async fn workflow(&self, graph: &Value) -> String {
        let saved = self.owners[0].post("/workflows", json!({"name": "fleet", "graph": graph})).await.expect(201);
        saved["id"].as_str().expect("an id").to_owned()
    }

    /// Starts a run and returns its id at once.
    pub async fn launch(&self, workflow: &str, input: Value) -> String {
        let run = self.owners[0].post(&format!("/workflows/{workflow}/runs"), json!({"input": input})).await.expect(201);
        run["id"].as_str().expect("an id").to_owned()
    }

    /// Begins to start runs, one after another, at whichever process answers.
    pub fn load(&self, workflow: &str) -> Load {
        let (stop, started) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(start_runs(self.owners.clone(), workflow.to_owned(), stop.clone(), started.clone()));
        Load { stop, started, task }
    }

    /// Returns when every run has ended. Panics when that takes longer.
    pub async fn all_end_within(&self, limit: Duration) {
        let until = Instant::now() + limit;
        loop {
            let open = self.postgres.query("select id, status, owner, crashes from runs where finished_at is null limit 5");
            if open.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "runs that do not end: {open:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the one row of one column says.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.postgres.query(sql);
        rows.first().and_then(|row| row.parse().ok()).unwrap_or_else(|| panic!("{sql}: {rows:?}"))
    }
}

/// Runs that are being started.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    started: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Returns when so many more runs have been started.
    pub async fn goes_on_for(&self, runs: usize) {
        let wanted = self.started.load(Ordering::Relaxed) + runs;
        let limit = Instant::now() + Duration::from_secs(60);
        while self.started.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < limit && !self.task.is_finished(), "runs are not started any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts no more, and says how many were started.
    pub async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("every run was accepted");
        self.started.load(Ordering::Relaxed)
    }
}

async fn start_runs(owners: Vec<Client>, workflow: String, stop: Arc<AtomicBool>, started: Arc<AtomicUsize>) {
    let path = format!("/workflows/{workflow}/runs");
    while !stop.load(Ordering::Relaxed) {
        let number = started.load(Ordering::Relaxed);
        accepted(&owners, &path, number).await;
        started.store(number + 1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks one process after the other, under one key, until one has accepted the run.
async fn accepted(owners: &[Client], path: &str, number: usize) {
    let limit = Instant::now() + Duration::from_secs(30);
    for owner in owners.iter().cycle().skip(number) {
        let request = owner.request(reqwest::Method::POST, path).json(&json!({"input": {"n": number}}));
        let reply = owner.try_send(request.header("idempotency-key", format!("run-{number}"))).await;
        match reply {
            Ok(reply) if matches!(reply.status, 200 | 201) => return,
            Ok(reply) if reply.status < 500 => panic!("{}: {:#}", reply.status, reply.body),
            _ => assert!(Instant::now() < limit, "run {number} is not accepted for 30 s"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
