//! A database, a workspace and engines that can be killed.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use flowforge_core::{
    RunId, RunStatus, WorkflowId, WorkspaceId,
    node::{BoxFuture, Evaluate, NodeError},
};
use flowforge_engine::{
    AttemptRecord, BlobConfig, Dedupe, Engine, EngineConfig, FeedEvent, Location, NewRun, Result, RunRecord, Started, Store,
    clock, store::workflows::NewVersion,
};
use flowforge_migrations::{Migrator, MigratorTrait};
use futures::StreamExt;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::{
    nodes::{World, catalog},
    secrets::Environment,
};

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database with one workspace.
pub(crate) struct Forge {
    pub(crate) location: Location,
    pub(crate) store: Store,
    pub(crate) workspace: WorkspaceId,
    pub(crate) world: World,
    folder: tempfile::TempDir,
}

/// An engine in a runtime of its own, so that dropping the runtime is its sudden death.
pub(crate) struct Process {
    pub(crate) engine: Engine,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Process {
    /// Dies in the middle of whatever it does. When it is dead nothing of it goes on.
    pub(crate) fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Told in the background, a runtime still executes what is ready, for as long as the machine lets it.
            let dies = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(2)));
            dies.join().unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs a test on every database there is.
pub(crate) fn on_every_database<F: Future<Output = ()>>(test: impl Fn(Forge) -> F) {
    on_every_database_within(PATIENCE, test);
}

/// The same for a test that takes longer than others.
pub(crate) fn on_every_database_within<F: Future<Output = ()>>(patience: Duration, test: impl Fn(Forge) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for location in locations() {
        println!("on {location:?}");
        runtime.block_on(async {
            let forge = Forge::open(location).await;
            tokio::time::timeout(patience, test(forge)).await.expect("the test hangs");
        });
    }
}

fn locations() -> Vec<Option<String>> {
    let postgres = std::env::var("FLOWFORGE_TEST_POSTGRES").ok().map(Some);
    std::iter::once(None).chain(postgres).collect()
}

/// A lease that is short enough to wait for and long enough for a busy machine.
pub(crate) fn config() -> EngineConfig {
    EngineConfig {
        lease: Duration::from_millis(1_500),
        sweep: Duration::from_millis(100),
        grace: Duration::from_secs(5),
        ..EngineConfig::default()
    }
}

impl Forge {
    async fn open(server: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = match server {
            None => Location::Sqlite(folder.path().join("flowforge.db")),
            Some(url) => Location::Postgres(fresh_database(&url).await),
        };
        let store = Store::connect(&location).await.unwrap();
        Migrator::up(store.connection(), None).await.unwrap();
        let workspace = WorkspaceId::new(clock::new_uuid());
        Self { location, store, workspace, world: World::default(), folder }
    }

    /// Starts an engine.
    pub(crate) async fn process(&self) -> Process {
        self.process_with(config()).await
    }

