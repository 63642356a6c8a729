//! What the parts of a process's engine share: connections, settings, and who works on what.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use flowforge_core::{Catalog, RunId, WorkerId, node::Evaluate, template::Secrets};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{self, Clock},
    committer::Committer,
    compiled::Versions,
    config::EngineConfig,
    error::Result,
    executor::Executor,
    hints::Hints,
    queue::{Hint, Priority, Queue, StepRef},
    store::Store,
};

/// How long it may go unnoticed that another process has published a version.
const TRUST: Duration = Duration::from_secs(1);
/// The same when there is no other process.
const FOR_EVER: Duration = Duration::from_secs(u64::MAX / 4);

/// One process's engine, seen from inside.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) catalog: Catalog,
    pub(crate) versions: Versions,
    pub(crate) committer: Committer,
    pub(crate) hints: Arc<Hints>,
    pub(crate) queue: Queue,
    pub(crate) executor: Executor,
    pub(crate) clock: Clock,
    pub(crate) config: EngineConfig,
    pub(crate) worker: WorkerId,
    /// Nothing new is begun.
    pub(crate) leaving: CancellationToken,
    /// Nothing is under way any more.
    pub(crate) left: CancellationToken,
    beaten: Mutex<Instant>,
    live: Mutex<HashMap<RunId, Arc<Notify>>>,
    steps: Mutex<HashMap<StepRef, (i64, CancellationToken)>>,
}

impl Shared {
    pub(crate) async fn new(
        store: Store,
        catalog: Catalog,
        evaluate: Arc<dyn Evaluate>,
        secrets: Arc<dyn Secrets>,
        queue: Queue,
        config: EngineConfig,
    ) -> Result<Self> {
        let hints = Arc::new(Hints::default());
        let clock = Clock::default();
        let trust = if config.exclusive { FOR_EVER } else { TRUST };
        Ok(Self {
            committer: Committer::start(store.location(), hints.clone()).await?,
            versions: Versions::new(catalog.clone(), trust),
            executor: Executor { evaluate, secrets, clock: clock.clone() },
            store,
            catalog,
            hints,
            queue,
            clock,
            config,
            worker: WorkerId::new(clock::new_uuid()),
            leaving: CancellationToken::new(),
            left: CancellationToken::new(),
            beaten: Mutex::new(clock::monotonic()),
            live: Mutex::default(),
            steps: Mutex::default(),
        })
    }

    /// Says that this worker is alive. What counts is when the message was sent, not when it was answered.
    pub(crate) async fn beat(&self) -> Result<()> {
        let sent = clock::monotonic();
        let name = format!("worker-{}", std::process::id());
        self.clock.observe(self.store.heartbeat(self.worker, &name).await?);
        *lock(&self.beaten) = sent;
        Ok(())
    }

    /// Whether the last heartbeat is recent enough that no other worker can have taken anything over.
    pub(crate) fn is_trusted(&self) -> bool {
        lock(&self.beaten).elapsed() < self.config.lease.mul_f64(5.0 / 6.0)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Completes when the process leaves and the time for what was under way is over.
    pub(crate) async fn grace_is_over(&self) {
        self.leaving.cancelled().await;
        tokio::time::sleep(self.config.grace).await;
    }

    /// Whether runs or dispatched steps are under way.
    pub(crate) fn is_working(&self) -> bool {
        !lock(&self.live).is_empty() || !lock(&self.steps).is_empty()
    }

    /// How many runs are owned here.
    pub(crate) fn owned(&self) -> usize {
        lock(&self.live).len()
    }

    /// Takes note that a run is owned here, until the answer is dropped.
    pub(crate) fn enlist(self: &Arc<Self>, run: RunId, bell: Arc<Notify>) -> Live {
        lock(&self.live).insert(run, bell);
        Live { shared: self.clone(), run }
    }

    /// Rings a run's owner, if it is in this process.
    pub(crate) fn ring_owner(&self, run: RunId) -> bool {
        let bell = lock(&self.live).get(&run).cloned();
        bell.inspect(|bell| bell.notify_one()).is_some()
    }

    /// Says that there is something in a run's inbox.
    pub(crate) fn call(&self, run: RunId) {
        if !self.ring_owner(run) {
            self.queue.push(Hint::Run(run), Priority::High);
        }
    }

    /// Takes note that a dispatched step is executed here, until the answer is dropped.
    pub(crate) fn enlist_step(self: &Arc<Self>, step: StepRef, epoch: i64) -> (CancellationToken, LiveStep) {
        let stop = CancellationToken::new();
        lock(&self.steps).insert(step.clone(), (epoch, stop.clone()));
        (stop, LiveStep { shared: self.clone(), step, epoch })
    }

    /// The dispatched steps that are executed here, with their lease's epoch and what stops them.
    pub(crate) fn enlisted_steps(&self) -> Vec<(StepRef, i64, CancellationToken)> {
        lock(&self.steps).iter().map(|(step, (epoch, stop))| (step.clone(), *epoch, stop.clone())).collect()
    }

    /// Stops a dispatched step that is executed here. Its lease ends with the commit that says so.
    pub(crate) fn abort_step(&self, step: &StepRef) {
        if let Some((_, stop)) = lock(&self.steps).get(step) {
            stop.cancel();
        }
    }
}

/// A run that is owned here.
pub(crate) struct Live {
    shared: Arc<Shared>,
    run: RunId,
}

impl Drop for Live {
    fn drop(&mut self) {
        lock(&self.shared.live).remove(&self.run);
    }
}

/// A dispatched step that is executed here.
pub(crate) struct LiveStep {
    shared: Arc<Shared>,
    step: StepRef,
    epoch: i64,
}

impl Drop for LiveStep {
    fn drop(&mut self) {
        let mut steps = lock(&self.shared.steps);
        if steps.get(&self.step).is_some_and(|(epoch, _)| *epoch == self.epoch) {
            steps.remove(&self.step);
        }
    }
}

/// What a panic elsewhere left behind is still a whole map.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
