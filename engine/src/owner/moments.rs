//! What comes with time: timers, the deadline, what is to be shown, and the end of a process that leaves.

use std::time::{Duration, Instant};

use flowforge_core::{Input, RunStatus};

use super::{Owner, SHOW_AFTER};
use crate::clock;

impl Owner {
    /// How long until something is due: a timer, the deadline, or showing what has not been shown yet.
    pub(super) fn next_moment(&mut self) -> Option<Duration> {
        if self.show_at.is_none() && (self.draft.has_unwritten() && !self.under_way.is_empty() || self.draft.has_only_logs()) {
            self.show_at = Some(clock::monotonic() + SHOW_AFTER);
        }
        let leaving = self.shared.is_leaving();
        let until = |at: Instant| at.saturating_duration_since(clock::monotonic());
        // A process that leaves begins nothing more.
        let wake = self.run.next_wake().filter(|_| !leaving);
        // A moment that has passed is none to wait for.
        let may_linger =
            |at: &Instant| *at > clock::monotonic() && self.run.status() == RunStatus::Waiting && self.calling.is_empty();
        let lingers = self.lingers_until().filter(may_linger).map(until);
        let due = wake.into_iter().chain(self.deadline).min().map(|at| self.shared.clock.until(at));
        // While a commit is under way nothing can be shown or stopped: its end is what is waited for.
        let still = |at: &Instant| self.commit.is_none() || *at > clock::monotonic();
        let show = self.show_at.filter(still).map(until);
        if leaving {
            self.leave_at.get_or_insert_with(|| clock::monotonic() + self.shared.config.grace);
        }
        let leave = self.leave_at.filter(|at| self.commit.is_none() || *at > clock::monotonic()).map(until);
        due.into_iter().chain(show).chain(leave).chain(lingers).min()
    }

    /// Does what has become due.
    pub(super) fn moment_came(&mut self) {
        let now = self.shared.clock.now();
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            self.apply(Input::Expire, None);
        }
        if self.run.next_wake().is_some_and(|at| at <= now) && !self.shared.is_leaving() {
            self.apply(Input::Wake, None);
        }
        if self.leave_at.is_some_and(|at| at <= clock::monotonic()) {
            // The grace is over: what is still under way is stopped and begins again elsewhere.
            self.under_way.clear();
            self.calling.clear();
            self.aborts.clear();
        }
    }
}
