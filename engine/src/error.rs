//! What can go wrong in the engine, by what the caller can do about it.

use flowforge_core::{Problem, Rejected};
use sea_orm::{DbErr, RuntimeErr};

/// An engine call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing in this workspace.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// There may have been such a run, and the workspace no longer keeps it.
    #[error(
        "runs are removed {days} days after their end in this workspace, and this one is older than that if there ever was one"
    )]
    Expired {
        /// How many days runs are kept.
        days: u32,
    },
    /// The thing is in another state than the call needs.
    #[error("{message}")]
    Conflict {
        /// A stable word, for example `version_conflict`.
        code: &'static str,
        /// What is in the way, and what to do.
        message: String,
    },
    /// The document cannot be run.
    #[error("the graph has {} problem(s); the first: {}", .0.len(), .0.first().map(|p| p.message.as_str()).unwrap_or_default())]
    Invalid(Vec<Problem>),
    /// Whoever asks may not do this.
    #[error("{message}")]
    Denied {
        /// A stable word, for example `not_an_approver`.
        code: &'static str,
        /// Who may, and what to do.
        message: String,
    },
    /// A value is not acceptable.
    #[error("{0}")]
    BadInput(String),
    /// The run is past the point where the call makes sense.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Too much is waiting already; the same call may succeed later.
    #[error("the engine is busy; try again")]
    Busy,
    /// Another worker owns the run now; nothing was written.
    #[error("another worker owns the run now")]
    Fenced,
    /// The database did not do its part.
    #[error("the database failed: {0}")]
    Storage(String),
    /// A row says something that no version of this program would have written.
    #[error("{table} holds something unreadable in {column}: {fault}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        fault: String,
    },
}

impl From<DbErr> for Error {
    fn from(fault: DbErr) -> Self {
        // The database did its part: the row is there, and will be the same the next time.
        let is_row =
            matches!(&fault, DbErr::Query(RuntimeErr::SqlxError(why)) if matches!(**why, sqlx::Error::ColumnDecode { .. }));
        match is_row || matches!(fault, DbErr::Type(_) | DbErr::Json(_)) {
            true => Self::Inconsistent { table: "a row", column: "a column", fault: fault.to_string() },
            false => Self::Storage(fault.to_string()),
        }
    }
}

/// The engine's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;
