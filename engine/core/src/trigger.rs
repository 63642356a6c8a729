//! What begins runs by itself: which trigger nodes a document has.

mod form;
pub mod github;
pub mod headers;
pub mod schedule;
pub mod signature;
pub mod webhook;

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

use crate::{document::Document, id::NodeId};

/// What a trigger listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// Requests to an address of its own.
    Webhook,
    /// Events of GitHub repositories.
    Github,
    /// The slots of a cron expression.
    Schedule,
}

impl TriggerKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Github, Self::Schedule];

    /// The word in the database and in JSON, and what runs that it begins say of their beginning.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Github => "github",
            Self::Schedule => "schedule",
        }
    }

    /// The node's kind.
    pub fn node_type(self) -> &'static str {
        match self {
            Self::Webhook => "trigger.webhook",
            Self::Github => "trigger.github",
            Self::Schedule => "trigger.schedule",
        }
    }
}

impl fmt::Display for TriggerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no kind of trigger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of trigger; use webhook, github or schedule")]
pub struct UnknownTriggerKind(String);

impl FromStr for TriggerKind {
    type Err = UnknownTriggerKind;

    fn from_str(word: &str) -> Result<Self, UnknownTriggerKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| UnknownTriggerKind(word.to_owned()))
    }
}

/// A trigger node that begins runs by itself, as its author drew it.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerNode {
    /// The node.
    pub node: NodeId,
    /// What the canvas shows; the id when absent.
    pub name: Option<String>,
    /// What it listens to.
    pub kind: TriggerKind,
    /// Its parameters.
    pub params: Map<String, Value>,
}

/// The trigger nodes of a document that begin runs by themselves.
pub fn triggers(document: &Document) -> Vec<TriggerNode> {
    let trigger = |kind: &str| TriggerKind::ALL.into_iter().find(|trigger| trigger.node_type() == kind);
    let nodes = document.nodes.iter().filter_map(|node| {
        let kind = trigger(&node.kind)?;
        Some(TriggerNode { node: node.id.clone(), name: node.name.clone(), kind, params: node.params.clone() })
    });
    nodes.collect()
}
