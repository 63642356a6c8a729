//! A ledger in memory, for the tests of nodes that pay.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use flowforge_core::{
    money::{Micros, Purse, Refused, Reservation, Shortage, Spent, Turn},
    node::{BoxFuture, NodeError},
};
use tokio::sync::watch;
use uuid::Uuid;

/// One budget. A turn that does not fit goes through alone while something is left.
pub(crate) struct TestPurse {
    budget: &'static str,
    limit: Micros,
    entries: Mutex<Entries>,
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct Entries {
    turns: Vec<Turn>,
    reserved: BTreeMap<Uuid, Micros>,
    settled: Vec<Spent>,
}

impl TestPurse {
    /// A budget of a run.
    pub(crate) fn of(limit: Micros) -> Arc<Self> {
        Self::named("run", limit)
    }

    pub(crate) fn named(budget: &'static str, limit: Micros) -> Arc<Self> {
        Arc::new(Self { budget, limit, entries: Mutex::default(), open: watch::Sender::new(0) })
    }

    /// What was asked for, whether it was granted or not.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        self.entries.lock().unwrap().turns.clone()
    }

    pub(crate) fn settled(&self) -> Vec<Spent> {
        self.entries.lock().unwrap().settled.clone()
    }

    pub(crate) fn spent(&self) -> Micros {
        self.settled().iter().fold(Micros::ZERO, |sum, spent| sum.plus(spent.cost))
    }

    /// Waits until nothing is set aside.
    pub(crate) async fn is_closed(&self) {
        self.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
    }
}

impl Purse for TestPurse {
    fn reserve(&self, turn: Turn) -> BoxFuture<'_, Result<Reservation, Refused>> {
        Box::pin(async move {
            let spent = self.spent();
            let mut entries = self.entries.lock().unwrap();
            assert!(entries.turns.iter().all(|known| known.key != turn.key), "a key is used once");
            let reserved = entries.reserved.values().fold(Micros::ZERO, |sum, most| sum.plus(*most));
            let left = self.limit.less(spent.plus(reserved));
            let fits = turn.most <= left || (left > Micros::ZERO && entries.reserved.is_empty());
            let most = turn.most;
            entries.turns.push(turn);
            if !fits {
                let (budget, scope) = (self.budget.to_owned(), "test".to_owned());
                let shortage = Shortage { budget, scope, limit: self.limit, spent, reserved, resets_at: None };
                return Err(Refused::Short(Box::new(shortage)));
            }
            let id = Uuid::from_u128(entries.turns.len() as u128);
            entries.reserved.insert(id, most);
            self.open.send_replace(entries.reserved.len());
            Ok(Reservation(id))
        })
    }

    fn settle(&self, reservation: Reservation, spent: Spent) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async move {
            let mut entries = self.entries.lock().unwrap();
            if entries.reserved.remove(&reservation.0).is_some() {
                entries.settled.push(spent);
            }
            self.open.send_replace(entries.reserved.len());
            Ok(())
        })
    }
}
