//! A server that dies where it is told to and is started again, and whoever asks it for a run.

use std::path::Path;
use std::time::Duration;

use flowforge_tests::{Client, Database, Events, Postgres, Server, Settings, command, is_over};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    cases::{Case, World},
    rows::items,
};

/// Says to the server where to die.
const CRASH_AT: &str = "FLOWFORGE_CRASH_AT";
/// How long a run may take, its crash and its recovery included.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that has the case's workflows and has stopped.
pub(super) struct Mould {
    left: Server,
    postgres: Option<Postgres>,
    token: String,
    pub(super) workflow: String,
}

impl Mould {
    pub(super) async fn make(database: Database, case: &Case) -> Self {
        let postgres = (database == Database::Postgres).then(Postgres::start);
        let mut left = Server::start(settings(postgres.as_ref(), Vec::new())).await;
        let login = json!({"email": Server::EMAIL, "password": Server::PASSWORD});
        let client = Client::anonymous(&left.base());
        let token = text(&client.post("/auth/login", login).await.expect(200)["access_token"]);
        let client = client.with_token(&token);
        let mut workflow = String::new();
        // The called workflow of an example has the name of another example.
        for old in items(&client.get("/workflows?limit=100").await.expect(200)) {
            client.delete(&format!("/workflows/{}", text(&old["id"]))).await;
        }
        for (name, graph) in &case.workflows {
            workflow = text(&client.post("/workflows", json!({"name": name, "graph": graph})).await.expect(201)["id"]);
        }
        assert!(left.stop().await, "the first server stops well");
        Self { left, postgres, token, workflow }
    }
}

/// The environment of a life that ends at this place, or by itself.
fn planted(mut environment: Vec<(String, String)>, place: Option<&String>) -> Vec<(String, String)> {
    environment.retain(|(name, _)| name != CRASH_AT);
    environment.extend(place.map(|place| (CRASH_AT.to_owned(), place.clone())));
    environment
}

fn settings(postgres: Option<&Postgres>, mut environment: Vec<(String, String)>) -> Settings {
    if postgres.is_some() {
        environment.push(("FLOWFORGE_LEASE_MS".to_owned(), "600".to_owned()));
    }
    Settings { database_url: postgres.map(|one| one.url().to_owned()), environment, ..Settings::default() }
}

/// A server, however often it dies, and who asks it for a run.
pub(super) struct Life<'a> {
    pub(super) server: Server,
    pub(super) client: Client,
    /// Tells this run from the others of the sweep, in the ledger, at the remote and as its idempotency key.
    pub(super) name: String,
    /// How often it has died.
    pub(super) crashes: usize,
    postgres: Option<Postgres>,
    workflow: &'a str,
    body: Value,
    /// Where it dies, life after life.
    plan: &'a [String],
    /// What was answered and acknowledged: it is not said twice.
    answered: Vec<String>,
}

impl<'a> Life<'a> {
    pub(super) async fn start(
        world: &World,
        mould: &'a Mould,
        case: &Case,
        environment: Vec<(String, String)>,
        plan: &'a [String],
    ) -> Self {
        let name = format!("case-{}", plan.join("-").replace(':', "-"));
        let postgres = mould.postgres.as_ref().map(Postgres::copy);
        let environment = planted(environment, plan.first());
        let server = Server::start_on(mould.left.folder(), settings(postgres.as_ref(), environment)).await;
        let client = Client::anonymous(&server.base()).with_token(&mould.token);
        let mut input = case.input.clone();
        input["case"] = json!(name.as_str());
        if case.pushes {
            input["url"] = json!(world.remote().await.url());
            input["branch"] = json!(name.as_str());
        }
        let body = json!({"input": input});
        let (workflow, answered) = (mould.workflow.as_str(), Vec::new());
        Self { server, client, name, crashes: 0, postgres, workflow, body, plan, answered }
    }

    /// The run, when it has ended.
    pub(super) async fn lives(&mut self) -> String {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let run = tokio::time::timeout_at(until, self.live()).await;
            match run.unwrap_or_else(|_| panic!("the run does not end by itself within {PATIENCE:?}")) {
                Ok(run) => return run,
                Err(_) => self.revive().await,
            }
        }
    }

    /// Starts the server again that has died; it may die once more before it is ready.
    async fn revive(&mut self) {
        loop {
            self.server.ended().await;
            self.crashes += 1;
            assert!(self.crashes <= self.plan.len(), "it dies only where it was told to: {}", self.server.log());
            let environment = &mut self.server.settings().environment;
            *environment = planted(std::mem::take(environment), self.plan.get(self.crashes));
            self.server.revive();
            if self.server.gets_ready().await {
                return;
            }
        }
    }

    /// Asks for the run and answers its questions, until it has ended or the server is gone.
    async fn live(&mut self) -> reqwest::Result<String> {
        let path = format!("/workflows/{}/runs", self.workflow);
        let request = self.client.request(Method::POST, &path).header("idempotency-key", &self.name).json(&self.body);
        let reply = self.client.try_send(request).await?;
        assert!(matches!(reply.status, 200 | 201), "{}: {:#}", reply.status, reply.body);
        let run = text(&reply.body["id"]);
        loop {
            let mut events = Events::try_open(&self.client, &run, None).await?;
            while let Some(event) = events.next().await {
                if event.kind == "step_waiting" {
                    self.answer(&run).await?;
                }
            }
            if is_over(&self.get(&format!("/runs/{run}")).await?) {
                return Ok(run);
            }
        }
    }

    /// Answers what the steps of a run wait for.
    async fn answer(&mut self, run: &str) -> reqwest::Result<()> {
        let steps = self.get(&format!("/runs/{run}/steps")).await?;
        for step in items(&steps).iter().filter(|step| step["status"] == "waiting") {
            let node = text(&step["node_id"]);
            let (path, body) = match step["awaiting"]["kind"].as_str() {
                _ if self.answered.contains(&node) => continue,
                Some("signal") => {
                    let path = format!("/runs/{run}/signals/{}", text(&step["awaiting"]["name"]));
                    (path, json!({"amount": 220}))
                }
                Some("approval") => {
                    let asked = self.get("/approvals").await?;
                    let Some(asked) = items(&asked).iter().find(|asked| asked["node_id"] == node.as_str()) else { continue };
                    (format!("/runs/{run}/approvals/{node}"), json!({"decision": "approved", "digest": asked["digest"]}))
                }
                _ => continue,
            };
            let reply = self.client.try_send(self.client.request(Method::POST, &path).json(&body)).await?;
            let is_late = reply.status == 409 && matches!(reply.body["code"].as_str(), Some("approval_decided" | "run_finished"));
            assert!(matches!(reply.status, 200 | 202) || is_late, "{}: {:#}", reply.status, reply.body);
            self.answered.push(node);
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> reqwest::Result<Value> {
        Ok(self.client.try_send(self.client.request(Method::GET, path)).await?.expect(200))
    }

    /// What the rows have to be among themselves: dense records that replay, no lease without its step, ….
    pub(super) async fn doctor(&self) {
        let folder: &Path = self.server.folder();
        let mut doctor = command(folder);
        doctor.args(["doctor", "--json"]);
        if let Some(postgres) = &self.postgres {
            doctor.arg("--database-url").arg(postgres.url());
        }
        let done = doctor.output().await.expect("the doctor starts");
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success(), "the doctor: {}", String::from_utf8_lossy(&said));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}
