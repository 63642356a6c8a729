//! The facade that HTTP uses: start, wait, pause, signal, decide, cancel, watch.

mod conflicts;
mod decide;
mod hooks;
mod money;
mod rerun;
mod schedules;
mod secrets;
mod why;

use std::{sync::Arc, time::Duration};

use flowforge_core::{Catalog, Priority, Rejected, RunId, UserId, WorkflowId, WorkspaceId, node::Evaluate, template::Secrets};
use futures::{FutureExt, Stream};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

pub(crate) use self::why::why;
pub use self::{
    decide::{Asked, NewDecision},
    hooks::Backlog,
    money::LARGEST_BUDGET,
    rerun::{Rerun, RerunPlan, RerunStep},
    schedules::Backfill,
    why::Reason,
};
use crate::{
    blob::BlobStream,
    clock::{self, Clock},
    config::EngineConfig,
    error::{Error, Result},
    executor::{storable_input, storable_text},
    feed::{self, FeedEvent},
    queue::{Link, Queue, Receivers},
    record::RunRecord,
    secrets::check_master_key,
    shared::Shared,
    start::{self, Accept, Accepted},
    store::{Store, checkpoints::CheckpointRecord, inbox::Message},
    triggers::scheduler,
    worker::Worker,
};

/// How soon a caller who waits for a run looks again when nobody rings; it doubles up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// The longest such wait.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// How many signals may wait for a run's steps before no more are accepted.
const SIGNALS_ACCEPTED: usize = 100;

/// A process's engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    worker: Arc<Worker>,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.shared.worker)
    }
}

/// A run to be started.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What to execute.
    pub workflow: WorkflowId,
    /// Which version; the published one, else the newest, when absent.
    pub version: Option<u32>,
    /// What it is given.
    pub input: Value,
    /// What starts it: `manual`, `api`, ….
    pub trigger: &'static str,
    /// How urgent it is; as its workflow says when absent.
    pub priority: Option<Priority>,
    /// What tells a repetition of the same request.
    pub dedupe: Option<Dedupe>,
    /// The person who starts it, if it is one.
    pub started_by: Option<UserId>,
}

/// What tells a repetition of a request from another request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// The same for both.
    pub key: String,
    /// A hash of what is asked for: the same key with another one is refused.
    pub hash: String,
}

/// A run that was accepted: it is on disk.
#[derive(Debug)]
pub struct Started {
    /// The run, as it was when it was accepted.
    pub record: RunRecord,
    /// Whether it was started by this call; a repetition gets the run of the first one.
    pub is_new: bool,
    ended: Option<oneshot::Receiver<RunRecord>>,
}

impl Engine {
    /// Opens the engine of this process on an up-to-date database, and begins to work if it is to. `environment` holds secrets that
    /// every workspace may use.
    ///
    /// # Errors
    /// When the database does not do its part, or holds secrets that the master key does not open.
    pub async fn open(
        store: Store,
        catalog: Catalog,
        evaluate: Arc<dyn Evaluate>,
        environment: Arc<dyn Secrets>,
        config: EngineConfig,
    ) -> Result<Self> {
        check_master_key(&store, config.master_key.as_ref()).await?;
        if config.exclusive {
            store.forget_all_workers().await?;
        }
        let (queue, receivers, link) = Queue::open(&config.queue)?;
        let shared = Arc::new(Shared::new(store, catalog, evaluate, environment, queue, config).await?);
        shared.beat().await?;
        let worker = Arc::new(Worker::new(shared.clone()));
        let engine = Self { shared, worker, tasks: TaskTracker::new() };
        engine.work(receivers, link);
        Ok(engine)
    }

