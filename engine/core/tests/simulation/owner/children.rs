//! Runs that a step starts: calling for them, asking them to stop, gathering what they have come to, as in
//! `engine/src/owner/children.rs`.

use std::sync::Arc;

use flowforge_core::{
    Awaiting, Input, RunStatus, StepIx, StepState,
    awaiting::OnItemError,
    node::{NodeError, Outcome},
};
use serde_json::Value;

use super::{Ended, Owner};
use crate::{
    bug::Bug,
    cover::Rare,
    delta::{Delta, Guard, NewRun},
    messages::{Fate, Op, Order, To},
    plan::{Awaits, Call, ITEM_FAILED, pool},
    store::{Body, ChildResult, Parent},
    world::{At, Ev, Hint, World},
};

/// The wait before a child is called for again that the database did not take, in milliseconds.
const AGAIN: u64 = 500;

impl Owner {
    /// Calls for a run for an item.
    pub(super) fn call_child(&mut self, world: &mut World, step: StepIx, attempt: u32, index: u32) {
        let waits = matches!(self.run.state(step), StepState::Waiting { attempt: now, awaiting: Some(awaiting), .. }
            if *now == attempt && matches!(**awaiting, Awaiting::Children(_)));
        if waits {
            let child = Parent { run: self.id, step, attempt, index };
            self.calling.push(child);
            self.try_call(world, child);
        }
    }

    /// Calls until it is known that the run exists.
    pub(crate) fn try_call(&mut self, world: &mut World, child: Parent) {
        // The run may be another worker's by now: whoever it is given to calls.
        if !world.is_trusted_since(self.at.worker, self.lapses) {
            if world.bug != Bug::LapsedCallsNobody {
                self.over = Some(Ended::Lost);
            }
            return self.calling.retain(|calling| *calling != child);
        }
        let run = world.child(child);
        let compiled = world.ghosts[run as usize].compiled;
        let deadline_at = compiled.plan.timeout_s.map(|s| world.guess(self.at.worker) + s as i64 * 1_000);
        let new = NewRun { compiled, owner: None, key: None, deadline_at, parent: Some(child) };
        let delta = Delta::of_run(run, Guard::New(new), self.claim);
        let to = To::Child { run: self.id, token: self.token, child };
        world.submit(self.at, Order { delta, to, shared_id: 0 });
    }

    /// What came of calling for a child. Fenced: it was called for before.
    pub(crate) fn called(&mut self, world: &mut World, child: Parent, fate: Fate) {
        if !self.calling.contains(&child) {
            return;
        }
        if fate == Fate::Failed {
            let wait = world.own_time(self.at.worker, AGAIN);
            return world.later(wait, Ev::CallChild(self.at, self.token, child));
        }
        self.calling.retain(|calling| *calling != child);
        if fate == Fate::Fenced {
            world.cover.sometimes(Rare::ChildCalledTwice);
        }
        let run = world.child(child);
        world.push(self.at, Hint::Run(run));
    }

    /// Asks the open children of a step to stop, with the commit that gives them up.
    pub(super) fn cancel_children(&mut self, world: &mut World, step: StepIx, attempt: u32) {
        let Some(progress) = self.run.children(step) else { return };
        for index in progress.open() {
            let run = world.child(Parent { run: self.id, step, attempt, index });
            world.cover.sometimes(Rare::ChildCancelled);
            world.ghosts[run as usize].was_cancelled = true;
            if world.bug != Bug::CancelSparesChildren {
                self.draft.send(run, Body::Cancel);
            }
            self.rings.push(run);
        }
    }

    /// Whether an attempt is to gather what its children have come to, instead of calling its node.
    pub(super) fn gathers(&self, step: StepIx) -> bool {
        matches!(self.run.state(step), StepState::Running { awaited: Some(awaited), .. }
            if matches!(**awaited, Awaiting::Children(_)))
    }

    /// What the children of an attempt have come to was read.
    pub(crate) fn gathered(&mut self, world: &mut World, call: Call, results: Result<Vec<ChildResult>, ()>) {
        let Some(at) = self.under_way.iter().position(|other| *other == call) else { return };
        if self.lets_go() {
            return;
        }
        let Ok(results) = results else {
            let (run, token) = (self.id, self.token);
            return world.ask(self.at, Op::Gather { run, token, call });
        };
        self.under_way.remove(at);
        let Awaits::Children { items, on_item_error, .. } = self.compiled.script(call.step).awaits else { return };
        let result = gathered(&results, items, on_item_error);
        self.apply(world, Input::Report { step: call.step, attempt: call.attempt, result });
    }

    /// The parent learns of the end with the commit that records it.
    pub(super) fn tell_of_end(&mut self, world: &World, status: RunStatus) {
        let Some(parent) = world.ghosts[self.id as usize].parent else { return };
        let Parent { run, step, attempt, index } = parent;
        if world.bug != Bug::ChildEndsSilently {
            self.draft.send(run, Body::ChildEnded { step, attempt, index, failed: status != RunStatus::Completed });
        }
        self.rings.push(run);
    }
}

/// The outputs in the order of the items, as the policy wants failures to be told.
pub(crate) fn gathered(results: &[ChildResult], items: u32, policy: OnItemError) -> Result<Outcome, NodeError> {
    if policy == OnItemError::Fail && results.iter().any(|child| child.status != RunStatus::Completed) {
        return Err(NodeError::retry(ITEM_FAILED, "as planned"));
    }
    let mut outputs = vec![Value::Null; items as usize];
    for child in results {
        if let Some(place) = outputs.get_mut(child.index as usize) {
            *place = match (child.status, policy) {
                (RunStatus::Completed, _) => child.output.as_deref().cloned().unwrap_or_default(),
                (status, OnItemError::Collect) => status.as_str().into(),
                _ => Value::Null,
            };
        }
    }
    Ok(Outcome::done(Value::Array(outputs)))
}

impl World {
    /// The number of the run for an item: the same however often it is called for.
    pub(crate) fn child(&mut self, child: Parent) -> u32 {
        if let Some(run) = self.ghosts.iter().position(|ghost| ghost.parent == Some(child)) {
            return run as u32;
        }
        let parent = self.ghosts[child.run as usize].compiled;
        let compiled = match parent.script(child.step).awaits {
            Awaits::Children { plan, .. } => &pool()[plan],
            _ => parent,
        };
        let run = self.ticket(compiled);
        self.ghosts[run as usize].parent = Some(child);
        run
    }

    /// A parent calls for a child once more.
    pub(crate) fn call_child_again(&mut self, at: At, token: u64, child: Parent) {
        self.with_owner(at, child.run, token, |world, owner| owner.try_call(world, child));
    }
}

/// What a run's signals are called and what they carry.
pub(crate) fn payload(node: usize) -> Arc<Value> {
    Arc::new(crate::reference::from_outside(node))
}
