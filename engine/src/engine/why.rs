//! Why a run stands where it stands: one reason for every run, and none only for one that nothing moves, which is a fault.

use std::{fmt, time::Duration};

use flowforge_core::{NodeId, RunId, RunStatus, Timestamp, WorkspaceId, money::Shortage};

use super::Engine;
use crate::{
    error::Result,
    record::told,
    store::why::{Awaited, Lease, Standing, Wait},
};

/// Why a run stands where it stands. Positions count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A worker is at it.
    Owned {
        /// The worker's name.
        worker: String,
        /// How long its last heartbeat is ago, in milliseconds.
        heartbeat_age_ms: u64,
    },
    /// It waits for a worker.
    Queued {
        /// Its place among the runs that do.
        position: u64,
    },
    /// As many runs with its key are under way as may be.
    Blocked {
        /// What is counted together, as the author's key says; empty when all runs of the workflow are.
        key: String,
        /// How many may be under way at once.
        limit: u32,
        /// Its place in the line.
        position: u64,
    },
    /// It waits for a time.
    Timer {
        /// Which.
        until: Timestamp,
    },
    /// It waits for a person's decision.
    Approval {
        /// The step that asks.
        node: NodeId,
        /// Who may decide; anyone who may start runs when empty.
        approvers: Vec<String>,
    },
    /// It waits for a signal.
    Signal {
        /// The step that waits.
        node: NodeId,
        /// The signal's name.
        name: String,
    },
    /// It waits for money.
    Funds {
        /// The step that is to pay.
        node: NodeId,
        /// The budget that is used up.
        shortage: Shortage,
    },
    /// It waits for the runs that a step has started.
    Children {
        /// The step.
        node: NodeId,
        /// How many have not ended, or not begun.
        open: u64,
        /// How many there are.
        total: u64,
    },
    /// It waits for people's answers to conflicts of a rebase.
    Resolutions {
        /// The step that asks.
        node: NodeId,
        /// How many answers are open.
        open: u64,
    },
    /// Someone wants it to begin nothing more.
    Paused {
        /// Since when.
        since: Timestamp,
    },
    /// A dispatched step is executed, or waits for a worker that has room.
    StepLease {
        /// The step.
        node: NodeId,
        /// The worker that executes it.
        worker: Option<String>,
    },
    /// As many steps with a step's key are executed as may be.
    StepBlocked {
        /// The step.
        node: NodeId,
        /// What is counted together, as the author's key says; empty when all steps of the node are.
        key: String,
        /// How many may be executed at once.
        limit: u32,
        /// Its place in the line.
        position: u64,
    },
    /// Something has come for it, and a worker is about to take it up.
    Inbox,
    /// Its worker is lost, and another is about to take it over.
    Recovering,
    /// It has ended.
    Finished,
    /// Nothing moves it. A fault of FlowForge, which the sweeper reports and tries to mend.
    None,
}

impl Reason {
    /// The stable word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Owned { .. } => "owned",
            Self::Queued { .. } => "queued",
            Self::Blocked { .. } => "blocked",
            Self::Timer { .. } => "timer",
            Self::Approval { .. } => "approval",
            Self::Signal { .. } => "signal",
            Self::Funds { .. } => "funds",
            Self::Children { .. } => "children",
            Self::Resolutions { .. } => "resolutions",
            Self::Paused { .. } => "paused",
            Self::StepLease { .. } => "step_lease",
            Self::StepBlocked { .. } => "step_blocked",
            Self::Inbox => "inbox",
            Self::Recovering => "recovering",
            Self::Finished => "finished",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned { worker, .. } => write!(f, "`{worker}` is at it"),
            Self::Queued { position } => write!(f, "it waits for a worker, at place {position}"),
            Self::Blocked { limit, position, .. } => {
                write!(f, "{limit} runs with its key are under way, as many as may be; it is at place {position} in the line")
            }
            Self::Timer { .. } => write!(f, "it waits for a time"),
            Self::Approval { node, .. } => write!(f, "`{node}` waits for a decision"),
            Self::Signal { node, name } => write!(f, "`{node}` waits for the signal `{name}`"),
            Self::Funds { node, shortage } => write!(f, "`{node}` waits for money: {}", told(shortage)),
            Self::Children { node, open, total } => write!(f, "`{node}` waits for {open} of the {total} runs that it starts"),
            Self::Resolutions { node, open: 1 } => write!(f, "`{node}` waits for an answer to a conflict"),
            Self::Resolutions { node, open } => write!(f, "`{node}` waits for answers to {open} conflicts"),
            Self::Paused { .. } => write!(f, "it is paused: no step begins until it is resumed"),
            Self::StepLease { node, worker: Some(worker) } => write!(f, "`{worker}` executes `{node}`"),
            Self::StepLease { node, worker: None } => write!(f, "`{node}` waits for a worker that has room"),
            Self::StepBlocked { node, limit, position, .. } => {
                write!(
                    f,
                    "{limit} steps with the key of `{node}` are executed, as many as may be; it is at place {position} in the line"
                )
            }
            Self::Inbox => write!(f, "something has come for it, and a worker is about to take it up"),
            Self::Recovering => write!(f, "its worker is lost, and another is about to take it over"),
            Self::Finished => write!(f, "it has ended"),
            Self::None => {
                write!(f, "nothing moves it; please report this, with the run's id and what the server's log says of it")
            }
        }
    }
}

