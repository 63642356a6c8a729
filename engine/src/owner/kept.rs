//! The beginning of a run that keeps steps of an earlier one.

use std::sync::Arc;

use flowforge_core::{Event, Graph, Input, Run, RunId, RunStatus, Timestamp};

use super::{draft::Draft, load::seed};
use crate::committer::{Delta, Guard};

/// A run that has begun and whose kept steps are completed, for whoever finds it to go on with.
pub(crate) fn begun(graph: &Arc<Graph>, id: RunId, guard: Guard, start: Input, now: Timestamp) -> Delta {
    let mut run = Run::new(graph.clone(), seed(id));
    // A run that has not begun takes no other input than this one, so it is not refused.
    let facts = run.step(start, now).unwrap_or_default();
    let mut draft = Draft::default();
    let is_beginning = |fact: &&Event| matches!(fact, Event::RunStarted { .. } | Event::StepKept { .. });
    // What follows from them is found again by the owner.
    facts.iter().filter(is_beginning).for_each(|fact| draft.record(graph, fact, None, now));
    draft.release(RunStatus::Running, Some(now));
    draft.take(id, guard)
}
