//! What is asserted of every write that the database accepted.

use flowforge_core::{StepIx, StepStatus, node::Lane, run::CRASH_LIMIT};

use super::{Checked, Entry, Ghost, Kind, Standing, broken};
use crate::{
    delta::{Delta, Guard, StepWrite},
    plan::CRASHED,
};

impl Ghost {
    /// A delta passed its guard and was given these record numbers.
    pub(crate) fn written(&mut self, delta: &Delta, first: i64, shared_id: u64) -> Checked {
        // The owner of a run that has just ended still throws away what came too late.
        if self.finished.is_some() && delta.only_consumes() {
            return Ok(());
        }
        self.is_current(delta)?;
        if let Some(status) = self.finished {
            return broken("D1", format!("something was written to a run that has {status}"));
        }
        let entries = entries(delta, first);
        self.is_dense(delta, first, &entries)?;
        for entry in entries {
            self.happened(delta, entry)?;
            self.record.push(entry);
            self.shared_ids.push(shared_id);
        }
        self.settle(delta);
        self.is_marked_for_a_reason(delta)
    }

    fn is_current(&mut self, delta: &Delta) -> Checked {
        match &delta.guard {
            Guard::New(new) => {
                (self.exists, self.created_by) = (true, delta.claim);
                if new.owner.is_some() {
                    (self.claim, self.holder) = (delta.claim, new.owner);
                }
                Ok(())
            }
            Guard::Owner(epoch) if self.claim != delta.claim => {
                broken("D5", format!("claim {} wrote under epoch {epoch} while claim {} held", delta.claim, self.claim))
            }
            Guard::Lease(key, epoch) if self.held(key.step, key.attempt).is_none_or(|held| held.claim != delta.claim) => {
                broken("D5", format!("claim {} wrote log lines of step {} under epoch {epoch}", delta.claim, key.step.0))
            }
            _ => Ok(()),
        }
    }

    fn is_dense(&self, delta: &Delta, first: i64, entries: &[Entry]) -> Checked {
        let next = self.record.len() as i64 + 1;
        if first != next || entries.len() as i64 != delta.seqs {
            let count = entries.len();
            return broken("D6", format!("{count} facts took {} numbers from {first}, and {next} is the next", delta.seqs));
        }
        match entries.iter().zip(first..).find(|(entry, seq)| entry.seq != *seq) {
            Some((entry, seq)) => broken("D6", format!("{entry:?} stands where number {seq} should")),
            None => Ok(()),
        }
    }

    fn happened(&mut self, delta: &Delta, entry: Entry) -> Checked {
        let step = StepIx(entry.step);
        match entry.kind {
            _ if self.finished.is_some() => broken("D1", format!("{entry:?} follows the end of the run")),
            Kind::RunStarted | Kind::RunCancelling | Kind::RunPaused | Kind::RunResumed | Kind::Log => Ok(()),
            Kind::RunFinished => self.run_finished(delta),
            Kind::StepStarted => self.step_started(step, entry.attempt),
            Kind::StepSkipped if self.steps[step.index()] == Standing::Idle => {
                self.comes_after_its_causes(step)?;
                self.stands(step, Standing::Ended)
            }
            // What is kept was written with the run's beginning, and whatever was skipped before it follows.
            Kind::StepCompleted if self.kept.contains(&step) && matches!(delta.guard, Guard::New(_)) => {
                self.stands(step, Standing::Ended)
            }
            Kind::StepFailed if self.gives_up(delta, entry) => self.given_up(step, entry.attempt),
            kind => match self.steps[step.index()] {
                Standing::Open { attempt, .. } if attempt == entry.attempt => self.attempt_went_on(delta, step, attempt, kind),
                standing => broken("D2", format!("{entry:?} after {standing:?}")),
            },
        }
    }

    fn stands(&mut self, step: StepIx, standing: Standing) -> Checked {
        self.steps[step.index()] = standing;
        Ok(())
    }

    fn run_finished(&mut self, delta: &Delta) -> Checked {
        let status = delta.patch.status.unwrap_or(flowforge_core::RunStatus::Pending);
        if !status.is_terminal() {
            return broken("D1", format!("the run ended and is {status}"));
        }
        let open = self.steps.iter().position(|standing| *standing != Standing::Ended);
        if let (flowforge_core::RunStatus::Completed, Some(open)) = (status, open) {
            return broken("D3", format!("the run completed and step {open} had not ended"));
        }
        self.finished = Some(status);
        Ok(())
    }

    fn step_started(&mut self, step: StepIx, attempt: u32) -> Checked {
        self.comes_after_its_causes(step)?;
        match self.steps[step.index()] {
            Standing::Idle if attempt == 1 => {}
            Standing::Between { attempt: before } if attempt == before + 1 => {}
            standing => return broken("D2", format!("attempt {attempt} of step {} began after {standing:?}", step.0)),
        }
        let most = self.compiled.graph.step(step).retry.max_attempts;
        if attempt > most {
            return broken("D10", format!("attempt {attempt} of {most} of step {}", step.0));
        }
        self.stands(step, Standing::Open { attempt, waits: false })
    }

    fn comes_after_its_causes(&self, step: StepIx) -> Checked {
        let mut incoming = self.compiled.graph.step(step).incoming.iter();
        match incoming.find(|link| self.steps[link.step.index()] != Standing::Ended) {
            Some(link) => broken("D3", format!("step {} went on before step {} had ended", step.0, link.step.0)),
            None => Ok(()),
        }
    }

