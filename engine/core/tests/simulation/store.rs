//! The model database: rows as the migrations have them, and the statements that move ownership, as in
//! `engine/src/store/leases.rs`. Every call is one committed transaction.

mod facts;
mod write;

use std::{borrow::Cow, sync::Arc};

use flowforge_core::{
    Awaiting, RunStatus, StepIx, StepStatus,
    awaiting::Verdict,
    event::RunError,
    node::{NodeError, Outcome},
};
use serde_json::Value;

pub(crate) use self::facts::open_attempts;
use crate::{
    bug::Bug,
    delta::Kept,
    ghost::Kind,
    plan::{Call, Compiled},
    swarm::LEASE,
};

/// A worker's identity, new with every start of its process.
pub(crate) type WorkerId = u32;

/// An attempt of a dispatched step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StepKey {
    pub(crate) run: u32,
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
}

#[derive(Clone)]
pub(crate) struct RunRow {
    pub(crate) compiled: &'static Compiled,
    pub(crate) status: RunStatus,
    pub(crate) epoch: i64,
    pub(crate) owner: Option<WorkerId>,
    pub(crate) next_seq: i64,
    pub(crate) crashes: u32,
    pub(crate) begun_epoch: Option<i64>,
    pub(crate) wake_at: Option<i64>,
    pub(crate) deadline_at: Option<i64>,
    pub(crate) started: Option<i64>,
    pub(crate) cancelled: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) output: Option<Arc<Value>>,
    pub(crate) error: Option<RunError>,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) logs: Vec<(i64, Kind, StepIx, u32)>,
    pub(crate) paused: bool,
    pub(crate) signals: Vec<Kept>,
    pub(crate) parent: Option<Parent>,
}

#[derive(Clone)]
pub(crate) struct StepRow {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) status: StepStatus,
    pub(crate) output: Option<Arc<Value>>,
    pub(crate) error: Option<Arc<NodeError>>,
    pub(crate) port: Option<Cow<'static, str>>,
    pub(crate) awaiting: Option<Arc<Awaiting>>,
    pub(crate) started: Option<i64>,
    pub(crate) waiting: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) wake_at: Option<i64>,
}

/// A dispatched step.
#[derive(Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) key: StepKey,
    pub(crate) owner: Option<WorkerId>,
    pub(crate) epoch: i64,
    pub(crate) crashes: u32,
    pub(crate) begun_epoch: Option<i64>,
    pub(crate) dispatched_at: u64,
}

/// Which item of which attempt a run was started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) run: u32,
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) index: u32,
}

/// What a run that was started for an item has come to.
pub(crate) struct ChildResult {
    pub(crate) index: u32,
    pub(crate) status: RunStatus,
    pub(crate) output: Option<Arc<Value>>,
}

/// Something that comes to a run from outside its owner.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) run: u32,
    pub(crate) body: Body,
}

#[derive(Clone)]
pub(crate) enum Body {
    Cancel,
    Pause,
    Resume,
    Signal { name: String, payload: Arc<Value> },
    Decide { step: StepIx, attempt: u32, verdict: Verdict, output: Arc<Value> },
    ChildEnded { step: StepIx, attempt: u32, index: u32, failed: bool },
    Report { call: Call, result: Result<Outcome, NodeError> },
}

/// What a claim gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) epoch: i64,
    pub(crate) crashes: u32,
    /// Whether something was in the run's inbox.
    pub(crate) called: bool,
}

/// What a sweep found.
pub(crate) struct Found {
    pub(crate) runs: Vec<u32>,
    pub(crate) steps: Vec<StepKey>,
    pub(crate) held: Vec<(u32, bool)>,
    pub(crate) held_steps: Vec<StepKey>,
}

#[derive(Default)]
pub(crate) struct Store {
    /// By the run's number; none while it does not exist.
    pub(crate) runs: Vec<Option<RunRow>>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) inbox: Vec<Message>,
    /// Workers and their last heartbeats.
    alive: Vec<(WorkerId, u64)>,
    /// Dedupe keys and their runs.
    keys: Vec<(u32, u32)>,
    messages: u64,
}

impl Store {
    pub(crate) fn run(&self, run: u32) -> Option<&RunRow> {
        self.runs.get(run as usize)?.as_ref()
    }

