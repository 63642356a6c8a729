//! Random workflows in a random order of events, held against a reference interpreter; crashes, cancels and noise included.
#![expect(clippy::expect_used, reason = "a test that cannot go on says why")]

#[path = "support/answers.rs"]
mod answers;
#[path = "support/children.rs"]
mod children;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/plan.rs"]
mod plan;
#[path = "support/reference.rs"]
mod reference;
#[path = "properties/repeats.rs"]
mod repeats;
#[path = "support/seeded.rs"]
mod seeded;
#[path = "support/watched.rs"]
mod watched;
#[path = "support/world.rs"]
mod world;

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use flowforge_core::{
    Awaiting, Event, Input, RunStatus, StepIx, StepState, Timestamp,
    awaiting::{Approval, ChildSource, Children, OnItemError, Verdict},
    document::OnError,
    graph::StepSpec,
    node::{Await, NodeError, Outcome, Wake},
};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    plan::{Plan, id, plans},
    reference::{Fate, Reference},
    seeded::check,
    watched::{Look, Watched},
    world::{Trouble, World},
};

#[test]
fn any_order_ends_as_the_reference_says() {
    check(800, &(plans(), any::<u64>()), |(plan, seed)| {
        compare(&plan, Trouble { seed, ..Trouble::default() });
    });
}

#[test]
fn crashes_change_nothing() {
    check(800, &(plans(), any::<u64>(), 1..60_u64), |(plan, seed, crashes)| {
        let disturbed = compare(&plan, Trouble { seed, crashes, ..Trouble::default() });
        if disturbed.run.status() == RunStatus::Completed {
            let calm = World::run(&plan, Trouble { seed: !seed, ..Trouble::default() });
            assert_eq!(Look::at(&calm.run), Look::at(&disturbed.run));
        }
    });
}

#[test]
fn pauses_change_nothing() {
    check(800, &(plans(), any::<u64>(), 1..60_u64), |(plan, seed, pauses)| {
        let paused = compare(&plan, Trouble { seed, pauses, crashes: 5, ..Trouble::default() });
        if paused.run.status() == RunStatus::Completed {
            let calm = World::run(&plan, Trouble { seed: !seed, ..Trouble::default() });
            assert_eq!(Look::at(&calm.run), Look::at(&paused.run));
        }
    });
}

#[test]
fn what_was_done_before_a_cancel_stands() {
    check(800, &(plans(), any::<u64>(), 0..30_u32), |(plan, seed, turn)| {
        compare(&plan, Trouble { seed, crashes: 10, pauses: 5, cancel: Some(turn), expire: None });
    });
}

#[test]
fn what_was_done_before_the_time_was_up_stands() {
    check(800, &(plans(), any::<u64>(), 0..30_u32), |(plan, seed, turn)| {
        compare(&plan, Trouble { seed, crashes: 10, pauses: 5, cancel: None, expire: Some(turn) });
    });
}

#[test]
fn no_input_breaks_an_invariant() {
    check(800, &(plans(), proptest::collection::vec(noise(), 1..60)), |(plan, noise)| {
        let mut watched = Watched::new(plan.graph(), 1);
        for (at, input) in noise.into_iter().enumerate() {
            // Refusals are watched too.
            drop(watched.step(input, Timestamp(at as i64 * 60)));
        }
        watched.check_past();
    });
}

/// A property that never meets a situation says nothing of it.
#[test]
fn every_situation_is_met() {
    let met = RefCell::new(BTreeMap::new());
    check(1_200, &(plans(), any::<u64>()), |(plan, seed)| {
        let watched = World::run(&plan, Trouble { seed, crashes: 10, pauses: 5, ..Trouble::default() });
        for situation in situations(&plan, &watched) {
            *met.borrow_mut().entry(situation).or_insert(0) += 1;
        }
    });
    let rare: Vec<_> =
        SITUATIONS.iter().filter(|situation| met.borrow().get(*situation).is_none_or(|times| *times < 2)).collect();
    assert!(rare.is_empty(), "{rare:?} in {met:?}");
}

