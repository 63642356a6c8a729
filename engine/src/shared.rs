//! What the parts of a process's engine share: connections, settings, and who works on what.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use flowforge_core::{Catalog, RunId, WorkerId, node::Evaluate, template::Secrets};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    blob::Blobs,
    clock::{self, Clock},
    committer::Committer,
    compiled::Versions,
    config::EngineConfig,
    error::Result,
    executor::Executor,
    hints::Hints,
    money::Ledger,
    queue::{Bell, Heard, Hint, Priority, Queue, StepRef},
    secrets::Vault,
    store::Store,
    triggers::{Limits, Marks},
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
    pub(crate) blobs: Blobs,
    pub(crate) marks: Marks,
    pub(crate) limits: Limits,
    /// Held by whoever looks after deliveries in this process.
    pub(crate) looking_after: tokio::sync::Mutex<()>,
    pub(crate) clock: Clock,
    pub(crate) config: EngineConfig,
    pub(crate) worker: WorkerId,
    /// Where runs are driven: whoever asks for one may stand in another runtime.
    pub(crate) runtime: tokio::runtime::Handle,
    /// Nothing new is begun.
    pub(crate) leaving: CancellationToken,
    /// Nothing is under way any more.
    pub(crate) left: CancellationToken,
    beaten: Mutex<Instant>,
    /// How often the heartbeat was silent for so long that others may have taken over what is owned here.
    lapses: AtomicU64,
    /// When that was last noticed.
    lapsed_at: Mutex<Option<Instant>>,
    /// Rings when there is more to find than the sweeper knows.
    pub(crate) sweep_now: Notify,
    live: Mutex<HashMap<RunId, Arc<Notify>>>,
    steps: Mutex<HashMap<StepRef, Arc<Execution>>>,
    /// As many permits as runs may be in memory.
    room: Arc<Semaphore>,
}

impl Shared {
    pub(crate) async fn new(
        store: Store,
        catalog: Catalog,
        evaluate: Arc<dyn Evaluate>,
        environment: Arc<dyn Secrets>,
        queue: Queue,
        config: EngineConfig,
    ) -> Result<Self> {
        let hints = Arc::new(Hints::new(queue.clone()));
        let clock = Clock::default();
        let trust = if config.exclusive { FOR_EVER } else { TRUST };
        let room = Arc::new(Semaphore::new(config.max_runs));
        let blobs = Blobs::open(&config.blobs)?;
        let vault = Vault::new(store.clone(), config.master_key.clone(), environment);
        let worker = WorkerId::new(clock::new_uuid());
        let ledger = Ledger { store: store.clone(), worker, queue: queue.clone() };
        Ok(Self {
            committer: Committer::start(store.location(), hints.clone()).await?,
            versions: Versions::new(catalog.clone(), trust),
            executor: Executor { evaluate, vault, blobs: blobs.clone(), store: store.clone(), clock: clock.clone(), ledger },
            blobs,
            marks: Marks::start(store.clone()),
            limits: Limits::default(),
            looking_after: tokio::sync::Mutex::default(),
            store,
            catalog,
            hints,
            queue,
            clock,
            config,
            worker,
            runtime: tokio::runtime::Handle::current(),
            leaving: CancellationToken::new(),
            left: CancellationToken::new(),
            beaten: Mutex::new(clock::monotonic()),
            lapses: AtomicU64::new(0),
            lapsed_at: Mutex::default(),
            sweep_now: Notify::new(),
            live: Mutex::default(),
            steps: Mutex::default(),
            room,
        })
    }

    /// Says that this worker is alive. What counts is when the message was sent, not when it was answered.
    pub(crate) async fn beat(&self) -> Result<()> {
        let sent = clock::monotonic();
        let name = format!("worker-{}", std::process::id());
        self.clock.observe(self.store.heartbeat(self.worker, &name).await?);
        if !self.is_trusted() {
            self.lapses.fetch_add(1, Ordering::Relaxed);
            *lock(&self.lapsed_at) = Some(clock::monotonic());
        }
        *lock(&self.beaten) = sent;
        Ok(())
    }

    /// Whether this worker was silent itself a moment ago: then the silence of others says nothing about them.
    pub(crate) fn was_silent(&self) -> bool {
        lock(&self.lapsed_at).is_some_and(|at| at.elapsed() < self.config.lease * 2)
    }

    /// Whether the last heartbeat is recent enough that no other worker can have taken anything over.
    pub(crate) fn is_trusted(&self) -> bool {
        lock(&self.beaten).elapsed() < self.config.lease.mul_f64(5.0 / 6.0)
    }

    /// How often it was not. What was claimed before the last time may be another worker's now.
    pub(crate) fn lapses(&self) -> u64 {
        self.lapses.load(Ordering::Relaxed)
    }

