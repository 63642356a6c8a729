//! What the statements ought to do, in maps.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_core::{NodeId, RunId, RunStatus, StepStatus, WorkerId};
use uuid::Uuid;

use super::Op;
use crate::{
    committer::{Delta, Dispatch, Guard, KeyedLimit, Letter, LogWrite, NewRunRow, RunPatch, StepWrite},
    queue::StepRef,
    store::{
        inbox::{Message, Report},
        leases::Blame,
    },
};

type StepKey = (RunId, NodeId, u32);

#[derive(Default)]
pub(super) struct Model {
    pub(super) runs: BTreeMap<RunId, RunRow>,
    pub(super) steps: BTreeMap<StepKey, StepRow>,
    pub(super) leases: BTreeMap<StepKey, Lease>,
    pub(super) logs: BTreeMap<(RunId, i64), LogWrite>,
    /// Letters have an id that the sequence knows; reports do not.
    pub(super) letters: BTreeMap<Uuid, Letter>,
    pub(super) reports: Vec<(RunId, Report)>,
    workers: BTreeSet<WorkerId>,
}

#[derive(Debug, Clone)]
pub(super) struct RunRow {
    pub(super) new: NewRunRow,
    pub(super) patch: RunPatch,
    pub(super) status: RunStatus,
    pub(super) epoch: i64,
    pub(super) owner: Option<WorkerId>,
    pub(super) next_seq: i64,
    pub(super) crashes: u32,
    pub(super) begun: Option<i64>,
    pub(super) is_admitted: bool,
}

/// An attempt's row; its `…seq` are numbers, not offsets.
pub(super) type StepRow = StepWrite;

#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) owner: Option<WorkerId>,
    /// How often the lease has changed hands since its dispatch.
    pub(super) changes: i64,
    pub(super) crashes: u32,
    /// After how many changes of hands it was begun last.
    pub(super) begun: Option<i64>,
    pub(super) was_claimed: bool,
    pub(super) limit: Option<KeyedLimit>,
}

impl Model {
    pub(super) fn epoch(&self, run: RunId) -> Option<i64> {
        self.runs.get(&run).map(|row| row.epoch)
    }

    pub(super) fn letters_of(&self, run: RunId) -> Vec<Uuid> {
        self.letters.values().filter(|letter| letter.to == run).map(|letter| letter.id).collect()
    }

    /// Does an operation and tells its answer.
    pub(super) fn apply(&mut self, op: &Op) -> String {
        match op {
            Op::Beat(worker) => {
                self.workers.insert(*worker);
                String::new()
            }
            Op::Die(worker) => {
                self.workers.remove(worker);
                String::new()
            }
            Op::Commit(deltas) => {
                let told = |passed: bool| if passed { "written" } else { "fenced" };
                deltas.iter().map(|delta| told(self.commit(delta))).collect::<Vec<_>>().join(", ")
            }
            Op::ClaimRun { run, worker, blame } => format!("{:?}", self.claim_run(*run, *worker, *blame)),
            Op::Admit { run } => self.admit(*run),
            Op::ClaimStep { step, worker } => format!("{:?}", self.claim_step(step, *worker)),
            Op::BeginStep { step, stale } => {
                let is_open = self.runs.get(&step.run).is_some_and(|row| row.patch.finished.is_none());
                let lease = self.leases.get_mut(&key(step)).filter(|_| !stale && is_open);
                let begun = lease.map(|lease| lease.begun = Some(lease.changes));
                format!("{}", begun.is_some())
            }
            Op::ReleaseStep { step, stale } => {
                if let Some(lease) = self.leases.get_mut(&key(step)).filter(|_| !stale) {
                    lease.owner = None;
                    lease.changes += 1;
                }
                String::new()
            }
            Op::EndLease { step, stale } => {
                if !stale {
                    self.leases.remove(&key(step));
                }
                String::new()
            }
            Op::Report { step, stale, report } => {
                if *stale || self.leases.remove(&key(step)).is_none() {
                    return "fenced".to_owned();
                }
                self.reports.push((step.run, (**report).clone()));
                "sent".to_owned()
            }
        }
    }