const SITUATIONS: &[&str] = &[
    "a completed run",
    "a failed run",
    "a step skipped",
    "a join with a dead branch",
    "a retry",
    "a sleep",
    "an error port",
    "going on with null",
    "several ends",
    "a sibling stopped",
    "an idle trigger",
    "two edges from one step",
    "a signal that came too early",
    "a signal that was waited for",
    "a signal that never came",
    "a decision",
    "a step with many items",
    "a step without items",
    "an item that failed and did no harm",
    "items given up",
    "a pause",
];

fn situations(plan: &Plan, watched: &Watched) -> Vec<&'static str> {
    let (run, facts) = (&watched.run, &watched.facts);
    let any = |wanted: &dyn Fn(&Event) -> bool| facts.iter().any(wanted);
    let steps = || run.graph().steps().map(|(ix, step)| (run.state(ix), step));
    let awaited = |wanted: &dyn Fn(&Awaiting, &Option<Timestamp>) -> bool| {
        any(&|fact| matches!(fact, Event::StepWaiting { awaiting: Some(what), until, .. } if wanted(what, until)))
    };
    let failed = || steps().filter(|(state, _)| matches!(state, StepState::Failed { .. }));
    let dead = |step: &StepSpec| step.incoming.iter().filter(|link| *run.state(link.step) == StepState::Skipped).count();
    let twice = |step: &StepSpec| step.incoming.windows(2).any(|pair| pair[0].step == pair[1].step);
    let found = [
        run.status() == RunStatus::Completed,
        run.status() == RunStatus::Failed,
        any(&|fact| matches!(fact, Event::StepSkipped { .. })),
        steps().any(|(state, step)| matches!(state, StepState::Completed { .. }) && dead(step) > 0),
        any(&|fact| matches!(fact, Event::StepFailed { retry_at: Some(_), .. })),
        any(&|fact| matches!(fact, Event::StepWaiting { awaiting: None, .. })),
        failed().any(|(_, step)| step.handles_errors()),
        failed().any(|(_, step)| !step.handles_errors() && step.on_error == OnError::Continue),
        any(&|fact| matches!(fact, Event::RunFinished { output, .. } if output.as_object().is_some_and(|ends| ends.len() > 1))),
        any(&|fact| matches!(fact, Event::StepCancelled { .. })),
        plan.fired.is_some_and(|_| plan.nodes.iter().filter(|node| node.is_trigger()).count() > 1),
        steps().any(|(_, step)| twice(step)),
        any(&|fact| matches!(fact, Event::SignalKept { .. })),
        awaited(&|what, until| matches!(what, Awaiting::Signal { .. }) && until.is_none()),
        awaited(&|what, until| matches!(what, Awaiting::Signal { .. }) && until.is_some()),
        awaited(&|what, _| matches!(what, Awaiting::Approval(_))),
        awaited(&|what, _| matches!(what, Awaiting::Children(children) if children.total() > 1)),
        awaited(&|what, _| matches!(what, Awaiting::Children(children) if children.total() == 0)),
        any(
            &|fact| matches!(fact, Event::ChildEnded { step, failed: true, .. } if matches!(run.state(*step), StepState::Completed { .. })),
        ),
        any(&|fact| matches!(fact, Event::ChildrenCancelled { .. })),
        any(&|fact| matches!(fact, Event::RunPaused)),
    ];
    SITUATIONS.iter().zip(found).filter(|(_, found)| *found).map(|(situation, _)| *situation).collect()
}

