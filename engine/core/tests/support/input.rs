//! What happens to a run, as the scripts write it.

use std::{borrow::Cow, sync::Arc, time::Duration};

use flowforge_core::{
    Awaiting, Input, NodeId, Run, StepIx, StepState, Timestamp,
    awaiting::{Approval, ChildSource, Children, OnItemError, Verdict},
    node::{Await, NodeError, Outcome, Output, Wake},
    run::Kept,
};
use serde_json::Value;

/// Reads one of these; a report is of the attempt under way unless it says ` attempt 2` at its end:
///
/// ```text
/// recall a · await a answers 2 5000
/// start · start by webhook · wake · cancel · expire · taken over 3
/// done a {"any": "json"} · done c true · done c false {"any": "json"}
/// signal s 1 · await a signal s · await a signal s 5000 · await a decision · decide a approved · pause · resume
/// await a children 3 parallel 2 · await a children 3 parallel 2 continue · child a 0 ended · child a 0 failed
/// start keeping a 1, b 2 · refuse a CODE (of what it waits for)
/// fail a CODE · fail a CODE after 5000 · fatal a CODE · sleep a 5000 · sleep a until 5000
/// ```
pub(crate) fn input(run: &Run, text: &str) -> Input {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["start"] => Input::Start { trigger: run.graph().manual_trigger(), kept: vec![] },
        ["start", "by", trigger] => Input::Start { trigger: Some(step(run, trigger)), kept: vec![] },
        ["start", "keeping", ..] => {
            let kept = text["start keeping".len()..].split(',').map(|one| kept(run, one.trim())).collect();
            Input::Start { trigger: run.graph().manual_trigger(), kept }
        }
        ["pause"] => Input::Pause,
        ["resume"] => Input::Resume,
        ["signal", name, payload @ ..] => Input::Signal { name: (*name).to_owned(), payload: json(&payload.join(" ")) },
        ["decide", node, word] => {
            let step = step(run, node);
            let verdict = if *word == "approved" { Verdict::Approved } else { Verdict::Rejected };
            Input::Decide { step, attempt: current(run, step), verdict, output: Arc::new(word.to_string().into()) }
        }
        ["child", node, index, how] => {
            let step = step(run, node);
            Input::ChildEnded { step, attempt: current(run, step), index: number(index) as u32, failed: *how == "failed" }
        }
        ["await", node, what @ ..] => {
            let step = step(run, node);
            Input::Report { step, attempt: current(run, step), result: Ok(Outcome::Await(awaiting(what))) }
        }
        ["recall", node] => {
            let step = step(run, node);
            Input::Recall { step, attempt: current(run, step) }
        }
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
        ("refuse", [code]) => Err(error(code, false)),
        ("fatal", [code]) => Err(error(code, false)),
        ("fail", [code]) => Err(error(code, true)),
        ("fail", [code, "after", ms]) => Err(error(code, true).after(Duration::from_millis(number(ms)))),
        _ => panic!("`{verb} … {words:?}` is no input"),
    };
    Input::Report { step, attempt, result }
}

fn kept(run: &Run, text: &str) -> Kept {
    let (node, value) = text.split_once(' ').expect("a node and its output");
    let step = step(run, node);
    Kept { step, output: json(value), port: Cow::Borrowed(run.graph().step(step).first_port()) }
}

fn awaiting(words: &[&str]) -> Await {
    let (what, until) = match words {
        ["signal", name] => (signal(name), None),
        ["signal", name, ms] => (signal(name), Some(Wake::After(Duration::from_millis(number(ms))))),
        ["decision"] => (
            Awaiting::Approval(Approval { title: "sure?".to_owned(), details: json("null").as_ref().clone(), approvers: vec![] }),
            None,
        ),
        ["answers", open, ms] => {
            let what = Awaiting::Resolutions { open: number(open) as u32 };
            (what, Some(Wake::After(Duration::from_millis(number(ms)))))
        }
        ["children", total, "parallel", most, policy @ ..] => {
            let on_item_error = if policy.is_empty() { OnItemError::Fail } else { OnItemError::Continue };
            let items = (0..number(total)).map(Into::into).collect();
            let max_parallel = number(most) as u32;
            let children = Children {
                items,
                source: ChildSource::Body,
                max_parallel,
                on_item_error,
                single: false,
                pages: Vec::new(),
                outer: None,
            };
            (Awaiting::Children(children), None)
        }
        _ => panic!("`{words:?}` is nothing to wait for"),
    };
    Await { what, until }
}

fn signal(name: &str) -> Awaiting {
    Awaiting::Signal { name: name.to_owned() }
}

fn json(text: &str) -> Arc<Value> {
    Arc::new(serde_json::from_str(text).expect("JSON"))
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
