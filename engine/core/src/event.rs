//! Events: what has happened to a run, in the past tense; and the commands that they demand.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{graph::StepIx, id::NodeId, node::NodeError, status::RunStatus, time::Timestamp};

/// A fact about a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run began, by this trigger if it has any.
    RunStarted {
        /// The trigger that fired.
        trigger: Option<StepIx>,
    },
    /// An attempt began.
    StepStarted {
        /// Which step.
        step: StepIx,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// An attempt went to sleep and holds no worker.
    StepWaiting {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
        /// When it is to be called again.
        until: Timestamp,
    },
    /// A sleeping attempt was called again. Not recorded: after a crash the due timer says the same.
    StepResumed {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
    },
    /// A step ended well.
    StepCompleted {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
        /// What successors see.
        output: Arc<Value>,
        /// The port by which it left.
        port: Cow<'static, str>,
    },
    /// An attempt failed.
    StepFailed {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
        /// Why.
        error: Arc<NodeError>,
        /// When the next attempt begins; none when the step has failed for good.
        retry_at: Option<Timestamp>,
    },
    /// No edge that leads to the step was taken.
    StepSkipped {
        /// Which step.
        step: StepIx,
    },
    /// The step was stopped because its run ended.
    StepCancelled {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
    },
    /// Someone asked to cancel the run; no new step begins from here on.
    CancelRequested,
    /// The run ended.
    RunFinished {
        /// Completed, failed or cancelled.
        status: RunStatus,
        /// What the run puts out.
        output: Arc<Value>,
        /// Why it failed.
        error: Option<RunError>,
    },
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// The code of the step's error, or `RUN_TIMEOUT`.
    pub code: String,
    /// What happened, for a person.
    pub message: String,
    /// The step that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
}

/// An effect that a fact demands of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Run an attempt.
    Execute {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
    },
    /// Send `Input::Wake` at this time.
    WakeAt(Timestamp),
    /// Stop an attempt.
    Abort {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
    },
    /// Tell whoever waits for the run that it has ended.
    Announce,
}

impl Event {
    /// The effect that the fact demands, if any. Total, so that a lost command can be rebuilt from the record.
    pub fn command(&self) -> Option<Command> {
        match self {
            Self::StepStarted { step, attempt } | Self::StepResumed { step, attempt } => {
                Some(Command::Execute { step: *step, attempt: *attempt })
            }
            Self::StepWaiting { until: at, .. } | Self::StepFailed { retry_at: Some(at), .. } => Some(Command::WakeAt(*at)),
            Self::StepCancelled { step, attempt } => Some(Command::Abort { step: *step, attempt: *attempt }),
            Self::RunFinished { .. } => Some(Command::Announce),
            Self::RunStarted { .. }
            | Self::StepCompleted { .. }
            | Self::StepFailed { retry_at: None, .. }
            | Self::StepSkipped { .. }
            | Self::CancelRequested => None,
        }
    }

    /// The step that the fact is about; none for the run's own facts.
    pub fn step(&self) -> Option<StepIx> {
        match self {
            Self::StepStarted { step, .. }
            | Self::StepWaiting { step, .. }
            | Self::StepResumed { step, .. }
            | Self::StepCompleted { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepSkipped { step }
            | Self::StepCancelled { step, .. } => Some(*step),
            Self::RunStarted { .. } | Self::CancelRequested | Self::RunFinished { .. } => None,
        }
    }
}