impl Engine {
    /// Why a run stands where it stands, and in which state it is.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn why(&self, workspace: WorkspaceId, run: RunId) -> Result<(RunStatus, Reason)> {
        let lease = self.shared.config.lease;
        let standing = self.shared.store.standing(Some(workspace), run, lease).await?;
        Ok((standing.run.record.status, why(standing, lease)))
    }
}

/// Why a run stands where it stands. A worker that has been silent for longer than a lease is lost.
pub(crate) fn why(standing: Standing, lease: Duration) -> Reason {
    let Standing { run, worker, .. } = &standing;
    if run.record.status.is_terminal() {
        return Reason::Finished;
    }
    match (run.owner, worker) {
        (None, _) => of_unowned(standing),
        (Some(_), Some((_, age))) if u128::from(*age) < lease.as_millis() => of_owned(standing),
        _ => Reason::Recovering,
    }
}

/// An owner that executes nothing itself waits for what its steps wait for.
fn of_owned(standing: Standing) -> Reason {
    let Standing { run, worker, busy, lease, wait, .. } = standing;
    let (worker, heartbeat_age_ms) = worker.unwrap_or_default();
    let owned = Reason::Owned { worker, heartbeat_age_ms };
    match (lease, wait) {
        _ if busy => owned,
        (Some(lease), _) => of_lease(lease),
        (None, _) if run.record.paused_at.is_some() => run.record.paused_at.map_or(owned, |since| Reason::Paused { since }),
        (None, Some(wait)) => {
            let until = wait.until;
            of_wait(wait).or_else(|| until.map(|until| Reason::Timer { until })).unwrap_or(owned)
        }
        (None, None) => owned,
    }
}

fn of_unowned(standing: Standing) -> Reason {
    let Standing { now, run, called, cancelled, before, before_in_line, lease, wait, .. } = standing;
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let queued = Reason::Queued { position: before + 1 };
    if let Some(limit) = run.limit.filter(|_| run.admitted_at.is_none()) {
        return match () {
            () if cancelled => Reason::Inbox,
            () if is_due(run.deadline_at) => queued,
            () => Reason::Blocked { key: own_key(&limit.key, 2), limit: limit.limit, position: before_in_line + 1 },
        };
    }
    if called {
        return Reason::Inbox;
    }
    if run.record.status == RunStatus::Pending || is_due(run.wake_at) || is_due(run.deadline_at) {
        return queued;
    }
    if let Some(since) = run.record.paused_at {
        return Reason::Paused { since };
    }
    let timer = || run.wake_at.map(|until| Reason::Timer { until });
    // A list whose runs have all ended waits for nothing any more.
    let waited = wait.and_then(of_wait).filter(|reason| !matches!(reason, Reason::Children { open: 0, .. }));
    waited.or_else(timer).or_else(|| lease.map(of_lease)).unwrap_or(Reason::None)
}

fn of_lease(Lease { node, worker, blocked }: Lease) -> Reason {
    match blocked {
        Some((key, limit, before)) => Reason::StepBlocked { node, key: own_key(&key, 3), limit, position: before + 1 },
        None => Reason::StepLease { node, worker },
    }
}

fn of_wait(Wait { node, what, .. }: Wait) -> Option<Reason> {
    Some(match what? {
        Awaited::Approval { approvers } => Reason::Approval { node, approvers },
        Awaited::Signal { name } => Reason::Signal { node, name },
        Awaited::Resolutions { open } => Reason::Resolutions { node, open },
        Awaited::Children { open, total } => Reason::Children { node, open, total },
        Awaited::Funds(shortage) => Reason::Funds { node, shortage },
    })
}

/// What the author's key came to: what is counted begins with so many parts that say whose key it is.
fn own_key(counted: &str, parts: usize) -> String {
    counted.splitn(parts + 1, '/').nth(parts).unwrap_or_default().to_owned()
}
