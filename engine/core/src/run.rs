//! `Run`: replays recorded facts and decides what an input means.
//!
//! A step starts when every edge that leads to it is resolved and at least one was taken; it is skipped when none was.
//! Counters of open edges make a transition cost the step's degree and never the graph's size.

mod children;
mod decide;
mod values;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde_json::Value;

use self::children::Move;
pub use self::children::Progress;
use crate::{
    awaiting::{Awaiting, Verdict},
    event::{Command, Event, RunError},
    graph::{Graph, StepIx},
    node::{NodeError, Outcome},
    state::{IllegalEvent, StepState},
    status::RunStatus,
    time::Timestamp,
};

/// How many workers may die over a run, without any step ending in between, before its steps are given up.
pub const CRASH_LIMIT: u32 = 3;

/// How many signals that no step has taken a run keeps at the most. Whoever accepts signals stops well before, since many may be
/// accepted at once.
pub const MOST_SIGNALS: usize = 1_000;

/// What happens to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// It is to begin, by this trigger if it has any.
    Start {
        /// The trigger that fired.
        trigger: Option<StepIx>,
        /// Steps that count as completed from the beginning, in topological order, with all that come before them.
        kept: Vec<Kept>,
    },
    /// An attempt has answered.
    Report {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
        /// Its answer.
        result: Result<Outcome, NodeError>,
    },
    /// A new owner took the run over from one that died.
    TakenOver {
        /// How many owners have died since a step last ended.
        crashes: u32,
    },
    /// Time has passed.
    Wake,
    /// A signal has come.
    Signal {
        /// Its name.
        name: String,
        /// What it carries.
        payload: Arc<Value>,
    },
    /// A person has decided.
    Decide {
        /// Which step asked.
        step: StepIx,
        /// Which attempt of it.
        attempt: u32,
        /// What was decided.
        verdict: Verdict,
        /// What successors see of the decision.
        output: Arc<Value>,
    },
    /// A run for an item of a step has ended.
    ChildEnded {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
        /// Which item, from 0.
        index: u32,
        /// Whether it did not end well.
        failed: bool,
    },
    /// What a step waits for outside may be there: the node is to look for itself.
    Recall {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
    },
    /// Someone wants it to begin nothing more until it is resumed.
    Pause,
    /// Someone wants it to go on.
    Resume,
    /// Someone wants it to stop.
    Cancel,
    /// It has taken longer than its settings allow.
    Expire,
}

/// A step that counts as completed from the beginning of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Which step.
    pub step: StepIx,
    /// What successors see.
    pub output: Arc<Value>,
    /// The port by which it left.
    pub port: Cow<'static, str>,
}

/// Why an input changed nothing. Ordinary control flow: late and repeated reports end here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The run has begun already.
    #[error("the run has begun already")]
    AlreadyStarted,
    /// The run has not begun yet.
    #[error("the run has not begun yet")]
    NotStarted,
    /// The run has ended.
    #[error("the run has ended")]
    Finished,
    /// The report is of an attempt that is not the current one.
    #[error("the report is of an attempt that is not the current one")]
    StaleAttempt,
    /// There is no room for another signal until a step takes one.
    #[error("{MOST_SIGNALS} signals are waiting already")]
    TooManySignals,
}

/// Why a run is being brought to its end before all steps have ended.
#[derive(Debug, Clone, PartialEq)]
enum Ending {
    Failed(RunError),
    Cancelled,
}

/// One execution of a graph, in memory.
#[derive(Debug, Clone)]
pub struct Run {
    graph: Arc<Graph>,
    seed: u64,
    started: bool,
    ending: Option<Ending>,
    finished: Option<RunStatus>,
    paused: bool,
    steps: Vec<StepState>,
    /// Per step: edges that lead to it and are not resolved.
    open: Vec<u32>,
    /// Per step: whether an edge that leads to it was taken.
    taken: Vec<bool>,
    /// Steps with nothing open that have neither begun nor been skipped, in topological order.
    ready: BTreeSet<StepIx>,
    /// Steps with an attempt under way, sleeping or to be repeated.
    active: BTreeSet<StepIx>,
    /// How many of the active ones have nothing executed for them now.
    idle: usize,
    /// When they want to be woken.
    timers: BTreeSet<(Timestamp, StepIx)>,
    /// Signals that no step has taken, oldest first.
    signals: VecDeque<(String, Arc<Value>)>,
    /// How far the children of steps have come, kept after a step's end for those who look for its open ones.
    children: BTreeMap<StepIx, Progress>,
    /// Waiting steps that may be able to go on by themselves: a child to start, a signal to take.
    movable: BTreeSet<StepIx>,
}

