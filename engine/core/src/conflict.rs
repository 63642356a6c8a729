//! Conflicts of a rebase: what collides, who has resolved it and how, and what was checked. They are kept as rows, so that a person
//! can look at them and answer, and nothing is asked of a model twice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::{BoxFuture, NodeError};

/// How a conflict came to its resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a rule that needs no judgement.
    Auto,
    /// By a model.
    Model,
    /// By a person.
    Person,
}

/// One file of one commit that cannot be brought together by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The commit that is replayed.
    pub commit: String,
    /// The path.
    pub path: String,
    /// The word for what collides, for example `content`, `add_add`, `modify_delete`, `binary`.
    pub kind: String,
    /// The file before both changes; nothing when there was none, it is binary, or it is too large to show.
    pub base: Option<String>,
    /// As it is on the branch that is rebased onto.
    pub ours: Option<String>,
    /// As the replayed commit has it.
    pub theirs: Option<String>,
}

/// An attempt to resolve a conflict, or a person's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// By whom.
    pub method: Method,
    /// What exactly: the rule's name, the model's, or who answered.
    pub by: String,
    /// What a model was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What the file becomes; nothing when it is deleted.
    pub content: Option<String>,
    /// Each check and what came of it: `[{check, passed, message}]`.
    #[serde(default)]
    pub checks: Value,
    /// Whether it is taken.
    pub accepted: bool,
}

/// Where the conflicts of one step are written down. What is written again with the same commit and path changes nothing but
/// adds what is new.
pub trait Conflicts: Send + Sync {
    /// Writes down a conflict and an attempt to resolve it, if there was one.
    fn record(&self, conflict: Conflict, resolution: Option<Resolution>) -> BoxFuture<'_, Result<(), NodeError>>;

    /// The accepted resolutions of this step so far, and people's answers that nobody has checked yet.
    fn resolved(&self) -> BoxFuture<'_, Result<Vec<(Conflict, Resolution)>, NodeError>>;
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy)]
pub struct Unrecorded;

impl Conflicts for Unrecorded {
    fn record(&self, _conflict: Conflict, _resolution: Option<Resolution>) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }

    fn resolved(&self) -> BoxFuture<'_, Result<Vec<(Conflict, Resolution)>, NodeError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
