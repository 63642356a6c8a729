//! Handing over: what of the run goes to disk, when, and what may begin once it is there.

use std::time::Instant;

use flowforge_core::{RunId, RunStatus};
use tokio_util::task::AbortOnDropHandle;

use super::{Begin, Ended, Owner, PARK_AFTER, heavy::is_heavy};
use crate::{
    clock,
    committer::{Answer, Guard},
    record::RunRecord,
};

/// A commit under way.
pub(super) struct Commit {
    pub(super) answer: Answer,
    /// Puts away what is too large for a row, before the commit.
    _putting_away: Option<AbortOnDropHandle<()>>,
    /// What may begin when it has succeeded.
    pub(super) then: Vec<Begin>,
    /// Runs that have a message waiting when it has succeeded.
    pub(super) rings: Vec<RunId>,
    pub(super) calls_handler: bool,
    /// What whoever waits for the run is told when it has succeeded: that it has ended or answered.
    pub(super) told: Option<Box<RunRecord>>,
    pub(super) has_effects: bool,
    /// How ownership ends with it, when it lets the run go.
    pub(super) lets_go: Option<Ended>,
}

impl Owner {
    /// Hands the draft to the committer, unless a commit is under way or the draft can wait for more.
    pub(super) async fn hand_over(&mut self) {
        if self.commit.is_some() {
            return;
        }
        self.say_what_begins();
        if self.draft.is_empty() {
            // What waited for a commit that has come about in the meantime waits for nothing any more.
            std::mem::take(&mut self.after_draft).into_iter().for_each(|begin| self.start(begin));
        }
        let lets_go = self.let_go_if_idle();
        if self.moment_to_show_came() {
            self.draft.write_all_begun(&self.compiled.graph);
        }
        if self.draft.is_empty() || self.may_wait() {
            return;
        }
        let guard = match self.new.take() {
            Some(row) => Guard::New(row),
            None => Guard::Owner(self.epoch),
        };
        let has_effects = self.draft.has_effects();
        let is_news = self.run.status().is_terminal() || self.record.response.is_some();
        let told = (is_news && self.ended.is_some()).then(|| Box::new(self.record.clone()));
        let delta = self.draft.take(self.id, guard);
        let (answer, putting_away) = if is_heavy(&delta) {
            let (answer, task) = self.submit_heavy(delta);
            (answer, Some(task))
        } else {
            (self.shared.committer.submit(delta).await, None)
        };
        // Whoever waits for it is to be told what stands in the row.
        let told = told.filter(|_| putting_away.is_none() || self.ended.take().is_none());
        if !self.draft.has_unwritten() {
            self.show_at = None;
        }
        self.commit = Some(Commit {
            answer,
            _putting_away: putting_away,
            then: std::mem::take(&mut self.after_draft),
            rings: std::mem::take(&mut self.rings),
            calls_handler: std::mem::take(&mut self.handler_called),
            told,
            has_effects,
            lets_go,
        });
    }

    /// Log lines alone are gathered for a moment.
    fn may_wait(&self) -> bool {
        self.draft.has_only_logs() && !self.draft.is_large() && self.show_at.is_some() && !self.moment_to_show_came()
    }

    /// Whether what has begun and what was logged has to be written now, for those who watch.
    pub(super) fn moment_to_show_came(&self) -> bool {
        self.show_at.is_some_and(|at| at <= clock::monotonic())
    }

    /// A run that waits for long needs no owner; nor does any run when the process leaves.
    fn let_go_if_idle(&mut self) -> Option<Ended> {
        let status = self.run.status();
        if status.is_terminal() || !self.under_way.is_empty() || !self.after_draft.is_empty() || !self.calling.is_empty() {
            return None;
        }
        let wake_at = self.run.next_wake().into_iter().chain(self.deadline).min();
        let waits_long = wake_at.is_none_or(|at| self.shared.clock.until(at) > PARK_AFTER);
        if status == RunStatus::Waiting && waits_long && self.lingers_until().is_none_or(|at| at <= clock::monotonic()) {
            self.draft.release(RunStatus::Waiting, wake_at);
            return Some(Ended::Parked);
        }
        // Whoever comes next finds it at once, and no crash is counted.
        self.shared.is_leaving().then(|| self.draft.release(status, Some(self.shared.clock.now()))).map(|()| Ended::Gone)
    }

    /// Until when a run that waits for others stays in memory: their ends often come one after the other.
    pub(super) fn lingers_until(&self) -> Option<Instant> {
        (!self.run.is_paused() && self.run.awaits_children()).then(|| self.moved_at + PARK_AFTER)
    }

    pub(super) fn committed(&mut self) {
        let Some(commit) = self.commit.take() else { return };
        self.over = commit.lets_go;
        if let Some(accepted) = self.accepted.take() {
            let _ = accepted.send(Ok(self.record.clone()));
        }
        for run in commit.rings {
            self.shared.call(run);
        }
        if commit.calls_handler {
            self.shared.sweep_now.notify_one();
        }
        commit.then.into_iter().for_each(|begin| self.start(begin));
        if let Some((record, ended)) = commit.told.and_then(|record| Some((record, self.ended.take()?))) {
            let _ = ended.send(*record);
        }
    }
}
