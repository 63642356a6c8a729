//! Which steps of a run that has ended count as done in a run that repeats it, and which have to run again.
//!
//! A step is kept when it completed, is the same in the new graph, and everything before it is kept or skipped as before. Then it
//! would be given what it was given: its expressions read nothing but the run's input and steps that come before it. A step that
//! begins a run is given the run's input, and every other one comes after such a step; so another input leaves nothing to keep.
//! What a step learns beside that, such as the run's id or a secret, belongs to the time at which it ran.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use crate::{
    graph::{Graph, Param, StepIx, StepSpec},
    id::NodeId,
    node::Group,
    run::Kept,
    state::StepState,
};

/// What became of a step in the run that is repeated.
#[derive(Debug, Clone, PartialEq)]
pub enum Past {
    /// It never began.
    NotReached,
    /// No edge that leads to it was taken.
    Skipped,
    /// It failed for good.
    Failed,
    /// It was stopped because its run ended.
    Stopped,
    /// It ended well.
    Completed {
        /// What successors saw; none when it is not stored any more.
        output: Option<Arc<Value>>,
        /// The port by which it left.
        port: Cow<'static, str>,
    },
}

impl From<&StepState> for Past {
    fn from(state: &StepState) -> Self {
        match state {
            StepState::Pending => Self::NotReached,
            StepState::Skipped => Self::Skipped,
            StepState::Failed { .. } => Self::Failed,
            StepState::Running { .. } | StepState::Waiting { .. } | StepState::Backoff { .. } | StepState::Cancelled => {
                Self::Stopped
            }
            StepState::Completed { output, port } => Self::Completed { output: Some(output.clone()), port: port.clone() },
        }
    }
}

/// Where the new run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At its start: nothing is kept.
    Start,
    /// At what did not complete: as much is kept as can be.
    Failed,
    /// At this step of the new graph: nothing at it or after it is kept.
    Step(StepIx),
}

/// What is to be repeated, and how.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The graph of the run that is repeated.
    pub old: &'a Graph,
    /// What became of its steps, by their number.
    pub past: &'a [Past],
    /// The graph of the new run.
    pub new: &'a Graph,
    /// The trigger that the new run begins by.
    pub trigger: Option<StepIx>,
    /// Where it begins.
    pub begin: Begin,
    /// Whether it is given another input.
    pub has_other_input: bool,
    /// The steps that have left files which the new run can take over, in the order in which they left them. Each found what those
    /// before it had left.
    pub files: &'a [NodeId],
}

/// What becomes of a step in the new run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Its output is taken over, or it is skipped as before.
    Keep,
    /// It runs again, as far as it is reached.
    RunAgain,
    /// The same, where its output would have been taken over if that were possible.
    CannotKeep,
}

/// A step of the new graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Which step.
    pub step: StepIx,
    /// What becomes of it.
    pub decision: Decision,
    /// Why, for a person.
    pub reason: String,
    /// Whether it acts on the world, has done so before, and may do so again.
    pub repeats_effect: bool,
}

/// What a new run keeps of an old one.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// All steps of the new graph, in topological order.
    pub steps: Vec<Planned>,
    /// Those that count as completed from the beginning.
    pub kept: Vec<Kept>,
}

impl Plan {
    /// Steps whose effects may happen once more.
    pub fn effects(&self) -> impl Iterator<Item = StepIx> {
        self.steps.iter().filter(|planned| planned.repeats_effect).map(|planned| planned.step)
    }
}

/// Decides for every step of the new graph.
pub fn plan(ask: &Ask) -> Plan {
    let mut planner = Planner { ask, fates: Vec::with_capacity(ask.new.len()) };
    let mut plan = Plan { steps: Vec::with_capacity(ask.new.len()), kept: Vec::new() };
    for (step, spec) in ask.new.steps() {
        let (fate, reason) = planner.decide(step, spec);
        if let Fate::Kept { output, port } = &fate {
            plan.kept.push(Kept { step, output: output.clone(), port: port.clone() });
        }
        let decision = fate.decision();
        let repeats_effect = decision != Decision::Keep && planner.has_acted(spec);
        plan.steps.push(Planned { step, decision, reason, repeats_effect });
        planner.fates.push(fate);
    }
    plan
}

