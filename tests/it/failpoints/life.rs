//! A server that dies where it is told to and is started again.

use std::path::Path;
use std::time::Duration;

use flowforge_tests::{Client, Database, Postgres, Server, Settings, command};
use serde_json::{Value, json};

use super::{
    acts::{Act, Asker},
    cases::{Case, World},
    rows::{items, rows},
};

/// Says to the server where to die.
const CRASH_AT: &str = "FLOWFORGE_CRASH_AT";
/// How long a case may take, its crash and its recovery included.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that has the case's workflows and has stopped.
pub(super) struct Mould {
    left: Server,
    postgres: Option<Postgres>,
    token: String,
    /// The workflow that is run.
    workflow: String,
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
        if let Some(graph) = &case.mended {
            let next = json!({"graph": graph, "base_version": 1});
            client.post(&format!("/workflows/{workflow}/versions"), next).await.expect(201);
        }
        if case.acts.iter().any(|act| matches!(act, Act::Deliver(_))) {
            client.post(&format!("/workflows/{workflow}/publish"), json!({"version": 1})).await.expect(200);
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

/// A server, however often it dies, and who asks it for runs.
pub(super) struct Life<'a> {
    pub(super) server: Server,
    pub(super) asker: Asker<'a>,
    /// How often it has died.
    pub(super) crashes: usize,
    postgres: Option<Postgres>,
    /// Where it dies, life after life.
    plan: &'a [String],
}

impl<'a> Life<'a> {
    pub(super) async fn start(
        world: &'a World,
        mould: &'a Mould,
        case: &'a Case,
        environment: Vec<(String, String)>,
        plan: &'a [String],
    ) -> Self {
        let name = format!("case-{}", plan.join("-").replace(':', "-"));
        let postgres = mould.postgres.as_ref().map(Postgres::copy);
        let mut environment = planted(environment, plan.first());
        environment.push(("FLOWFORGE_ANTHROPIC_BASE_URL".to_owned(), world.models.url()));
        let server = Server::start_on(mould.left.folder(), settings(postgres.as_ref(), environment)).await;
        let client = Client::anonymous(&server.base()).with_token(&mould.token);
        let asker = Asker::new(world, case, client, name, &mould.workflow).await;
        Self { server, asker, crashes: 0, postgres, plan }
    }

    /// The rows of the runs that no step has started, oldest first, when all have ended. A place may come after the last
    /// commit, so that the server dies while they are read.
    pub(super) async fn left(&mut self) -> Value {
        loop {
            let runs = self.lives().await;
            let read = futures::future::try_join_all(runs.iter().map(|run| rows(&self.asker.client, run))).await;
            match read {
                Ok(rows) => return rows.into(),
                Err(_) => self.revive().await,
            }
        }
    }

    /// The runs that no step has started, oldest first, when all have ended.
    async fn lives(&mut self) -> Vec<String> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let live = tokio::time::timeout_at(until, self.asker.live()).await;
            match live.unwrap_or_else(|_| panic!("the case does not end by itself within {PATIENCE:?}")) {
                Ok(runs) => return runs,
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
