//! `Run`: replays recorded facts and decides what an input means.
//!
//! A step starts when every edge that leads to it is resolved and at least one was taken; it is skipped when none was.
//! Counters of open edges make a transition cost the step's degree and never the graph's size.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    document::OnError,
    event::{Command, Event, RunError},
    graph::{Graph, Link, StepIx},
    node::{ERROR_PORT, Lane, NodeError, Outcome, Output, Wake},
    retry::RetryPolicy,
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

    /// What successors see of a step: its output, or its error when an edge handles it.
    pub fn output(&self, step: StepIx) -> Option<Arc<Value>> {
        match self.state(step) {
            StepState::Completed { output, .. } => Some(output.clone()),
            StepState::Failed { error } if self.graph.step(step).handles_errors() => Some(Arc::new(json!({ "error": **error }))),
            StepState::Failed { .. } => Some(Arc::new(Value::Null)),
            _ => None,
        }
    }

    /// What a step is given: its predecessor's output, or an object by node id when there are several. Only edges that
    /// were taken count. `None` for a step that nothing comes before: it is given the run's input.
    pub fn input(&self, step: StepIx) -> Option<Arc<Value>> {
        let incoming = &self.graph.step(step).incoming;
        let mut sources: Vec<StepIx> = incoming.iter().filter(|link| self.is_taken(link)).map(|link| link.step).collect();
        sources.dedup();
        (!sources.is_empty()).then(|| self.outputs(&sources))
    }

    fn decide(&self, input: Input, now: Timestamp) -> Result<Vec<Event>, Rejected> {
        match input {
            _ if self.finished.is_some() => Err(Rejected::Finished),
            Input::Start { .. } if self.started => Err(Rejected::AlreadyStarted),
            Input::Start { trigger } => Ok(vec![Event::RunStarted { trigger }]),
            Input::Cancel if self.ending == Some(Ending::Cancelled) => Ok(vec![]),
            Input::Cancel => Ok(vec![Event::CancelRequested]),
            _ if !self.started => Err(Rejected::NotStarted),
            Input::Report { step, attempt, result } => self.report(step, attempt, result, now).map(|fact| vec![fact]),
            Input::TakenOver { crashes } => Ok(self.taken_over(crashes)),
            Input::Wake => {
                Ok(self.timers.iter().take_while(|(at, _)| *at <= now).filter_map(|(_, step)| self.woken(*step)).collect())
            }
            Input::Expire => Ok(vec![self.finish(&Ending::Failed(expired(self.graph.timeout_s())))]),
        }
        .map(|facts| self.stop_before_end(facts))
    }

    /// A run that ends at once still says of every active step that it was stopped.
    fn stop_before_end(&self, facts: Vec<Event>) -> Vec<Event> {
        match facts.as_slice() {
            [Event::RunFinished { .. }] => self.active.iter().filter_map(|step| self.stop(*step)).chain(facts).collect(),
            _ => facts,
        }
    }

    fn report(&self, step: StepIx, attempt: u32, result: Result<Outcome, NodeError>, now: Timestamp) -> Result<Event, Rejected> {
        match self.steps.get(step.index()) {
            Some(StepState::Running { attempt: current, .. }) if *current == attempt => {}
            _ => return Err(Rejected::StaleAttempt),
        }
        Ok(match result {
            Ok(Outcome::Done(Output { value, port })) => {
                Event::StepCompleted { step, attempt, output: value, port: self.graph.step(step).leaving_port(port) }
            }
            Ok(Outcome::Sleep(Wake::At(until))) => Event::StepWaiting { step, attempt, until },
            Ok(Outcome::Sleep(Wake::After(wait))) => {
                let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                Event::StepWaiting { step, attempt, until: now.plus_ms(ms) }
            }
            Err(error) => {
                let retry_at = self.retry_at(step, attempt, &error, now);
                Event::StepFailed { step, attempt, error: Arc::new(error), retry_at }
            }
        })
    }

    fn retry_at(&self, step: StepIx, attempt: u32, error: &NodeError, now: Timestamp) -> Option<Timestamp> {
        let policy = &self.graph.step(step).retry;
        let again = policy.allows(attempt, &error.code) && (error.retryable || policy.names(&error.code));
        again.then(|| {
            let asked = error.retry_after_ms.unwrap_or(0).min(RetryPolicy::LONGEST_MS);
            now.plus_ms(policy.delay_ms(attempt, self.seed ^ (u64::from(step.0) << 32)).max(asked))
        })
    }

    /// Steps that were under way when owners died again and again are given up: one of them kills its worker.
    fn taken_over(&self, crashes: u32) -> Vec<Event> {
        if crashes < CRASH_LIMIT {
            return Vec::new();
        }
        let error = Arc::new(NodeError::fatal(
            "WORKER_CRASHED",
            format!(
                "{crashes} workers died while this step was under way; find out what it does to its worker before running it again"
            ),
        ));
        let failed = |step, attempt| Event::StepFailed { step, attempt, error: error.clone(), retry_at: None };
        // A dispatched step is executed elsewhere, with a count of its own.
        let is_inline = |step: &&StepIx| self.graph.step(**step).kind.spec.lane == Lane::Inline;
        let running = self.active.iter().filter(is_inline).filter_map(|step| match self.steps[step.index()] {
            StepState::Running { attempt, .. } => Some(failed(*step, attempt)),
            _ => None,
        });
        // Their beginning was not recorded, and is not now: it would demand that they be executed once more.
        let ready = self.ready.iter().filter(is_inline).filter(|step| self.taken[step.index()]).map(|step| failed(*step, 1));
        running.chain(ready).collect()
    }

    fn woken(&self, step: StepIx) -> Option<Event> {
        match self.steps[step.index()] {
            StepState::Waiting { attempt, .. } => Some(Event::StepResumed { step, attempt }),
            StepState::Backoff { attempt, .. } => Some(Event::StepStarted { step, attempt: attempt + 1 }),
            _ => None,
        }
    }

    fn stop(&self, step: StepIx) -> Option<Event> {
        match self.steps[step.index()] {
            StepState::Running { attempt, .. } | StepState::Waiting { attempt, .. } | StepState::Backoff { attempt, .. } => {
                Some(Event::StepCancelled { step, attempt })
            }
            _ => None,
        }
    }

    /// The next fact that follows from the state alone.
    fn consequence(&self) -> Option<Event> {
        match &self.ending {
            _ if self.finished.is_some() => None,
            Some(ending) => self.active.first().and_then(|step| self.stop(*step)).or_else(|| Some(self.finish(ending))),
            None if !self.started => None,
            None => match self.ready.first() {
                Some(step) if self.taken[step.index()] => Some(Event::StepStarted { step: *step, attempt: 1 }),
                Some(step) => Some(Event::StepSkipped { step: *step }),
                None => self.active.is_empty().then(|| Event::RunFinished {
                    status: RunStatus::Completed,
                    output: self.result(),
                    error: None,
                }),
            },
        }
    }

    fn finish(&self, ending: &Ending) -> Event {
        let (status, error) = match ending {
            Ending::Failed(error) => (RunStatus::Failed, Some(error.clone())),
            Ending::Cancelled => (RunStatus::Cancelled, None),
        };
        Event::RunFinished { status, output: Arc::new(Value::Null), error }
    }

    /// What the run puts out: the output of the step at its end, or an object by node id when it has several ends. An end
    /// is a step from which no edge is drawn; when none of these was reached, one that left by a port without an edge.
    fn result(&self) -> Arc<Value> {
        let went_on = |step: &StepIx| self.port(*step).is_some();
        let is_last = |step: &StepIx| self.graph.step(*step).outgoing.is_empty();
        let leads_nowhere = |step: &StepIx| !self.graph.step(*step).outgoing.iter().any(|link| self.leaves_by(*step, &link.port));
        let ends = |is_end: &dyn Fn(&StepIx) -> bool| -> Vec<StepIx> {
            self.graph.steps().map(|(ix, _)| ix).filter(went_on).filter(|step| is_end(step)).collect()
        };
        let last = ends(&is_last);
        self.outputs(&if last.is_empty() { ends(&leads_nowhere) } else { last })
    }

    /// One step's output, or an object by node id when there are several.
    fn outputs(&self, steps: &[StepIx]) -> Arc<Value> {
        match steps {
            [] => Arc::new(Value::Null),
            [one] => self.output(*one).unwrap_or_default(),
            several => {
                let field = |step: &StepIx| Some((self.graph.step(*step).id.to_string(), (*self.output(*step)?).clone()));
                Arc::new(Value::Object(several.iter().filter_map(field).collect::<Map<_, _>>()))
            }
        }
    }

    /// Whether an edge, seen from its target, was taken.
    fn is_taken(&self, link: &Link) -> bool {
        self.leaves_by(link.step, &link.port)
    }

    fn leaves_by(&self, step: StepIx, port: &str) -> bool {
        self.port(step).is_some_and(|taken| taken == port)
    }

    /// The port by which a step that has ended left; none for a skipped one.
    fn port(&self, step: StepIx) -> Option<&str> {
        let spec = self.graph.step(step);
        match self.state(step) {
            StepState::Completed { port, .. } => Some(port),
            StepState::Failed { .. } if spec.handles_errors() => Some(ERROR_PORT),
            StepState::Failed { .. } if spec.on_error == OnError::Continue => Some(spec.first_port()),
            _ => None,
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

fn expired(timeout_s: Option<u64>) -> RunError {
    let limit = timeout_s.map(|s| format!(" of {s} s")).unwrap_or_default();
    RunError { code: "RUN_TIMEOUT".to_owned(), message: format!("the run took longer than its limit{limit}"), node_id: None }
}