impl Run {
    /// A run that has not begun. `seed` decides the jitter of its retries.
    pub fn new(graph: Arc<Graph>, seed: u64) -> Self {
        let len = graph.len();
        let open = graph.steps().map(|(_, step)| step.incoming.len() as u32).collect();
        Self {
            graph,
            seed,
            started: false,
            ending: None,
            finished: None,
            paused: false,
            steps: vec![StepState::Pending; len],
            open,
            taken: vec![false; len],
            ready: BTreeSet::new(),
            active: BTreeSet::new(),
            idle: 0,
            timers: BTreeSet::new(),
            signals: VecDeque::new(),
            children: BTreeMap::new(),
            movable: BTreeSet::new(),
        }
    }

    /// Rebuilds a run from its recorded facts, in their order.
    ///
    /// # Errors
    /// When a fact cannot follow the ones before it: the record is broken.
    pub fn replay<'e>(graph: Arc<Graph>, seed: u64, facts: impl IntoIterator<Item = &'e Event>) -> Result<Self, IllegalEvent> {
        let mut run = Self::new(graph, seed);
        for fact in facts {
            run.apply(fact)?;
        }
        Ok(run)
    }

    /// Decides what an input means, applies it, and follows every consequence until nothing more can happen without the
    /// outside world. Returns the new facts, in order.
    ///
    /// # Errors
    /// When the input changes nothing.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Result<Vec<Event>, Rejected> {
        let mut facts = self.decide(input, now)?;
        for fact in &facts {
            self.apply_own(fact);
        }
        while let Some(fact) = self.consequence() {
            self.apply_own(&fact);
            facts.push(fact);
        }
        Ok(facts)
    }

    /// The effects that the recorded facts still demand: what a new owner has to set going.
    pub fn commands(&self) -> Vec<Command> {
        let running = self.active.iter().filter_map(|step| match self.steps[step.index()] {
            StepState::Running { attempt, .. } => Some(Command::Execute { step: *step, attempt }),
            _ => None,
        });
        // A child that is open has a row of its own; one that has none is called for anew.
        running.chain(self.next_wake().map(Command::WakeAt)).collect()
    }

    /// The graph that is executed.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Where a step stands.
    pub fn state(&self, step: StepIx) -> &StepState {
        &self.steps[step.index()]
    }

    /// When the run wants to be woken next; not while it is paused.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at).filter(|_| !self.paused)
    }

    /// Whether someone asked the run to begin nothing more.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The signals that no step has taken, oldest first.
    pub fn signals(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<Value>)> {
        self.signals.iter().map(|(name, payload)| (name.as_str(), payload))
    }

    /// How far the children of a step have come; none when it never waited for any.
    pub fn children(&self, step: StepIx) -> Option<&Progress> {
        self.children.get(&step)
    }

    /// Whether a step waits for runs that it has started.
    pub fn awaits_children(&self) -> bool {
        let waits = |step: &StepIx| matches!(self.state(*step).awaiting().map(|it| &**it), Some(Awaiting::Children(_)));
        self.children.keys().any(waits)
    }

    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        match self.finished {
            Some(status) => status,
            None if !self.started => RunStatus::Pending,
            None if !self.active.is_empty() && self.idle == self.active.len() => RunStatus::Waiting,
            // Paused, with nothing under way.
            None if self.paused && self.active.is_empty() => RunStatus::Waiting,
            None => RunStatus::Running,
        }
    }

    /// Applies a fact that this run itself decided on, which is legal by construction; the property tests hold it to that.
    fn apply_own(&mut self, fact: &Event) {
        let applied = self.apply(fact);
        debug_assert!(applied.is_ok(), "{applied:?}");
    }

    fn apply(&mut self, fact: &Event) -> Result<(), IllegalEvent> {
        match fact {
            Event::RunStarted { trigger } => self.begin(*trigger),
            Event::CancelRequested => self.ending = Some(Ending::Cancelled),
            Event::RunPaused => self.paused = true,
            Event::RunResumed => self.paused = false,
            Event::SignalKept { name, payload } => self.signals.push_back((name.clone(), payload.clone())),
            Event::RunFinished { status, .. } => self.finished = Some(*status),
            _ => {
                if let Some(step) = fact.step() {
                    self.transition(step, fact)?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, trigger: Option<StepIx>) {
        self.started = true;
        for (ix, step) in self.graph.steps().filter(|(_, step)| step.incoming.is_empty()) {
            self.taken[ix.index()] = !step.kind.spec.is_trigger() || trigger == Some(ix);
            self.ready.insert(ix);
        }
    }

    fn transition(&mut self, step: StepIx, fact: &Event) -> Result<(), IllegalEvent> {
        let next = self.steps[step.index()].next(fact)?;
        if let Some(due) = self.steps[step.index()].due() {
            self.timers.remove(&(due, step));
        }
        if let Some(due) = next.due() {
            self.timers.insert((due, step));
        }
        self.idle -= usize::from(self.steps[step.index()].is_idle());
        self.idle += usize::from(next.is_idle());
        if next.is_active() {
            self.active.insert(step)
        } else {
            self.active.remove(&step)
        };
        self.follow_children(step, fact);
        self.take_signal(step, fact);
        if next.awaiting().is_some() {
            self.movable.insert(step)
        } else {
            self.movable.remove(&step)
        };
        self.ready.remove(&step);
        let ended = next.is_terminal();
        self.steps[step.index()] = next;
        if ended {
            self.resolve(step);
        }
        Ok(())
    }

    /// A step that completes while it waits for a signal has taken the oldest one that was kept, if there is any.
    fn take_signal(&mut self, step: StepIx, fact: &Event) {
        if let Some(Awaiting::Signal { name }) = self.steps[step.index()].awaiting().map(|it| &**it)
            && matches!(fact, Event::StepCompleted { .. })
            && let Some(at) = self.signals.iter().position(|(kept, _)| kept == name)
        {
            self.signals.remove(at);
        }
    }

    fn follow_children(&mut self, step: StepIx, fact: &Event) {
        if let Event::StepWaiting { awaiting: Some(awaiting), .. } = fact
            && let Awaiting::Children(children) = &**awaiting
        {
            self.children.insert(step, Progress::new(children));
        }
        let Some(progress) = self.children.get_mut(&step) else { return };
        match fact {
            Event::ChildStarted { index, .. } => progress.started(*index),
            Event::ChildEnded { index, failed, .. } => progress.ended(*index, *failed),
            Event::ChildrenCancelled { .. } => progress.cancelled(),
            _ => {}
        }
    }

    /// A step has ended: its edges are resolved, and what waited for nothing else is ready.
    fn resolve(&mut self, step: StepIx) {
        if let StepState::Failed { error } = self.state(step)
            && self.port(step).is_none()
        {
            let error = RunError {
                code: error.code.to_string(),
                message: error.message.clone(),
                node_id: Some(self.graph.step(step).id.clone()),
            };
            self.ending.get_or_insert(Ending::Failed(error));
            return;
        }
        let graph = self.graph.clone();
        let port = self.port(step).map(str::to_owned);
        for link in &graph.step(step).outgoing {
            let at = link.step.index();
            self.open[at] -= 1;
            self.taken[at] |= port.as_deref() == Some(&*link.port);
            // A step that is kept does not wait for what comes before it.
            if self.open[at] == 0 && self.steps[at] == StepState::Pending {
                self.ready.insert(link.step);
            }
        }
    }
}
