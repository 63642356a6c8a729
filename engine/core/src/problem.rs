//! What is wrong with a document, and where: a node, an edge or a field.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// One thing that keeps a document from being run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word, for example `cycle`.
    pub code: String,
    /// What is wrong, where, and what to do, for a person.
    pub message: String,
    /// The node it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// The edge it is about, by its place in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<usize>,
    /// The field of the node, for example `params.url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem of the document as a whole.
    pub fn document(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), node_id: None, edge: None, field: None }
    }

    /// A problem of a node.
    pub fn node(code: &str, node: &NodeId, message: impl Into<String>) -> Self {
        Self { node_id: Some(node.clone()), ..Self::document(code, message) }
    }

    /// A problem of an edge.
    pub fn edge(code: &str, edge: usize, message: impl Into<String>) -> Self {
        Self { edge: Some(edge), ..Self::document(code, message) }
    }

    /// Names the field of the node.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

/// The beginning of a text that may be of any length, for a message.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
