//! apalis inside one process: a backend over bounded channels, one for each priority.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use apalis::prelude::{Data, WorkerBuilder, WorkerBuilderExt, WorkerContext, WorkerError};
use apalis_core::{
    backend::{Backend, BackendConfig},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
};
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use super::{Handler, Hint, Priority};

/// Every so many hints the lanes are read from the other end, so that the low one is never starved.
const TURN: u64 = 8;

/// The end that hints are pushed into.
#[derive(Debug, Clone)]
pub(super) struct Sender([mpsc::Sender<Hint>; 3]);

/// The end that a worker reads. It is shared, so that a worker that is built anew goes on where the old one stopped.
#[derive(Debug, Clone)]
pub(super) struct Receiver(Arc<Mutex<Lanes>>);

#[derive(Debug)]
struct Lanes {
    receivers: [mpsc::Receiver<Hint>; 3],
    taken: u64,
}

pub(super) fn channel(capacity: usize) -> (Sender, Receiver) {
    let [(high, high_end), (normal, normal_end), (low, low_end)] = std::array::from_fn(|_| mpsc::channel(capacity));
    let lanes = Lanes { receivers: [high_end, normal_end, low_end], taken: 0 };
    (Sender([high, normal, low]), Receiver(Arc::new(Mutex::new(lanes))))
}

impl Sender {
    /// Whether there was room.
    pub(super) fn send(&self, hint: Hint, priority: Priority) -> bool {
        let [high, normal, low] = &self.0;
        let lane = match priority {
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        };
        lane.try_send(hint).is_ok()
    }
}

impl Lanes {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Hint>> {
        let upwards = self.taken % TURN == TURN - 1;
        let order = if upwards { [2, 1, 0] } else { [0, 1, 2] };
        let mut closed = 0;
        for lane in order {
            match self.receivers[lane].poll_recv(cx) {
                Poll::Ready(Some(hint)) => {
                    self.taken = self.taken.wrapping_add(1);
                    return Poll::Ready(Some(hint));
                }
                Poll::Ready(None) => closed += 1,
                Poll::Pending => {}
            }
        }
        if closed == order.len() { Poll::Ready(None) } else { Poll::Pending }
    }
}

/// What apalis polls.
struct MemoryBackend(Receiver);

impl Backend for MemoryBackend {
    type Task = Task<Hint>;
    type Error = Infallible;

    fn poll_ready(&mut self, _cx: &mut Context<'_>, _worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _worker: &WorkerContext) -> Poll<Option<Result<Task<Hint>, Infallible>>> {
        let mut lanes = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hint = lanes.poll(cx);
        let id = lanes.taken;
        hint.map(|hint| hint.map(|hint| Ok(TaskBuilder::new(hint).task_id(TaskId::from_int(id)).build())))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>, _worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for MemoryBackend {
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

/// Runs one apalis worker until `stop`.
pub(super) fn work(
    name: &str,
    receiver: Receiver,
    concurrency: usize,
    stop: CancellationToken,
    handle: Handler,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    let worker = WorkerBuilder::new(name).backend(MemoryBackend(receiver)).data(handle).concurrency(concurrency).build(take_up);
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
