//! The wiring: a database, an engine on top of it, nodes for the engine, and what HTTP needs beside them.

use std::{env, ops::Deref, sync::Arc, time::Duration};

use axum::{body::Bytes, extract::FromRef};
use flowforge_engine::{Engine, EngineConfig, Location, QueueConfig, Store};
use flowforge_migrations::{Migrator, MigratorTrait};
use flowforge_nodes::{
    EgressPolicy, Forwarder, JavaScriptConfig, ModelsConfig, OwnDatabase, OwnServer, SandboxConfig, SandboxPolicy, Services,
    ServicesConfig,
};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{Auth, Key},
    cli::{JS_WORKER, SANDBOX_FORWARD},
    config::{self, Data, Models, Serve, Work, given},
    failure::Failure,
    hooks::Hooks,
    janitor,
    names::Names,
    routes::{events::Streams, node_types},
    secrets::{self, EnvironmentSecrets},
};

/// How long steps may go on when the process is asked to leave.
const GRACE: Duration = Duration::from_secs(12);

/// What handlers work with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Debug)]
pub(crate) struct Parts {
    /// Runs workflows.
    pub engine: Engine,
    /// Knows who is asking.
    pub auth: Auth,
    /// How many event streams are open.
    pub streams: Streams,
    /// Done when the process is about to stop: whoever waits should answer now.
    pub closing: CancellationToken,
    /// `GET /node-types`, which never changes while the process lives.
    pub node_types: Bytes,
    /// The names of workflows that were run lately.
    pub names: Names,
    /// What can be taken from strangers at once.
    pub hooks: Hooks,
    /// The settings.
    pub settings: Serve,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<App> for Engine {
    fn from_ref(app: &App) -> Self {
        app.engine.clone()
    }
}

impl App {
    /// Prepares to answer requests.
    ///
    /// # Errors
    /// When there is no key to sign tokens with.
    pub(crate) fn new(engine: Engine, settings: Serve) -> Result<Self, Failure> {
        let key = signing_key(&settings, engine.store().location())?;
        let auth = Auth::new(engine.store().clone(), engine.clock().clone(), &key);
        let auth = auth.map_err(Failure::during("the system gives no randomness"))?;
        let (node_types, closing) = (node_types::rendered(engine.catalog()), CancellationToken::new());
        let (streams, names) = (Streams::default(), Names::default());
        let hooks = Hooks::default();
        Ok(Self(Arc::new(Parts { engine, auth, streams, closing, node_types, names, hooks, settings })))
    }

    /// The rows.
    pub(crate) fn store(&self) -> &Store {
        self.engine.store()
    }
}

/// Connects to the database and brings its schema up to date.
///
/// # Errors
/// When it cannot be reached or changed.
pub(crate) async fn open_store(data: &Data) -> Result<Store, Failure> {
    let store = connect(data).await?;
    Migrator::up(store.connection(), None).await.map_err(Failure::during("the database cannot be brought up to date"))?;
    Ok(store)
}

/// Connects to the database as it is.
///
/// # Errors
/// When it cannot be reached.
pub(crate) async fn connect(data: &Data) -> Result<Store, Failure> {
    let location = data.location()?;
    let place = match &location {
        Location::Sqlite(path) => path.display().to_string(),
        Location::Postgres(_) => "of --database-url".to_owned(),
    };
    Store::connect(&location).await.map_err(Failure::during(format!("the database {place} cannot be opened")))
}

/// An engine with all nodes, which works on runs or only accepts them.
///
/// # Errors
/// When a setting cannot be used or the database fails.
pub(crate) async fn open_engine(
    store: Store,
    data: &Data,
    work: &Work,
    works: bool,
    queue: QueueConfig,
) -> Result<Engine, Failure> {
    let services = services(data, work, &queue)?;
    let config = EngineConfig {
        lease: work.lease(),
        sweep: work.sweep(),
        grace: GRACE,
        lane_slots: work.lane_slots.into(),
        max_runs: work.max_runs as usize,
        commit_each_step: work.commit_each_step,
        works,
        queue,
        blobs: data.blobs(),
        master_key: secrets::master_key(&store, data, true).await?,
        exclusive: matches!(store.location(), Location::Sqlite(_)),
    };
    let environment = Arc::new(EnvironmentSecrets::of_process());
    let engine = Engine::open(store, flowforge_nodes::catalog(&services), services.evaluator(), environment, config).await?;
    if works {
        tokio::spawn(janitor::clear(engine.clone(), services, Duration::from_secs(u64::from(work.keep_files_h) * 3_600)));
    }
    Ok(engine)
}

/// What nodes stand on.
///
/// # Errors
/// When a setting cannot be read.
pub(crate) fn services(data: &Data, work: &Work, queue: &QueueConfig) -> Result<Services, Failure> {
    let program = env::current_exe().map_err(Failure::during("the program does not know where it is"))?;
    let policy = if work.allow_plain_processes { SandboxPolicy::Plain } else { SandboxPolicy::Bubblewrap };
    let egress: EgressPolicy = work.egress_allow.parse().map_err(Failure::during("FLOWFORGE_EGRESS_ALLOW"))?;
    Ok(Services::new(ServicesConfig {
        javascript: JavaScriptConfig::new(program.clone(), &[JS_WORKER]),
        egress,
        sandbox: SandboxConfig {
            limits: work.sandbox.limits(),
            docker: work.sandbox.docker(),
            forwarder: Some(Forwarder { program, args: vec![SANDBOX_FORWARD] }),
            ..SandboxConfig::new(policy)
        },
        claude: given(&work.claude).map(Into::into),
        push: work.push_branches.parse().map_err(Failure::during("FLOWFORGE_PUSH_BRANCHES"))?,
        work_dir: data.data_dir.join("work"),
        own_database: given(&data.database_url).and_then(OwnDatabase::from_url),
        own_redis: match queue {
            QueueConfig::Redis(url) => OwnServer::redis(url),
            QueueConfig::Memory | QueueConfig::None => None,
        },
        models: models(&work.models)?,
    }))
}

/// How models are reached and what they cost.
fn models(settings: &Models) -> Result<ModelsConfig, Failure> {
    let prices = settings.prices.as_ref().filter(|path| !path.as_os_str().is_empty());
    let prices = prices.map(std::fs::read_to_string).transpose().map_err(Failure::during("FLOWFORGE_PRICES"))?;
    let (url, key) = (given(&settings.anthropic_base_url), config::anthropic_api_key());
    ModelsConfig::new(url, key, prices.as_deref()).map_err(Failure::during("the settings for models"))
}

fn signing_key(settings: &Serve, location: &Location) -> Result<Key, Failure> {
    if let Some(text) = given(&settings.jwt_key) {
        return Ok(Key::from_setting(text)?);
    }
    if matches!(location, Location::Postgres(_)) {
        tracing::warn!("tokens are signed with this data folder's key; other processes need the same FLOWFORGE_JWT_KEY");
    }
    Ok(Key::from_file(&settings.data.data_dir.join("jwt.key"))?)
}
