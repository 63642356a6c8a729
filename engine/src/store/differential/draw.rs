//! Draws operations: mostly such as an owner would do, some from an owner that does not know it has lost its run.

use std::collections::BTreeSet;

use flowforge_core::{Priority, RunId, RunStatus, StepStatus, Timestamp, UserId, WorkerId, WorkflowId, WorkspaceId};

use super::{Op, id, model::Model, node};
use crate::{
    committer::{Delta, Dispatch, Guard, KeyedLimit, Letter, LogWrite, NewRunRow, RunPatch, StepWrite},
    queue::StepRef,
    store::{
        inbox::{Answer, Report},
        leases::Blame,
    },
};

/// Runs of one sequence.
const RUNS: u64 = 4;

pub(super) struct Draw {
    seed: u64,
    state: u64,
    letters: u64,
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, state: seed ^ 0x9e37_79b9_7f4a_7c15, letters: 0 }
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        WorkspaceId::new(id(self.seed, 1_000))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn maybe<T>(&mut self, percent: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(percent).then(|| make(self))
    }

    fn run(&mut self) -> RunId {
        let at = self.below(RUNS);
        RunId::new(id(self.seed, at))
    }

    fn worker(&mut self) -> WorkerId {
        let at = self.below(3);
        WorkerId::new(id(self.seed, 100 + at))
    }

    fn step(&mut self) -> StepRef {
        let (run, node, attempt) = (self.run(), node(self.below(3)), 1 + self.below(2) as u32);
        StepRef { run, node, item: String::new(), attempt }
    }

    fn time(&mut self) -> Timestamp {
        Timestamp(self.below(1_000) as i64)
    }

    fn json(&mut self) -> String {
        let number = self.below(100);
        [format!("{number}"), format!("[{number}]"), format!("{{\"n\":{number}}}")][self.below(3) as usize].clone()
    }

    pub(super) fn op(&mut self, model: &Model) -> Op {
        let stale = self.chance(15);
        match self.below(21) {
            0 => Op::Beat(self.worker()),
            1 => Op::Die(self.worker()),
            2..=9 => Op::Commit(self.deltas(model)),
            10..=12 => Op::ClaimRun { run: self.run(), worker: self.worker(), blame: self.blame() },
            13 => Op::Admit { run: self.run() },
            14..=15 => Op::ClaimStep { step: self.step(), worker: self.worker() },
            16 => Op::ReleaseStep { step: self.step(), stale },
            17 => Op::EndLease { step: self.step(), stale },
            18 => Op::BeginStep { step: self.step(), stale },
            _ => Op::Report { step: self.step(), stale, report: Box::new(self.report()) },
        }
    }

    fn blame(&mut self) -> Blame {
        Blame { own: self.chance(30), others: self.chance(70) }
    }

    fn report(&mut self) -> Report {
        let (node, attempt) = (node(self.below(3)), 1);
        let answer = Answer::Sleep { until: self.time() };
        Report { node, attempt, answer, input: None, started_at: self.time(), finished_at: self.time() }
    }

    /// One to three deltas of different runs.
    fn deltas(&mut self, model: &Model) -> Vec<Delta> {
        let count = 1 + self.below(3);
        let runs: BTreeSet<RunId> = (0..count).map(|_| self.run()).collect();
        runs.into_iter().map(|run| self.delta(model, run)).collect()
    }

    fn delta(&mut self, model: &Model, run: RunId) -> Delta {
        let guard = match model.epoch(run) {
            None => Guard::New(Box::new(self.new_row())),
            Some(_) if self.chance(5) => Guard::New(Box::new(self.new_row())),
            Some(_) if self.chance(15) => return self.lines(run),
            Some(epoch) => Guard::Owner(epoch - i64::from(self.chance(15))),
        };
        let mut delta = Delta::of_run(run, guard, 0, self.patch());
        let mut seqs = i64::from(delta.patch.started.is_some())
            + i64::from(delta.patch.cancelled.is_some())
            + i64::from(delta.patch.finished.is_some());
        let mut keys = BTreeSet::new();
        for _ in 0..self.below(4) {
            let key = (node(self.below(3)), 1 + self.below(2) as u32);
            if keys.insert(key.clone()) {
                delta.steps.push(self.step_write(key, &mut seqs));
            }
        }
        for (node, attempt) in keys {
            match self.below(4) {
                0 => delta.dispatch.push(Dispatch { node, attempt, limit: self.maybe(40, Self::limit) }),
                1 => delta.recall.push((node, attempt)),
                _ => {}
            }
        }
        for _ in 0..self.below(3) {
            delta.logs.push(self.line(&mut seqs));
        }
        for _ in 0..self.below(2) {
            delta.outbox.push(self.letter());
        }
        delta.consumed = model.letters_of(run).into_iter().filter(|_| self.chance(50)).collect();
        delta.seqs = seqs;
        delta
    }

    /// Log lines of a dispatched step. A negative epoch stands for one that the lease had before.
    fn lines(&mut self, run: RunId) -> Delta {
        let StepRef { node, attempt, .. } = self.step();
        let epoch = if self.chance(20) { -1 } else { 0 };
        let mut delta = Delta::of_run(run, Guard::Lease { node, attempt, epoch }, 0, RunPatch::default());
        let mut seqs = 0;
        for _ in 0..1 + self.below(2) {
            delta.logs.push(self.line(&mut seqs));
        }
        delta.seqs = seqs;
        delta
    }

    fn new_row(&mut self) -> NewRunRow {
        NewRunRow {
            workspace: self.workspace(),
            workflow: WorkflowId::new(id(self.seed, 2_000)),
            version: 1,
            trigger: "api",
            trigger_node: self.maybe(50, |draw| node(draw.below(3))),
            input: self.json(),
            owner: self.maybe(60, Self::worker),
            dedupe_key: self.maybe(30, |draw| format!("key-{}", draw.below(2))),
            dedupe_hash: None,
            created_at: self.time(),
            // Never passed: what the clock says is not the sequence's business.
            deadline_at: self.maybe(20, |_| Timestamp(i64::MAX / 2)),
            priority: Priority::ALL[self.below(3) as usize],
            parent: None,
            body: self.maybe(10, |_| "each".to_owned()),
            depth: self.below(3) as u32,
            origin: None,
            limit: self.maybe(40, Self::limit),
            started_by: self.maybe(30, |draw| UserId::new(id(draw.seed, 3_000))),
        }
    }

    fn limit(&mut self) -> KeyedLimit {
        let (seed, at) = (self.seed, self.below(2));
        KeyedLimit { key: format!("limit-{seed}-{at}"), limit: 1 + self.below(2) as u32 }
    }

    fn patch(&mut self) -> RunPatch {
        const STATUSES: [RunStatus; 3] = [RunStatus::Pending, RunStatus::Running, RunStatus::Waiting];
        let mut offset = 0;
        let mut stamp = |draw: &mut Self, percent| {
            draw.maybe(percent, |draw| {
                offset += 1;
                (offset - 1, draw.time())
            })
        };
        let (started, cancelled, finished) = (stamp(self, 20), stamp(self, 5), stamp(self, 5));
        RunPatch {
            status: self.maybe(50, |draw| STATUSES[draw.below(3) as usize]),
            output: self.maybe(20, Self::json),
            error: self.maybe(10, |_| "{\"code\":\"X\",\"message\":\"m\"}".to_owned()),
            wake_at: self.maybe(20, Self::time),
            release: self.chance(15),
            progress: self.chance(30),
            begins: self.chance(40),
            paused: self.maybe(20, |draw| draw.maybe(50, Self::time)),
            signals: self.maybe(20, |_| "[]".to_owned()),
            response: self.maybe(20, Self::json),
            started,
            cancelled,
            finished,
        }
    }

    fn step_write(&mut self, (node, attempt): (flowforge_core::NodeId, u32), seqs: &mut i64) -> StepWrite {
        let mut number = |draw: &mut Self, percent| {
            draw.maybe(percent, |_| {
                *seqs += 1;
                *seqs - 1
            })
        };
        let (started, waiting, finished) = (number(self, 50), number(self, 20), number(self, 40));
        StepWrite {
            node,
            attempt,
            status: StepStatus::ALL[self.below(StepStatus::ALL.len() as u64) as usize],
            input: self.maybe(40, Self::json),
            output: self.maybe(40, Self::json),
            error: self.maybe(20, Self::json),
            port: self.maybe(40, |_| "out".to_owned()),
            started,
            waiting,
            finished,
            started_at: self.maybe(50, Self::time),
            finished_at: self.maybe(40, Self::time),
            wake_at: self.maybe(30, Self::time),
            awaiting: self.maybe(20, Self::json),
        }
    }

    fn line(&mut self, seqs: &mut i64) -> LogWrite {
        *seqs += 1;
        LogWrite {
            offset: *seqs - 1,
            node: node(self.below(3)),
            attempt: 1,
            stream: "stdout",
            text: self.json(),
            at: self.time(),
        }
    }

    fn letter(&mut self) -> Letter {
        self.letters += 1;
        let kind = if self.chance(30) { "cancel" } else { "look" };
        Letter {
            id: id(self.seed, 10_000 + self.letters),
            to: self.run(),
            kind,
            body: format!("{{\"kind\":\"{kind}\"}}"),
            at: self.time(),
        }
    }
}
