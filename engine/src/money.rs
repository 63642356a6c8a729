//! The ledger of a process: what steps pay for turns of models, and who is called when there is money again.
//!
//! Money is set aside before a turn and settled after it, each in one short transaction. What nobody settles counts as spent in full:
//! a cap is rather kept too well than not at all.

mod purse;

use std::time::Duration;

use flowforge_core::WorkerId;

pub(crate) use self::purse::StepPurse;
use crate::{
    error::Result,
    queue::Queue,
    shared::Shared,
    store::{
        Store,
        inbox::Message,
        money::{TotalKey, Waiter},
    },
};

/// How many steps are called when a turn was settled: each of them calls further ones when it settles its own.
const CALLED_AT_ONCE: u64 = 2;
/// How many are called when money was added, or a period has begun.
const CALLED_AT_MOST: u64 = 10_000;
/// How many turns are given up at once.
const LOT: u64 = 200;

/// Where this process writes down what turns cost. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) store: Store,
    pub(crate) worker: WorkerId,
    pub(crate) queue: Queue,
}

/// Calls steps that wait for these totals: there may be room for them now.
pub(crate) async fn call_waiters(shared: &Shared, totals: &[TotalKey]) -> Result<()> {
    call(shared, shared.store.waiters(totals, CALLED_AT_MOST).await?).await
}

async fn call(shared: &Shared, waiters: Vec<Waiter>) -> Result<()> {
    for Waiter { run, node, attempt } in waiters {
        shared.store.send(run, &Message::Recall { node, attempt }).await?;
        shared.call(run);
    }
    Ok(())
}

/// Gives up turns that nobody will settle any more, and calls steps whose budgets have begun anew or have room again.
pub(crate) async fn look_after(shared: &Shared) -> Result<()> {
    let lease: Duration = shared.config.lease;
    loop {
        let (count, totals) = shared.store.give_up_orphans(lease, LOT).await?;
        if count > 0 {
            tracing::warn!(turns = count, "turns were given up, and count as spent in full: nobody said what they have cost");
            call(shared, shared.store.waiters(&totals, CALLED_AT_ONCE).await?).await?;
        }
        if (count as u64) < LOT {
            break;
        }
    }
    call(shared, shared.store.waiters_of_the_past(CALLED_AT_MOST).await?).await
}
