//! What an input means, and what follows from the state alone. Nothing here changes the run.

use std::sync::Arc;

use serde_json::Value;

use super::{CRASH_LIMIT, Ending, Input, Kept, MOST_SIGNALS, Move, Rejected, Run};
use crate::{
    awaiting::{Awaiting, Verdict},
    event::{Event, RunError},
    graph::StepIx,
    node::{Await, Lane, NodeError, Outcome, Output, Wake},
    retry::RetryPolicy,
    state::StepState,
    status::RunStatus,
    time::Timestamp,
};

impl Run {
    pub(super) fn decide(&self, input: Input, now: Timestamp) -> Result<Vec<Event>, Rejected> {
        match input {
            _ if self.finished.is_some() => Err(Rejected::Finished),
            Input::Start { .. } if self.started => Err(Rejected::AlreadyStarted),
            Input::Start { trigger, kept } => {
                let keep = |Kept { step, output, port }| Event::StepKept { step, output, port };
                Ok(std::iter::once(Event::RunStarted { trigger }).chain(kept.into_iter().map(keep)).collect())
            }
            Input::Pause if self.paused => Ok(vec![]),
            Input::Pause => Ok(vec![Event::RunPaused]),
            Input::Resume if !self.paused => Ok(vec![]),
            Input::Resume => Ok(vec![Event::RunResumed]),
            Input::Signal { name, payload } => self.signalled(name, payload),
            Input::Cancel if self.ending == Some(Ending::Cancelled) => Ok(vec![]),
            Input::Cancel => Ok(vec![Event::CancelRequested]),
            _ if !self.started => Err(Rejected::NotStarted),
            Input::Report { step, attempt, result } => {
                let fact = self.report(step, attempt, result, now)?;
                Ok(self.cancel_children(step, attempt).into_iter().chain([fact]).collect())
            }
            Input::TakenOver { crashes } => Ok(self.taken_over(crashes, now)),
            Input::Decide { step, attempt, verdict, output } => self.decided(step, attempt, verdict, output),
            Input::ChildEnded { step, attempt, index, failed } => self.child_ended(step, attempt, index, failed),
            Input::Recall { .. } if self.paused => Ok(vec![]),
            Input::Recall { step, attempt } => self.recalled(step, attempt),
            Input::Wake if self.paused => Ok(vec![]),
            Input::Wake => {
                Ok(self.timers.iter().take_while(|(at, _)| *at <= now).flat_map(|(_, step)| self.woken(*step)).collect())
            }
            Input::Expire => Ok(vec![self.finish(&Ending::Failed(expired(self.graph.timeout_s())))]),
        }
        .map(|facts| self.stop_before_end(facts))
    }

    /// A run that ends at once still says of every active step that it was stopped.
    fn stop_before_end(&self, facts: Vec<Event>) -> Vec<Event> {
        match facts.as_slice() {
            [Event::RunFinished { .. }] => self.active.iter().flat_map(|step| self.stop_wholly(*step)).chain(facts).collect(),
            _ => facts,
        }
    }

