//! The queue carries hints and nothing else: the id of a run or of a dispatched step that a worker could look at now.
//!
//! What a hint says is decided by the database when it is taken up, so a hint may be lost, doubled or late at will. Only
//! the files below this one name apalis.

mod memory;

use std::{future::Future, sync::Arc, time::Duration};

use flowforge_core::{NodeId, RunId};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

/// Something a worker could look at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// A run that may be claimed, or that this process was given to begin.
    Run(RunId),
    /// A dispatched step that may be claimed.
    Step(StepRef),
}

/// Which attempt of which step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StepRef {
    /// The run.
    pub(crate) run: RunId,
    /// The node.
    pub(crate) node: NodeId,
    /// The map item; empty outside a map.
    pub(crate) item: String,
    /// The attempt, from 1.
    pub(crate) attempt: u32,
}

/// How urgent a hint is. Each priority has a lane of its own and none is starved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Before everything else: what goes on.
    High,
    /// What begins.
    Normal,
    /// When nothing else waits: what the sweeper found, which others may be at already.
    Low,
}

/// Takes hints to workers.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    runs: memory::Sender,
    steps: memory::Sender,
}

/// The ends of the queue that workers read from.
#[derive(Debug)]
pub(crate) struct Receivers {
    runs: memory::Receiver,
    steps: memory::Receiver,
}

/// The most hints that wait in a lane. More are dropped: the sweeper finds what they spoke of.
const CAPACITY: usize = 65_536;
/// The wait before a worker that ended unasked is built again.
const RESTART: Duration = Duration::from_millis(200);

impl Queue {
    /// A queue inside this process.
    pub(crate) fn memory() -> (Self, Receivers) {
        let (runs, run_receiver) = memory::channel(CAPACITY);
        let (steps, step_receiver) = memory::channel(CAPACITY);
        (Self { runs, steps }, Receivers { runs: run_receiver, steps: step_receiver })
    }

    /// Sends a hint; whether there was room for it.
    pub(crate) fn push(&self, hint: Hint, priority: Priority) -> bool {
        let sent = match hint {
            Hint::Run(_) => self.runs.send(hint, priority),
            Hint::Step(_) => self.steps.send(hint, priority),
        };
        if !sent {
            tracing::debug!("a hint was dropped because the queue is full; the sweeper will find what it spoke of");
        }
        sent
    }
}

/// Runs two apalis workers, one for runs and one for dispatched steps, until `stop`. A worker that ends unasked is built
/// again under a new name.
pub(crate) async fn work<H, F>(receivers: Receivers, limits: Limits, stop: CancellationToken, handle: H)
where
    H: Fn(Hint) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let handle = Handler(Arc::new(move |hint| Box::pin(handle(hint))));
    tokio::join!(
        supervise("runs", receivers.runs, limits.runs, stop.clone(), handle.clone()),
        supervise("steps", receivers.steps, limits.steps, stop, handle),
    );
}

/// How many hints are worked on at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Runs in memory.
    pub(crate) runs: usize,
    /// Dispatched steps.
    pub(crate) steps: usize,
}

/// What takes hints up. A type with a name, so that the compiler can see that apalis's futures may change threads.
#[derive(Clone)]
struct Handler(Arc<dyn Fn(Hint) -> BoxFuture<'static, ()> + Send + Sync>);

impl Handler {
    /// Each hint is taken up by a task of its own, so that runs share all threads and a fault stops only one of them.
    async fn take_up(&self, hint: Hint) {
        if let Err(fault) = tokio::spawn((self.0)(hint)).await {
            tracing::error!(%fault, "a worker's task stopped on a fault in FlowForge itself");
        }
    }
}

async fn supervise(lane: &str, receiver: memory::Receiver, concurrency: usize, stop: CancellationToken, handle: Handler) {
    let mut build = 0_u32;
    while !stop.is_cancelled() {
        build += 1;
        let name = format!("{lane}-{}-{build}", std::process::id());
        if let Err(fault) = memory::work(&name, receiver.clone(), concurrency, stop.clone(), handle.clone()).await {
            tracing::error!(worker = name, %fault, "a queue worker ended unasked; building a new one");
            tokio::time::sleep(RESTART).await;
        }
    }
}
