//! The beginning of a run that keeps steps of an earlier one, as in `engine/src/owner/kept.rs`.

use flowforge_core::{Event, Input, Run, RunStatus, Timestamp};

use super::draft::Draft;
use crate::{
    bug::Bug,
    delta::{Delta, Guard, NewRun},
};

/// A run that has begun and whose kept steps are completed, for whoever finds it to go on with.
pub(crate) fn begun(run: u32, new: NewRun, now: Timestamp, bug: Bug) -> Delta {
    let compiled = new.compiled;
    let mut begun = Run::new(compiled.graph.clone(), u64::from(run));
    let kept = if bug == Bug::KeptForgotten { Vec::new() } else { compiled.kept.clone() };
    let facts = begun.step(Input::Start { trigger: compiled.trigger(), kept }, now).unwrap_or_default();
    let mut draft = Draft::new(run, bug);
    let is_beginning = |fact: &&Event| matches!(fact, Event::RunStarted { .. } | Event::StepKept { .. });
    // What follows from them is found again by the owner.
    facts.iter().filter(is_beginning).for_each(|fact| draft.record(&begun, fact));
    draft.release(RunStatus::Running, Some(now));
    draft.take(Guard::New(new), 0)
}
