//! The lane of dispatched steps: claims one, executes it, reports through the inbox of its run, as in
//! `engine/src/worker/lane.rs`.

use std::sync::Arc;

use flowforge_core::{Run, StepState, node::NodeError, run::CRASH_LIMIT};

use crate::{
    bug::Bug,
    cover::Rare,
    delta::{Delta, Guard, LogWrite},
    ghost::{Begun, Kind},
    messages::{Op, Order, To},
    plan::{CRASHED, Call},
    store::{Body, Claimed, StepKey},
    world::{At, Ev, Hint, World},
};

/// The wait before something is tried again that the database did not take.
const AGAIN: u64 = 500;

/// A dispatched step that is claimed or executed in this process.
pub(crate) struct Execution {
    pub(crate) key: StepKey,
    pub(crate) token: u64,
    pub(crate) epoch: i64,
    claim: u64,
    crashes: u32,
    lapses: u32,
    /// Whether it is to stop as soon as its claim is answered.
    stopped: bool,
    stage: Stage,
}

enum Stage {
    Claims,
    Loads,
    Works { call: Call, run: Arc<Run> },
    Reports,
    HandsBack,
}

impl World {
    /// Executes a dispatched step if nobody else does.
    pub(crate) fn execute_step(&mut self, at: At, key: StepKey) {
        let process = &self.processes[at.worker];
        if process.leaving || !self.is_trusted(at.worker) || process.is_executed(key) {
            return;
        }
        if process.lane.len() >= self.swarm.slots {
            return self.later(1_000, Ev::Hint(Hint::Step(key), Some(at), self.queue.wipes));
        }
        let (token, lapses) = (self.token(), self.processes[at.worker].lapses);
        let execution = Execution { key, token, epoch: 0, claim: 0, crashes: 0, lapses, stopped: false, stage: Stage::Claims };
        self.processes[at.worker].lane.push(execution);
        self.ask(at, Op::ClaimStep { key, token });
    }

    fn execution(&mut self, at: At, key: StepKey, token: u64) -> Option<&mut Execution> {
        self.processes[at.worker].lane.iter_mut().find(|execution| execution.key == key && execution.token == token)
    }

    pub(crate) fn drop_step(&mut self, at: At, key: StepKey, token: u64) {
        self.processes[at.worker].lane.retain(|execution| execution.key != key || execution.token != token);
    }

    /// Stops a dispatched step that is executed here. Its lease ends with the commit that says so.
    pub(crate) fn abort_step(&mut self, at: At, key: StepKey) {
        let lane = &mut self.processes[at.worker].lane;
        lane.retain(|execution| execution.key != key || matches!(execution.stage, Stage::Claims));
        lane.iter_mut().filter(|execution| execution.key == key).for_each(|execution| execution.stopped = true);
    }

    pub(crate) fn step_given(&mut self, at: At, key: StepKey, token: u64, given: Result<Option<(Claimed, u64)>, ()>) {
        let Some(execution) = self.execution(at, key, token) else { return };
        let Ok(Some((Claimed { epoch, crashes, .. }, claim))) = given else { return self.drop_step(at, key, token) };
        if execution.stopped {
            return self.drop_step(at, key, token);
        }
        (execution.epoch, execution.claim, execution.crashes, execution.stage) = (epoch, claim, crashes, Stage::Loads);
        let begins = (1..CRASH_LIMIT).contains(&crashes) && self.bug != Bug::StepBeginsUnmarked;
        self.ask(at, Op::LoadStep { key, token, epoch, begins });
    }

    pub(crate) fn step_loaded(&mut self, at: At, key: StepKey, token: u64, loaded: Result<Option<Box<Run>>, ()>) {
        let Some(execution) = self.execution(at, key, token) else { return };
        let (lapses, crashes) = (execution.lapses, execution.crashes);
        let Ok(run) = loaded else {
            execution.stage = Stage::HandsBack;
            let wait = self.own_time(at.worker, AGAIN);
            return self.later(wait, Ev::LaneAgain(at, key, token));
        };
        // The run has gone on without this attempt, or the lease was recalled.
        let Some((call, run)) = run.and_then(|run| Some((wanted(&run, key)?, run))) else { return self.end_step(at, key, token) };
        if crashes >= CRASH_LIMIT {
            let error = NodeError::fatal(CRASHED, "workers died while they executed it");
            return self.report_step(at, key, token, Body::Report { call, result: Err(error) });
        }
        if !self.is_trusted_since(at.worker, lapses) {
            self.cover.sometimes(Rare::FencedItself);
            return self.hand_back_step(at, key, token);
        }
        self.begin_step(at, key, token, call, Arc::new(*run));
    }

