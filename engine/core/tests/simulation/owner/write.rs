//! Handing over: what of the run goes to disk, when, and what may begin once it is there, as in `engine/src/owner/write.rs`.

use flowforge_core::{Input, Run, RunStatus, StepState, Timestamp};

use super::{Commit, Ended, Owner};
use crate::{
    bug::Bug,
    cover::Rare,
    delta::Guard,
    ghost::broken,
    messages::{Fate, Order, To},
    world::{Ev, World},
};

/// How long an inline attempt may be under way before it is written for those who watch, in milliseconds.
const SHOW_AFTER: u64 = 100;
/// A run that only waits lets go of its worker when the wait is longer than this.
const PARK_AFTER: i64 = 5_000;

impl Owner {
    /// Hands the draft to the committer, unless a commit is under way.
    pub(super) fn hand_over(&mut self, world: &mut World) {
        if self.commit.is_some() {
            return;
        }
        self.say_what_begins();
        if self.draft.is_empty() {
            // What waited for a commit that has come about in the meantime waits for nothing any more.
            std::mem::take(&mut self.after_draft).into_iter().for_each(|begin| self.start(world, begin));
        }
        let lets_go = self.let_go_if_idle(world);
        if self.show_at.is_some_and(|at| at <= world.now) {
            self.draft.write_all_begun();
        }
        if self.draft.is_empty() {
            return;
        }
        let begins_run = self.new.is_some();
        let guard = self.new.take().map_or(Guard::Owner(self.epoch), Guard::New);
        let has_effects = self.draft.has_effects();
        let delta = self.draft.take(guard, self.claim);
        let ends_run = delta.patch.finished.is_some();
        let to = To::Owner { run: self.id, token: self.token };
        world.submit(self.at, Order { delta, to, shared_id: 0 });
        if !self.draft.has_unwritten() {
            self.show_at = None;
        }
        if world.bug == Bug::AckBeforeCommit {
            self.accepted(world, Ok(self.id));
        }
        let (then, rings) = (std::mem::take(&mut self.after_draft), std::mem::take(&mut self.rings));
        self.commit = Some(Commit { then, rings, has_effects, lets_go, begins_run, ends_run });
    }

    /// A run that waits for long needs no owner; nor does any run when the process leaves.
    fn let_go_if_idle(&mut self, world: &mut World) -> Option<Ended> {
        let status = self.run.status();
        let is_busy =
            !self.under_way.is_empty() || !self.ready.is_empty() || !self.after_draft.is_empty() || !self.calling.is_empty();
        if status.is_terminal() || is_busy {
            return None;
        }
        let wake_at = self.run.next_wake().into_iter().chain(self.deadline.map(Timestamp)).min();
        let guess = world.guess(self.at.worker);
        let waits_long = wake_at.is_none_or(|at| at.0 - guess > PARK_AFTER);
        let lingers = self.lingers_until(world).is_some_and(|at| at > world.now);
        if status == RunStatus::Waiting && waits_long && !lingers {
            let wake_at = wake_at.filter(|_| world.bug != Bug::ParkWithoutWake);
            self.draft.release(RunStatus::Waiting, wake_at);
            return Some(Ended::Parked);
        }
        // Whoever comes next finds it at once, and no crash is counted.
        world.processes[self.at.worker].leaving.then(|| {
            self.draft.release(status, Some(Timestamp(guess)));
            world.cover.sometimes(Rare::HandedBack);
            Ended::Gone
        })
    }

    /// Until when a run that waits for others stays in memory: their ends often come one after the other.
    fn lingers_until(&self, world: &World) -> Option<u64> {
        let waits = !self.run.is_paused() && self.run.awaits_children();
        waits.then(|| self.moved_at + world.own_time(self.at.worker, PARK_AFTER as u64))
    }

    pub(crate) fn committed(&mut self, world: &mut World, fate: Fate) {
        let Some(commit) = self.commit.take() else { return };
        if fate != Fate::Written {
            let answer = if fate == Fate::Fenced { world.conflicted(self.at, self.request) } else { Some(Err(())) };
            if let Some(answer) = answer {
                self.accepted(world, answer);
            }
            self.over = Some(if fate == Fate::Fenced { Ended::Gone } else { Ended::Lost });
            return;
        }
        if commit.begins_run && commit.ends_run {
            world.cover.sometimes(Rare::OneCommit);
        }
        self.over = commit.lets_go;
        self.accepted(world, Ok(self.id));
        commit.then.into_iter().for_each(|begin| self.start(world, begin));
        commit.rings.into_iter().for_each(|run| world.call(self.at, run));
        if world.rng.chance(2_000) {
            self.is_what_is_written(world);
        }
    }

