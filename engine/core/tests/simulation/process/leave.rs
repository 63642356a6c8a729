//! Leaving in good order: nothing more is begun, what is under way may end, what is left is handed back.

use crate::{
    client::Try,
    messages::Op,
    world::{At, Ev, World},
};

/// How long steps may go on when the process is asked to leave, in milliseconds.
const GRACE: u64 = 20_000;

impl World {
    pub(crate) fn leave(&mut self, at: At) {
        let process = &mut self.processes[at.worker];
        if process.leaving {
            return;
        }
        process.leaving = true;
        self.say(|_| format!("{at:?} leaves"));
        let refused = self.refuse_prepared(at);
        refused.into_iter().for_each(|of| self.reply_later(of, Err(())));
        let grace = self.own_time(at.worker, GRACE);
        self.later(grace, Ev::GraceOver(at));
        self.later(100, Ev::LeaveCheck(at, self.now + grace + 3_000));
        self.every_owner(at);
    }

    /// Whoever asked for a run that no commit has created yet is told that it was not accepted.
    fn refuse_prepared(&mut self, at: At) -> Vec<Try> {
        let live = &mut self.processes[at.worker].live;
        let prepared = |live: &super::Live| live.owner.as_ref().filter(|owner| !owner.begun).and_then(|owner| owner.request);
        let refused = live.iter().filter_map(prepared).collect();
        live.retain(|live| live.owner.as_ref().is_none_or(|owner| owner.begun));
        // Nobody goes on with a claim or a recovery.
        live.retain(|live| live.owner.is_some());
        refused
    }

    pub(crate) fn grace_over(&mut self, at: At) {
        self.hand_back_steps(at);
        for live in &mut self.processes[at.worker].live {
            if let Some(owner) = &mut live.owner {
                owner.give_up_calls();
            }
        }
        self.every_owner(at);
    }

    pub(crate) fn leave_check(&mut self, at: At, until: u64) {
        let process = &self.processes[at.worker];
        if self.now < until && !(process.live.is_empty() && process.lane.is_empty()) {
            return self.later(300, Ev::LeaveCheck(at, until));
        }
        self.ask(at, Op::Forget);
        self.die(at.worker);
        let wait = self.rng.between(500, 20_000);
        self.later(wait, Ev::Restart(at.worker));
    }
}
