//! The document that the editor saves: nodes, edges, settings. Plain data, not yet checked; `Graph::compile` checks it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{id::NodeId, priority::Priority, retry::RetryPolicy};

/// A workflow as its author drew it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// The boxes, in the order in which they were drawn.
    #[serde(default)]
    pub nodes: Vec<NodeDocument>,
    /// The arrows between them.
    #[serde(default)]
    pub edges: Vec<EdgeDocument>,
    /// What applies to the whole run.
    #[serde(default)]
    pub settings: Settings,
}

/// One box on the canvas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDocument {
    /// The author's name of the node, by which expressions refer to it.
    #[schemars(with = "String")]
    pub id: NodeId,
    /// The kind, for example `http.request`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the canvas shows; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the box stands; no meaning for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The kind's parameters; any string in them may hold `{{ … }}`.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// How often and when a failed attempt is repeated; once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// The longest an attempt may take, in seconds; the kind's own limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// What a final failure means when no edge leaves by the `error` port.
    #[serde(default)]
    pub on_error: OnError,
    /// How many steps of this node may be executed at once, over all runs; as many as there are when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// The author's remarks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// Where a box stands on the canvas, in canvas units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// Distance from the left.
    pub x: f64,
    /// Distance from the top.
    pub y: f64,
}

/// What a step's final failure means for its run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The run fails; what else is running is cancelled.
    #[default]
    Fail,
    /// The run goes on as if the step had completed with the output `null`.
    Continue,
}

/// One arrow, from an output port of a node to another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeDocument {
    /// Where the arrow begins.
    #[schemars(with = "String")]
    pub source: NodeId,
    /// By which port it leaves; the source's first port when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Where the arrow ends.
    #[schemars(with = "String")]
    pub target: NodeId,
}

/// What applies to the whole run. Unknown settings are kept, so that an older server does not lose a newer one's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// The longest a run may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// How many runs may be under way at once; as many as there are when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How urgent runs are when whoever starts them does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What is run when a run fails, whatever the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// The most that a run may spend on turns of models, with the runs that its steps start, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A limit on what is under way at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// How many at once, at least 1.
    #[schemars(range(min = 1, max = 10_000))]
    pub limit: u32,
    /// What is counted together, for example `{{ trigger.repo }}`; everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What is run when a run fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnFailure {
    /// The workflow, by id or name.
    pub workflow: String,
}