    fn accepted(&mut self, world: &mut World, answer: Result<u32, ()>) {
        if let Some(request) = self.request.take() {
            world.reply_later(request, answer);
        }
    }

    /// What is replayed from the rows is what is in memory, but for what is not written yet.
    fn is_what_is_written(&self, world: &mut World) {
        if !self.draft.is_empty()
            || self.commit.is_some()
            || self.run.is_paused()
            || world.ghosts[self.id as usize].claim != self.claim
        {
            return;
        }
        let facts = world.store.facts(self.id).unwrap_or_default();
        let Ok(mut replayed) = Run::replay(self.compiled.graph.clone(), u64::from(self.id), &facts) else { return };
        // What follows of itself is decided again.
        let _ = replayed.step(Input::TakenOver { crashes: 0 }, Timestamp(0));
        world.cover.sometimes(Rare::Replayed);
        for (step, spec) in self.compiled.graph.steps() {
            let (live, again) = (self.run.state(step), replayed.state(step));
            let agrees = match (live, again) {
                (StepState::Running { attempt, .. }, StepState::Waiting { attempt: other, .. }) => attempt == other,
                (StepState::Running { attempt, .. }, StepState::Running { attempt: other, .. }) => attempt == other,
                // It was called for being late, and what it waited for came after all: either may be taken.
                (StepState::Running { awaited: Some(_), .. }, StepState::Completed { .. }) => return,
                // An end of a child is on its way.
                (StepState::Waiting { attempt, .. }, StepState::Running { attempt: other, awaited: Some(_), .. }) => {
                    attempt == other
                }
                (StepState::Running { attempt, .. }, StepState::Backoff { attempt: other, .. }) => *attempt == other + 1,
                (live, again) => live == again,
            };
            if !agrees {
                let text = format!("run {}: {} is {live:?} in memory and {again:?} on disk", self.id, spec.id);
                return world.check(broken("D9", text));
            }
        }
    }

    /// Sets the timer for whatever is due next.
    pub(super) fn arm(&mut self, world: &mut World) {
        // What is let go of is nobody's to change any more.
        if self.lets_go() {
            return;
        }
        let worker = self.at.worker;
        if self.show_at.is_none() && self.draft.has_unwritten() && !self.under_way.is_empty() {
            self.show_at = Some(world.now + world.own_time(worker, SHOW_AFTER));
        }
        // A process that leaves begins nothing more.
        let wake = self.run.next_wake().filter(|_| !world.processes[worker].leaving).map(|at| at.0);
        let guess = world.guess(worker);
        let until = |at: i64| world.now + world.own_time(worker, u64::try_from(at - guess).unwrap_or(0));
        let due = wake.into_iter().chain(self.deadline).min().map(until);
        let show = self.show_at.filter(|_| self.commit.is_none());
        let idle = self.run.status() == RunStatus::Waiting && self.calling.is_empty() && self.commit.is_none();
        let lingers = self.lingers_until(world).filter(|at| idle && *at > world.now);
        let Some(next) = due.into_iter().chain(show).chain(lingers).min() else { return };
        if self.armed.is_none_or(|armed| armed > next) {
            self.armed = Some(next);
            world.later(next.saturating_sub(world.now), Ev::Timer(self.at, self.id, self.token));
        }
    }

    pub(crate) fn moment_came(&mut self, world: &mut World) {
        if self.armed.is_some_and(|armed| armed > world.now) {
            return;
        }
        self.armed = None;
        if self.lets_go() {
            return;
        }
        let now = world.guess(self.at.worker);
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            world.cover.sometimes(Rare::Expired);
            self.apply(world, Input::Expire);
        }
        if self.run.next_wake().is_some_and(|at| at.0 <= now) && !world.processes[self.at.worker].leaving {
            self.apply(world, Input::Wake);
        }
    }
}
