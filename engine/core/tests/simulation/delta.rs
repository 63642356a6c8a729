//! What an owner hands over to be written, as in `engine/src/committer/delta.rs`: rows that name their record numbers as
//! offsets from the delta's first.

use std::{borrow::Cow, sync::Arc};

use flowforge_core::{Awaiting, RunStatus, StepIx, StepStatus, event::RunError, node::NodeError};
use serde_json::Value;

use crate::{
    ghost::Kind,
    plan::Compiled,
    store::{Body, Parent, StepKey, WorkerId},
};

/// A change to one run.
pub(crate) struct Delta {
    pub(crate) run: u32,
    pub(crate) guard: Guard,
    /// The simulator's own number of the claim under which it was made: what the epoch is held against.
    pub(crate) claim: u64,
    pub(crate) seqs: i64,
    pub(crate) patch: RunPatch,
    pub(crate) steps: Vec<StepWrite>,
    pub(crate) dispatch: Vec<(StepIx, u32)>,
    pub(crate) recall: Vec<(StepIx, u32)>,
    pub(crate) logs: Vec<LogWrite>,
    pub(crate) consumed: Vec<u64>,
    /// Messages to other runs.
    pub(crate) outbox: Vec<(u32, Body)>,
}

impl Delta {
    /// A delta that changes nothing but the run's own row.
    pub(crate) fn of_run(run: u32, guard: Guard, claim: u64) -> Self {
        let (seqs, patch, steps, dispatch, recall, logs, consumed, outbox) = Default::default();
        Self { run, guard, claim, seqs, patch, steps, dispatch, recall, logs, consumed, outbox }
    }
}

impl Delta {
    /// Whether it deletes messages and does nothing else.
    pub(crate) fn only_consumes(&self) -> bool {
        self.seqs == 0
            && self.steps.is_empty()
            && self.dispatch.is_empty()
            && self.patch.status.is_none()
            && self.outbox.is_empty()
    }
}

/// What must hold for a delta to be written.
pub(crate) enum Guard {
    /// The run does not exist, nor another one with its dedupe key.
    New(NewRun),
    /// The run is owned under this epoch.
    Owner(i64),
    /// The attempt is leased under this epoch.
    Lease(StepKey, i64),
}

/// A run's row when it is created.
#[derive(Clone, Copy)]
pub(crate) struct NewRun {
    pub(crate) compiled: &'static Compiled,
    pub(crate) owner: Option<WorkerId>,
    pub(crate) key: Option<u32>,
    pub(crate) deadline_at: Option<i64>,
    pub(crate) parent: Option<Parent>,
}

#[derive(Default)]
pub(crate) struct RunPatch {
    pub(crate) status: Option<RunStatus>,
    pub(crate) output: Option<Arc<Value>>,
    pub(crate) error: Option<RunError>,
    pub(crate) wake_at: Option<i64>,
    pub(crate) release: bool,
    pub(crate) progress: bool,
    /// Whether the owner is about to execute something: told only while deaths are counted.
    pub(crate) begins: bool,
    pub(crate) started: Option<i64>,
    pub(crate) cancelled: Option<i64>,
    pub(crate) finished: Option<i64>,
    /// Whether it is paused, if that changes.
    pub(crate) paused: Option<bool>,
    /// The signals that no step has taken, if they change.
    pub(crate) signals: Option<Vec<Kept>>,
}

/// A signal that no step has taken.
pub(crate) type Kept = (String, Arc<Value>);

/// An attempt's row.
pub(crate) struct StepWrite {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) status: StepStatus,
    pub(crate) output: Option<Arc<Value>>,
    pub(crate) error: Option<Arc<NodeError>>,
    pub(crate) port: Option<Cow<'static, str>>,
    pub(crate) awaiting: Option<Arc<Awaiting>>,
    pub(crate) started: Option<i64>,
    pub(crate) waiting: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) wake_at: Option<i64>,
}

/// A log line, or something that happened to the run itself.
#[derive(Clone, Copy)]
pub(crate) struct LogWrite {
    pub(crate) offset: i64,
    pub(crate) kind: Kind,
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
}
