//! Handlers, one file per resource; the table of all routes is `router`.

pub(crate) mod approvals;
pub(crate) mod auth;
pub(crate) mod blobs;
pub(crate) mod budgets;
pub(crate) mod checkpoints;
pub(crate) mod conflicts;
pub(crate) mod deliveries;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod hooks;
pub(crate) mod node_types;
pub(crate) mod reruns;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod secrets;
pub(crate) mod signals;
pub(crate) mod steps;
pub(crate) mod triggers;
pub(crate) mod usage;
pub(crate) mod versions;
pub(crate) mod why;
pub(crate) mod workflows;
pub(crate) mod workspace;

use serde::Serialize;
use utoipa::ToSchema;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to pass as `cursor` to get the next part; null at the end.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}