    /// Where large values lie.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.folder.path().join("blobs")
    }

    pub(crate) async fn process_with(&self, config: EngineConfig) -> Process {
        self.process_as_given(EngineConfig { blobs: BlobConfig::Folder(self.blobs()), ..config }).await
    }

    /// The same with large values elsewhere than in the forge's own folder.
    pub(crate) async fn process_as_given(&self, config: EngineConfig) -> Process {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (location, world) = (self.location.clone(), self.world.clone());
        let open = runtime.spawn(async move {
            let store = Store::connect(&location).await?;
            Engine::open(store, catalog(&world), Arc::new(NoScripts), Arc::new(Environment), config).await
        });
        let engine = open.await.unwrap().unwrap();
        Process { engine, runtime: Some(runtime) }
    }

    /// Saves a workflow: nodes as `[id, type, params]` with what else they have, edges as `a -> b` or `a port -> b`.
    pub(crate) async fn workflow(&self, nodes: Value, edges: &[&str]) -> WorkflowId {
        self.workflow_with(nodes, edges, json!({})).await
    }

    /// The same with settings.
    pub(crate) async fn workflow_with(&self, nodes: Value, edges: &[&str], settings: Value) -> WorkflowId {
        let graph = graph(&nodes, edges, &settings);
        let new = NewVersion { graph, note: String::new(), created_by: None, at: self.store.now().await.unwrap() };
        self.store.create_workflow(self.workspace, "test".to_owned(), String::new(), new).await.unwrap().id
    }

    pub(crate) fn new_run(&self, workflow: WorkflowId) -> NewRun {
        let input = json!({ "name": "Ada" });
        NewRun {
            workspace: self.workspace,
            workflow,
            version: None,
            input,
            trigger: "api",
            priority: None,
            dedupe: None,
            started_by: None,
        }
    }

    pub(crate) async fn start(&self, process: &Process, workflow: WorkflowId) -> Started {
        process.engine.start(self.new_run(workflow)).await.unwrap()
    }

    pub(crate) async fn start_with_key(&self, process: &Process, workflow: WorkflowId, key: &str, hash: &str) -> Result<Started> {
        let dedupe = Some(Dedupe { key: key.to_owned(), hash: hash.to_owned() });
        process.engine.start(NewRun { dedupe, ..self.new_run(workflow) }).await
    }

    /// Starts a run and waits for its end.
    pub(crate) async fn run(&self, process: &Process, workflow: WorkflowId) -> RunRecord {
        let started = self.start(process, workflow).await;
        process.engine.wait(started, PATIENCE).await.unwrap()
    }

    /// Waits until a run has ended, whoever works on it.
    pub(crate) async fn ended(&self, process: &Process, run: RunId) -> RunRecord {
        self.events(process, run, 0).await;
        self.store.run(self.workspace, run).await.unwrap()
    }

    /// All events of a run after a record number, to its end.
    pub(crate) async fn events(&self, process: &Process, run: RunId, after: i64) -> Vec<FeedEvent> {
        let feed = process.engine.feed(self.workspace, run, after);
        feed.map(|event| event.unwrap()).collect().await
    }

    /// Waits for the first event of a kind.
    pub(crate) async fn event(&self, process: &Process, run: RunId, kind: &str) -> FeedEvent {
        let mut feed = Box::pin(process.engine.feed(self.workspace, run, 0));
        loop {
            let event = feed.next().await.expect("the run ended before").unwrap();
            if event.kind == kind {
                return event;
            }
        }
    }

    pub(crate) async fn steps(&self, run: RunId) -> Vec<AttemptRecord> {
        self.store.steps(self.workspace, run).await.unwrap()
    }

    /// What must hold of every run that has ended: dense numbers, and nothing after the end.
    pub(crate) async fn check_record(&self, process: &Process, run: RunId) {
        let events = self.events(process, run, 0).await;
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as i64).collect::<Vec<_>>(), "{events:#?}");
        assert_eq!(events.first().unwrap().kind, "run_started");
        assert!(events.last().unwrap().is_last());
    }

    /// Runs a statement behind the engine's back.
    pub(crate) async fn sql(&self, sql: &str) {
        self.store.connection().execute_unprepared(sql).await.unwrap();
    }

    /// Waits until a query finds something.
    pub(crate) async fn until(&self, query: &str) {
        let connection = self.store.connection();
        let statement = Statement::from_string(connection.get_database_backend(), query);
        while connection.query_one_raw(statement.clone()).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Makes the database refuse rows: `INSERT ON table` or `UPDATE ON table`, as something that it cannot hold.
    pub(crate) async fn refuse(&self, change: &str, condition: &str) {
        match self.location {
            Location::Sqlite(_) => {
                let trigger = "BEGIN SELECT RAISE(ABORT, 'refused'); END";
                self.sql(&format!("CREATE TRIGGER refused BEFORE {change} WHEN {condition} {trigger}")).await;
            }
            Location::Postgres(_) => {
                let body = "BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '54000'; END";
                self.sql(&format!("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
                let trigger = "FOR EACH ROW WHEN";
                self.sql(&format!("CREATE TRIGGER refused BEFORE {change} {trigger} ({condition}) EXECUTE FUNCTION refuse()"))
                    .await;
            }
        }
    }

    /// Makes the database forget rows as soon as they are inserted.
    pub(crate) async fn lose(&self, table: &str) {
        match self.location {
            Location::Sqlite(_) => {
                self.sql(&format!("CREATE TRIGGER refused AFTER INSERT ON {table} BEGIN DELETE FROM {table}; END")).await;
            }
            Location::Postgres(_) => {
                self.sql("CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$").await;
                let trigger = "FOR EACH ROW EXECUTE FUNCTION lose()";
                self.sql(&format!("CREATE TRIGGER refused BEFORE INSERT ON {table} {trigger}")).await;
            }
        }
    }

    /// Lets the database take changes again.
    pub(crate) async fn accept(&self, table: &str) {
        match self.location {
            Location::Sqlite(_) => self.sql("DROP TRIGGER refused").await,
            Location::Postgres(_) => self.sql(&format!("DROP TRIGGER refused ON {table}")).await,
        }
    }

    /// Attempts in a word each, by node: `a:completed b:failed b:completed`.
    pub(crate) async fn attempts(&self, run: RunId) -> String {
        let mut steps = self.steps(run).await;
        steps.sort_by_key(|step| (step.node.clone(), step.attempt));
        steps.iter().map(|step| format!("{}:{}", step.node, step.status)).collect::<Vec<_>>().join(" ")
    }
}

/// A run's end in a line.
pub(crate) fn shown(record: &RunRecord) -> String {
    let output = record.output.as_deref().cloned().unwrap_or_default();
    match (&record.status, &record.error) {
        (RunStatus::Failed, Some(error)) => {
            format!("failed {} at {:?}", error.code, error.node_id.as_ref().map(ToString::to_string))
        }
        (status, _) => format!("{status} {output}"),
    }
}

/// A graph as it is saved.
pub(crate) fn graph(nodes: &Value, edges: &[&str], settings: &Value) -> Value {
    let nodes: Vec<Value> = nodes.as_array().unwrap().iter().map(node).collect();
    let edges: Vec<Value> = edges.iter().map(|edge| self::edge(edge)).collect();
    json!({ "nodes": nodes, "edges": edges, "settings": settings })
}

fn node(spec: &Value) -> Value {
    let mut node = json!({ "id": spec[0], "type": spec[1], "params": spec[2] });
    if let Some(more) = spec.get(3).and_then(Value::as_object) {
        node.as_object_mut().unwrap().extend(more.clone());
    }
    node
}

fn edge(text: &str) -> Value {
    let (source, target) = text.split_once(" -> ").expect("an edge is written `a -> b` or `a port -> b`");
    match source.split_once(' ') {
        Some((source, port)) => json!({ "source": source, "port": port, "target": target }),
        None => json!({ "source": source, "target": target }),
    }
}

/// A database of its own on a server, by the server's URL.
async fn fresh_database(url: &str) -> String {
    use sea_orm_migration::sea_orm::Database;

    let name = format!("ff_{}", clock::new_uuid().simple());
    let server = Database::connect(url).await.unwrap();
    server.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let base = base.rsplit_once('/').unwrap().0;
    format!("{base}/{name}?{query}")
}

/// No JavaScript in these tests.
struct NoScripts;

impl Evaluate for NoScripts {
    fn evaluate<'a>(&'a self, code: &'a str, _scope: &'a Value) -> BoxFuture<'a, Result<Value, NodeError>> {
        Box::pin(async move { Err(NodeError::fatal("SCRIPT_ERROR", format!("no scripts here: {code}"))) })
    }
}
