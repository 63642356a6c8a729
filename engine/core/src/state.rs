//! The states of a step. `StepState::next` is one match, the whole truth table.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

use crate::{awaiting::Awaiting, event::Event, node::NodeError, status::StepStatus, time::Timestamp};

/// Where a step stands. What belongs to a state lives in its variant.
#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// Not every edge that leads here is resolved.
    Pending,
    /// An attempt is being executed.
    Running {
        /// Which, from 1.
        attempt: u32,
        /// Until when it has slept, if it was woken.
        woken: Option<Timestamp>,
        /// What it had waited for when it was called again.
        awaited: Option<Arc<Awaiting>>,
    },
    /// An attempt sleeps, or waits for something from outside.
    Waiting {
        /// Which.
        attempt: u32,
        /// Until when, at the latest.
        until: Option<Timestamp>,
        /// What it waits for beside the time.
        awaiting: Option<Arc<Awaiting>>,
    },
    /// An attempt failed and another will follow.
    Backoff {
        /// The one that failed.
        attempt: u32,
        /// When the next one begins.
        until: Timestamp,
    },
    /// Ended well.
    Completed {
        /// What successors see.
        output: Arc<Value>,
        /// The port by which it left.
        port: Cow<'static, str>,
    },
    /// Failed for good.
    Failed {
        /// Why.
        error: Arc<NodeError>,
    },
    /// No edge that leads here was taken.
    Skipped,
    /// Stopped because the run ended.
    Cancelled,
}

/// A fact that does not fit the state it met: the record or the code is broken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{event:?} cannot follow {state:?}")]
pub struct IllegalEvent {
    /// The state that was met.
    pub state: Box<StepState>,
    /// The fact.
    pub event: Box<Event>,
}

/// An attempt under way. A record says nothing of resumptions, so in it a sleeper's answer follows its sleep.
macro_rules! running {
    ($attempt:ident) => {
        StepState::Running { attempt: $attempt, .. } | StepState::Waiting { attempt: $attempt, .. }
    };
}

impl StepState {
    /// The state after a fact.
    ///
    /// # Errors
    /// When the fact cannot follow this state.
    pub fn next(&self, event: &Event) -> Result<Self, IllegalEvent> {
        match (self, event) {
            (Self::Pending, Event::StepStarted { attempt: 1, .. }) => Ok(Self::begun(1)),
            (Self::Pending, Event::StepSkipped { .. }) => Ok(Self::Skipped),
            (Self::Pending, Event::StepKept { output, port, .. }) => {
                Ok(Self::Completed { output: output.clone(), port: port.clone() })
            }
            (Self::Pending, Event::StepFailed { attempt: 1, retry_at: None, error, .. }) => {
                Ok(Self::Failed { error: error.clone() })
            }
            (Self::Backoff { attempt: last, .. }, Event::StepStarted { attempt, .. }) if *attempt == last + 1 => {
                Ok(Self::begun(*attempt))
            }
            // The worker died with an attempt whose beginning was not recorded.
            (Self::Backoff { attempt: last, .. }, Event::StepFailed { attempt, retry_at: None, error, .. })
                if *attempt == last + 1 =>
            {
                Ok(Self::Failed { error: error.clone() })
            }
            (Self::Waiting { attempt: now, until, awaiting }, Event::StepResumed { attempt, .. }) if now == attempt => {
                Ok(Self::Running { attempt: *attempt, woken: *until, awaited: awaiting.clone() })
            }
            (running!(now), Event::StepWaiting { attempt, until, awaiting, .. }) if now == attempt => {
                Ok(Self::Waiting { attempt: *attempt, until: *until, awaiting: awaiting.clone() })
            }
            (Self::Waiting { .. }, Event::ChildStarted { .. } | Event::ChildEnded { .. } | Event::ChildrenCancelled { .. }) => {
                Ok(self.clone())
            }
            (running!(now), Event::StepCompleted { attempt, output, port, .. }) if now == attempt => {
                Ok(Self::Completed { output: output.clone(), port: port.clone() })
            }
            (running!(now), Event::StepFailed { attempt, retry_at: Some(until), .. }) if now == attempt => {
                Ok(Self::Backoff { attempt: *attempt, until: *until })
            }
            (running!(now), Event::StepFailed { attempt, retry_at: None, error, .. }) if now == attempt => {
                Ok(Self::Failed { error: error.clone() })
            }
            (
                Self::Running { attempt: now, .. } | Self::Waiting { attempt: now, .. } | Self::Backoff { attempt: now, .. },
                Event::StepCancelled { attempt, .. },
            ) if now == attempt => Ok(Self::Cancelled),
            _ => Err(IllegalEvent { state: Box::new(self.clone()), event: Box::new(event.clone()) }),
        }
    }

    fn begun(attempt: u32) -> Self {
        Self::Running { attempt, woken: None, awaited: None }
    }

    /// What the step waits for from outside.
    pub fn awaiting(&self) -> Option<&Arc<Awaiting>> {
        match self {
            Self::Waiting { awaiting, .. } => awaiting.as_ref(),
            _ => None,
        }
    }

    /// Whether nothing can happen to the step any more.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Failed { .. } | Self::Skipped | Self::Cancelled)
    }

    /// Whether an attempt has begun and the step has not ended.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Waiting { .. } | Self::Backoff { .. })
    }

    /// When the step wants to be woken.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { until, .. } => *until,
            Self::Backoff { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Whether the step is active and nothing is executed for it now.
    pub fn is_idle(&self) -> bool {
        matches!(self, Self::Waiting { .. } | Self::Backoff { .. })
    }

    /// The word for people, SQL and JSON.
    pub fn status(&self) -> StepStatus {
        match self {
            Self::Pending => StepStatus::Pending,
            Self::Running { .. } => StepStatus::Running,
            Self::Waiting { .. } | Self::Backoff { .. } => StepStatus::Waiting,
            Self::Completed { .. } => StepStatus::Completed,
            Self::Failed { .. } => StepStatus::Failed,
            Self::Skipped => StepStatus::Skipped,
            Self::Cancelled => StepStatus::Cancelled,
        }
    }
}