    fn report(&self, step: StepIx, attempt: u32, result: Result<Outcome, NodeError>, now: Timestamp) -> Result<Event, Rejected> {
        match self.steps.get(step.index()) {
            Some(StepState::Running { attempt: current, .. }) if *current == attempt => {}
            // It was called again, which is not recorded, and only whoever called it can answer.
            Some(StepState::Waiting { attempt: current, awaiting: None, .. })
                if *current == attempt && self.graph.step(step).lane() == Lane::Dispatched => {}
            // The same, before its time: whoever recalled it may have died since.
            Some(StepState::Waiting { attempt: current, awaiting: Some(awaiting), .. })
                if *current == attempt && awaiting.recalls() && self.graph.step(step).lane() == Lane::Dispatched => {}
            // What it waits for cannot be had: a child that nobody can start.
            Some(StepState::Waiting { attempt: current, awaiting: Some(_), .. }) if *current == attempt && result.is_err() => {}
            _ => return Err(Rejected::StaleAttempt),
        }
        let at = |wake: Wake| match wake {
            Wake::At(until) => until,
            Wake::After(wait) => now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        };
        Ok(match result {
            Ok(Outcome::Done(Output { value, port })) => {
                Event::StepCompleted { step, attempt, output: value, port: self.graph.step(step).leaving_port(port) }
            }
            Ok(Outcome::Sleep(wake)) => Event::StepWaiting { step, attempt, until: Some(at(wake)), awaiting: None },
            Ok(Outcome::Await(Await { what, until })) => {
                Event::StepWaiting { step, attempt, until: until.map(at), awaiting: Some(Arc::new(what)) }
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
    fn taken_over(&self, crashes: u32, now: Timestamp) -> Vec<Event> {
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
        let is_inline = |step: &&StepIx| self.graph.step(**step).lane() == Lane::Inline;
        let running = self.active.iter().filter(is_inline).filter_map(|step| match self.steps[step.index()] {
            StepState::Running { attempt, .. } => Some(failed(*step, attempt)),
            _ => None,
        });
        // Their beginning was not recorded, and is not now: it would demand that they be executed once more.
        let ready = self.ready.iter().filter(is_inline).filter(|step| self.taken[step.index()]).map(|step| failed(*step, 1));
        // Nor was it recorded that a sleeper was called again, or that another attempt began: it was if its time had come.
        let due = self.timers.iter().take_while(|(at, _)| *at <= now && !self.paused).map(|(_, step)| step);
        let called = due.filter(is_inline).filter_map(|step| match &self.steps[step.index()] {
            StepState::Waiting { awaiting: Some(awaiting), .. } if matches!(**awaiting, Awaiting::Children(_)) => None,
            StepState::Waiting { attempt, .. } => Some(failed(*step, *attempt)),
            StepState::Backoff { attempt, .. } => Some(failed(*step, attempt + 1)),
            _ => None,
        });
        running.chain(ready).chain(called).collect()
    }

    fn woken(&self, step: StepIx) -> Vec<Event> {
        match &self.steps[step.index()] {
            StepState::Waiting { attempt, awaiting: Some(awaiting), .. } if matches!(**awaiting, Awaiting::Children(_)) => {
                let cancel = self.cancel_children(step, *attempt);
                let error = NodeError::fatal("STEP_TIMEOUT", "the runs that the step had started took longer than its limit");
                let failed = Event::StepFailed { step, attempt: *attempt, error: Arc::new(error), retry_at: None };
                cancel.into_iter().chain([failed]).collect()
            }
            StepState::Waiting { attempt, .. } => vec![Event::StepResumed { step, attempt: *attempt }],
            StepState::Backoff { attempt, .. } => vec![Event::StepStarted { step, attempt: attempt + 1 }],
            _ => vec![],
        }
    }

    /// A signal goes to the first step that waits for it, or is kept until one does.
    fn signalled(&self, name: String, payload: Arc<Value>) -> Result<Vec<Event>, Rejected> {
        let waits = |step: &&StepIx| self.waits_for(**step, &name);
        if let Some((step, attempt)) =
            self.movable.iter().find(waits).and_then(|step| Some((*step, self.waiting_attempt(*step)?)))
        {
            return Ok(vec![self.answered(step, attempt, payload, None)]);
        }
        if self.signals.len() >= MOST_SIGNALS {
            return Err(Rejected::TooManySignals);
        }
        Ok(vec![Event::SignalKept { name, payload }])
    }

    fn waits_for(&self, step: StepIx, signal: &str) -> bool {
        matches!(self.state(step).awaiting().map(|it| &**it), Some(Awaiting::Signal { name }) if name == signal)
    }

    fn waiting_attempt(&self, step: StepIx) -> Option<u32> {
        match self.steps.get(step.index()) {
            Some(StepState::Waiting { attempt, .. }) => Some(*attempt),
            _ => None,
        }
    }

    /// A waiting step has got what it waited for.
    fn answered(&self, step: StepIx, attempt: u32, output: Arc<Value>, port: Option<&'static str>) -> Event {
        let port = self.graph.step(step).leaving_port(port.map(Into::into));
        Event::StepCompleted { step, attempt, output, port }
    }

    fn decided(&self, step: StepIx, attempt: u32, verdict: Verdict, output: Arc<Value>) -> Result<Vec<Event>, Rejected> {
        match self.steps.get(step.index()) {
            Some(StepState::Waiting { attempt: current, awaiting: Some(awaiting), .. })
                if *current == attempt && matches!(**awaiting, Awaiting::Approval(_)) =>
            {
                Ok(vec![self.answered(step, attempt, output, Some(verdict.as_str()))])
            }
            _ => Err(Rejected::StaleAttempt),
        }
    }

    /// A step that waits for what only its node can look up is called before its time; any other one is not.
    fn recalled(&self, step: StepIx, attempt: u32) -> Result<Vec<Event>, Rejected> {
        let waits = self.steps.get(step.index()).and_then(StepState::awaiting).is_some_and(|awaiting| awaiting.recalls());
        match waits && self.waiting_attempt(step) == Some(attempt) {
            true => Ok(vec![Event::StepResumed { step, attempt }]),
            false => Err(Rejected::StaleAttempt),
        }
    }

    fn child_ended(&self, step: StepIx, attempt: u32, index: u32, failed: bool) -> Result<Vec<Event>, Rejected> {
        let is_current = self.waiting_attempt(step) == Some(attempt);
        match self.children.get(&step) {
            Some(progress) if is_current && progress.is_outstanding(index) => Ok(vec![Event::ChildEnded { step, index, failed }]),
            _ => Err(Rejected::StaleAttempt),
        }
    }

    /// Asks the children of a step that is given up to stop, unless they were asked before.
    fn cancel_children(&self, step: StepIx, attempt: u32) -> Option<Event> {
        let progress = self.children.get(&step).filter(|_| self.state(step).awaiting().is_some())?;
        (!progress.is_cancelled() && progress.open().len() > 0).then_some(Event::ChildrenCancelled { step, attempt })
    }

    fn stop_wholly(&self, step: StepIx) -> impl Iterator<Item = Event> {
        let attempt = self.waiting_attempt(step).unwrap_or_default();
        self.cancel_children(step, attempt).into_iter().chain(self.stop(step))
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
    pub(super) fn consequence(&self) -> Option<Event> {
        match &self.ending {
            _ if self.finished.is_some() => None,
            Some(ending) => {
                self.active.first().and_then(|step| self.stop_wholly(*step).next()).or_else(|| Some(self.finish(ending)))
            }
            None if !self.started => None,
            None => match self.ready.first() {
                Some(step) if !self.taken[step.index()] => Some(Event::StepSkipped { step: *step }),
                Some(_) if self.paused => None,
                Some(step) => Some(Event::StepStarted { step: *step, attempt: 1 }),
                None if self.active.is_empty() => Some(self.completed()),
                None => self.movable.iter().find_map(|step| self.moved(*step)),
            },
        }
    }

    fn completed(&self) -> Event {
        Event::RunFinished { status: RunStatus::Completed, output: self.result(), error: None }
    }

    /// What a waiting step can do by itself: take a signal that came earlier, start a child, go on after the last one.
    fn moved(&self, step: StepIx) -> Option<Event> {
        let StepState::Waiting { attempt, awaiting: Some(awaiting), .. } = self.state(step) else { return None };
        let attempt = *attempt;
        match &**awaiting {
            Awaiting::Approval(_) | Awaiting::Funds(_) | Awaiting::Resolutions { .. } | Awaiting::Quota { .. } => None,
            Awaiting::Signal { name } => {
                let (_, payload) = self.signals.iter().find(|(kept, _)| kept == name)?;
                Some(self.answered(step, attempt, payload.clone(), None))
            }
            Awaiting::Children(_) => match self.children.get(&step)?.next()? {
                Move::Cancel => Some(Event::ChildrenCancelled { step, attempt }),
                Move::Start(_) | Move::Resume if self.paused => None,
                Move::Start(index) => Some(Event::ChildStarted { step, attempt, index }),
                Move::Resume => Some(Event::StepResumed { step, attempt }),
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
}

fn expired(timeout_s: Option<u64>) -> RunError {
    let limit = timeout_s.map(|s| format!(" of {s} s")).unwrap_or_default();
    RunError { code: "RUN_TIMEOUT".to_owned(), message: format!("the run took longer than its limit{limit}"), node_id: None }
}