/// What is known of a step of the new run before it has begun.
enum Fate {
    Kept {
        output: Arc<Value>,
        port: Cow<'static, str>,
    },
    Skipped {
        as_before: bool,
    },
    /// Nothing is known; `forced` when it would have been kept if that were possible.
    Again {
        forced: bool,
    },
}

impl Fate {
    fn decision(&self) -> Decision {
        match self {
            Self::Kept { .. } | Self::Skipped { .. } => Decision::Keep,
            Self::Again { forced: false } => Decision::RunAgain,
            Self::Again { forced: true } => Decision::CannotKeep,
        }
    }
}

fn begins_here() -> (Fate, String) {
    (AGAIN, "the new run begins here".to_owned())
}

const AGAIN: Fate = Fate::Again { forced: false };
const FORCED: Fate = Fate::Again { forced: true };

struct Planner<'a> {
    ask: &'a Ask<'a>,
    /// Of the steps before the one that is decided.
    fates: Vec<Fate>,
}

impl Planner<'_> {
    fn decide(&self, step: StepIx, spec: &StepSpec) -> (Fate, String) {
        if self.ask.begin == Begin::Start {
            return (AGAIN, "the whole run is repeated".to_owned());
        }
        let past = self.past(spec);
        if let Some(unknown) = self.after_unknown(step, spec, past) {
            return unknown;
        }
        if !self.is_reached(step, spec) {
            let as_before = matches!(past, Some((_, Past::Skipped)));
            return (Fate::Skipped { as_before }, skipped(as_before).to_owned());
        }
        if self.ask.begin == Begin::Step(step) {
            return begins_here();
        }
        if spec.incoming.is_empty() && self.ask.has_other_input {
            return (AGAIN, "it is given the run's input, which is another one".to_owned());
        }
        match past {
            None => (AGAIN, "the run that is repeated had no such step".to_owned()),
            Some((old, Past::Completed { output, port })) => self.keep(old, spec, output.as_ref(), port.clone()),
            Some((_, past)) => (AGAIN, past.said().to_owned()),
        }
    }

    /// A step that completed and would be given the same again.
    fn keep(&self, old: &StepSpec, spec: &StepSpec, output: Option<&Arc<Value>>, port: Cow<'static, str>) -> (Fate, String) {
        if let Some(difference) = difference((self.ask.old, old), (self.ask.new, spec)) {
            return (AGAIN, difference.to_owned());
        }
        let now_skipped = spec.incoming.iter().find(|link| matches!(self.fate(link.step), Fate::Skipped { as_before: false }));
        if let Some(link) = now_skipped {
            return (AGAIN, format!("`{}`, which comes before it, is skipped now", self.id(link.step)));
        }
        if spec.kind.spec.leaves_files
            && let Some(lost) = self.lost_files(spec)
        {
            return (FORCED, lost);
        }
        match output {
            Some(output) => (Fate::Kept { output: output.clone(), port }, "its output is taken over".to_owned()),
            None => (FORCED, "its output is not stored any more".to_owned()),
        }
    }

    /// Why what a step did to the files cannot be taken over.
    fn lost_files(&self, spec: &StepSpec) -> Option<String> {
        let Some(place) = self.ask.files.iter().position(|node| *node == spec.id) else {
            return Some("what it did is in the files of the old run, and these are not kept".to_owned());
        };
        let is_kept = |node: &NodeId| {
            let step = self.ask.new.find(node);
            step.is_some_and(|step| matches!(self.fates.get(step.index()), Some(Fate::Kept { .. })))
        };
        let lost = self.ask.files[..place].iter().find(|node| !is_kept(node))?;
        Some(format!("it changed the files as `{lost}` had left them, which does not keep its place"))
    }

    /// Why nothing can be said of a step: something before it runs again.
    fn after_unknown(&self, step: StepIx, spec: &StepSpec, past: Option<(&StepSpec, &Past)>) -> Option<(Fate, String)> {
        let mut unknown = spec.incoming.iter().filter_map(|link| match self.fate(link.step) {
            Fate::Again { forced } => Some((link.step, *forced)),
            _ => None,
        });
        let (first, mut forced) = unknown.next()?;
        if self.ask.begin == Begin::Step(step) {
            return Some(begins_here());
        }
        forced &= unknown.all(|(_, forced)| forced) && matches!(past, Some((_, Past::Completed { .. })));
        Some((Fate::Again { forced }, format!("it comes after `{}`, which runs again", self.id(first))))
    }

    /// Whether an edge that leads to a step is taken, when what becomes of everything before it is known.
    fn is_reached(&self, step: StepIx, spec: &StepSpec) -> bool {
        if spec.incoming.is_empty() {
            return !spec.kind.spec.is_trigger() || self.ask.trigger == Some(step);
        }
        spec.incoming.iter().any(|link| matches!(self.fate(link.step), Fate::Kept { port, .. } if **port == *link.port))
    }

    /// Whether a step acts on the world now as before, and has begun to.
    fn has_acted(&self, spec: &StepSpec) -> bool {
        let begun = |past: &Past| !matches!(past, Past::NotReached | Past::Skipped);
        acts(spec) && self.past(spec).is_some_and(|(old, past)| acts(old) && begun(past))
    }

    /// The step of that name in the old run.
    fn past(&self, spec: &StepSpec) -> Option<(&StepSpec, &Past)> {
        let old = self.ask.old.find(&spec.id)?;
        Some((self.ask.old.step(old), self.ask.past.get(old.index())?))
    }

    fn fate(&self, step: StepIx) -> &Fate {
        // Steps are numbered in topological order, so what comes before has been decided.
        self.fates.get(step.index()).unwrap_or(&AGAIN)
    }

    fn id(&self, step: StepIx) -> &NodeId {
        &self.ask.new.step(step).id
    }
}

