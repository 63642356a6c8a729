//! What every route does, and how it refuses.

mod approvals;
mod auth;
mod limits;
mod meta;
mod runs;
mod scope;
mod semantics;
mod waits;
mod workflows;
