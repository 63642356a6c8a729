//! FlowForge under measurement, with its database.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use flowforge_tests::{Client, Database, Events, Postgres, Server, Settings};
use serde_json::{Value, json};

use crate::load::Ask;
use crate::sample::Sample;
use crate::subject::Subject;
use crate::workload::{Case, Mode, Workload};

/// A server with workflows in it.
pub(crate) struct Target {
    pub(crate) server: Server,
    pub(crate) subject: Subject,
    pub(crate) started_in: Duration,
    workflows: BTreeMap<Workload, String>,
    owner: Client,
}

impl Target {
    /// Starts a server with all workloads in it.
    pub(crate) async fn start(database: Database, mode: Mode) -> Self {
        let mut target = Self::empty(database, mode).await;
        for workload in Workload::ALL {
            let id = target.publish(&format!("{workload:?}"), workload.graph()).await;
            target.workflows.insert(workload, id);
        }
        target
    }

    /// Starts a server without workflows. Its second start is timed: the first one also makes the tables and the first owner.
    pub(crate) async fn empty(database: Database, mode: Mode) -> Self {
        let postgres = (database == Database::Postgres).then(Postgres::start);
        let environment = environment(mode).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let database_url = postgres.as_ref().map(|one| one.url().to_owned());
        let mut server = Server::start(Settings { database_url, environment, ..Settings::default() }).await;
        let started_in = restarted(&mut server).await;
        Self { started_in, ..Self::on(server, postgres).await }
    }

    /// Takes a server that runs.
    pub(crate) async fn on(server: Server, postgres: Option<Postgres>) -> Self {
        let owner = server.owner().await;
        let subject = Subject {
            name: format!("FlowForge, {}", if postgres.is_none() { "SQLite" } else { "PostgreSQL" }),
            processes: vec![server.pid()],
            postgres,
            folder: server.folder().to_owned(),
        };
        Self { server, subject, started_in: Duration::ZERO, workflows: BTreeMap::new(), owner }
    }

    /// Signs in again, before the token is too old.
    pub(crate) async fn sign_in(&mut self) {
        self.owner = self.server.owner().await;
    }

    /// Saves and publishes a workflow and returns its id.
    pub(crate) async fn publish(&self, name: &str, graph: Value) -> String {
        let saved = self.owner.post("/workflows", json!({"name": name, "graph": graph})).await.expect(201);
        let id = saved["id"].as_str().expect("an id").to_owned();
        self.owner.post(&format!("/workflows/{id}/publish"), json!({"version": 1})).await.expect(200);
        id
    }

    /// Measures a case once.
    pub(crate) async fn measure(&self, case: Case, seconds: u64) -> Sample {
        let workflow = &self.workflows[&case.workload];
        let ask = self.ask(workflow, case.wait);
        if case.mode == Mode::AllOn {
            return self.while_watched(workflow, measured(&self.subject, &ask, case, seconds)).await;
        }
        let sample = measured(&self.subject, &ask, case, seconds).await;
        if !case.wait {
            self.subject.settle().await;
        }
        sample
    }

    /// What starts a run of a workflow.
    pub(crate) fn ask(&self, workflow: &str, wait: bool) -> Ask {
        let request = self.owner.request(reqwest::Method::POST, &format!("/workflows/{workflow}/runs")).build();
        let request = request.expect("a request");
        let token = request.headers()["authorization"].to_str().expect("text").to_owned();
        let path = format!("{}{}", request.url().path(), if wait { "?wait=20" } else { "" });
        let address = self.server.base().trim_start_matches("http://").to_owned();
        let word = if wait { r#""status":"completed""# } else { r#""id":"run_"# };
        Ask::post(&address, &path, &[("authorization", &token)], r#"{"input":{"n":1}}"#, word)
    }

    /// Starts the server again on the same data.
    pub(crate) async fn restart(&mut self) -> Duration {
        let took = restarted(&mut self.server).await;
        self.subject.processes = vec![self.server.pid()];
        took
    }

    async fn while_watched(&self, workflow: &str, work: impl Future<Output = Sample>) -> Sample {
        tokio::select! {
            sample = work => sample,
            never = self.watch(workflow) => match never {},
        }
    }

    /// Starts runs and follows the events of each to its end, one run after the other, for ever.
    async fn watch(&self, workflow: &str) -> Infallible {
        loop {
            let started = self.owner.post(&format!("/workflows/{workflow}/runs"), json!({"input": {"n": 1}})).await.expect(201);
            let events = Events::open(&self.owner, started["id"].as_str().expect("an id"), None).await.rest().await;
            assert!(events.last().is_some_and(|event| event.kind == "run_finished"), "{events:?}");
        }
    }
}

/// How often a run is started one at a time.
const RUNS: usize = 300;

async fn measured(subject: &Subject, ask: &Ask, case: Case, seconds: u64) -> Sample {
    // Both sides have their connections, caches and plans before it counts.
    subject.one_at_a_time(ask, 30).await;
    match case.clients {
        1 => subject.one_at_a_time(ask, RUNS).await,
        clients => subject.at_once(ask, clients, seconds).await,
    }
}

async fn restarted(server: &mut Server) -> Duration {
    assert!(server.stop().await, "the server stops well");
    let began = Instant::now();
    server.restart().await;
    began.elapsed()
}

fn environment(mode: Mode) -> impl Iterator<Item = (&'static str, &'static str)> {
    // As it is installed; the harness has it shorter.
    let lease = ("FLOWFORGE_LEASE_MS", "30000");
    let settings: &[_] = match mode {
        Mode::Plain => &[],
        Mode::StepByStep => &[("FLOWFORGE_COMMIT_EACH_STEP", "true")],
        Mode::AllOn => &[("FLOWFORGE_LOG", "warn,flowforge=debug"), ("FLOWFORGE_LOG_FORMAT", "json")],
    };
    std::iter::once(lease).chain(settings.iter().copied())
}
