//! Writing deltas, as the statements of `engine/src/committer` do.

use flowforge_core::{RunStatus, StepStatus};

use super::{Lease, RunRow, StepKey, StepRow, Store};
use crate::{
    bug::Bug,
    delta::{Delta, Guard, NewRun, RunPatch, StepWrite},
};

/// What became of a delta that passed its guard.
pub(crate) struct Written {
    /// Its first record number.
    pub(crate) first: i64,
}

impl Store {
    /// Writes a delta if its guard holds. `same` is the first number of a delta of the same run in the same statement, which
    /// only a planted bug has.
    pub(crate) fn write(&mut self, delta: &Delta, same: Option<i64>, now: u64, bug: Bug) -> Option<Written> {
        let first = match same {
            Some(first) => first,
            None => self.guard(delta, bug)?,
        };
        let run = delta.run;
        let row = self.run_mut(run)?;
        delta.steps.iter().for_each(|write| upsert(row, write, first));
        row.logs.extend(delta.logs.iter().map(|log| (first + log.offset, log.kind, log.step, log.attempt)));
        for (step, attempt) in &delta.dispatch {
            let key = StepKey { run, step: *step, attempt: *attempt };
            if self.lease(key).is_none() {
                // An epoch is never used again, not even when the same attempt is dispatched a second time.
                let epoch = if bug == Bug::LeaseEpochRestarts { 0 } else { now as i64 };
                self.leases.push(Lease { key, owner: None, epoch, crashes: 0, begun_epoch: None, dispatched_at: now });
            }
        }
        for (step, attempt) in &delta.recall {
            self.leases.retain(|lease| lease.key != StepKey { run, step: *step, attempt: *attempt });
        }
        delta.outbox.iter().for_each(|(to, body)| self.send(*to, body.clone()));
        if !delta.consumed.is_empty() {
            self.inbox.retain(|message| !delta.consumed.contains(&message.id));
        }
        Some(Written { first })
    }

    fn guard(&mut self, delta: &Delta, bug: Bug) -> Option<i64> {
        match &delta.guard {
            Guard::New(new) => self.insert(delta, new),
            Guard::Owner(epoch) => {
                let row = self.run_mut(delta.run).filter(|row| row.epoch == *epoch || bug == Bug::CommitWithoutEpoch)?;
                Some(update(row, &delta.patch, delta.seqs, bug))
            }
            Guard::Lease(key, epoch) => {
                if !self.holds_step(*key, *epoch) {
                    return None;
                }
                let row = self.run_mut(delta.run)?;
                row.next_seq += delta.seqs;
                Some(row.next_seq - delta.seqs)
            }
        }
    }

    fn insert(&mut self, delta: &Delta, new: &NewRun) -> Option<i64> {
        let at = delta.run as usize;
        if self.run(delta.run).is_some() || new.key.is_some_and(|key| self.run_of_key(key).is_some()) {
            return None;
        }
        let patch = &delta.patch;
        let row = RunRow {
            compiled: new.compiled,
            status: patch.status.unwrap_or(RunStatus::Pending),
            epoch: i64::from(new.owner.is_some()),
            owner: new.owner.filter(|_| !patch.release),
            next_seq: 1 + delta.seqs,
            crashes: 0,
            begun_epoch: None,
            wake_at: patch.wake_at,
            deadline_at: new.deadline_at,
            started: patch.started.map(|offset| 1 + offset),
            cancelled: patch.cancelled.map(|offset| 1 + offset),
            finished: patch.finished.map(|offset| 1 + offset),
            output: patch.output.clone(),
            error: patch.error.clone(),
            steps: Vec::with_capacity(delta.steps.len() + 4),
            logs: Vec::new(),
            paused: patch.paused.unwrap_or(false),
            signals: patch.signals.clone().unwrap_or_default(),
            parent: new.parent,
        };
        if self.runs.len() <= at {
            self.runs.resize_with(at + 1, || None);
        }
        self.runs[at] = Some(row);
        self.keys.extend(new.key.map(|key| (key, delta.run)));
        Some(1)
    }
}

fn update(row: &mut RunRow, patch: &RunPatch, seqs: i64, bug: Bug) -> i64 {
    let first = row.next_seq;
    row.next_seq += seqs;
    row.status = patch.status.unwrap_or(row.status);
    row.output = patch.output.clone().or(row.output.take());
    row.error = patch.error.clone().or(row.error.take());
    row.wake_at = patch.wake_at;
    if patch.release {
        row.owner = None;
        row.crashes += u32::from(bug == Bug::HandBackCounts && patch.finished.is_none());
    }
    if patch.progress {
        row.crashes = 0;
    }
    if patch.begins {
        row.begun_epoch = Some(row.epoch);
    }
    row.paused = patch.paused.unwrap_or(row.paused);
    row.signals = patch.signals.clone().unwrap_or_else(|| std::mem::take(&mut row.signals));
    row.started = patch.started.map(|offset| first + offset).or(row.started);
    row.cancelled = patch.cancelled.map(|offset| first + offset).or(row.cancelled);
    row.finished = patch.finished.map(|offset| first + offset).or(row.finished);
    first
}

fn upsert(run: &mut RunRow, write: &StepWrite, first: i64) {
    let (started, waiting) = (write.started.map(|offset| first + offset), write.waiting.map(|offset| first + offset));
    let finished = write.finished.map(|offset| first + offset);
    let known = run.steps.iter_mut().rev().find(|row| row.step == write.step && row.attempt == write.attempt);
    let Some(row) = known else {
        return run.steps.push(StepRow {
            step: write.step,
            attempt: write.attempt,
            status: write.status,
            output: write.output.clone(),
            error: write.error.clone(),
            port: write.port.clone(),
            awaiting: write.awaiting.clone(),
            started,
            waiting,
            finished,
            wake_at: write.wake_at,
        });
    };
    row.status = write.status;
    row.output.clone_from(&write.output);
    row.error.clone_from(&write.error);
    row.port.clone_from(&write.port);
    row.awaiting.clone_from(&write.awaiting);
    row.started = row.started.or(started);
    row.waiting = row.waiting.or(waiting);
    row.finished = finished;
    let tells = matches!(write.status, StepStatus::Failed | StepStatus::Waiting);
    row.wake_at = if tells { write.wake_at } else { write.wake_at.or(row.wake_at) };
}
