//! Turns and their bills: money is set aside before a turn, and settled after it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use flowforge_core::{
    money::{Micros, Purse, Refused, Reservation, Spent, Tokens, Turn},
    node::{LogSink, NodeError, Stream},
};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{
    Prices,
    heard::{Heard, tokens_of},
    prices::Price,
    random,
};

/// What a request may write that does not say how much.
const USUAL_OUTPUT: u64 = 32_000;

/// Pays for the turns of one attempt.
pub(crate) struct Meter {
    purse: Arc<dyn Purse>,
    prices: Arc<Prices>,
    step_cap: Option<Micros>,
    /// What the keys of its turns begin with: no two meters have the same.
    key: String,
    turns: AtomicU64,
    log: Arc<dyn LogSink>,
    state: Mutex<State>,
    settling: TaskTracker,
}

#[derive(Default)]
struct State {
    sum: Sum,
    /// Models that have no price of their own and were told of.
    unknown: BTreeSet<String>,
}

/// What was used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Turns that were paid for.
    pub(crate) turns: u64,
    pub(crate) tokens: Tokens,
    pub(crate) cost: Micros,
}

impl Meter {
    /// A meter for an attempt of the step with this key.
    pub(crate) fn new(
        purse: Arc<dyn Purse>,
        prices: Arc<Prices>,
        step_cap: Option<Micros>,
        step_key: &str,
        log: Arc<dyn LogSink>,
    ) -> Result<Arc<Self>, NodeError> {
        // A turn that is asked again after a crash is another turn: both may be billed.
        let key = format!("{step_key}/{}", random::text::<9>()?);
        let (turns, state, settling) = (AtomicU64::default(), Mutex::default(), TaskTracker::new());
        Ok(Arc::new(Self { purse, prices, step_cap, key, turns, log, state, settling }))
    }

    /// Sets aside the most that a request can cost.
    pub(crate) async fn begin(self: &Arc<Self>, request: &Value, bytes: usize) -> Result<OpenTurn, Refused> {
        let model = request["model"].as_str().unwrap_or_default();
        let price = self.prices.of(model);
        if !price.is_known {
            self.warn(model).await;
        }
        let most = price.most(tokens_of(bytes), request["max_tokens"].as_u64().unwrap_or(USUAL_OUTPUT));
        let key = format!("{}/{}", self.key, self.turns.fetch_add(1, Ordering::Relaxed));
        let model: String = model.chars().take(100).collect();
        let reservation = self.purse.reserve(Turn { key, model, most, step_cap: self.step_cap }).await?;
        Ok(OpenTurn { meter: self.clone(), reservation: Some(reservation), price, most, heard: Heard::default() })
    }

    /// What was used so far.
    pub(crate) fn sum(&self) -> Sum {
        self.state().sum
    }

    /// Waits until every turn that was dropped is settled.
    pub(crate) async fn settled(&self) {
        self.settling.close();
        self.settling.wait().await;
    }

    async fn warn(&self, model: &str) {
        let model: String = model.chars().take(100).collect();
        let is_new = {
            let unknown = &mut self.state().unknown;
            unknown.len() < 20 && unknown.insert(model.clone())
        };
        if is_new {
            let line = format!("no price is known for the model `{}`: it is counted at the dearest", model.escape_debug());
            self.log.line(Stream::System, line).await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn settle(&self, reservation: Reservation, spent: Spent) {
        if let Err(fault) = self.purse.settle(reservation, spent).await {
            // What was set aside stays so and counts as spent when the step reserves again or ends.
            self.log.line(Stream::System, format!("the bill of a turn ({}) was not written down: {fault}", spent.cost)).await;
        }
    }
}

/// A turn that is paid for. Dropped before its end, it is settled by what was heard of it.
pub(crate) struct OpenTurn {
    meter: Arc<Meter>,
    reservation: Option<Reservation>,
    price: Price,
    most: Micros,
    /// What the answer has said.
    pub(crate) heard: Heard,
}

impl OpenTurn {
    /// The turn has cost nothing: it was refused, or never came to the model.
    pub(crate) async fn free(mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.meter.settle(reservation, Spent { tokens: Tokens::default(), cost: Micros::ZERO, estimated: false }).await;
        }
    }

    /// Settles by what was heard, and tells what it was. Again it changes nothing.
    pub(crate) async fn settle(&mut self) -> Spent {
        let spent = self.spent();
        if let Some(reservation) = self.reservation.take() {
            self.count(spent);
            self.meter.settle(reservation, spent).await;
        }
        spent
    }

    /// What it has cost: as the answer says, or what it may have been, if it was cut short before it said so.
    fn spent(&self) -> Spent {
        if !self.heard.has_begun {
            return Spent { tokens: Tokens::default(), cost: self.most, estimated: true };
        }
        let used = self.heard.used();
        Spent { tokens: used.tokens, cost: self.price.cost(&used), estimated: !self.heard.is_billed }
    }

    fn count(&self, spent: Spent) {
        let sum = &mut self.meter.state().sum;
        let Tokens { input, output, cache_read, cache_write } = spent.tokens;
        sum.turns += 1;
        sum.cost = sum.cost.plus(spent.cost);
        sum.tokens.input += input;
        sum.tokens.output += output;
        sum.tokens.cache_read += cache_read;
        sum.tokens.cache_write += cache_write;
    }
}

impl Drop for OpenTurn {
    fn drop(&mut self) {
        let Some(reservation) = self.reservation.take() else { return };
        let (spent, meter) = (self.spent(), self.meter.clone());
        self.count(spent);
        // Without a runtime the process is ending, and the ledger settles what is left over.
        if let Ok(runtime) = Handle::try_current() {
            self.meter.settling.spawn_on(async move { meter.settle(reservation, spent).await }, &runtime);
        }
    }
}
