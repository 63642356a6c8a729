//! Records that no run would write: the truth table refuses them, and the audit says what is wrong.
#![expect(clippy::expect_used, reason = "a test that cannot go on says why")]

#[path = "support/drawing.rs"]
mod drawing;
#[path = "support/kinds.rs"]
mod kinds;

use std::{borrow::Cow, sync::Arc};

use expect_test::{Expect, expect};
use flowforge_core::{Event, RunStatus, StepIx, StepState, Timestamp, audit::audit, node::NodeError};

const A: StepIx = StepIx(0);
const B: StepIx = StepIx(1);

/// Every state against every fact, about the current attempt, the one before it and those after it.
#[test]
fn what_may_follow_what() {
    let states = [
        StepState::Pending,
        StepState::Running { attempt: 2, woken: None, awaited: None },
        StepState::Waiting { attempt: 2, until: Some(Timestamp(5)), awaiting: None },
        StepState::Backoff { attempt: 2, until: Timestamp(5) },
        StepState::Completed { output: Arc::default(), port: Cow::Borrowed("out") },
        StepState::Failed { error: error() },
        StepState::Skipped,
        StepState::Cancelled,
    ];
    let facts = (1..=4).flat_map(|attempt| {
        [
            began(A, attempt),
            slept(attempt),
            resumed(attempt),
            done(A, attempt),
            failed(attempt, None),
            failed(attempt, Some(9)),
            stopped(attempt),
        ]
    });
    let facts: Vec<Event> = facts.chain([Event::StepSkipped { step: A }]).collect();
    let mut legal = String::new();
    for state in &states {
        for fact in &facts {
            if let Ok(next) = state.next(fact) {
                legal += &format!("{} + {} = {}\n", word(state), told(fact), word(&next));
            }
        }
    }
    expect![[r#"
        pending + began 1 = running 1
        pending + failed 1 = failed
        pending + skipped = skipped
        running 2 + slept 2 = waiting 2 until 9
        running 2 + done 2 = completed
        running 2 + failed 2 = failed
        running 2 + failed 2, again = backoff 2 until 9
        running 2 + stopped 2 = cancelled
        waiting 2 until 5 + slept 2 = waiting 2 until 9
        waiting 2 until 5 + resumed 2 = running 2, woken at 5
        waiting 2 until 5 + done 2 = completed
        waiting 2 until 5 + failed 2 = failed
        waiting 2 until 5 + failed 2, again = backoff 2 until 9
        waiting 2 until 5 + stopped 2 = cancelled
        backoff 2 until 5 + stopped 2 = cancelled
        backoff 2 until 5 + began 3 = running 3
        backoff 2 until 5 + failed 3 = failed
    "#]]
    .assert_eq(&legal);
}

#[test]
fn a_good_record_is_silent() {
    check(&[begun(), began(A, 1), failed(1, Some(9)), began(A, 2), done(A, 2), began(B, 1), done(B, 1), ended()], expect![""]);
}

#[test]
fn a_step_that_began_too_early() {
    check(
        &[begun(), began(B, 1), began(A, 1)],
        expect![[r#"
        b began before a ended
    "#]],
    );
    check(
        &[begun(), began(A, 1), failed(1, Some(9)), began(B, 1)],
        expect![[r#"
        b began before a ended
    "#]],
    );
}

#[test]
fn a_step_that_ended_twice() {
    check(
        &[begun(), began(A, 1), done(A, 1), done(A, 1)],
        expect![[r#"
        the record does not replay: StepCompleted { step: StepIx(0), attempt: 1, output: Null, port: "out" } cannot follow Completed { output: Null, port: "out" }
        a ended twice, at 2 and 3
    "#]],
    );
    check(
        &[begun(), began(A, 1), done(A, 1), stopped(1)],
        expect![[r#"
        the record does not replay: StepCancelled { step: StepIx(0), attempt: 1 } cannot follow Completed { output: Null, port: "out" }
        a ended twice, at 2 and 3
    "#]],
    );
}

#[test]
fn an_attempt_too_many() {
    let tries = |attempt| [began(A, attempt), failed(attempt, Some(9))];
    check(
        &[vec![begun()], (1..=3).flat_map(tries).collect()].concat(),
        expect![[r#"
        a made attempt 3 of 2
    "#]],
    );
}

#[test]
fn a_run_that_begins_or_ends_twice() {
    check(
        &[begun(), begun()],
        expect![[r#"
        the run began 2 times
    "#]],
    );
    check(
        &[begun(), began(A, 1), done(A, 1), began(B, 1), done(B, 1), ended(), ended()],
        expect![[r#"
        RunFinished { status: Completed, output: Null, error: None } follows the run's end
    "#]],
    );
}

#[test]
fn a_run_that_completed_too_early() {
    check(
        &[begun(), began(A, 1), done(A, 1), ended()],
        expect![[r#"
        the run completed while b had not ended
    "#]],
    );
}

#[test]
fn a_beginning_that_is_missing() {
    check(
        &[begun(), done(A, 1)],
        expect![[r#"
        the record does not replay: StepCompleted { step: StepIx(0), attempt: 1, output: Null, port: "out" } cannot follow Pending
    "#]],
    );
}

/// Audits a record of a graph where `b` comes after `a`, which may be tried twice.
fn check(facts: &[Event], expected: Expect) {
    let drawn = "node a set\nnode b set\nedge a -> b\na retry 2 linear 1..1";
    let found = audit(&drawing::graph(drawn.lines()), facts);
    expected.assert_eq(&found.into_iter().map(|violation| violation.0 + "\n").collect::<String>());
}

fn begun() -> Event {
    Event::RunStarted { trigger: None }
}

fn began(step: StepIx, attempt: u32) -> Event {
    Event::StepStarted { step, attempt }
}

fn slept(attempt: u32) -> Event {
    Event::StepWaiting { step: A, attempt, until: Some(Timestamp(9)), awaiting: None }
}

fn resumed(attempt: u32) -> Event {
    Event::StepResumed { step: A, attempt }
}

fn done(step: StepIx, attempt: u32) -> Event {
    Event::StepCompleted { step, attempt, output: Arc::default(), port: Cow::Borrowed("out") }
}

fn failed(attempt: u32, again: Option<i64>) -> Event {
    Event::StepFailed { step: A, attempt, error: error(), retry_at: again.map(Timestamp) }
}

fn stopped(attempt: u32) -> Event {
    Event::StepCancelled { step: A, attempt }
}

fn ended() -> Event {
    Event::RunFinished { status: RunStatus::Completed, output: Arc::default(), error: None }
}

fn error() -> Arc<NodeError> {
    Arc::new(NodeError::retry("X", "x"))
}

/// The name of a state, and its attempt and time if it has any.
fn word(state: &StepState) -> String {
    match state {
        StepState::Running { attempt, woken: None, .. } => format!("running {attempt}"),
        StepState::Running { attempt, woken: Some(until), .. } => format!("running {attempt}, woken at {}", until.0),
        StepState::Waiting { attempt, until, .. } => format!("waiting {attempt} until {}", until.map_or(0, |at| at.0)),
        StepState::Backoff { attempt, until } => format!("backoff {attempt} until {}", until.0),
        ended => ended.status().to_string(),
    }
}

fn told(fact: &Event) -> String {
    match fact {
        Event::StepStarted { attempt, .. } => format!("began {attempt}"),
        Event::StepWaiting { attempt, .. } => format!("slept {attempt}"),
        Event::StepResumed { attempt, .. } => format!("resumed {attempt}"),
        Event::StepCompleted { attempt, .. } => format!("done {attempt}"),
        Event::StepFailed { attempt, retry_at: None, .. } => format!("failed {attempt}"),
        Event::StepFailed { attempt, .. } => format!("failed {attempt}, again"),
        Event::StepCancelled { attempt, .. } => format!("stopped {attempt}"),
        _ => "skipped".to_owned(),
    }
}
