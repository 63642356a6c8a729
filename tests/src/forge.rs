//! Everything that most tests need: a server, its owner, and short words for the usual calls.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Client, Ledger, Postgres, Server, Settings};

/// Where the server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Database {
    /// A file in its data folder.
    Sqlite,
    /// A database of a throw-away server.
    Postgres,
}

/// A running server with a signed-in owner and a ledger beside it.
#[derive(Debug)]
pub struct Forge {
    /// The process.
    pub server: Server,
    /// Its first owner.
    pub owner: Client,
    /// The record of effects.
    pub ledger: Ledger,
    /// The database, when it is PostgreSQL.
    pub postgres: Option<Postgres>,
}

impl Forge {
    /// Starts everything.
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, &[]).await
    }

    /// Starts everything, the server with more environment variables.
    pub async fn start_with(database: Database, environment: &[(&str, &str)]) -> Self {
        let postgres = (database == Database::Postgres).then(Postgres::start);
        let database_url = postgres.as_ref().map(|one| one.url().to_owned());
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let server = Server::start(Settings { database_url, environment, ..Settings::default() }).await;
        // A test that is ended from outside has said at least where it was.
        println!("{} on {database:?}", server.base());
        let owner = server.owner().await;
        Self { server, owner, ledger: Ledger::start().await, postgres }
    }

    /// Where the server keeps its data.
    pub fn database(&self) -> Database {
        if self.postgres.is_some() { Database::Postgres } else { Database::Sqlite }
    }

    /// Runs statements on the server's database, behind its back.
    pub fn execute(&self, sql: &str) {
        match &self.postgres {
            Some(postgres) => drop(postgres.query(sql)),
            None => {
                let file = sqlite_file(&self.server.folder().join("data"));
                let connection = rusqlite::Connection::open(file).expect("the database opens");
                connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        }
    }

    /// The rows of a query on the server's database, one line each, columns separated by `|`.
    pub fn query(&self, sql: &str) -> Vec<String> {
        if let Some(postgres) = &self.postgres {
            return postgres.query(sql);
        }
        let file = sqlite_file(&self.server.folder().join("data"));
        let connection = rusqlite::Connection::open(file).expect("the database opens");
        let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| Ok(shown(&row.get(at)?))).collect::<Result<Vec<_>, _>>());
        rows.and_then(|rows| rows.map(|row| Ok(row?.join("|"))).collect()).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Saves a workflow and returns its id.
    pub async fn workflow(&self, name: &str, graph: &Value) -> String {
        let saved = self.owner.post("/workflows", json!({"name": name, "graph": graph})).await.expect(201);
        text(&saved["id"])
    }

    /// Starts a run and returns its id at once.
    pub async fn launch(&self, workflow: &str, input: Value) -> String {
        let run = self.owner.post(&format!("/workflows/{workflow}/runs"), json!({"input": input})).await;
        text(&run.expect(201)["id"])
    }

    /// Runs a workflow to its end.
    pub async fn run(&self, workflow: &str, input: Value) -> Value {
        let path = format!("/workflows/{workflow}/runs?wait=20");
        let run = self.owner.post(&path, json!({"input": input})).await.expect(201);
        self.end_of(&text(&run["id"])).await
    }

    /// Saves a workflow, runs it once without input, and returns the ended run.
    pub async fn run_once(&self, graph: &Value) -> Value {
        let workflow = self.workflow("once", graph).await;
        self.run(&workflow, json!({})).await
    }

    /// The run, once it has ended: its event stream says when. Panics with what is known after a minute.
    pub async fn end_of(&self, run: &str) -> Value {
        match tokio::time::timeout(Duration::from_secs(60), self.wait_for_end(run)).await {
            Ok(ended) => ended,
            Err(_) => {
                let now = self.owner.get(&format!("/runs/{run}")).await.body;
                panic!("{run} does not end by itself: {now:#}\n{:#?}", self.steps(run).await)
            }
        }
    }

    async fn wait_for_end(&self, run: &str) -> Value {
        let path = format!("/runs/{run}");
        let mut now = self.owner.get(&path).await.expect(200);
        while !is_over(&now) {
            crate::Events::open(&self.owner, run, None).await.rest().await;
            now = self.owner.get(&path).await.expect(200);
        }
        now
    }

    /// The answer to `GET /api/v1{path}` once it fits. Panics with the last one after a minute: for what no event tells.
    pub async fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let limit = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            let body = self.owner.get(path).await.expect(200);
            if fits(&body) {
                return body;
            }
            assert!(std::time::Instant::now() < limit, "{path} does not come to what is expected: {body:#}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Every attempt of a run.
    pub async fn steps(&self, run: &str) -> Vec<Value> {
        let listed = self.owner.get(&format!("/runs/{run}/steps")).await.expect(200);
        listed["items"].as_array().expect("a list of steps").clone()
    }

    /// The last attempt of a node.
    pub async fn step(&self, run: &str, node: &str) -> Value {
        let steps = self.steps(run).await;
        let last = steps.into_iter().rfind(|step| step["node_id"] == node);
        last.unwrap_or_else(|| panic!("no step {node} in {run}"))
    }
}

/// Whether this run has ended.
pub fn is_over(run: &Value) -> bool {
    matches!(run["status"].as_str(), Some("completed" | "failed" | "cancelled"))
}

fn sqlite_file(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data).expect("a data folder").flatten().map(|entry| entry.path());
    let mut databases = files.filter(|path| path.extension().is_some_and(|ending| ending == "db" || ending == "sqlite"));
    databases.next().unwrap_or_else(|| panic!("no database in {}", data.display()))
}

/// A value as `psql` writes it.
fn shown(value: &rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Null => String::new(),
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Real(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text.clone(),
        rusqlite::types::Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}
