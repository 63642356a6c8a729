//! Requests at the database: done or not, and answered or not.

use flowforge_core::Run;

use super::{At, Ev, World};
use crate::{
    bug::Bug,
    cover::Rare,
    ghost::{Checked, Standing, broken},
    messages::{Answer, Fate, Given, Loaded, Op, Order, To},
    store::{Body, StepKey, open_attempts},
};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is not done.
    Undone,
    /// It is done, and the answer is lost.
    Unanswered,
}

impl World {
    pub(super) fn at_db(&mut self, at: At, op: Op) {
        let fault = self.fault_of_request();
        if fault == Some(Fault::Undone) && !matches!(op, Op::Commit(_)) {
            return self.reply_to(at, Answer::failed(op));
        }
        let worker = self.processes[at.worker].identity_of(at.boot);
        let (now, bug) = (self.now, self.bug);
        let answer = match op {
            Op::Beat { sent } => {
                self.store.heartbeat(worker, now);
                self.beats.resize(self.beats.len().max(worker as usize + 1), None);
                self.beats[worker as usize] = Some(now);
                Answer::Beat { sent, now: Ok(now) }
            }
            Op::Sweep => Answer::Sweep(Ok(self.store.find_work(worker, now))),
            Op::ClaimRun { run, token, crashed, lapses } => {
                let claimed = self.store.claim_run(run, worker, crashed, now, bug);
                let given = claimed.map(|claimed| (claimed, self.run_claimed(run, worker, claimed.crashes)));
                Answer::ClaimRun { run, token, lapses, given: Ok(given) }
            }
            Op::LoadRun { run, token, given } => Answer::LoadRun { run, token, given, loaded: Ok(self.load(run, given)) },
            Op::ReadInbox { run, token } => Answer::ReadInbox { run, token, messages: Ok(self.read_inbox(run)) },
            Op::LookAfterPark { run } => Answer::LookAfterPark { run, called: self.store.has_messages(run) },
            Op::Commit(batch) => return self.commit(at, batch, fault),
            Op::Lookup { of, key } => Answer::Lookup { of, found: Ok(self.store.run_of_key(key)) },
            Op::LookBefore { of, run, body } => {
                let open = self.store.run(run).is_some_and(|row| row.finished.is_none());
                Answer::LookBefore { of, run, body, open: Ok(open) }
            }
            Op::Send { of, run, body } => {
                self.ghosts[run as usize].was_cancelled |= matches!(body, Body::Cancel);
                self.store.send(run, body);
                Answer::Sent { of, run, sent: Ok(()) }
            }
            Op::Gather { run, token, call } => {
                Answer::Gather { run, token, call, results: Ok(self.store.results(run, call.step, call.attempt)) }
            }
            Op::Forget => {
                self.store.forget_worker(worker);
                if let Some(beat) = self.beats.get_mut(worker as usize) {
                    *beat = None;
                }
                return;
            }
            op => self.done_for_lane(op, worker),
        };
        self.reply_to(at, if fault.is_some() { answer.lost() } else { answer });
    }

    /// What the lane asks.
    fn done_for_lane(&mut self, op: Op, worker: u32) -> Answer {
        match op {
            Op::ClaimStep { key, token } => {
                let claimed = self.store.claim_step(key, worker, self.now, self.bug);
                let given = claimed.map(|claimed| (claimed, self.step_claimed(key, (worker, claimed.crashes))));
                Answer::ClaimStep { key, token, given: Ok(given) }
            }
            Op::LoadStep { key, token, epoch, begins } => {
                // The lease is looked at after the run was read: it may have been recalled in between.
                let held = if begins { self.store.begin_step(key, epoch) } else { self.store.holds_step(key, epoch) };
                if begins && held {
                    self.ghosts[key.run as usize].step_begins(key.step, key.attempt);
                }
                let loaded = if held { self.replay(key.run).map(Box::new) } else { None };
                Answer::LoadStep { key, token, loaded: Ok(loaded) }
            }
            Op::Report { key, token, epoch, claim, body } => {
                let reported = self.report(key, epoch, claim, &body);
                Answer::Report { key, token, reported: Ok(reported), body }
            }
            Op::Release { key, token, epoch, claim } => {
                if self.store.release_step(key, epoch) {
                    self.let_step_go(key, claim, true);
                }
                Answer::LetGo { key, token }
            }
            Op::EndLease { key, token, epoch, claim } => {
                if self.store.end_lease(key, epoch) {
                    self.let_step_go(key, claim, false);
                }
                Answer::LetGo { key, token }
            }
            Op::Holds(steps) => {
                let lost = steps.into_iter().filter(|(key, _, epoch)| !self.store.holds_step(*key, *epoch));
                Answer::Holds(lost.map(|(key, token, _)| (key, token)).collect())
            }
            op => Answer::failed(op),
        }
    }