    fn commit(&mut self, delta: &Delta) -> bool {
        let first = match &delta.guard {
            Guard::New(row) => self.create(delta, row),
            Guard::Owner(epoch) => self.update(delta, *epoch),
            Guard::Lease { node, attempt, epoch } => self.extend(delta, node, *attempt, *epoch < 0),
        };
        let Some(first) = first else { return false };
        for step in &delta.steps {
            self.write_step(delta.run, first, step);
        }
        for Dispatch { node, attempt, limit } in &delta.dispatch {
            let lease = Lease { owner: None, changes: 0, crashes: 0, begun: None, was_claimed: false, limit: limit.clone() };
            self.leases.entry((delta.run, node.clone(), *attempt)).or_insert(lease);
        }
        for (node, attempt) in &delta.recall {
            self.leases.remove(&(delta.run, node.clone(), *attempt));
        }
        for line in &delta.logs {
            self.logs.insert((delta.run, first + line.offset), line.clone());
        }
        for id in &delta.consumed {
            self.letters.remove(id);
        }
        self.letters.extend(delta.outbox.iter().map(|letter| (letter.id, letter.clone())));
        true
    }

    fn create(&mut self, delta: &Delta, new: &NewRunRow) -> Option<i64> {
        let is_taken = |row: &RunRow| new.dedupe_key.is_some() && row.new.dedupe_key == new.dedupe_key;
        if self.runs.contains_key(&delta.run) || self.runs.values().any(is_taken) {
            return None;
        }
        let patch = numbered(&delta.patch, 1);
        let row = RunRow {
            status: patch.status.unwrap_or(RunStatus::Pending),
            epoch: new.epoch(),
            owner: new.owner.filter(|_| !patch.release),
            next_seq: 1 + delta.seqs,
            crashes: 0,
            begun: None,
            is_admitted: false,
            new: new.clone(),
            patch,
        };
        self.runs.insert(delta.run, row);
        Some(1)
    }

    fn update(&mut self, delta: &Delta, epoch: i64) -> Option<i64> {
        let row = self.runs.get_mut(&delta.run).filter(|row| row.epoch == epoch)?;
        let first = row.next_seq;
        let new = numbered(&delta.patch, first);
        row.next_seq += delta.seqs;
        row.status = new.status.unwrap_or(row.status);
        row.owner = row.owner.filter(|_| !new.release);
        row.crashes = if new.progress { 0 } else { row.crashes };
        row.begun = if new.begins { Some(row.epoch) } else { row.begun };
        let old = &mut row.patch;
        old.output = new.output.or(old.output.take());
        old.error = new.error.or(old.error.take());
        old.wake_at = new.wake_at;
        old.paused = new.paused.or(old.paused);
        old.signals = new.signals.or(old.signals.take());
        // The first answer stands.
        old.response = old.response.take().or(new.response);
        old.started = new.started.or(old.started);
        old.cancelled = new.cancelled.or(old.cancelled);
        old.finished = new.finished.or(old.finished);
        Some(first)
    }

    fn extend(&mut self, delta: &Delta, node: &NodeId, attempt: u32, stale: bool) -> Option<i64> {
        let is_leased = !stale && self.leases.contains_key(&(delta.run, node.clone(), attempt));
        let row = self.runs.get_mut(&delta.run).filter(|row| is_leased && row.patch.finished.is_none())?;
        row.next_seq += delta.seqs;
        Some(row.next_seq - delta.seqs)
    }

    fn write_step(&mut self, run: RunId, first: i64, new: &StepWrite) {
        let number = |offset: Option<i64>| offset.map(|offset| first + offset);
        let new = StepWrite {
            started: number(new.started),
            waiting: number(new.waiting),
            finished: number(new.finished),
            ..new.clone()
        };
        let key = (run, new.node.clone(), new.attempt);
        let merged = match self.steps.remove(&key) {
            None => new,
            Some(old) => StepWrite {
                input: new.input.or(old.input),
                started: old.started.or(new.started),
                waiting: old.waiting.or(new.waiting),
                started_at: old.started_at.or(new.started_at),
                wake_at: if new.status == StepStatus::Failed { new.wake_at } else { new.wake_at.or(old.wake_at) },
                awaiting: new.awaiting.or(old.awaiting),
                ..new
            },
        };
        self.steps.insert(key, merged);
    }

    fn is_dead(&self, owner: Option<WorkerId>) -> bool {
        owner.is_some_and(|owner| !self.workers.contains(&owner))
    }

