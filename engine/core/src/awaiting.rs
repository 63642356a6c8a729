//! What a step waits for that comes from outside its run: a signal, a person's decision, or other runs.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{id::NodeId, money::Shortage, time::Timestamp};

/// What a step waits for. It is recorded with the attempt, so that whoever looks sees what is asked, and whoever answers is held to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Awaiting {
    /// A signal of this name. One that came earlier counts: signals are kept until a step takes them.
    Signal {
        /// The signal's name.
        name: String,
    },
    /// A person's decision.
    Approval(Approval),
    /// The ends of other runs, started for this step.
    Children(Children),
    /// Money: a budget is used up. The node is called again when it has been raised or begins anew.
    Funds(Shortage),
    /// People's answers to conflicts of a rebase. The node is called again when one has come.
    Resolutions {
        /// How many are open.
        open: u32,
    },
    /// The provider of a model, which takes no more for now. The node is called again when it does.
    Quota {
        /// Since when the attempt has waited for it, however often it was called again.
        since: Timestamp,
    },
}

impl Awaiting {
    /// Whether the node is called again, with what it waited for to be looked up, instead of being given the answer.
    pub fn recalls(&self) -> bool {
        matches!(self, Self::Funds(_) | Self::Resolutions { .. } | Self::Quota { .. })
    }
}

/// What a person is asked to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The question, in a line.
    pub title: String,
    /// What the decision is about, exactly as it is shown.
    #[serde(default)]
    pub details: Value,
    /// Who may decide: e-mail addresses or roles; anyone who may start runs when empty.
    #[serde(default)]
    pub approvers: Vec<String>,
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Go on.
    Approved,
    /// Do not.
    Rejected,
}

impl Verdict {
    /// The word used in JSON, which is also the port that is taken.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// Runs that are started for a step, one an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Children {
    /// What each is given. The list is frozen here: it is never computed again.
    pub items: Vec<Value>,
    /// What comes after `items` where the list is too long to stand here; filled in by the engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<Page>,
    /// What they execute.
    pub source: ChildSource,
    /// How many are open at once, at least 1.
    pub max_parallel: u32,
    /// What the failure of one means for the step.
    pub on_item_error: OnItemError,
    /// Whether the step puts out the one child's output itself, and not a list.
    #[serde(default)]
    pub single: bool,
    /// What a body's expressions see of the graph around it, frozen when the step began; filled in by the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<Outer>,
}

impl Children {
    /// How many there are.
    pub fn total(&self) -> u32 {
        let here = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.pages.iter().fold(here, |total, page| total.saturating_add(page.count))
    }
}

/// A part of a list that is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// How many items it holds.
    pub count: u32,
    /// Where it is, in words that only the engine understands.
    pub kept: Value,
}

/// What runs of children execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildSource {
    /// Another workflow, by id or name.
    Workflow {
        /// Its id or its name.
        workflow: String,
        /// Which version; the published one, else the newest, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
    },
    /// The graph in the step's own parameters.
    Body,
}

/// What a body sees of the graph around it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outer {
    /// What started the run around it.
    pub trigger: Arc<Value>,
    /// Outputs of the steps before it that the body refers to.
    pub steps: BTreeMap<NodeId, Arc<Value>>,
}

/// What the failure of an item means for its map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnItemError {
    /// The map fails; items under way are cancelled and no further ones begin.
    #[default]
    Fail,
    /// The map goes on; the item's result is `null`.
    Continue,
    /// The map goes on; the item's result is `{"error": {…}}`.
    Collect,
}