    fn reply_to(&mut self, at: At, answer: Answer) {
        let wait = self.net();
        self.later(wait, Ev::Answer(at, Box::new(answer)));
    }

    fn fault_of_request(&mut self) -> Option<Fault> {
        if !self.faulty() {
            return None;
        }
        if self.down_until > self.now {
            return Some(Fault::Undone);
        }
        if self.rng.chance(self.swarm.down) {
            self.down_until = self.now + self.rng.between(500, 20_000);
            return Some(if self.rng.chance(5_000) { Fault::Undone } else { Fault::Unanswered });
        }
        if self.rng.chance(self.swarm.lost) {
            return Some(Fault::Undone);
        }
        self.rng.chance(self.swarm.unknown).then_some(Fault::Unanswered)
    }

    fn run_claimed(&mut self, run: u32, worker: u32, crashes: u32) -> u64 {
        let (claim, now, beats) = (self.claim(), self.now, &self.beats);
        let ghost = &mut self.ghosts[run as usize];
        let taken = ghost.holder.is_some_and(|before| before != worker);
        let before = ghost.holder;
        let unbegun = taken && ghost.deaths > 0 && !ghost.is_marked;
        ghost.claimed_at = now;
        let checked = ghost.claimed(claim, worker, crashes, |worker| Self::could_live(beats, worker, now));
        self.check(checked);
        if unbegun {
            self.cover.sometimes(Rare::DiedUnbegun);
        }
        if taken {
            let is_up = self.processes.iter().any(|process| Some(process.identity) == before && process.up);
            self.cover.sometimes(if is_up { Rare::TakenFromSilent } else { Rare::TakenFromDead });
        }
        self.mark(u64::from(run) << 8 | u64::from(worker));
        self.say(|_| format!("run {run} is claimed by worker {worker} (claim {claim}, before {before:?})"));
        claim
    }

    fn step_claimed(&mut self, key: StepKey, by: (u32, u32)) -> u64 {
        let (claim, now, beats) = (self.claim(), self.now, &self.beats);
        let ghost = &mut self.ghosts[key.run as usize];
        let held = ghost.held(key.step, key.attempt);
        let (before, unbegun) = (held.and_then(|held| held.holder), held.is_some_and(|held| held.deaths > 0 && !held.is_marked));
        let checked = ghost.step_claimed((key.step, key.attempt), claim, by, |worker| Self::could_live(beats, worker, now));
        self.check(checked);
        if before.is_some_and(|before| before != by.0) {
            self.cover.sometimes(Rare::StepTakenOver);
            if unbegun {
                self.cover.sometimes(Rare::StepDiedUnbegun);
            }
        }
        self.say(|_| format!("{key:?} is claimed by worker {} (claim {claim}, before {before:?})", by.0));
        claim
    }

    fn replay(&mut self, run: u32) -> Option<Run> {
        let graph = self.store.run(run)?.compiled.graph.clone();
        match Run::replay(graph, u64::from(run), &self.store.facts(run)?) {
            Ok(replayed) => Some(replayed),
            Err(illegal) => {
                let text = format!("the record of run {run} does not replay: {illegal}");
                self.check(broken("D9", text));
                None
            }
        }
    }

