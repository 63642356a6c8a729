//! Where a step or a run stands, in the one word that SQL, JSON and the screen use.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $word:literal)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in SQL, in JSON and on the screen.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, UnknownStatus> {
                Self::ALL.iter().copied().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
            }
        }
    };
}

/// A word that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status")]
pub struct UnknownStatus(String);

statuses! {
    /// Where a step or an attempt stands, in a word.
    StepStatus {
        /// Not begun.
        Pending "pending"
        /// Being executed.
        Running "running"
        /// Sleeping, or between two attempts.
        Waiting "waiting"
        /// Ended well.
        Completed "completed"
        /// Ended badly.
        Failed "failed"
        /// Not taken.
        Skipped "skipped"
        /// Stopped.
        Cancelled "cancelled"
    }
}

statuses! {
    /// Where a run stands, in a word.
    RunStatus {
        /// Accepted; no worker has begun it.
        Pending "pending"
        /// Owned by a worker.
        Running "running"
        /// Waits for a time or a signal; no worker holds it.
        Waiting "waiting"
        /// Ended well.
        Completed "completed"
        /// Ended badly.
        Failed "failed"
        /// Stopped by request.
        Cancelled "cancelled"
    }
}

impl RunStatus {
    /// Whether nothing can happen to the run any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}
