//! What a reader sees of runs, attempts and log lines.

use std::sync::Arc;

use flowforge_core::{
    Awaiting, NodeId, Priority, RunId, RunStatus, StepStatus, Timestamp, WorkflowId, WorkspaceId, event::RunError,
    money::Shortage, node::NodeError,
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::iso;

/// A run, as lists and pages show it.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What is executed.
    pub workflow: WorkflowId,
    /// Which version of it.
    pub version: u32,
    /// Where it stands.
    pub status: RunStatus,
    /// What began it: `manual`, `api`, ….
    pub trigger: String,
    /// What it was given; `null` in lists.
    pub input: Arc<Value>,
    /// What it put out, when it has completed; absent in lists.
    pub output: Option<Arc<Value>>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When a worker began it.
    pub started_at: Option<Timestamp>,
    /// When someone asked to cancel it.
    pub cancel_requested_at: Option<Timestamp>,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How urgent it is.
    pub priority: Priority,
    /// The step that it was started for.
    pub parent: Option<Parent>,
    /// How many runs stand above it.
    pub depth: u32,
    /// The run that this one repeats.
    pub origin: Option<RunId>,
    /// What whoever started it is answered with: `{status, headers, body}`; absent in lists.
    pub response: Option<Arc<Value>>,
}

/// The step that a run was started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its run.
    pub run: RunId,
    /// Its node.
    pub node: NodeId,
    /// Its attempt.
    pub attempt: u32,
    /// The item of its list, from 0.
    pub index: u32,
}

/// One attempt of one step.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// The node.
    pub node: NodeId,
    /// The map item; empty outside a map.
    pub item: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Where it stands. A failed attempt with a `wake_at` is followed by another.
    pub status: StepStatus,
    /// The resolved parameters, secrets masked.
    pub input: Option<Value>,
    /// What successors see.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<NodeError>,
    /// The port by which it left.
    pub port: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it is woken, or the next attempt begins.
    pub wake_at: Option<Timestamp>,
    /// What it waits for, or has waited for, beside the time.
    pub awaiting: Option<Value>,
    /// Where in the run's record it began, paused and ended.
    pub seqs: Seqs,
    /// What its effects carry, so that their receivers can tell a repetition.
    pub effect_key: String,
}

impl AttemptRecord {
    /// Whether the step was taken over from an earlier run instead of being executed.
    pub fn is_kept(&self) -> bool {
        self.status == StepStatus::Completed && self.seqs.started.is_none()
    }

    /// What it waits for, as readers are shown it: of a list of runs how many there are, and not what each is given.
    pub fn awaiting_shown(&self) -> Option<Value> {
        let awaiting = self.awaiting.as_ref()?;
        if let Ok(Awaiting::Funds(shortage)) = Awaiting::deserialize(awaiting) {
            return Some(funds_shown(&shortage));
        }
        if awaiting["kind"] != "children" {
            return Some(awaiting.clone());
        }
        let here = awaiting["items"].as_array().map_or(0, |items| items.len() as u64);
        let paged = awaiting["pages"].as_array().into_iter().flatten().filter_map(|page| page["count"].as_u64());
        let mut shown = json!({ "kind": "children", "total": paged.fold(here, u64::saturating_add) });
        for field in ["source", "max_parallel", "on_item_error"] {
            shown[field] = awaiting[field].clone();
        }
        Some(shown)
    }
}

/// A shortage as readers are shown it: in words, and in dollars.
fn funds_shown(shortage: &Shortage) -> Value {
    json!({
        "kind": "funds", "message": told(shortage), "budget": shortage.budget, "scope": shortage.scope,
        "limit_usd": shortage.limit.usd(), "spent_usd": shortage.spent.usd(), "reserved_usd": shortage.reserved.usd(),
        "resets_at": shortage.resets_at.map(iso),
    })
}

/// A shortage with what ends it, and who may.
pub(crate) fn told(shortage: &Shortage) -> String {
    let ends = match (shortage.budget.as_str(), shortage.resets_at) {
        ("step" | "run", _) => "an editor may add to it".to_owned(),
        (_, Some(at)) => format!("it begins anew at {}, and an owner may add to it or raise it", iso(at)),
        (_, None) => "an owner may add to it or raise it".to_owned(),
    };
    format!("{shortage}; {ends}")
}

/// Where in the run's record an attempt's transitions stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seqs {
    /// It began.
    pub started: Option<i64>,
    /// It went to sleep.
    pub waiting: Option<i64>,
    /// It ended.
    pub finished: Option<i64>,
}

/// One log line.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// Where in the run's record it stands.
    pub seq: i64,
    /// The node.
    pub node: NodeId,
    /// The map item; empty outside a map.
    pub item: String,
    /// The attempt.
    pub attempt: u32,
    /// `stdout`, `stderr` or `system`.
    pub stream: String,
    /// The line, without its line feed.
    pub text: String,
    /// When it was written.
    pub at: Timestamp,
}

/// FlowForge's own name space for effect keys.
const EFFECTS: Uuid = Uuid::from_u128(0x1f3a_6d2e_9c54_5b0e_8a77_2d90_c1e4_6b35);

/// The key that every effect of a step carries, the same for all its attempts.
pub(crate) fn effect_key(run: RunId, node: &NodeId, item: &str) -> String {
    let name = [run.uuid().as_bytes().as_slice(), node.as_str().as_bytes(), b"/", item.as_bytes()].concat();
    format!("ff-{}", Uuid::new_v5(&EFFECTS, &name))
}

/// The id of a run that a step starts for an item. The same every time it is asked for, so that the run can be created any
/// number of times and exists once. It sorts next to its parent's: the time is the parent's, the rest is a hash (UUIDv7 in form).
pub(crate) fn child_id(parent: &Parent) -> RunId {
    let Parent { run, node, attempt, index } = parent;
    let name = [run.uuid().as_bytes(), node.as_str().as_bytes(), format!("/{attempt}/{index}").as_bytes()].concat();
    let mut bytes = *Uuid::new_v5(&EFFECTS, &name).as_bytes();
    bytes[..6].copy_from_slice(&run.uuid().as_bytes()[..6]);
    bytes[6] = bytes[6] & 0x0f | 0x70;
    RunId::new(Uuid::from_bytes(bytes))
}