    fn work(&self, receivers: Receivers, link: Option<Link>) {
        if let Some(link) = link {
            let (listener, watcher) = (self.shared.clone(), self.shared.hints.clone());
            let stop = self.shared.left.clone();
            self.tasks.spawn(link.run(move |heard| listener.hear(heard), move || watcher.watched(), stop));
        }
        if self.shared.config.works {
            self.tasks.spawn(self.worker.clone().work(receivers));
            self.tasks.spawn(scheduler::run(self.shared.clone()));
        }
        self.tasks.close();
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Whether this process can do its work now: the database answers and, when it works on runs, has heard from it lately.
    ///
    /// # Errors
    /// `Busy` when the process leaves or cannot work now, `Storage` when the database does not answer.
    pub async fn check_ready(&self) -> Result<()> {
        self.shared.store.now().await?;
        let works = !self.shared.config.works || self.shared.is_trusted();
        if works && !self.shared.is_leaving() { Ok(()) } else { Err(Error::Busy) }
    }

    /// The kinds of nodes.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Has to be told when a workflow was changed through the store: what a new run begins with is remembered.
    pub fn workflow_changed(&self, workflow: WorkflowId) {
        self.shared.versions.forget(workflow);
    }

    /// Starts a run. Answers when it is on disk.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` for the workflow, `BadInput` for an input that is nested too deep, `Conflict` when the dedupe key was used for something else, `Busy`, and
    /// `Storage`: then it is not known whether the run exists.
    pub async fn start(&self, new: NewRun) -> Result<Started> {
        let NewRun { workspace, workflow, version, input, trigger, priority, dedupe, started_by } = new;
        let input = Arc::new(storable_input(input)?);
        let compiled = self.shared.versions.to_start(&self.shared.store, workspace, workflow, version).await?;
        let new = Accept::new(workspace, compiled, input, trigger);
        self.accept(Accept { priority, dedupe, started_by, ..new }).await
    }

    async fn accept(&self, mut new: Accept) -> Result<Started> {
        let (workspace, run, dedupe) = (new.workspace, new.id, new.dedupe.clone());
        let has_values = new.has_values();
        if has_values {
            start::put_away(&self.shared, &mut new).boxed().await?;
        }
        match (start::accept(&self.shared, new).await, dedupe) {
            (Ok(Accepted { record, ended }), _) => Ok(Started { record, is_new: true, ended }),
            (Err(Error::Fenced), Some(dedupe)) => {
                if has_values {
                    self.shared.blobs.forget_run(workspace, run).boxed().await?;
                }
                self.repeated(workspace, &dedupe).await
            }
            (Err(fault), _) => Err(fault),
        }
    }

    /// Waits until a run has ended or answered, or for so long.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wait(&self, started: Started, limit: Duration) -> Result<RunRecord> {
        let Started { record, ended, .. } = started;
        if record.status.is_terminal() || record.response.is_some() {
            return Ok(record);
        }
        if let Some(ended) = ended {
            match tokio::time::timeout(limit, ended).await {
                Ok(Ok(record)) => return Ok(record),
                Ok(Err(_)) => {}
                Err(_) => return self.shared.store.run(record.workspace, record.id).await,
            }
        }
        self.wait_for(record.workspace, record.id, limit).await
    }

    async fn wait_for(&self, workspace: WorkspaceId, run: RunId, limit: Duration) -> Result<RunRecord> {
        let watch = self.shared.hints.watch(run);
        let until = clock::monotonic() + limit;
        // Most runs are over soon, and nobody may say so.
        let mut look = FIRST_LOOK;
        loop {
            let rung = watch.rung();
            let record = self.shared.store.run(workspace, run).await?;
            let left = until.saturating_duration_since(clock::monotonic());
            if record.status.is_terminal() || record.response.is_some() || left.is_zero() {
                return Ok(record);
            }
            let _ = tokio::time::timeout(left.min(look), rung).await;
            look = (look * 2).min(LONGEST_LOOK);
        }
    }

    /// Asks a run to begin nothing more until it is resumed. Answers when the request is on disk.
    ///
    /// # Errors
    /// `NotFound`, or `Rejected` when the run has ended.
    pub async fn pause(&self, workspace: WorkspaceId, run: RunId) -> Result<RunRecord> {
        self.tell(workspace, run, Message::Pause).await
    }

    /// Asks a run to go on. Answers when the request is on disk.
    ///
    /// # Errors
    /// `NotFound`, or `Rejected` when the run has ended.
    pub async fn resume(&self, workspace: WorkspaceId, run: RunId) -> Result<RunRecord> {
        self.tell(workspace, run, Message::Resume).await
    }

