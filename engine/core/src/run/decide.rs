//! What an input means, and what follows from the state alone. Nothing here changes the run.

use std::sync::Arc;

use serde_json::Value;

use super::{CRASH_LIMIT, Ending, Input, Rejected, Run};
use crate::{
    event::{Event, RunError},
    graph::StepIx,
    node::{Lane, NodeError, Outcome, Output, Wake},
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
    pub(super) fn consequence(&self) -> Option<Event> {
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
}

fn expired(timeout_s: Option<u64>) -> RunError {
    let limit = timeout_s.map(|s| format!(" of {s} s")).unwrap_or_default();
    RunError { code: "RUN_TIMEOUT".to_owned(), message: format!("the run took longer than its limit{limit}"), node_id: None }
}
