//! The purse of one execution of a step.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flowforge_core::{
    money::{Purse, Refused, Reservation, Spent, Turn},
    node::{BoxFuture, NodeError},
};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{CALLED_AT_ONCE, Ledger};
use crate::{
    error::{Error, Result},
    executor::Mask,
    failpoint::{Point, reached},
    queue::{Bell, Hint, Priority},
    shared::on_its_own,
    store::{
        inbox::Message,
        money::{Asked, Link, TotalKey},
    },
};

/// The wait before the database is asked again that did not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// Pays for the turns of one execution of a step.
#[derive(Clone)]
pub(crate) struct StepPurse(Arc<Inner>);

struct Inner {
    ledger: Ledger,
    who: Asked,
    /// What may not be written down: the name of a model can hold anything.
    mask: Mask,
    /// The run and those above it, read when they are needed first.
    chain: OnceCell<Vec<Link>>,
    /// Whether anything was ever set aside.
    used: AtomicBool,
}

impl StepPurse {
    pub(crate) fn new(ledger: Ledger, who: Asked, mask: Mask) -> Self {
        Self(Arc::new(Inner { ledger, who, mask, chain: OnceCell::new(), used: AtomicBool::new(false) }))
    }

    /// Counts as spent what the execution has set aside and not settled. Has to be told when it has ended.
    pub(crate) async fn close(&self) {
        if !self.0.used.load(Ordering::Relaxed) {
            return;
        }
        let inner = self.0.clone();
        let closed = on_its_own(async move {
            match inner.ledger.store.give_up(inner.who.holder).await {
                Ok(totals) => inner.ledger.call_a_few(&totals).await,
                Err(fault) => {
                    tracing::warn!(run = %inner.who.run, node = %inner.who.node, %fault, "turns were not given up; the sweeper will")
                }
            }
        });
        let _ = closed.await;
    }
}

impl Inner {
    async fn reserve(&self, turn: &Turn) -> Result<std::result::Result<Reservation, Refused>> {
        let store = &self.ledger.store;
        let chain = self.chain.get_or_try_init(|| store.chain(self.who.run)).await?;
        let answer = store.reserve(&self.who, chain, turn).await?;
        Ok(answer.map(Reservation).map_err(|shortage| Refused::Short(Box::new(shortage))))
    }
}

impl Inner {
    /// The database will answer some time, and the step has a time limit of its own.
    async fn wait(&self, fault: &Error) {
        tracing::warn!(run = %self.who.run, node = %self.who.node, %fault, "the ledger did not answer; asking again");
        tokio::time::sleep(AGAIN).await;
    }
}

impl Purse for StepPurse {
    fn reserve(&self, mut turn: Turn) -> BoxFuture<'_, Result<Reservation, Refused>> {
        let inner = self.0.clone();
        if let Value::String(model) = inner.mask.value(turn.model.clone().into()) {
            turn.model = model;
        }
        inner.used.store(true, Ordering::Relaxed);
        let reserved = on_its_own(async move {
            reached(Point::Reserve);
            loop {
                match inner.reserve(&turn).await {
                    Err(fault @ Error::Storage(_)) => inner.wait(&fault).await,
                    answer => {
                        reached(Point::Reserved);
                        return answer;
                    }
                }
            }
        });
        Box::pin(async move {
            match reserved.await {
                Some(Ok(answer)) => answer,
                Some(Err(fault)) => Err(Refused::Failed(failed(&fault))),
                None => Err(Refused::Failed(broken())),
            }
        })
    }

    fn settle(&self, reservation: Reservation, spent: Spent) -> BoxFuture<'_, Result<(), NodeError>> {
        let inner = self.0.clone();
        // Not stopped with the step: what was paid is paid.
        let settled = tokio::spawn(async move {
            reached(Point::Settle);
            loop {
                match inner.ledger.store.settle(reservation.0, spent).await {
                    Err(fault @ Error::Storage(_)) => inner.wait(&fault).await,
                    Ok(Some(totals)) => {
                        reached(Point::Settled);
                        inner.ledger.call_a_few(&totals).await;
                        return Ok(());
                    }
                    answer => return answer.map(drop),
                }
            }
        });
        Box::pin(async move {
            match settled.await {
                Ok(answer) => answer.map_err(|fault| failed(&fault)),
                Err(_) => Err(broken()),
            }
        })
    }
}

impl Ledger {
    /// Calls some of the steps that wait for these totals. Each calls others when it has paid; what is lost looks again by itself.
    async fn call_a_few(&self, totals: &[TotalKey]) {
        let called = async {
            for waiter in self.store.waiters(totals, CALLED_AT_ONCE).await? {
                self.store.send(waiter.run, &Message::Recall { node: waiter.node, attempt: waiter.attempt }).await?;
                self.queue.tell(Bell::Owner(waiter.run));
                self.queue.offer(Hint::Run(waiter.run), Priority::High);
            }
            Ok::<_, Error>(())
        };
        if let Err(fault) = called.await {
            tracing::warn!(%fault, "steps that wait for money were not called; they look again within a minute");
        }
    }
}

fn failed(fault: &Error) -> NodeError {
    NodeError::retry("LEDGER_FAILED", format!("the ledger of budgets cannot be used: {fault}"))
}

fn broken() -> NodeError {
    NodeError::retry("LEDGER_FAILED", "the ledger of budgets stopped on a fault in FlowForge itself")
}
