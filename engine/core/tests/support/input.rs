//! What happens to a run, as the scripts write it.

use std::{borrow::Cow, sync::Arc, time::Duration};

use flowforge_core::{
    Input, NodeId, Run, StepIx, StepState, Timestamp,
    node::{NodeError, Outcome, Output, Wake},
};

/// Reads one of these; a report is of the attempt under way unless it says ` attempt 2` at its end:
///
/// ```text
/// start · start by webhook · wake · cancel · expire · taken over 3
/// done a {"any": "json"} · done c true · done c false {"any": "json"}
/// fail a CODE · fail a CODE after 5000 · fatal a CODE · sleep a 5000 · sleep a until 5000
/// ```
pub(crate) fn input(run: &Run, text: &str) -> Input {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["start"] => Input::Start { trigger: run.graph().manual_trigger() },
        ["start", "by", trigger] => Input::Start { trigger: Some(step(run, trigger)) },
        ["wake"] => Input::Wake,
        ["cancel"] => Input::Cancel,
        ["expire"] => Input::Expire,
        ["taken", "over", crashes] => Input::TakenOver { crashes: number(crashes) as u32 },
        [verb, node, rest @ ..] => report(run, verb, step(run, node), rest),
        _ => panic!("`{text}` is no input"),
    }
}

/// The step of a node.
pub(crate) fn step(run: &Run, node: &str) -> StepIx {
    run.graph().find(&NodeId::from(node)).unwrap_or_else(|| panic!("there is no node `{node}`"))
}

fn report(run: &Run, verb: &str, step: StepIx, words: &[&str]) -> Input {
    let (words, attempt) = match words {
        [words @ .., "attempt", attempt] => (words, number(attempt) as u32),
        words => (words, current(run, step)),
    };
    let result = match (verb, words) {
        ("done", words) => Ok(Outcome::Done(output(run, step, words))),
        ("sleep", [ms]) => Ok(Outcome::Sleep(Wake::After(Duration::from_millis(number(ms))))),
        ("sleep", ["until", at]) => Ok(Outcome::Sleep(Wake::At(Timestamp(number(at) as i64)))),
        ("fatal", [code]) => Err(error(code, false)),
        ("fail", [code]) => Err(error(code, true)),
        ("fail", [code, "after", ms]) => Err(error(code, true).after(Duration::from_millis(number(ms)))),
        _ => panic!("`{verb} … {words:?}` is no input"),
    };
    Input::Report { step, attempt, result }
}

fn current(run: &Run, step: StepIx) -> u32 {
    match run.state(step) {
        StepState::Running { attempt, .. } | StepState::Waiting { attempt, .. } | StepState::Backoff { attempt, .. } => *attempt,
        _ => 1,
    }
}

/// A port's name and a value, or either alone; without a value the step passes on what it was given.
fn output(run: &Run, step: StepIx, words: &[&str]) -> Output {
    let ports = run.graph().step(step).kind.spec.ports;
    let several = words.first().filter(|word| ports.len() > 1 || **word == "error");
    let words = &words[several.iter().count()..];
    let value = match words {
        [] => run.input(step).unwrap_or_default(),
        words => Arc::new(serde_json::from_str(&words.join(" ")).expect("JSON")),
    };
    Output { value, port: several.map(|port| Cow::Owned((*port).to_owned())) }
}

fn error(code: &str, retryable: bool) -> NodeError {
    let error = NodeError::fatal("", format!("a test said {code}"));
    NodeError { code: Cow::Owned(code.to_owned()), retryable, ..error }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a whole number")
}