impl Past {
    fn said(&self) -> &'static str {
        match self {
            Self::NotReached => "it had not begun",
            Self::Skipped => "it was skipped, and is reached now",
            Self::Failed => "it failed",
            Self::Stopped => "it was stopped",
            Self::Completed { .. } => "it completed",
        }
    }
}

fn skipped(as_before: bool) -> &'static str {
    if as_before { "it is skipped, as before" } else { "it is skipped: nothing leads to it any more" }
}

/// Whether a step does something to the world. Waiting does nothing to it.
fn acts(spec: &StepSpec) -> bool {
    !spec.kind.spec.pure && spec.kind.spec.group != Group::Wait
}

/// What makes a step another one than before, though it has its name. Names, remarks, retries and limits do not.
fn difference((old_graph, old): (&Graph, &StepSpec), (new_graph, new): (&Graph, &StepSpec)) -> Option<&'static str> {
    let draws = |step: &StepSpec, port: &str| step.outgoing.iter().any(|link| &*link.port == port);
    if old.kind.spec.kind != new.kind.spec.kind {
        Some("it is of another type now")
    } else if !same_params(old, new) {
        Some("its parameters are others now")
    } else if edges(old_graph, old) != edges(new_graph, new) {
        Some("other edges lead to it now")
    } else if new.kind.spec.side_ports.iter().any(|port| draws(old, port) != draws(new, port)) {
        // By which port it left has depended on which of them were drawn.
        Some("other edges leave it now")
    } else {
        None
    }
}

fn edges<'g>(graph: &'g Graph, step: &'g StepSpec) -> Vec<(&'g NodeId, &'g str)> {
    let mut edges: Vec<_> = step.incoming.iter().map(|link| (&graph.step(link.step).id, &*link.port)).collect();
    edges.sort_unstable();
    edges
}

fn same_params(old: &StepSpec, new: &StepSpec) -> bool {
    let bodies = old.body.as_ref().zip(new.body.as_ref());
    let is_body = |name: &str| bodies.is_some() && new.kind.spec.body == Some(name);
    let params = |step: &'_ StepSpec| -> Vec<(String, Param)> {
        let mut params: Vec<_> = step.params.iter().filter(|(name, _)| !is_body(name)).cloned().collect();
        params.sort_by(|a, b| a.0.cmp(&b.0));
        params
    };
    params(old) == params(new) && bodies.is_none_or(|(old, new)| same_graph(old, new))
}

/// Whether two graphs within nodes come to the same, however they are drawn.
fn same_graph(old: &Graph, new: &Graph) -> bool {
    let is_same = |(_, step): (StepIx, &StepSpec)| {
        let found = old.find(&step.id).map(|found| old.step(found));
        found.is_some_and(|found| found.on_error == step.on_error && difference((old, found), (new, step)).is_none())
    };
    old.len() == new.len() && new.steps().all(is_same)
}