    fn attempt_went_on(&mut self, delta: &Delta, step: StepIx, attempt: u32, kind: Kind) -> Checked {
        let spec = self.compiled.graph.step(step);
        if matches!(kind, Kind::StepCompleted | Kind::StepRetrying | Kind::StepFailed) && !spec.is_pure() {
            let is_its = |claim| spec.lane() == Lane::Dispatched || claim == delta.claim;
            let begun =
                self.calls.iter().any(|begun| begun.call.step == step && begun.call.attempt == attempt && is_its(begun.claim));
            if !begun {
                return broken("D7", format!("attempt {attempt} of step {} ended and was never begun", step.0));
            }
        }
        match kind {
            Kind::StepWaiting => self.stands(step, Standing::Open { attempt, waits: true }),
            Kind::StepRetrying => self.stands(step, Standing::Between { attempt }),
            _ => self.stands(step, Standing::Ended),
        }
    }

    fn gives_up(&self, delta: &Delta, entry: Entry) -> bool {
        let write = delta.steps.iter().find(|write| write.step.0 == entry.step && write.attempt == entry.attempt);
        write.and_then(|write| write.error.as_ref()).is_some_and(|error| error.code == CRASHED)
    }

    /// A step was given up for the deaths of its workers: three of them, not fewer.
    fn given_up(&mut self, step: StepIx, attempt: u32) -> Checked {
        let is_dispatched = self.compiled.graph.step(step).lane() == Lane::Dispatched;
        let deaths = if is_dispatched { self.lane_deaths(step, attempt) } else { self.deaths };
        if deaths < CRASH_LIMIT {
            return broken("D10", format!("step {} was given up after {deaths} deaths", step.0));
        }
        self.crashed.push((step, attempt));
        match self.steps[step.index()] {
            Standing::Idle => self.comes_after_its_causes(step)?,
            Standing::Open { .. } | Standing::Between { .. } => {}
            Standing::Ended => return broken("D2", format!("step {} was given up after its end", step.0)),
        }
        self.stands(step, Standing::Ended)
    }

    /// How many workers had died with a dispatched step when it was reported.
    fn lane_deaths(&self, step: StepIx, attempt: u32) -> u32 {
        let reported = self.lane_given_up.contains(&(step, attempt));
        if reported { CRASH_LIMIT } else { 0 }
    }

    /// Whoever only waits does not say that something begins.
    fn is_marked_for_a_reason(&self, delta: &Delta) -> Checked {
        let parks = delta.patch.release && delta.patch.status == Some(flowforge_core::RunStatus::Waiting);
        if parks && self.is_marked && !self.is_busy {
            return broken("D10", "an owner let go of a run that waits, and had said that something begins");
        }
        Ok(())
    }

    /// What the delta changes beside its numbered facts.
    fn settle(&mut self, delta: &Delta) {
        let ended = |write: &StepWrite| write.finished.is_some() && write.status != StepStatus::Skipped;
        if delta.steps.iter().any(ended) {
            self.deaths = 0;
        }
        self.is_marked |= delta.patch.begins;
        for write in delta.steps.iter().filter(|write| write.status == StepStatus::Waiting) {
            self.waits(write.step, write.attempt, true);
        }
        for (step, attempt) in &delta.dispatch {
            self.waits(*step, *attempt, false);
        }
        for (step, attempt) in &delta.recall {
            self.step_let_go(*step, *attempt);
        }
        if delta.patch.release {
            (self.claim, self.holder) = (0, None);
        }
    }

    fn waits(&mut self, step: StepIx, attempt: u32, waits: bool) {
        if let Standing::Open { attempt: now, waits: known } = &mut self.steps[step.index()]
            && *now == attempt
        {
            *known = waits;
        }
    }
}

/// The numbered facts of a delta, in their order.
fn entries(delta: &Delta, first: i64) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(delta.seqs as usize);
    let mut add = |offset: Option<i64>, kind, step: u32, attempt| {
        entries.extend(offset.map(|offset| Entry { seq: first + offset, kind, step, attempt }));
    };
    let patch = &delta.patch;
    add(patch.started, Kind::RunStarted, 0, 0);
    add(patch.cancelled, Kind::RunCancelling, 0, 0);
    add(patch.finished, Kind::RunFinished, 0, 0);
    for write in &delta.steps {
        add(write.started, Kind::StepStarted, write.step.0, write.attempt);
        add(write.waiting, Kind::StepWaiting, write.step.0, write.attempt);
        add(write.finished, ended(write.status, write.wake_at), write.step.0, write.attempt);
    }
    delta.logs.iter().for_each(|log| add(Some(log.offset), log.kind, log.step.0, log.attempt));
    entries.sort_unstable_by_key(|entry| entry.seq);
    entries
}

/// How the end of an attempt is told.
pub(crate) fn ended(status: StepStatus, wake_at: Option<i64>) -> Kind {
    match status {
        StepStatus::Completed => Kind::StepCompleted,
        StepStatus::Failed if wake_at.is_some() => Kind::StepRetrying,
        StepStatus::Failed => Kind::StepFailed,
        StepStatus::Skipped => Kind::StepSkipped,
        _ => Kind::StepCancelled,
    }
}
