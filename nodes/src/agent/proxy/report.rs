//! What has passed through a proxy.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use flowforge_core::money::{Micros, Shortage, Tokens};

use crate::agent::{Quota, meter::Sum};

/// How many refused hosts are remembered.
const MOST_HOSTS: usize = 100;
/// The longest host that is shown, in characters.
const LONGEST_HOST: usize = 200;

/// What has passed through a proxy.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ProxyReport {
    /// Turns of the model that were paid for.
    pub(crate) requests: u64,
    /// What they have used.
    pub(crate) tokens: Tokens,
    /// What they have cost.
    pub(crate) cost: Micros,
    /// The last budget that was used up; nothing when the last turn was paid for.
    pub(crate) shortage: Option<Shortage>,
    /// The last refusal of the provider for want of quota; nothing when it has answered since.
    pub(crate) quota: Option<Quota>,
    /// Hosts that were asked for and are not listed, or that may not be reached.
    pub(crate) denied: BTreeSet<String>,
}

/// What is noted on the way.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<ProxyReport>);

impl Notes {
    pub(super) fn report(&self, sum: Sum) -> ProxyReport {
        ProxyReport { requests: sum.turns, tokens: sum.tokens, cost: sum.cost, ..self.inner().clone() }
    }

    pub(super) fn short(&self, shortage: Shortage) {
        self.inner().shortage = Some(shortage);
    }

    /// Money was there for a turn.
    pub(super) fn paid(&self) {
        self.inner().shortage = None;
    }

    /// The provider has answered, or refused for want of quota.
    pub(super) fn quota(&self, quota: Option<Quota>) {
        self.inner().quota = quota;
    }

    /// Whether this host is refused for the first time, and there are not too many of them.
    pub(super) fn deny(&self, host: &str) -> bool {
        let denied = &mut self.inner().denied;
        denied.len() < MOST_HOSTS && denied.insert(host.chars().take(LONGEST_HOST).collect())
    }

    fn inner(&self) -> MutexGuard<'_, ProxyReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
