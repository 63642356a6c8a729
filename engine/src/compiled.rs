//! Versions that were compiled once and are kept: a version never changes, so neither does its graph.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use flowforge_core::{Catalog, Document, Graph, NodeId, Problem, WorkflowId, WorkspaceId};
use serde_json::{Value, json};

use crate::{
    clock,
    error::{Error, Result},
    secrets::names_in,
    store::{Store, workflows::VersionRecord},
};

/// The most versions that are kept. When there are more, all are forgotten and come back as they are needed.
const KEPT: usize = 512;

/// A version, ready to run.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) workspace: WorkspaceId,
    pub(crate) workflow: WorkflowId,
    pub(crate) version: u32,
    pub(crate) graph: Arc<Graph>,
    /// What expressions see as `workflow`.
    pub(crate) about: Arc<Value>,
    /// The way down to the graph within the version's, when it is one of a node's: node ids joined by `/`.
    pub(crate) body: Option<String>,
    /// The secrets that the version names, in whichever of its graphs.
    pub(crate) secrets: Arc<BTreeSet<String>>,
}

impl Compiled {
    /// The graph in a node of this one, on its own.
    pub(crate) fn within(&self, node: &NodeId) -> Option<Self> {
        let graph = self.graph.body(std::slice::from_ref(node))?.clone();
        let body = Some(self.body.as_ref().map_or_else(|| node.to_string(), |body| format!("{body}/{node}")));
        Some(Self { graph, about: self.about.clone(), body, secrets: self.secrets.clone(), ..*self })
    }

    /// The graph at the end of a way down.
    fn at(&self, body: &str) -> Option<Self> {
        let path: Vec<NodeId> = body.split('/').map(NodeId::from).collect();
        let graph = self.graph.body(&path)?.clone();
        Some(Self { graph, about: self.about.clone(), body: Some(body.to_owned()), secrets: self.secrets.clone(), ..*self })
    }
}

/// The versions in memory.
#[derive(Debug)]
pub(crate) struct Versions {
    catalog: Catalog,
    /// How long it may go unnoticed that another process has published a version.
    trust: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    compiled: HashMap<(WorkflowId, u32), Arc<Compiled>>,
    /// Which version a run of a workflow begins with when nobody says.
    current: HashMap<WorkflowId, (u32, Instant)>,
}

impl Versions {
    pub(crate) fn new(catalog: Catalog, trust: Duration) -> Self {
        Self { catalog, trust, kept: Mutex::default() }
    }

    /// The version to begin a run with: the one asked for, or the published one, or the newest.
    pub(crate) async fn to_start(
        &self,
        store: &Store,
        workspace: WorkspaceId,
        workflow: WorkflowId,
        asked: Option<u32>,
    ) -> Result<Arc<Compiled>> {
        if let Some(found) = self.kept_for(workspace, workflow, asked) {
            return Ok(found);
        }
        let (version, name) = store.version_to_run(workspace, workflow, asked).await?;
        // Which version it is may have changed, and its workflow's name, but not what stands in it.
        let kept = self.lock().compiled.get(&(workflow, version)).cloned();
        let compiled = match kept.filter(|kept| kept.workspace == workspace && kept.about["name"] == name.as_str()) {
            Some(kept) => kept,
            None => self.keep(workspace, store.version(workspace, workflow, version).await?)?,
        };
        if asked.is_none() {
            self.lock().current.insert(workflow, (compiled.version, clock::monotonic()));
        }
        Ok(compiled)
    }

    /// The version that a run was started with.
    pub(crate) async fn of_run(
        &self,
        store: &Store,
        workspace: WorkspaceId,
        workflow: WorkflowId,
        version: u32,
        body: Option<&str>,
    ) -> Result<Arc<Compiled>> {
        let kept = self.lock().compiled.get(&(workflow, version)).cloned();
        let whole = match kept {
            Some(whole) => whole,
            None => self.keep(workspace, store.version(workspace, workflow, version).await?)?,
        };
        match body {
            None => Ok(whole),
            Some(body) => whole.at(body).map(Arc::new).ok_or(Error::NotFound("body")),
        }
    }

    /// Takes note that a workflow was changed in this process.
    pub(crate) fn forget(&self, workflow: WorkflowId) {
        self.lock().current.remove(&workflow);
    }

    fn kept_for(&self, workspace: WorkspaceId, workflow: WorkflowId, asked: Option<u32>) -> Option<Arc<Compiled>> {
        // A version that is asked for by number is looked up each time, since its workflow may have been archived.
        let kept = self.lock();
        let (version, since) = kept.current.get(&workflow).filter(|_| asked.is_none())?;
        let fresh = since.elapsed() < self.trust;
        kept.compiled.get(&(workflow, *version)).filter(|found| fresh && found.workspace == workspace).cloned()
    }

    fn keep(&self, workspace: WorkspaceId, record: VersionRecord) -> Result<Arc<Compiled>> {
        let about = json!({ "id": record.workflow, "name": record.workflow_name, "version": record.version });
        let secrets = Arc::new(names_in(&record.graph));
        let document: Document = serde_json::from_value(record.graph).map_err(|fault| unreadable(&fault))?;
        let graph = Graph::compile(&document, &self.catalog).map_err(Error::Invalid)?;
        let key = (record.workflow, record.version);
        let compiled = Arc::new(Compiled {
            workspace,
            workflow: key.0,
            version: key.1,
            graph: Arc::new(graph),
            about: Arc::new(about),
            body: None,
            secrets,
        });
        let mut kept = self.lock();
        if kept.compiled.len() >= KEPT {
            kept.compiled.clear();
        }
        kept.compiled.insert(key, compiled.clone());
        Ok(compiled)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(fault: &serde_json::Error) -> Error {
    Error::Invalid(vec![Problem::document("invalid_document", format!("the document cannot be read: {fault}"))])
}
