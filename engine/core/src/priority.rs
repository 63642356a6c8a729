//! How urgent a run is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How urgent a run is. Each priority has a lane of its own and none is starved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before everything else.
    High,
    /// As it comes.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As the database keeps it: the smaller, the more urgent.
    pub fn rank(self) -> i16 {
        self as i16
    }

    /// The priority of a rank; normal for a rank that no version of this program has written.
    pub fn of_rank(rank: i16) -> Self {
        Self::ALL.into_iter().find(|priority| priority.rank() == rank).unwrap_or_default()
    }
}
