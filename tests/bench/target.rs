//! The server under measurement, with its database.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flowforge_tests::{Client, Database, Postgres, Server, Settings};
use serde_json::json;

use crate::report::Sample;
use crate::{Workload, limit, load, machine};

pub(crate) struct Target {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) started_in: Duration,
    postgres: Option<Postgres>,
    owner: Client,
}

impl Target {
    pub(crate) async fn start(database: Database) -> Self {
        let postgres = (database == Database::Postgres).then(Postgres::start);
        let settings = Settings { database_url: postgres.as_ref().map(|one| one.url().to_owned()), ..Settings::default() };
        // The second start is measured: the first one also makes the tables and the first owner.
        let mut server = Server::start(settings).await;
        assert!(server.stop().await, "the server stops well");
        let began = Instant::now();
        server.restart().await;
        let started_in = began.elapsed();
        let owner = server.owner().await;
        Self { server, database, started_in, postgres, owner }
    }

    pub(crate) async fn publish(&self, workload: &Workload) -> String {
        let body = json!({"name": workload.name, "graph": workload.graph});
        let saved = self.owner.post("/workflows", body).await.expect(201);
        let id = saved["id"].as_str().expect("an id").to_owned();
        self.owner.post(&format!("/workflows/{id}/publish"), json!({"version": 1})).await.expect(200);
        id
    }

    pub(crate) async fn one_at_a_time(&self, workflow: &str, runs: usize, wait: bool) -> Sample {
        let request = self.request(workflow, wait);
        self.sampled(load::sequence(&self.address(), &request, runs)).await
    }

    pub(crate) async fn at_once(&self, workflow: &str, clients: usize, seconds: u64, wait: bool) -> Sample {
        let request = self.request(workflow, wait);
        let time = Duration::from_secs(seconds);
        self.sampled(load::together(&self.address(), &request, clients, time)).await
    }

    /// The same durable writes without us.
    pub(crate) fn limit(&self, commits: &[usize], clients: usize) -> Sample {
        match &self.postgres {
            Some(_) => limit::postgres(commits, clients),
            None => limit::sqlite(&self.server.folder().join("limit.db"), commits, clients),
        }
    }

    /// Returns when no run is left that was acknowledged and has not ended.
    pub(crate) async fn drained(&self) {
        for status in ["pending", "running"] {
            let path = format!("/runs?status={status}&limit=1");
            while self.owner.get(&path).await.expect(200)["items"].as_array().is_some_and(|items| !items.is_empty()) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn sampled(&self, work: impl Future<Output = load::Load>) -> Sample {
        let fsync = machine::fsync_probe(self.server.folder());
        let before = self.cpu();
        let load = work.await;
        let cpu = self.cpu().saturating_sub(before);
        Sample::new(load, Some(cpu), fsync)
    }

    fn cpu(&self) -> Duration {
        let database = self.postgres.as_ref().map(|postgres| {
            let folder = postgres.query("show data_directory").concat();
            let pid = std::fs::read_to_string(PathBuf::from(folder).join("postmaster.pid")).expect("a pid file");
            machine::cpu(pid.lines().next().expect("a line").parse().expect("a pid"))
        });
        machine::cpu(self.server.pid()) + database.unwrap_or_default()
    }

    fn address(&self) -> String {
        self.server.base().trim_start_matches("http://").to_owned()
    }

    /// The whole request as it goes over the wire, the same each time.
    fn request(&self, workflow: &str, wait: bool) -> Vec<u8> {
        let path = format!("/workflows/{workflow}/runs{}", if wait { "?wait=20" } else { "" });
        let built = self.owner.request(reqwest::Method::POST, &path).build().expect("a request");
        let token = built.headers()["authorization"].to_str().expect("text");
        let body = r#"{"input":{"n":1}}"#;
        let query = built.url().query().map(|query| format!("?{query}")).unwrap_or_default();
        format!(
            "POST {}{query} HTTP/1.1\r\nhost: {}\r\nauthorization: {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            built.url().path(),
            self.address(),
            body.len(),
        )
        .into_bytes()
    }
}
