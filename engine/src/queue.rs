//! The queue carries hints and nothing else: the id of a run or of a dispatched step that a worker could look at now.
//!
//! What a hint says is decided by the database when it is taken up, so a hint may be lost, doubled or late at will. Only
//! the files below this one name apalis.
//!
//! Two ways lead in. What this process's sweeper found is pushed and stays here. What any worker may take up is offered, and
//! goes over Redis where there is one, else the same way as the rest.

mod memory;
mod redis;
mod worker;

use std::{future::Future, sync::Arc};

use flowforge_core::{NodeId, RunId};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub(crate) use self::redis::Link;
use self::worker::Handler;
use crate::{
    config::QueueConfig,
    error::{Error, Result},
};

/// Something a worker could look at now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hint {
    /// A run that may be claimed, or that this process was given to begin.
    Run(RunId),
    /// A dispatched step that may be claimed.
    Step(StepRef),
}

impl Hint {
    fn lane(&self) -> Lane {
        match self {
            Self::Run(_) => Lane::Runs,
            Self::Step(_) => Lane::Steps,
        }
    }
}

/// Which attempt of which step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

/// How urgent a hint is. Each priority has a queue of its own and none is starved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Before everything else: what goes on.
    High,
    /// What begins.
    Normal,
    /// When nothing else waits: what the sweeper found, which others may be at already.
    Low,
}

impl Priority {
    const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// How urgent a hint about a run of this priority is.
    pub(crate) fn of(priority: flowforge_core::Priority) -> Self {
        match priority {
            flowforge_core::Priority::High => Self::High,
            flowforge_core::Priority::Normal => Self::Normal,
            flowforge_core::Priority::Low => Self::Low,
        }
    }

    /// Which priorities are looked at, in which order, at a worker's nth turn. Of eight turns five begin with the high one, two
    /// with the normal one and one with the low one.
    fn order(turn: u64) -> [Self; 3] {
        match turn % 8 {
            2 | 5 => [Self::Normal, Self::High, Self::Low],
            7 => [Self::Low, Self::High, Self::Normal],
            _ => Self::ALL,
        }
    }
}

/// What is worked on side by side, each with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Runs,
    Steps,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Runs, Self::Steps];

    fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Steps => "steps",
        }
    }
}

/// A word to every other process that shares the queue. Nobody has to hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bell {
    /// There is something in the run's inbox: its owner should look.
    Owner(RunId),
    /// Somebody watches the run: who commits something of it should say so.
    Watched(RunId),
    /// Something of the run was committed.
    News(RunId),
}

/// What comes over the queue beside hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Another process's word.
    Bell(Bell),
    /// Hints may have been lost: it is time to look in the database.
    Lost,
}

impl QueueConfig {
    /// The version of the Redis that processes tell each other over; nothing when they use none.
    ///
    /// # Errors
    /// `Storage` when it does not answer within a few seconds, or cannot do what is needed.
    pub async fn check(&self) -> Result<Option<String>> {
        match self {
            Self::Redis(url) => redis::check(url).await.map(Some).map_err(|fault| Error::Storage(fault.to_string())),
            Self::Memory | Self::None => Ok(None),
        }
    }
}

/// Takes hints to workers.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    here: memory::Senders,
    elsewhere: Elsewhere,
}

/// Where offered hints go.
#[derive(Debug, Clone)]
enum Elsewhere {
    /// The only worker is the one of this process.
    Here,
    /// No hint is given at all.
    Nowhere,
    Redis(redis::Outbox),
}

/// The ends of the queue that workers read from.
#[derive(Debug)]
pub(crate) struct Receivers {
    here: memory::Receivers,
    elsewhere: Option<redis::Inbox>,
}

impl Queue {
    /// A queue with its reading ends, and what connects it to other processes if anything does.
    ///
    /// # Errors
    /// `BadInput` when the URL of a Redis cannot be understood. Whether the Redis can be reached does not matter.
    pub(crate) fn open(config: &QueueConfig) -> Result<(Self, Receivers, Option<Link>)> {
        let (here, receivers) = memory::channels();
        let (elsewhere, inbox, link) = match config {
            QueueConfig::Memory => (Elsewhere::Here, None, None),
            QueueConfig::None => (Elsewhere::Nowhere, None, None),
            QueueConfig::Redis(url) => {
                let (outbox, inbox, link) = redis::open(url, here.clone()).map_err(|fault| {
                    Error::BadInput(format!("the URL of Redis cannot be used: {fault}; write redis://host:port or rediss://…"))
                })?;
                (Elsewhere::Redis(outbox), Some(inbox), Some(link))
            }
        };
        Ok((Self { here, elsewhere }, Receivers { here: receivers, elsewhere: inbox }, link))
    }

    /// Sends a hint to this process's own worker; whether there was room for it.
    pub(crate) fn push(&self, hint: Hint, priority: Priority) -> bool {
        let sent = self.here.send(hint, priority);
        if !sent {
            tracing::debug!(
                "a hint was dropped, since this process has no worker or no room for it; a sweeper will find what it spoke of"
            );
        }
        sent
    }

    /// Offers a hint to whichever worker is free. What finds no room is dropped: the sweeper finds what it spoke of.
    pub(crate) fn offer(&self, hint: Hint, priority: Priority) {
        match &self.elsewhere {
            Elsewhere::Here => drop(self.push(hint, priority)),
            Elsewhere::Nowhere => {}
            Elsewhere::Redis(outbox) => {
                if let Err(hint) = outbox.offer(hint, priority) {
                    self.push(hint, priority);
                }
            }
        }
    }

    /// Says something to every other process.
    pub(crate) fn tell(&self, bell: Bell) {
        if let Elsewhere::Redis(outbox) = &self.elsewhere {
            outbox.tell(bell);
        }
    }

    /// Whether this process's own worker has taken up every hint about a run that was pushed.
    pub(crate) fn is_drained(&self) -> bool {
        self.here.is_drained(Lane::Runs)
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
    let source = |lane| worker::Source::new(receivers.here.of(lane), receivers.elsewhere.as_ref().map(|inbox| inbox.of(lane)));
    tokio::join!(
        worker::supervise(Lane::Runs, source(Lane::Runs), limits.runs, stop.clone(), handle.clone()),
        worker::supervise(Lane::Steps, source(Lane::Steps), limits.steps, stop, handle),
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

#[cfg(test)]
mod tests {
    use super::Priority;

    #[test]
    fn every_priority_has_its_turn_and_every_turn_looks_at_every_priority() {
        let firsts = |priority| (0..8).filter(|turn| Priority::order(*turn)[0] == priority).count();
        assert_eq!(Priority::ALL.map(firsts), [5, 2, 1]);
        for turn in 0..8 {
            assert!(Priority::ALL.iter().all(|priority| Priority::order(turn).contains(priority)));
        }
    }
}