    fn load(&mut self, run: u32, given: Given) -> Option<Box<Loaded>> {
        let row = self.store.run(run).filter(|row| row.epoch == given.epoch)?;
        let (crashes, deadline_at) = (row.crashes, row.deadline_at);
        let waits = row.status == flowforge_core::RunStatus::Waiting;
        let open = open_attempts(row).collect();
        let replayed = self.replay(run)?;
        let messages = if given.called { self.read_inbox(run) } else { Vec::new() };
        Some(Box::new(Loaded { run: replayed, crashes, deadline_at, waits, open, messages }))
    }

    fn read_inbox(&mut self, run: u32) -> Vec<crate::store::Message> {
        let messages = self.store.messages(run);
        if self.bug == Bug::MessageReadOnce {
            messages.iter().for_each(|message| self.store.forget_message(message.id));
        }
        messages
    }

    fn report(&mut self, key: StepKey, epoch: i64, claim: u64, body: &Body) -> bool {
        if !self.store.report(key, epoch, body.clone(), self.bug) {
            self.cover.sometimes(Rare::FencedReport);
            return false;
        }
        if let Body::Report { result: Err(error), .. } = body
            && error.code == crate::plan::CRASHED
        {
            self.lane_gives_up(key);
        }
        self.let_step_go(key, claim, false);
        true
    }

    fn lane_gives_up(&mut self, key: StepKey) {
        let ghost = &mut self.ghosts[key.run as usize];
        let deaths = ghost.held(key.step, key.attempt).map_or(0, |held| held.deaths);
        if deaths >= flowforge_core::run::CRASH_LIMIT {
            ghost.lane_given_up.push((key.step, key.attempt));
            self.cover.sometimes(Rare::LaneCrashLimit);
        }
    }

    /// A lease ended or was handed back, by whoever held it under this claim.
    fn let_step_go(&mut self, key: StepKey, claim: u64, handed_back: bool) {
        let ghost = &mut self.ghosts[key.run as usize];
        if ghost.held(key.step, key.attempt).is_none_or(|held| held.claim != claim) {
            let text = format!("claim {claim} ended the lease of {key:?}, and does not hold it");
            return self.check(broken("D5", text));
        }
        if handed_back {
            ghost.step_released(key.step, key.attempt);
            self.cover.sometimes(Rare::StepHandedBack);
        } else {
            ghost.step_let_go(key.step, key.attempt);
        }
    }

    fn commit(&mut self, at: At, batch: Vec<Order>, fault: Option<Fault>) {
        let culprit = (self.fault(self.swarm.conflict)).then(|| self.rng.below(batch.len() as u64) as usize);
        let mut first_of: Vec<(u32, i64)> = Vec::new();
        let mut fates = Vec::with_capacity(batch.len());
        for (place, order) in batch.iter().enumerate() {
            let refused = fault == Some(Fault::Undone) || culprit == Some(place);
            let fate = if refused { Fate::Failed } else { self.write(order, &mut first_of) };
            fates.push((order.to, fate));
        }
        self.note_commit(&batch, fault, culprit);
        let answer = match fault {
            Some(Fault::Unanswered) if self.bug == Bug::UnknownIsFailed => Answer::CommitAgain(batch),
            Some(_) => Answer::Commit(batch.iter().map(|order| (order.to, Fate::Failed)).collect()),
            None => Answer::Commit(fates),
        };
        self.reply_to(at, answer);
    }

    fn note_commit(&mut self, batch: &[Order], fault: Option<Fault>, culprit: Option<usize>) {
        self.cover.commits += 1;
        let met = [
            (batch.len() > 1, Rare::GroupCommit),
            (batch.len() > 1 && culprit.is_some(), Rare::BatchSplit),
            (fault == Some(Fault::Undone), Rare::UnknownLost),
            (fault == Some(Fault::Unanswered), Rare::UnknownApplied),
        ];
        met.iter().filter(|(met, _)| *met).for_each(|(_, rare)| self.cover.sometimes(*rare));
    }