/// Any input at all, mostly reports, of steps that may not exist and attempts that may not be under way.
fn noise() -> impl Strategy<Value = Input> {
    let report = (0..14_u32, 1..4_u32, 0..10_usize).prop_map(|(step, attempt, answer)| {
        let result = match answer {
            7.. => Ok(Outcome::Await(awaiting(step, answer))),
            0 => Ok(Outcome::Sleep(Wake::At(Timestamp(i64::from(step) * 300)))),
            1 => Err(NodeError::fatal("HTTP_404", "noise")),
            2 => Err(NodeError::retry("NETWORK_ERROR", "noise")),
            port => Ok(Outcome::on_port(1, ["out", "true", "false", "error"][port - 3])),
        };
        Input::Report { step: StepIx(step), attempt, result }
    });
    prop_oneof![
        60 => report,
        6 => (0..14_u32).prop_map(|step| Input::Start { trigger: (step < 13).then_some(StepIx(step)), kept: vec![] }),
        12 => Just(Input::Wake),
        6 => (0..14_u32).prop_map(|step| Input::Signal { name: step.to_string(), payload: Arc::default() }),
        6 => (0..14_u32, 1..4_u32).prop_map(|(step, attempt)| {
            Input::Decide { step: StepIx(step), attempt, verdict: Verdict::Rejected, output: Arc::default() }
        }),
        12 => (0..14_u32, 1..4_u32, 0..4_u32, any::<bool>()).prop_map(|(step, attempt, index, failed)| {
            Input::ChildEnded { step: StepIx(step), attempt, index, failed }
        }),
        2 => Just(Input::Pause),
        4 => Just(Input::Resume),
        6 => (0..5_u32).prop_map(|crashes| Input::TakenOver { crashes }),
        1 => Just(Input::Cancel),
        1 => Just(Input::Expire),
    ]
}

/// A wait for a signal, a decision or children, for a while or for ever.
fn awaiting(step: u32, kind: usize) -> Await {
    let what = match kind {
        7 => Awaiting::Signal { name: step.to_string() },
        8 => Awaiting::Approval(Approval { title: "noise".to_owned(), details: json!(null), approvers: vec![] }),
        _ => Awaiting::Children(Children {
            items: (0..step % 4).map(|item| json!(item)).collect(),
            source: ChildSource::Body,
            max_parallel: step % 3,
            on_item_error: if step.is_multiple_of(2) { OnItemError::Fail } else { OnItemError::Collect },
            single: false,
            pages: Vec::new(),
            outer: None,
        }),
    };
    Await { what, until: step.is_multiple_of(2).then_some(Wake::At(Timestamp(i64::from(step) * 300))) }
}

/// A run that completed is what the reference says, to the last output. One that ended early never contradicts it.
fn compare(plan: &Plan, trouble: Trouble) -> Watched {
    compared(plan, trouble, World::run(plan, trouble))
}

fn compared(plan: &Plan, trouble: Trouble, watched: Watched) -> Watched {
    let reference = Reference::new(plan);
    for node in 0..plan.nodes.len() {
        let state = watched.run.state(plan.step(watched.run.graph(), node));
        let fate = reference.fate(node);
        assert!(agree(&fate, state, watched.run.status()), "{}: {state:?} is not {fate:?}", id(node));
    }
    let culprits = reference.culprits();
    match watched.facts.last() {
        Some(Event::RunFinished { status: RunStatus::Completed, output, error: None }) => {
            assert_eq!((&**output, culprits), (&reference.output(), vec![]));
        }
        Some(Event::RunFinished { status: RunStatus::Failed, error: Some(error), .. }) => match &error.node_id {
            Some(node) => assert!(culprits.iter().any(|culprit| id(*culprit) == node.as_str()), "{node} is not to blame"),
            None => assert_eq!((error.code.as_str(), trouble.expire.is_some()), ("RUN_TIMEOUT", true)),
        },
        Some(Event::RunFinished { status: RunStatus::Cancelled, .. }) => assert!(trouble.cancel.is_some()),
        other => panic!("{other:?} is no end"),
    }
    watched
}

fn agree(fate: &Fate, state: &StepState, run: RunStatus) -> bool {
    let early = run != RunStatus::Completed;
    match (fate, state) {
        (Fate::Completed { port, output }, StepState::Completed { port: by, output: with }) => by == port && *output == **with,
        (Fate::Failed { code, .. }, StepState::Failed { error }) => error.code == *code,
        (Fate::Skipped, StepState::Skipped) => true,
        (Fate::Never, state) => early && *state == StepState::Pending,
        (_, StepState::Pending | StepState::Cancelled) => early,
        _ => false,
    }
}