    /// Whether no other worker can have taken over what was claimed after so many lapses.
    pub(crate) fn is_trusted_since(&self, lapses: u64) -> bool {
        self.is_trusted() && self.lapses() == lapses
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

    /// Takes note that a run is claimed and owned here, until the answer is dropped. When it is already its owner is rung.
    pub(crate) fn enlist(self: &Arc<Self>, run: RunId) -> Option<Live> {
        match lock(&self.live).entry(run) {
            Entry::Occupied(live) => {
                live.get().notify_one();
                None
            }
            Entry::Vacant(free) => Some(Live { shared: self.clone(), run, bell: free.insert(Arc::default()).clone() }),
        }
    }

    /// Room for another run in memory, if there is some and the run could be owned safely.
    pub(crate) fn room(&self) -> Option<OwnedSemaphorePermit> {
        let safe = self.is_trusted() && !self.is_leaving();
        safe.then(|| self.room.clone().try_acquire_owned().ok()).flatten()
    }

    /// For how many more runs there is room in memory.
    pub(crate) fn room_left(&self) -> usize {
        self.room.available_permits()
    }

    /// Room for another run in memory, as soon as there is some.
    pub(crate) async fn room_at_last(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        self.room.clone().acquire_owned().await.ok()
    }

    /// Rings a run's owner, if it is in this process.
    pub(crate) fn ring_owner(&self, run: RunId) -> bool {
        let bell = lock(&self.live).get(&run).cloned();
        bell.inspect(|bell| bell.notify_one()).is_some()
    }

    /// Whether a run is owned here.
    pub(crate) fn is_live(&self, run: RunId) -> bool {
        lock(&self.live).contains_key(&run)
    }

    /// Whether a dispatched step is executed here.
    pub(crate) fn is_executed(&self, step: &StepRef) -> bool {
        lock(&self.steps).contains_key(step)
    }

    /// Says that there is something in a run's inbox: to its owner, wherever that is, or else to whoever may own it now.
    pub(crate) fn call(&self, run: RunId) {
        if !self.ring_owner(run) {
            self.queue.tell(Bell::Owner(run));
            self.queue.offer(Hint::Run(run), Priority::High);
        }
    }

    /// Takes note of what came over the queue beside hints.
    pub(crate) fn hear(&self, heard: Heard) {
        match heard {
            Heard::Bell(Bell::Owner(run)) => drop(self.ring_owner(run)),
            Heard::Bell(Bell::Watched(run)) => self.hints.note_watched_elsewhere(run),
            Heard::Bell(Bell::News(run)) => self.hints.ring_here(run),
            Heard::Lost => self.sweep_now.notify_one(),
        }
    }

    /// Takes note that a dispatched step is claimed and executed here, until the answer is dropped; nothing when it is
    /// already.
    pub(crate) fn enlist_step(self: &Arc<Self>, step: &StepRef) -> Option<LiveStep> {
        match lock(&self.steps).entry(step.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                let execution = free.insert(Arc::default()).clone();
                Some(LiveStep { shared: self.clone(), step: step.clone(), execution })
            }
        }
    }

    /// The dispatched steps that are executed here.
    pub(crate) fn enlisted_steps(&self) -> Vec<(StepRef, Arc<Execution>)> {
        lock(&self.steps).iter().map(|(step, execution)| (step.clone(), execution.clone())).collect()
    }

    /// Stops a dispatched step that is executed here. Its lease ends with the commit that says so.
    pub(crate) fn abort_step(&self, step: &StepRef) {
        if let Some(execution) = lock(&self.steps).get(step) {
            execution.stop.cancel();
        }
    }
}

/// A run that is owned here.
pub(crate) struct Live {
    shared: Arc<Shared>,
    pub(crate) run: RunId,
    /// Rings when something has come into the run's inbox.
    pub(crate) bell: Arc<Notify>,
}

impl Drop for Live {
    fn drop(&mut self) {
        lock(&self.shared.live).remove(&self.run);
    }
}

/// The execution of a dispatched step.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    /// The epoch of its lease, once it is claimed.
    pub(crate) epoch: OnceLock<i64>,
    /// Stops it.
    pub(crate) stop: CancellationToken,
}

/// A dispatched step that is executed here.
pub(crate) struct LiveStep {
    shared: Arc<Shared>,
    step: StepRef,
    pub(crate) execution: Arc<Execution>,
}

impl Drop for LiveStep {
    fn drop(&mut self) {
        lock(&self.shared.steps).remove(&self.step);
    }
}

/// What a panic elsewhere left behind is still a whole map.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does it on a task of its own, which is stopped when the answer is not wanted any more; no answer when it stopped on a fault.
/// What waits for the database must not be polled by the owner itself: it may wait in line behind the owner, which then waits for it.
pub(crate) fn on_its_own<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, Option<T>> {
    let task = AbortOnDropHandle::new(tokio::spawn(work));
    async move { task.await.ok() }.boxed()
}
