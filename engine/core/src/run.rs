//! `Run`: replays recorded facts and decides what an input means.
//!
//! A step starts when every edge that leads to it is resolved and at least one was taken; it is skipped when none was.
//! Counters of open edges make a transition cost the step's degree and never the graph's size.

mod decide;
mod values;

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    event::{Command, Event, RunError},
    graph::{Graph, StepIx},
    node::{NodeError, Outcome},
    state::{IllegalEvent, StepState},
    status::RunStatus,
    time::Timestamp,
};

/// How many workers may die over a run, without any step ending in between, before its steps are given up.
pub const CRASH_LIMIT: u32 = 3;

/// What happens to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// It is to begin, by this trigger if it has any.
    Start {
        /// The trigger that fired.
        trigger: Option<StepIx>,
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
    /// Someone wants it to stop.
    Cancel,
    /// It has taken longer than its settings allow.
    Expire,
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
    steps: Vec<StepState>,
    /// Per step: edges that lead to it and are not resolved.
    open: Vec<u32>,
    /// Per step: whether an edge that leads to it was taken.
    taken: Vec<bool>,
    /// Steps with nothing open that have neither begun nor been skipped, in topological order.
    ready: BTreeSet<StepIx>,
    /// Steps with an attempt under way, sleeping or to be repeated.
    active: BTreeSet<StepIx>,
    /// When they want to be woken.
    timers: BTreeSet<(Timestamp, StepIx)>,
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
            steps: vec![StepState::Pending; len],
            open,
            taken: vec![false; len],
            ready: BTreeSet::new(),
            active: BTreeSet::new(),
            timers: BTreeSet::new(),
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

    /// When the run wants to be woken next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        match self.finished {
            Some(status) => status,
            None if !self.started => RunStatus::Pending,
            None if !self.active.is_empty() && self.timers.len() == self.active.len() => RunStatus::Waiting,
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
        if next.is_active() {
            self.active.insert(step)
        } else {
            self.active.remove(&step)
        };
        self.ready.remove(&step);
        let ended = next.is_terminal();
        self.steps[step.index()] = next;
        if ended {
            self.resolve(step);
        }
        Ok(())
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
            if self.open[at] == 0 {
                self.ready.insert(link.step);
            }
        }
    }
}