    /// The epoch, and whether something is in its inbox.
    fn claim_run(&mut self, run: RunId, worker: WorkerId, blame: Blame) -> Option<(i64, bool)> {
        let called = self.letters.values().any(|letter| letter.to == run) || self.reports.iter().any(|(to, _)| *to == run);
        let is_called_off = self.letters.values().any(|letter| letter.to == run && letter.kind == "cancel");
        let (owner, is_dead) = (self.runs.get(&run)?.owner, self.is_dead(self.runs.get(&run)?.owner));
        let row = self.runs.get_mut(&run)?;
        let may = row.new.limit.is_none() || row.is_admitted || is_called_off;
        let free = owner.is_none() || owner == Some(worker) || is_dead;
        if row.patch.finished.is_some() || !may || !free {
            return None;
        }
        let is_to_blame = row.crashes == 0 || row.begun == Some(row.epoch);
        let is_crash = if owner.is_none() || owner == Some(worker) { blame.own } else { blame.others && is_to_blame };
        row.crashes += u32::from(is_crash);
        row.owner = Some(worker);
        row.epoch += 1;
        Some((row.epoch, called))
    }

    fn line_of(&self, run: RunId) -> Option<&KeyedLimit> {
        let row = self.runs.get(&run)?;
        row.new.limit.as_ref().filter(|_| !row.is_admitted && row.patch.finished.is_none() && row.owner.is_none())
    }

    /// The runs that wait with a key, in their order.
    fn line(&self, key: &str) -> Vec<RunId> {
        let waits = |(_, row): &(&RunId, &RunRow)| {
            !row.is_admitted && row.patch.finished.is_none() && row.new.limit.as_ref().is_some_and(|limit| limit.key == key)
        };
        let mut line: Vec<(i16, RunId)> =
            self.runs.iter().filter(waits).map(|(id, row)| (row.new.priority.rank(), *id)).collect();
        line.sort_unstable();
        line.into_iter().map(|(_, run)| run).collect()
    }

    fn admit(&mut self, run: RunId) -> String {
        let Some(KeyedLimit { key, limit }) = self.line_of(run).cloned() else { return "in no line".to_owned() };
        let counts = |row: &&RunRow| {
            row.is_admitted && row.patch.finished.is_none() && row.new.limit.as_ref().is_some_and(|limit| limit.key == key)
        };
        let has_room = self.runs.values().filter(counts).count() < limit as usize;
        let admitted = has_room && self.line(&key).first() == Some(&run);
        if let Some(row) = self.runs.get_mut(&run).filter(|_| admitted) {
            row.is_admitted = true;
        }
        format!("{admitted} next {:?}", self.line(&key).first())
    }

    fn claim_step(&mut self, step: &StepRef, worker: WorkerId) -> Option<(u32, Option<String>)> {
        let lease = self.leases.get(&key(step))?;
        let (owner, is_dead) = (lease.owner, self.is_dead(lease.owner));
        if !(owner.is_none() || owner == Some(worker) || is_dead) {
            return None;
        }
        if let Some(limit) = &lease.limit {
            let counts = |(other, lease): &(&StepKey, &Lease)| {
                **other != key(step)
                    && lease.limit.as_ref().is_some_and(|other| other.key == limit.key)
                    && lease.owner.is_some_and(|owner| self.workers.contains(&owner))
            };
            if self.leases.iter().filter(counts).count() >= limit.limit as usize {
                return None;
            }
        }
        let lease = self.leases.get_mut(&key(step))?;
        let is_to_blame = lease.crashes == 0 || lease.begun == Some(lease.changes);
        lease.crashes += u32::from(!(owner.is_none() || owner == Some(worker)) && is_to_blame);
        (lease.owner, lease.was_claimed) = (Some(worker), true);
        lease.changes += 1;
        Some((lease.crashes, lease.limit.as_ref().map(|limit| limit.key.clone())))
    }
}

fn key(step: &StepRef) -> StepKey {
    (step.run, step.node.clone(), step.attempt)
}

/// A patch with record numbers in the place of offsets.
fn numbered(patch: &RunPatch, first: i64) -> RunPatch {
    let number = |stamp: Option<(i64, flowforge_core::Timestamp)>| stamp.map(|(offset, at)| (first + offset, at));
    RunPatch {
        started: number(patch.started),
        cancelled: number(patch.cancelled),
        finished: number(patch.finished),
        ..patch.clone()
    }
}

/// What a report looks like in the inbox.
pub(super) fn body(report: &Report) -> serde_json::Value {
    serde_json::json!(Message::Report(Box::new(report.clone())))
}