    fn begin_step(&mut self, at: At, key: StepKey, token: u64, call: Call, run: Arc<Run>) {
        let (honest, now) = (self.is_honest(at.worker), self.exact_now());
        let Some(execution) = self.execution(at, key, token) else { return };
        execution.stage = Stage::Works { call, run };
        let claim = execution.claim;
        let begun = Begun { call, claim, key: self.effect_key(key.run, call) };
        let ghost = &mut self.ghosts[key.run as usize];
        let script = ghost.compiled.script(key.step);
        let again = ghost.was_begun(call);
        let checked = ghost.begin_dispatched(begun, honest, now);
        self.say(|_| format!("{key:?} begins under claim {claim}"));
        self.check(checked);
        self.effect_begins(key.run, claim, again);
        if self.kills(at, key.run, script, call) {
            return;
        }
        let wait = self.rng.between(1, script.work_ms);
        for _ in 0..self.rng.below(3) {
            let at_ms = self.rng.below(wait);
            self.later(at_ms, Ev::LaneLog(at, key, token));
        }
        self.later(wait, Ev::LaneDone(at, key, token));
    }

    pub(crate) fn lane_done(&mut self, at: At, key: StepKey, token: u64) {
        let now = self.guess(at.worker);
        let Some(Execution { stage: Stage::Works { call, run }, .. }) = self.execution(at, key, token) else { return };
        let (call, run) = (*call, run.clone());
        let result = self.ghosts[key.run as usize].compiled.answer(&run, call, now);
        if matches!(result, Ok(flowforge_core::node::Outcome::Sleep(_))) {
            self.cover.sometimes(Rare::LaneSlept);
        }
        self.report_step(at, key, token, Body::Report { call, result });
    }

    fn report_step(&mut self, at: At, key: StepKey, token: u64, body: Body) {
        let Some(execution) = self.execution(at, key, token) else { return };
        execution.stage = Stage::Reports;
        let (epoch, claim) = (execution.epoch, execution.claim);
        self.ask(at, Op::Report { key, token, epoch, claim, body: Box::new(body) });
    }

    /// Reports until the database has taken it, or says that the lease is another worker's.
    pub(crate) fn step_reported(&mut self, at: At, key: StepKey, token: u64, reported: Result<bool, ()>, body: Box<Body>) {
        let Some(execution) = self.execution(at, key, token) else { return };
        let (epoch, claim) = (execution.epoch, execution.claim);
        if reported.is_err() {
            let wait = self.own_time(at.worker, AGAIN);
            let op = Op::Report { key, token, epoch, claim, body };
            return self.later(wait, Ev::AtDb(at, Box::new(op)));
        }
        self.drop_step(at, key, token);
        self.call(at, key.run);
    }

    /// Log lines, written under the lease.
    pub(crate) fn lane_log(&mut self, at: At, key: StepKey, token: u64) {
        let lines = self.rng.between(1, 3) as i64;
        let Some(execution) = self.execution(at, key, token) else { return };
        if !matches!(execution.stage, Stage::Works { .. }) {
            return;
        }
        let mut delta = Delta::of_run(key.run, Guard::Lease(key, execution.epoch), execution.claim);
        delta.seqs = lines;
        delta.logs =
            (0..lines).map(|offset| LogWrite { offset, kind: Kind::Log, step: key.step, attempt: key.attempt }).collect();
        self.submit(at, Order { delta, to: To::Nobody, shared_id: 0 });
    }

    fn hand_back_step(&mut self, at: At, key: StepKey, token: u64) {
        let Some(execution) = self.execution(at, key, token) else { return };
        execution.stage = Stage::HandsBack;
        let (epoch, claim) = (execution.epoch, execution.claim);
        self.ask(at, Op::Release { key, token, epoch, claim });
    }

    /// The run has gone on without this attempt.
    fn end_step(&mut self, at: At, key: StepKey, token: u64) {
        let Some(execution) = self.execution(at, key, token) else { return };
        execution.stage = Stage::HandsBack;
        let (epoch, claim) = (execution.epoch, execution.claim);
        self.ask(at, Op::EndLease { key, token, epoch, claim });
    }

    pub(crate) fn lane_again(&mut self, at: At, key: StepKey, token: u64) {
        self.hand_back_step(at, key, token);
    }

    /// The grace is over.
    pub(crate) fn hand_back_steps(&mut self, at: At) {
        let works = |execution: &&Execution| matches!(execution.stage, Stage::Works { .. });
        let lane = self.processes[at.worker].lane.iter().filter(works);
        let steps: Vec<(StepKey, u64)> = lane.map(|execution| (execution.key, execution.token)).collect();
        steps.into_iter().for_each(|(key, token)| self.hand_back_step(at, key, token));
    }

    /// Asks whether what is executed here is still leased.
    pub(crate) fn look_for_lost_steps(&mut self, at: At) {
        let lane = self.processes[at.worker].lane.iter().filter(|execution| execution.epoch > 0);
        let steps: Vec<_> = lane.map(|execution| (execution.key, execution.token, execution.epoch)).collect();
        if !steps.is_empty() {
            self.ask(at, Op::Holds(steps));
        }
    }
}

/// The call that a run still wants of a dispatched attempt.
fn wanted(run: &Run, key: StepKey) -> Option<Call> {
    if run.status().is_terminal() {
        return None;
    }
    let woken = match run.state(key.step) {
        StepState::Running { attempt, .. } if *attempt == key.attempt => None,
        StepState::Waiting { attempt, until, .. } if *attempt == key.attempt => *until,
        _ => return None,
    };
    Some(Call { step: key.step, attempt: key.attempt, woken, gathers: false })
}
