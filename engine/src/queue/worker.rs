//! apalis workers: one for each lane, which read the hints of this process and those of others in turn.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis::prelude::{Data, WorkerBuilder, WorkerBuilderExt, WorkerContext, WorkerError};
use apalis_core::{
    backend::{Backend, BackendConfig},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
};
use futures::{FutureExt, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use super::{Hint, Lane, memory, redis};
use crate::clock;

/// The wait before a worker that ended unasked is built again.
const RESTART: Duration = Duration::from_millis(200);

/// What takes hints up. A type with a name, so that the compiler can see that apalis's futures may change threads.
#[derive(Clone)]
pub(super) struct Handler(pub(super) Arc<dyn Fn(Hint) -> BoxFuture<'static, ()> + Send + Sync>);

impl Handler {
    /// Each hint is taken up by a task of its own, so that runs share all threads and a fault stops only one of them.
    async fn take_up(&self, hint: Hint) {
        if let Err(fault) = tokio::spawn((self.0)(hint)).await {
            tracing::error!(%fault, "a worker's task stopped on a fault in FlowForge itself");
        }
    }
}

/// What apalis polls: it is asked for a hint only when there is room to take one up.
pub(super) struct Source {
    here: memory::Receiver,
    elsewhere: Option<redis::Fetcher>,
    /// The look for a hint that is under way. It never ends without one.
    fetch: Option<BoxFuture<'static, Hint>>,
    taken: u64,
}

impl Source {
    pub(super) fn new(here: memory::Receiver, elsewhere: Option<redis::Fetcher>) -> Self {
        Self { here, elsewhere, fetch: None, taken: 0 }
    }

    /// The same for a worker that is built anew.
    fn again(&self) -> Self {
        Self::new(self.here.clone(), self.elsewhere.clone())
    }

    fn poll_elsewhere(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Hint> {
        let Some(fetcher) = &self.elsewhere else { return Poll::Pending };
        let fetch = self.fetch.get_or_insert_with(|| fetcher.clone().next(worker.clone(), self.taken).boxed());
        let hint = std::task::ready!(fetch.poll_unpin(cx));
        self.fetch = None;
        Poll::Ready(hint)
    }

    fn poll(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Option<Hint>> {
        // Neither a flood from within nor one from without keeps the other waiting.
        if self.taken % 2 == 1
            && let Poll::Ready(hint) = self.poll_elsewhere(cx, worker)
        {
            return Poll::Ready(Some(hint));
        }
        match self.here.poll(cx) {
            Poll::Pending => self.poll_elsewhere(cx, worker).map(Some),
            here => here,
        }
    }
}

impl Backend for Source {
    type Task = Task<Hint>;
    type Error = Infallible;

    fn poll_ready(&mut self, _cx: &mut Context<'_>, _worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Option<Result<Task<Hint>, Infallible>>> {
        let hint = std::task::ready!(self.poll(cx, worker));
        self.taken = self.taken.wrapping_add(1);
        // A number of its own: two hints at once under one would not be two to apalis.
        let id = TaskId::from_int(self.taken);
        Poll::Ready(hint.map(|hint| Ok(TaskBuilder::new(hint).task_id(id).build())))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>, _worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Source {
    type Args = Hint;
    type Id = String;
    type Kind = apalis_core::backend::finalize::Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _worker: &mut WorkerContext) -> Self::Layer {
        Identity::new()
    }
}

/// Runs a lane's worker until `stop`. One that ends unasked is built again under a new name.
pub(super) async fn supervise(lane: Lane, source: Source, concurrency: usize, stop: CancellationToken, handle: Handler) {
    while !stop.is_cancelled() {
        let name = format!("{}-{}", lane.name(), clock::new_uuid().simple());
        let work = AssertUnwindSafe(work(&name, source.again(), concurrency, stop.clone(), handle.clone()));
        match work.catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::error!(worker = name, %fault, "a queue worker ended unasked; building a new one"),
            Err(_) => tracing::error!(worker = name, "a queue worker stopped on a fault; building a new one"),
        }
        if !stop.is_cancelled() {
            tokio::time::sleep(clock::spread(RESTART)).await;
        }
    }
}

/// Runs one apalis worker until `stop`.
fn work(
    name: &str,
    source: Source,
    concurrency: usize,
    stop: CancellationToken,
    handle: Handler,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    let worker = WorkerBuilder::new(name).backend(source).data(handle).concurrency(concurrency).build(take_up);
    let stopped = async move {
        stop.cancelled().await;
        Ok::<(), std::io::Error>(())
    };
    Box::pin(async move { worker.run_until(stopped).await })
}

/// Always succeeds: what came of the hint is in the database, and apalis is not to repeat it.
async fn take_up(hint: Hint, handle: Data<Handler>) -> Result<(), Infallible> {
    handle.take_up(hint).await;
    Ok(())
}
