//! What an owner hands over: the facts of one run since its last commit, as rows.
//!
//! Record numbers are given out by the database, so that two writers of a run never take the same: a delta says how many
//! it needs, and its rows name theirs as offsets from the first one.

use flowforge_core::{NodeId, Priority, RunId, RunStatus, StepStatus, Timestamp, UserId, WorkerId, WorkflowId, WorkspaceId};
use uuid::Uuid;

use crate::record::Parent;

/// A change to one run.
#[derive(Debug, Clone)]
pub(crate) struct Delta {
    /// The run.
    pub(crate) run: RunId,
    /// What must hold for it to be written.
    pub(crate) guard: Guard,
    /// How many record numbers it takes.
    pub(crate) seqs: i64,
    /// What changes in the run's own row.
    pub(crate) patch: RunPatch,
    /// Attempts that began, paused or ended.
    pub(crate) steps: Vec<StepWrite>,
    /// Attempts that any worker may claim from now on.
    pub(crate) dispatch: Vec<Dispatch>,
    /// Attempts that nobody may go on with.
    pub(crate) recall: Vec<(NodeId, u32)>,
    /// Log lines.
    pub(crate) logs: Vec<LogWrite>,
    /// Inbox rows whose meaning is recorded here.
    pub(crate) consumed: Vec<Uuid>,
    /// Messages to other runs: they are sent if, and only if, this is written.
    pub(crate) outbox: Vec<Letter>,
}

impl Delta {
    /// A delta that changes nothing but the run's own row.
    pub(crate) fn of_run(run: RunId, guard: Guard, seqs: i64, patch: RunPatch) -> Self {
        let (steps, dispatch, recall, logs, consumed, outbox) = Default::default();
        Self { run, guard, seqs, patch, steps, dispatch, recall, logs, consumed, outbox }
    }
}

impl Delta {
    /// About how many bytes of values it holds.
    pub(crate) fn bytes(&self) -> usize {
        let of = |json: &Option<String>| json.as_ref().map_or(0, String::len);
        let of_step = |step: &StepWrite| of(&step.input) + of(&step.output) + of(&step.error) + of(&step.awaiting);
        let patch = &self.patch;
        let new = match &self.guard {
            Guard::New(row) => row.input.len(),
            _ => 0,
        };
        new + of(&patch.output)
            + of(&patch.error)
            + of(&patch.signals)
            + of(&patch.response)
            + self.steps.iter().map(of_step).sum::<usize>()
            + self.logs.iter().map(|log| log.text.len()).sum::<usize>()
            + self.outbox.iter().map(|letter| letter.body.len()).sum::<usize>()
    }
}

/// What must hold for a delta to be written.
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    /// The run does not exist, nor another one with its dedupe key.
    New(Box<NewRunRow>),
    /// The run is owned under this epoch.
    Owner(i64),
    /// The attempt is leased under this epoch: log lines of a dispatched step.
    Lease {
        /// The node.
        node: NodeId,
        /// The attempt.
        attempt: u32,
        /// The lease's epoch.
        epoch: i64,
    },
}

/// A run's row when it is created. The delta's patch applies to it as well.
#[derive(Debug, Clone)]
pub(crate) struct NewRunRow {
    pub(crate) workspace: WorkspaceId,
    pub(crate) workflow: WorkflowId,
    pub(crate) version: u32,
    pub(crate) trigger: &'static str,
    pub(crate) trigger_node: Option<NodeId>,
    /// JSON.
    pub(crate) input: String,
    /// The worker that will run it, under epoch 1; nobody, under epoch 0, when another process is to.
    pub(crate) owner: Option<WorkerId>,
    pub(crate) dedupe_key: Option<String>,
    pub(crate) dedupe_hash: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) deadline_at: Option<Timestamp>,
    pub(crate) priority: Priority,
    pub(crate) parent: Option<Parent>,
    /// The way down to the graph that is executed, within its version's; the whole when absent.
    pub(crate) body: Option<String>,
    /// How many runs stand above it.
    pub(crate) depth: u32,
    /// The run that this one repeats.
    pub(crate) origin: Option<RunId>,
    pub(crate) limit: Option<KeyedLimit>,
    /// The person who has started it.
    pub(crate) started_by: Option<UserId>,
}

/// A limit on what is under way at once, and what is counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyedLimit {
    pub(crate) key: String,
    pub(crate) limit: u32,
}

/// An attempt that any worker may claim.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
    pub(crate) limit: Option<KeyedLimit>,
}

/// A message to another run.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) id: Uuid,
    pub(crate) to: RunId,
    pub(crate) kind: &'static str,
    /// JSON.
    pub(crate) body: String,
    pub(crate) at: Timestamp,
}

impl NewRunRow {
    /// The epoch that the row begins with.
    pub(crate) fn epoch(&self) -> i64 {
        i64::from(self.owner.is_some())
    }
}

/// What changes in a run's own row. Only an owner may change it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunPatch {
    pub(crate) status: Option<RunStatus>,
    /// JSON.
    pub(crate) output: Option<String>,
    /// JSON.
    pub(crate) error: Option<String>,
    /// When the run is to be woken if nobody owns it.
    pub(crate) wake_at: Option<Timestamp>,
    /// Whether the owner lets go.
    pub(crate) release: bool,
    /// Whether a step has ended: the owners that died before are forgiven.
    pub(crate) progress: bool,
    /// Whether the owner is about to execute something: told only while deaths are counted.
    pub(crate) begins: bool,
    /// Since when the run is paused, if that changes.
    pub(crate) paused: Option<Option<Timestamp>>,
    /// JSON: the signals that no step has taken, if they change.
    pub(crate) signals: Option<String>,
    /// JSON: what whoever started the run is answered with.
    pub(crate) response: Option<String>,
    pub(crate) started: Option<(i64, Timestamp)>,
    pub(crate) cancelled: Option<(i64, Timestamp)>,
    pub(crate) finished: Option<(i64, Timestamp)>,
}

/// An attempt's row. `…_at` offsets count from the delta's first record number.
#[derive(Debug, Clone)]
pub(crate) struct StepWrite {
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
    pub(crate) status: StepStatus,
    /// JSON.
    pub(crate) input: Option<String>,
    /// JSON.
    pub(crate) output: Option<String>,
    /// JSON.
    pub(crate) error: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) started: Option<i64>,
    pub(crate) waiting: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) wake_at: Option<Timestamp>,
    /// JSON: what the attempt waits for.
    pub(crate) awaiting: Option<String>,
}

/// A log line, or, with no node, something that happened to the run itself.
#[derive(Debug, Clone)]
pub(crate) struct LogWrite {
    pub(crate) offset: i64,
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
    /// The stream's word; `event` for what happened to the run.
    pub(crate) stream: &'static str,
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}