    /// Writes one delta, and holds what was written against what the simulator knows.
    fn write(&mut self, order: &Order, first_of: &mut Vec<(u32, i64)>) -> Fate {
        let delta = &order.delta;
        let same = first_of.iter().find(|(run, _)| *run == delta.run).map(|(_, first)| *first);
        let Some(written) = self.store.write(delta, same, self.now, self.bug) else {
            if matches!(order.to, To::Owner { .. }) {
                self.cover.sometimes(Rare::FencedCommit);
            }
            self.say(|_| format!("a delta of run {} is refused", delta.run));
            return Fate::Fenced;
        };
        first_of.push((delta.run, written.first));
        self.mark(u64::from(delta.run) << 40 ^ (written.first as u64) << 20 ^ delta.seqs as u64);
        let ghost = &mut self.ghosts[delta.run as usize];
        let crashed = ghost.crashed.len();
        if !ghost.exists {
            (ghost.created_at, ghost.claimed_at) = (self.now, self.now);
        }
        let checked = ghost.written(delta, written.first, order.shared_id);
        if ghost.crashed.len() > crashed {
            self.cover.sometimes(Rare::CrashLimit);
        }
        self.check(checked);
        let checked = self.nothing_is_forgotten(delta.run).and_then(|()| self.key_is_unique(order));
        let checked = checked.and_then(|()| self.children_are_told(delta.run, delta.claim));
        self.check(checked);
        self.say(|world| {
            let ghost = &world.ghosts[delta.run as usize];
            let news = &ghost.record[ghost.record.len().saturating_sub(delta.seqs as usize)..];
            format!("run {} is written (claim {}): {news:?} {:?}", delta.run, delta.claim, delta.patch.status)
        });
        Fate::Written
    }

    /// A dispatched step that is under way has a lease, or its report waits in the inbox.
    fn nothing_is_forgotten(&self, run: u32) -> Checked {
        let ghost = &self.ghosts[run as usize];
        if ghost.finished.is_some() {
            return Ok(());
        }
        for step in ghost.compiled.dispatched.iter().copied() {
            let Standing::Open { attempt, waits: false } = ghost.steps[step.index()] else { continue };
            let is_report =
                |body: &Body| matches!(body, Body::Report { call, .. } if call.step == step && call.attempt == attempt);
            let is_reported = self.store.inbox.iter().any(|message| message.run == run && is_report(&message.body));
            if !is_reported && self.store.lease(StepKey { run, step, attempt }).is_none() {
                return broken("D9", format!("run {run} waits for step {}, which nobody has to execute", step.0));
            }
        }
        Ok(())
    }

    /// When a run has ended, those of its children that it knew of have been asked to stop.
    fn children_are_told(&self, run: u32, claim: u64) -> Checked {
        let ghost = &self.ghosts[run as usize];
        if ghost.finished.is_none_or(|status| status == flowforge_core::RunStatus::Completed) {
            return Ok(());
        }
        // Whoever ended the run has called for it, or has read it when it was given the run.
        let is_known = |child: &crate::ghost::Ghost| child.created_by == claim || child.created_at < ghost.claimed_at;
        let is_open = |(_, child): &(usize, &crate::ghost::Ghost)| {
            let is_its = child.parent.is_some_and(|parent| parent.run == run);
            is_its && child.exists && child.finished.is_none() && is_known(child)
        };
        for (child, _) in self.ghosts.iter().enumerate().filter(is_open) {
            let child = child as u32;
            let is_told = self.store.inbox.iter().any(|message| message.run == child && matches!(message.body, Body::Cancel));
            if !is_told {
                return broken("D8", format!("run {run} has ended and its child {child} was not asked to stop"));
            }
        }
        Ok(())
    }

    /// A dedupe key stands for one run.
    fn key_is_unique(&mut self, order: &Order) -> Checked {
        let crate::delta::Guard::New(crate::delta::NewRun { key: Some(key), .. }) = order.delta.guard else { return Ok(()) };
        let run = order.delta.run;
        match self.keys.iter().find(|(known, _)| *known == key) {
            Some((_, first)) if *first != run => broken("D4", format!("key {key} started run {first} and run {run}")),
            Some(_) => Ok(()),
            None => {
                self.keys.push((key, run));
                Ok(())
            }
        }
    }
}
