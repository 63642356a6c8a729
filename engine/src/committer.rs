//! The one place that writes runs and step_runs.
//!
//! Deltas of all runs that this process owns come together here; whatever has gathered while the last transaction was on
//! its way is written by the next one, without waiting for more. Each delta names the epoch that its writer was given; one
//! whose guard fails is left out and answered `Fenced`, the others in the batch are not disturbed. A batch that the database
//! refuses is split in halves until the delta that it refuses stands alone.

mod delta;
mod postgres;
mod sqlite;

use std::{collections::HashSet, sync::Arc};

use flowforge_core::RunId;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::delta::{Delta, Dispatch, Guard, KeyedLimit, Letter, LogWrite, NewRunRow, RunPatch, StepWrite};
use crate::{
    error::{Error, Result},
    hints::Hints,
    store::Location,
};

/// The most deltas in one transaction.
const BATCH: usize = 512;
/// The most bytes in one transaction, unless one delta alone has more.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// The most deltas that wait. A writer that finds no room waits too, which slows down whoever feeds it.
const WAITING: usize = 8_192;

/// Takes deltas and answers when they are on disk.
#[derive(Debug, Clone)]
pub(crate) struct Committer(mpsc::Sender<Order>);

#[derive(Debug)]
struct Order {
    delta: Delta,
    done: oneshot::Sender<Result<()>>,
}

/// What will say that a delta is on disk.
pub(crate) type Answer = oneshot::Receiver<Result<()>>;

/// Which deltas of a batch passed their guard, in their order.
type Passed = Vec<bool>;

impl Committer {
    /// Starts the committer of this process.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub(crate) async fn start(location: &Location, hints: Arc<Hints>) -> Result<Self> {
        let (sender, orders) = mpsc::channel(WAITING);
        match location {
            Location::Sqlite(path) => sqlite::spawn(path, orders, hints)?,
            Location::Postgres(url) => postgres::spawn(url, orders, hints).await?,
        }
        Ok(Self(sender))
    }

    /// Hands a delta over and returns what will answer when it is on disk.
    pub(crate) async fn submit(&self, delta: Delta) -> Answer {
        let (done, answer) = oneshot::channel();
        // When the committer is gone the sender is dropped with the order, and the receiver says so.
        let _ = self.0.send(Order { delta, done }).await;
        answer
    }

    /// Writes a delta.
    ///
    /// # Errors
    /// `Fenced` when its guard does not hold any more, `BadInput` when it holds something that the database will never take,
    /// `Storage` when the database does not do its part: then it is not known whether the delta was written.
    pub(crate) async fn commit(&self, delta: Delta) -> Result<()> {
        answered(self.submit(delta).await.await)
    }
}

/// What the committer answered; that it is gone, when it did not.
pub(crate) fn answered(answer: Result<Result<()>, oneshot::error::RecvError>) -> Result<()> {
    answer.unwrap_or_else(|_| Err(Error::Storage("the committer stopped; restart the server".to_owned())))
}

/// Takes from the waiting orders those that can stand in one transaction: at most one a run, so that no row is written
/// twice by one statement, and not more bytes than a transaction should have. What is left over comes first the next time.
fn next_batch(waiting: &mut Vec<Order>) -> Vec<Order> {
    let mut runs: HashSet<RunId> = HashSet::with_capacity(waiting.len());
    let mut bytes = 0_usize;
    let mut fits = |order: &Order| {
        // A run's later delta must not overtake its earlier one, so that its place is taken whether it fits or not.
        if !runs.insert(order.delta.run) {
            return false;
        }
        let size = order.delta.bytes();
        let fits = bytes == 0 || bytes.saturating_add(size) <= BATCH_BYTES;
        bytes = if fits { bytes.saturating_add(size) } else { bytes };
        fits
    };
    let (mut batch, rest): (Vec<Order>, _) = std::mem::take(waiting).into_iter().partition(|order| fits(order));
    *waiting = rest;
    // Two committers that lock the same runs do so in the same order.
    batch.sort_unstable_by_key(|order| order.delta.run);
    batch
}

/// Answers a batch that was written.
fn answer(batch: Vec<Order>, passed: &Passed, hints: &Hints) {
    for (order, passed) in batch.into_iter().zip(passed) {
        let run = order.delta.run;
        let _ = order.done.send(if *passed { Ok(()) } else { Err(Error::Fenced) });
        if *passed {
            hints.ring(run);
        }
    }
}

/// Answers a batch that was not written, or of which it is not known whether it was.
fn refuse(batch: Vec<Order>, fault: &Error) {
    for order in batch {
        tracing::error!(run = %order.delta.run, %fault, "a delta could not be written");
        let fault = match fault {
            Error::BadInput(fault) => Error::BadInput(fault.clone()),
            fault => Error::Storage(fault.to_string()),
        };
        let _ = order.done.send(Err(fault));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn order(run: u128, bytes: usize) -> Order {
        let patch = RunPatch { output: Some("x".repeat(bytes)), ..RunPatch::default() };
        Order { delta: Delta::of_run(RunId::new(Uuid::from_u128(run)), Guard::Owner(1), 1, patch), done: oneshot::channel().0 }
    }

    /// The runs and sizes of each batch.
    fn batches(orders: &[(u128, usize)]) -> Vec<Vec<(u128, usize)>> {
        let mut waiting: Vec<Order> = orders.iter().map(|(run, bytes)| order(*run, *bytes)).collect();
        let shown = |order: Order| (order.delta.run.uuid().as_u128(), order.delta.bytes());
        let next = || (!waiting.is_empty()).then(|| next_batch(&mut waiting).into_iter().map(shown).collect());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_run_is_written_once_a_batch_and_in_its_order() {
        assert_eq!(batches(&[(2, 1), (1, 1), (2, 2), (2, 3)]), [vec![(1, 1), (2, 1)], vec![(2, 2)], vec![(2, 3)]]);
    }

    #[test]
    fn a_batch_has_no_more_bytes_than_a_transaction_should_have() {
        const HALF: usize = BATCH_BYTES / 2;
        assert_eq!(batches(&[(1, HALF), (2, HALF), (3, 1)]), [vec![(1, HALF), (2, HALF)], vec![(3, 1)]]);
        let larger = BATCH_BYTES * 3;
        assert_eq!(batches(&[(1, 1), (2, larger), (2, 2), (3, 1)]), [vec![(1, 1), (3, 1)], vec![(2, larger)], vec![(2, 2)]]);
    }
}