    fn run_mut(&mut self, run: u32) -> Option<&mut RunRow> {
        self.runs.get_mut(run as usize)?.as_mut()
    }

    pub(crate) fn run_of_key(&self, key: u32) -> Option<u32> {
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, run)| *run)
    }

    /// Forgets a dedupe key, which only a planted bug does.
    pub(crate) fn forget_keys(&mut self) {
        self.keys.clear();
    }

    pub(crate) fn heartbeat(&mut self, worker: WorkerId, now: u64) {
        match self.alive.iter_mut().find(|(known, _)| *known == worker) {
            Some((_, at)) => *at = now,
            None => self.alive.push((worker, now)),
        }
    }

    pub(crate) fn forget_worker(&mut self, worker: WorkerId) {
        self.alive.retain(|(known, _)| *known != worker);
    }

    fn is_alive(&self, worker: WorkerId, now: u64) -> bool {
        self.alive.iter().any(|(known, at)| *known == worker && *at + LEASE > now)
    }

    pub(crate) fn claim_run(&mut self, run: u32, worker: WorkerId, crashed: bool, now: u64, bug: Bug) -> Option<Claimed> {
        let row = self.run(run)?;
        let before = row.owner;
        let is_free = before.is_none_or(|owner| owner == worker || bug == Bug::ClaimLiving || !self.is_alive(owner, now));
        if !is_free || (row.finished.is_some() && bug != Bug::ClaimFinished) {
            return None;
        }
        let row = self.run_mut(run)?;
        let is_to_blame = row.crashes == 0 || row.begun_epoch == Some(row.epoch) || bug == Bug::UnbegunCounts;
        row.crashes += u32::from(if before.is_none_or(|owner| owner == worker) { crashed } else { is_to_blame });
        row.owner = Some(worker);
        row.epoch += i64::from(bug != Bug::ClaimKeepsEpoch || row.epoch == 0);
        let (epoch, crashes) = (row.epoch, row.crashes);
        Some(Claimed { epoch, crashes, called: self.has_messages(run) })
    }

    pub(crate) fn lease(&self, key: StepKey) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.key == key)
    }

    fn lease_mut(&mut self, key: StepKey) -> Option<&mut Lease> {
        self.leases.iter_mut().find(|lease| lease.key == key)
    }

    pub(crate) fn claim_step(&mut self, key: StepKey, worker: WorkerId, now: u64, bug: Bug) -> Option<Claimed> {
        let before = self.lease(key)?.owner;
        if before.is_some_and(|owner| owner != worker && self.is_alive(owner, now)) {
            return None;
        }
        let lease = self.lease_mut(key)?;
        let is_to_blame = lease.crashes == 0 || lease.begun_epoch == Some(lease.epoch);
        lease.crashes += u32::from(before.is_some_and(|owner| owner != worker) && is_to_blame);
        lease.owner = Some(worker);
        lease.epoch += i64::from(bug != Bug::StepKeepsEpoch);
        Some(Claimed { epoch: lease.epoch, crashes: lease.crashes, called: false })
    }

    /// Says that a dispatched step, with which workers have died, is about to be executed, if it may be.
    pub(crate) fn begin_step(&mut self, key: StepKey, epoch: i64) -> bool {
        let holds = self.holds_step(key, epoch);
        if let Some(lease) = self.lease_mut(key).filter(|_| holds) {
            lease.begun_epoch = Some(epoch);
        }
        holds
    }

    /// Hands a dispatched step back without counting a crash.
    pub(crate) fn release_step(&mut self, key: StepKey, epoch: i64) -> bool {
        let Some(lease) = self.lease_mut(key).filter(|lease| lease.epoch == epoch) else { return false };
        (lease.owner, lease.epoch) = (None, lease.epoch + 1);
        true
    }

    pub(crate) fn end_lease(&mut self, key: StepKey, epoch: i64) -> bool {
        let before = self.leases.len();
        self.leases.retain(|lease| lease.key != key || lease.epoch != epoch);
        self.leases.len() < before
    }

    /// Ends a lease and puts the report into the inbox, or does neither.
    pub(crate) fn report(&mut self, key: StepKey, epoch: i64, body: Body, bug: Bug) -> bool {
        let ended = if bug == Bug::ReportWithoutEpoch {
            let before = self.leases.len();
            self.leases.retain(|lease| lease.key != key);
            self.leases.len() < before
        } else {
            self.end_lease(key, epoch)
        };
        if ended {
            self.send(key.run, body);
        }
        ended
    }

    pub(crate) fn holds_step(&self, key: StepKey, epoch: i64) -> bool {
        let is_open = self.run(key.run).is_some_and(|row| row.finished.is_none());
        is_open && self.lease(key).is_some_and(|lease| lease.epoch == epoch)
    }

    pub(crate) fn send(&mut self, run: u32, body: Body) {
        self.messages += 1;
        self.inbox.push(Message { id: self.messages, run, body });
    }

    pub(crate) fn messages(&self, run: u32) -> Vec<Message> {
        self.inbox.iter().filter(|message| message.run == run).cloned().collect()
    }

    pub(crate) fn has_messages(&self, run: u32) -> bool {
        self.inbox.iter().any(|message| message.run == run)
    }

    /// Deletes a message before a commit has recorded it, which only a planted bug does.
    pub(crate) fn forget_message(&mut self, id: u64) {
        self.inbox.retain(|message| message.id != id);
    }

    /// Runs that were started for steps of this one.
    pub(crate) fn children(&self, run: u32) -> impl Iterator<Item = (Parent, &RunRow)> {
        let rows = self.runs.iter().flatten();
        rows.filter_map(move |row| Some((row.parent.filter(|parent| parent.run == run)?, row)))
    }

    /// What the runs that were started for an attempt have come to, in the order of its items.
    pub(crate) fn results(&self, run: u32, step: StepIx, attempt: u32) -> Vec<ChildResult> {
        let of_attempt = self.children(run).filter(|(parent, _)| parent.step == step && parent.attempt == attempt);
        let result = |(parent, row): (Parent, &RunRow)| ChildResult {
            index: parent.index,
            status: row.status,
            output: row.output.clone(),
        };
        let mut results: Vec<ChildResult> = of_attempt.map(result).collect();
        results.sort_unstable_by_key(|result| result.index);
        results
    }

    /// Asks runs to stop that were started for a run which has ended in the meantime.
    pub(crate) fn cancel_orphans(&mut self) -> Vec<u32> {
        let has_ended = |run: u32| self.run(run).is_some_and(|row| row.finished.is_some());
        let orphans = (0_u32..).zip(&self.runs).filter_map(|(id, row)| {
            let row =
                row.as_ref().filter(|row| row.finished.is_none() && row.parent.is_some_and(|parent| has_ended(parent.run)))?;
            (row.cancelled.is_none() && !self.has_messages(id)).then_some(id)
        });
        let orphans: Vec<u32> = orphans.collect();
        orphans.iter().for_each(|run| self.send(*run, Body::Cancel));
        orphans
    }

    /// Throws away what came to runs that had ended.
    pub(crate) fn forget_late_messages(&mut self) {
        let runs = &self.runs;
        let is_over = |run: u32| runs.get(run as usize).and_then(Option::as_ref).is_some_and(|row| row.finished.is_some());
        self.inbox.retain(|message| !is_over(message.run));
    }

    /// Runs and dispatched steps without a living owner and with something to do, and what this worker owns.
    pub(crate) fn find_work(&self, worker: WorkerId, now: u64) -> Found {
        let open =
            || (0_u32..).zip(&self.runs).filter_map(|(id, row)| Some((id, row.as_ref().filter(|row| row.finished.is_none())?)));
        let wanted = |(id, row): &(u32, &RunRow)| match row.owner {
            None => row.status == RunStatus::Pending || row.wake_at.is_some_and(|at| at <= now as i64) || self.has_messages(*id),
            Some(owner) => !self.is_alive(owner, now),
        };
        let lost = |lease: &&Lease| match lease.owner {
            None => lease.dispatched_at + LEASE / 6 < now,
            Some(owner) => !self.is_alive(owner, now),
        };
        let held = open().filter(|(_, row)| row.owner == Some(worker)).map(|(id, _)| (id, self.has_messages(id)));
        let held_steps = self.leases.iter().filter(|lease| lease.owner == Some(worker)).map(|lease| lease.key);
        Found {
            runs: open().filter(wanted).map(|(id, _)| id).collect(),
            steps: self.leases.iter().filter(lost).map(|lease| lease.key).collect(),
            held: held.collect(),
            held_steps: held_steps.collect(),
        }
    }
}
