//! States of steps and runs. `StepState::next` is one match, the whole truth table.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{event::Event, node::NodeError, time::Timestamp};

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
    },
    /// An attempt sleeps.
    Waiting {
        /// Which.
        attempt: u32,
        /// Until when.
        until: Timestamp,
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
            (Self::Pending, Event::StepStarted { attempt: 1, .. }) => Ok(Self::Running { attempt: 1, woken: None }),
            (Self::Pending, Event::StepSkipped { .. }) => Ok(Self::Skipped),
            (Self::Pending, Event::StepFailed { attempt: 1, retry_at: None, error, .. }) => {
                Ok(Self::Failed { error: error.clone() })
            }
            (Self::Backoff { attempt: last, .. }, Event::StepStarted { attempt, .. }) if *attempt == last + 1 => {
                Ok(Self::Running { attempt: *attempt, woken: None })
            }
            (Self::Waiting { attempt: now, until }, Event::StepResumed { attempt, .. }) if now == attempt => {
                Ok(Self::Running { attempt: *attempt, woken: Some(*until) })
            }
            (running!(now), Event::StepWaiting { attempt, until, .. }) if now == attempt => {
                Ok(Self::Waiting { attempt: *attempt, until: *until })
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
            Self::Waiting { until, .. } | Self::Backoff { until, .. } => Some(*until),
            _ => None,
        }
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

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $word:literal)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in SQL, in JSON and on the screen.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, UnknownStatus> {
                Self::ALL.iter().copied().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
            }
        }
    };
}

/// A word that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status")]
pub struct UnknownStatus(String);

statuses! {
    /// Where a step or an attempt stands, in a word.
    StepStatus {
        /// Not begun.
        Pending "pending"
        /// Being executed.
        Running "running"
        /// Sleeping, or between two attempts.
        Waiting "waiting"
        /// Ended well.
        Completed "completed"
        /// Ended badly.
        Failed "failed"
        /// Not taken.
        Skipped "skipped"
        /// Stopped.
        Cancelled "cancelled"
    }
}

statuses! {
    /// Where a run stands, in a word.
    RunStatus {
        /// Accepted; no worker has begun it.
        Pending "pending"
        /// Owned by a worker.
        Running "running"
        /// Waits for a time or a signal; no worker holds it.
        Waiting "waiting"
        /// Ended well.
        Completed "completed"
        /// Ended badly.
        Failed "failed"
        /// Stopped by request.
        Cancelled "cancelled"
    }
}

impl RunStatus {
    /// Whether nothing can happen to the run any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}
