//! What nodes stand on, made once per process.

use std::{path::PathBuf, sync::Arc};

use flowforge_core::{
    RunId,
    node::{Evaluate, NodeError},
};

use crate::{
    agent::{Messages, Models, ModelsConfig},
    egress::{Egress, EgressPolicy, OwnServer},
    git::{PushPolicy, WorkTrees},
    javascript::{JavaScript, JavaScriptConfig},
    postgres_query::OwnDatabase,
    sandbox::{Sandbox, SandboxConfig},
};

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct ServicesConfig {
    /// How scripts are evaluated.
    pub javascript: JavaScriptConfig,
    /// Which networks nodes may reach beside the public internet.
    pub egress: EgressPolicy,
    /// How commands are confined, and what they may use.
    pub sandbox: SandboxConfig,
    /// Claude Code's program; the one on the path when absent.
    pub claude: Option<PathBuf>,
    /// Which branches may be pushed to.
    pub push: PushPolicy,
    /// Where the work trees of runs lie: a folder that only this server uses.
    pub work_dir: PathBuf,
    /// The PostgreSQL database in which FlowForge itself keeps its rows: no step may reach it.
    pub own_database: Option<OwnDatabase>,
    /// The Redis over which FlowForge's own processes tell each other what there is to do: no step may reach it.
    pub own_redis: Option<OwnServer>,
    /// How models are reached and what they cost.
    pub models: ModelsConfig,
}

/// What nodes stand on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    javascript: Arc<JavaScript>,
    egress: Arc<Egress>,
    sandbox: Arc<Sandbox>,
    trees: Arc<WorkTrees>,
    claude: Option<Arc<PathBuf>>,
    push: Arc<PushPolicy>,
    own_database: Option<Arc<OwnDatabase>>,
    models: Arc<Models>,
}

impl Services {
    /// Prepares everything; folders, processes and connections are made when they are first needed.
    pub fn new(config: ServicesConfig) -> Self {
        let own = config.own_redis.into_iter().chain(config.own_database.as_ref().map(OwnDatabase::server));
        let egress = config.egress.without(own);
        Self {
            javascript: Arc::new(JavaScript::new(config.javascript)),
            egress: Arc::new(Egress::new(egress)),
            sandbox: Arc::new(Sandbox::new(config.sandbox)),
            trees: Arc::new(WorkTrees::new(config.work_dir)),
            claude: config.claude.map(Arc::new),
            push: Arc::new(config.push),
            own_database: config.own_database.map(Arc::new),
            models: Arc::new(Models::new(config.models)),
        }
    }

    /// What evaluates the JavaScript in templates.
    pub fn evaluator(&self) -> Arc<dyn Evaluate> {
        self.javascript.clone()
    }

    /// Whether commands can be run: what `doctor` shows.
    ///
    /// # Errors
    /// Says what is missing, and what to do.
    pub async fn check_sandbox(&self) -> Result<(), NodeError> {
        self.sandbox.check().await
    }

    /// The runs that have files in this process's folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn work_trees(&self) -> Result<Vec<RunId>, NodeError> {
        self.trees.runs()
    }

    /// Removes the files of a run that has ended. A run without files is no fault.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub async fn remove_work_tree(&self, run: RunId) -> Result<(), NodeError> {
        self.trees.remove(run).await
    }

    pub(crate) fn javascript(&self) -> Arc<JavaScript> {
        self.javascript.clone()
    }

    pub(crate) fn egress(&self) -> Arc<Egress> {
        self.egress.clone()
    }

    pub(crate) fn push_policy(&self) -> Arc<PushPolicy> {
        self.push.clone()
    }

    pub(crate) fn own_database(&self) -> Option<Arc<OwnDatabase>> {
        self.own_database.clone()
    }

    pub(crate) fn messages(&self) -> Arc<Messages> {
        Arc::new(Messages::new(self.models.clone(), self.egress.clone()))
    }

    pub(crate) fn models(&self) -> Arc<Models> {
        self.models.clone()
    }

    pub(crate) fn sandbox(&self) -> Arc<Sandbox> {
        self.sandbox.clone()
    }

    pub(crate) fn claude(&self) -> Option<Arc<PathBuf>> {
        self.claude.clone()
    }

    pub(crate) fn trees(&self) -> Arc<WorkTrees> {
        self.trees.clone()
    }
}
