//! Ids: every kind has its own type, so that a workflow's id cannot stand where a run's is expected.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}_<32 hex digits>")]
pub struct InvalidId {
    prefix: &'static str,
    text: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What the id is printed with.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID; the caller says by the type what it identifies.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID, as the database keeps it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A workspace: the tenant that owns everything else.
    WorkspaceId "ws"
    /// A person who can sign in.
    UserId "usr"
    /// A workflow, through all its versions.
    WorkflowId "wf"
    /// One execution of one version.
    RunId "run"
    /// A process that owns runs.
    WorkerId "wkr"
    /// What begins runs of a workflow by itself, through all its versions.
    TriggerId "trg"
    /// What came to a trigger: a request, an event, a slot.
    DeliveryId "dlv"
    /// What may be spent in a period.
    BudgetId "bdg"
    /// A signed-in browser, through all its refresh tokens.
    SessionId "ses"
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, InvalidId> {
    let invalid = || InvalidId { prefix, text: text.chars().take(64).collect() };
    let hex = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or_else(invalid)?;
    if hex.len() != 32 {
        return Err(invalid());
    }
    Uuid::try_parse(hex).map_err(|_| invalid())
}

/// The author's name of a node, unique in its graph: letters, digits, `_` and `-`, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The longest id that is accepted, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Wraps any text; `Graph::compile` refuses what is not well formed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id can be written in an expression and in a path.
    pub fn is_well_formed(&self) -> bool {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !self.0.is_empty() && self.0.len() <= Self::MAX_LEN && self.0.chars().all(letter)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for NodeId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_and_parses_with_its_prefix() {
        let id = RunId::new(Uuid::from_u128(0xabc));
        assert_eq!(id.to_string(), "run_00000000000000000000000000000abc");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn another_kind_s_prefix_and_other_spellings_are_refused() {
        for text in ["wf_00000000000000000000000000000abc", "run_", "run_abc", "", "run_0000000000000000000000000000-abc"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
