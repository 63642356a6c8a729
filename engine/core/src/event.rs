//! Events: what has happened to a run, in the past tense; and the commands that they demand.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{awaiting::Awaiting, graph::StepIx, id::NodeId, node::NodeError, status::RunStatus, time::Timestamp};

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
        /// When it is to be called again, at the latest.
        until: Option<Timestamp>,
        /// What it waits for; nothing but the time when absent.
        awaiting: Option<Arc<Awaiting>>,
    },
    /// A waiting attempt was called again. Not recorded: after a crash the due timer, or the ends of its children, say the same.
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
    /// The step counts as completed because it was so in the run that this one repeats.
    StepKept {
        /// Which step.
        step: StepIx,
        /// What successors see.
        output: Arc<Value>,
        /// The port by which it left.
        port: Cow<'static, str>,
    },
    /// A run for an item of the step was called for. Not recorded: the child's own row says it.
    ChildStarted {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
        /// Which item, from 0.
        index: u32,
    },
    /// A run for an item of the step has ended. Not recorded: the child's own row says it.
    ChildEnded {
        /// Which step.
        step: StepIx,
        /// Which item, from 0.
        index: u32,
        /// Whether it did not end well.
        failed: bool,
    },
    /// The step's open children are to stop. Not recorded: the messages to them are written with the facts around it.
    ChildrenCancelled {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
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
    /// A signal came that no step waits for yet.
    SignalKept {
        /// Its name.
        name: String,
        /// What it carries.
        payload: Arc<Value>,
    },
    /// Someone asked the run to pause; no step begins from here on.
    RunPaused,
    /// Someone asked the run to go on.
    RunResumed,
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
    /// Start a run for an item of a step. Doing it twice must start one.
    StartChild {
        /// Which step.
        step: StepIx,
        /// Which attempt.
        attempt: u32,
        /// Which item, from 0.
        index: u32,
    },
    /// Ask the open children of a step to stop.
    CancelChildren {
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
            Self::StepWaiting { until: Some(at), .. } | Self::StepFailed { retry_at: Some(at), .. } => Some(Command::WakeAt(*at)),
            Self::ChildStarted { step, attempt, index } => {
                Some(Command::StartChild { step: *step, attempt: *attempt, index: *index })
            }
            Self::ChildrenCancelled { step, attempt } => Some(Command::CancelChildren { step: *step, attempt: *attempt }),
            Self::StepCancelled { step, attempt } => Some(Command::Abort { step: *step, attempt: *attempt }),
            Self::RunFinished { .. } => Some(Command::Announce),
            Self::RunStarted { .. }
            | Self::StepWaiting { until: None, .. }
            | Self::StepCompleted { .. }
            | Self::StepKept { .. }
            | Self::ChildEnded { .. }
            | Self::SignalKept { .. }
            | Self::RunPaused
            | Self::RunResumed
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
            | Self::StepKept { step, .. }
            | Self::ChildStarted { step, .. }
            | Self::ChildEnded { step, .. }
            | Self::ChildrenCancelled { step, .. }
            | Self::StepCancelled { step, .. } => Some(*step),
            Self::RunStarted { .. }
            | Self::SignalKept { .. }
            | Self::RunPaused
            | Self::RunResumed
            | Self::CancelRequested
            | Self::RunFinished { .. } => None,
        }
    }
}