    /// Sends a signal to a run: the first step that waits for its name takes it, or it is kept until one does. Answers when it
    /// is on disk.
    ///
    /// # Errors
    /// `NotFound`, `BadInput` when the payload is nested too deep, or `Rejected` when the run has ended or keeps too many signals
    /// already.
    pub async fn signal(&self, workspace: WorkspaceId, run: RunId, name: &str, payload: Value) -> Result<RunRecord> {
        let payload = Arc::new(storable_input(payload)?);
        if self.shared.store.signals_waiting(run).await? >= SIGNALS_ACCEPTED {
            return Err(Error::Rejected(Rejected::TooManySignals));
        }
        self.tell(workspace, run, Message::Signal { name: storable_text(name), payload }).await
    }

    async fn tell(&self, workspace: WorkspaceId, run: RunId, message: Message) -> Result<RunRecord> {
        let record = self.shared.store.run(workspace, run).await?;
        if record.status.is_terminal() {
            return Err(Error::Rejected(Rejected::Finished));
        }
        self.shared.store.send(run, &message).await?;
        self.worker.call(run);
        Ok(record)
    }

    /// Asks a run to stop. Answers when the request is on disk.
    ///
    /// # Errors
    /// `NotFound`, or `Rejected` when the run has ended.
    pub async fn cancel(&self, workspace: WorkspaceId, run: RunId) -> Result<RunRecord> {
        self.tell(workspace, run, Message::Cancel).await
    }

    /// The whole of a value that left a reference, by its key.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run, or no such value; `Storage` when the store does not answer.
    pub async fn blob(&self, workspace: WorkspaceId, run: RunId, key: &str) -> Result<BlobStream> {
        self.shared.store.run(workspace, run).await?;
        self.shared.blobs.stream(workspace, key).await
    }

    /// Where the steps of a run have left its work tree, in their order.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn checkpoints(&self, workspace: WorkspaceId, run: RunId) -> Result<Vec<CheckpointRecord>> {
        self.shared.store.checkpoints(workspace, run).await
    }

    /// What a step has changed in the work tree, as a patch; nothing when it has changed nothing.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run, or the run no such checkpoint.
    pub async fn checkpoint_diff(&self, workspace: WorkspaceId, run: RunId, number: u32) -> Result<Option<BlobStream>> {
        let found = self.checkpoints(workspace, run).await?.into_iter().find(|record| record.number == number);
        match found.ok_or(Error::NotFound("checkpoint"))?.checkpoint.diff {
            Some(diff) => self.shared.blobs.stream(workspace, &diff.key).await.map(Some),
            None => Ok(None),
        }
    }

    /// A value of a workspace's run with everything in the place of its reference.
    ///
    /// # Errors
    /// `Conflict` when something is gone, or is too much for memory.
    pub async fn whole(&self, workspace: WorkspaceId, value: Arc<Value>) -> Result<Arc<Value>> {
        match self.shared.blobs.read(workspace, vec![value]).await {
            Ok(opened) => Ok(opened.values.into_iter().next().unwrap_or_default()),
            Err(fault) => Err(Error::Conflict { code: "blob_missing", message: fault.message }),
        }
    }

    /// A run's events after a record number, as they come; ends after the last one.
    pub fn feed(&self, workspace: WorkspaceId, run: RunId, after: i64) -> impl Stream<Item = Result<FeedEvent>> + Send + 'static {
        feed::feed(self.shared.clone(), workspace, run, after)
    }

    /// Leaves in good order: claims nothing more, lets steps end within the grace, hands back what is left.
    pub async fn shutdown(&self) {
        self.worker.leave();
        let drained = async {
            while self.shared.is_working() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(self.shared.config.grace + Duration::from_secs(3), drained).await;
        self.shared.left.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.wait()).await;
        if let Err(fault) = self.shared.store.forget_worker(self.shared.worker).await {
            tracing::warn!(%fault, "this worker could not be taken off the list; its lease will run out");
        }
    }

    async fn repeated(&self, workspace: WorkspaceId, dedupe: &Dedupe) -> Result<Started> {
        let (record, first) = self.shared.store.run_by_dedupe_key(workspace, &dedupe.key).await?.ok_or(Error::Fenced)?;
        if first.as_deref() != Some(dedupe.hash.as_str()) {
            let message =
                format!("the idempotency key was used for another request, which started {}; use a fresh key", record.id);
            return Err(Error::Conflict { code: "idempotency_conflict", message });
        }
        Ok(Started { record, is_new: false, ended: None })
    }
}
