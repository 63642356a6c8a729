//! What a plan's nodes answer when they are called.

use std::{borrow::Cow, sync::Arc};

use flowforge_core::{
    Awaiting, Input, Run, StepIx, StepState, Timestamp,
    awaiting::{Approval, ChildSource, Children},
    node::{Await, NodeError, Outcome, Output, Wake},
};
use serde_json::Value;

use crate::{
    plan::{Awaits, Items, Plan, id},
    reference::{ITEM_FAILED, answer, run_input},
};

/// The last digit of the time at which a wait for a signal is over; smaller ones count sleeps.
const SILENCE: i64 = 9;

/// The report of an attempt. The last digit of a sleep's end counts the sleeps, so that a new owner knows them.
pub(crate) fn report(plan: &Plan, run: &Run, (step, attempt): (StepIx, u32), now: Timestamp) -> Input {
    let node = plan.node_of(run.graph(), step);
    let scripted = &plan.nodes[node];
    let (slept, awaited) = match run.state(step) {
        StepState::Running { woken, awaited, .. } => (woken.map_or(0, |until| until.0 % 10), awaited.is_some()),
        _ => (0, false),
    };
    let at = |digit| Wake::At(Timestamp((now.0 / 10 + 20) * 10 + digit));
    let result = match (scripted.failures.get(attempt as usize - 1), &scripted.awaits) {
        // The owner gathers what the children have put out.
        (_, Awaits::Children(items)) if awaited && items.fail() => Err(NodeError::fatal(ITEM_FAILED, "as planned")),
        _ if awaited => Ok(Outcome::Done(output(plan, run, step, attempt))),
        _ if slept < scripted.sleeps => Ok(Outcome::Sleep(at(slept + 1))),
        (Some((code, true)), _) => Err(NodeError::retry(code, "as planned")),
        (Some((code, false)), _) => Err(NodeError::fatal(code, "as planned")),
        (None, awaits) => Ok(match awaiting(node, awaits) {
            Some(what) => Outcome::Await(Await { what, until: (*awaits == Awaits::Silence).then(|| at(SILENCE)) }),
            None => Outcome::Done(output(plan, run, step, attempt)),
        }),
    };
    Input::Report { step, attempt, result }
}

/// The items of a step that has some.
pub(crate) fn items_of<'p>(plan: &'p Plan, run: &Run, step: StepIx) -> &'p Items {
    match &plan.nodes[plan.node_of(run.graph(), step)].awaits {
        Awaits::Children(items) => items,
        other => panic!("{other:?} has no children"),
    }
}

fn awaiting(node: usize, awaits: &Awaits) -> Option<Awaiting> {
    match awaits {
        Awaits::Nothing => None,
        Awaits::Signal => Some(Awaiting::Signal { name: id(node) }),
        Awaits::Silence => Some(Awaiting::Signal { name: "never".to_owned() }),
        Awaits::Decision => Some(Awaiting::Approval(Approval { title: id(node), details: Value::Null, approvers: vec![] })),
        Awaits::Children(Items { total, max_parallel, policy, .. }) => Some(Awaiting::Children(Children {
            items: (0..*total).map(Value::from).collect(),
            source: ChildSource::Body,
            max_parallel: *max_parallel,
            on_item_error: *policy,
            single: false,
            pages: Vec::new(),
            outer: None,
        })),
    }
}

fn output(plan: &Plan, run: &Run, step: StepIx, attempt: u32) -> Output {
    let node = plan.node_of(run.graph(), step);
    let scripted = &plan.nodes[node];
    let input = run.input(step).unwrap_or_else(|| Arc::new(run_input()));
    let port = (scripted.port != scripted.ports()[0]).then_some(Cow::Borrowed(scripted.port));
    Output { value: Arc::new(answer(node, attempt, &input)), port }
}
