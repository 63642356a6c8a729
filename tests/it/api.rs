//! What every route does, and how it refuses.

mod auth;
mod meta;
mod runs;
mod scope;
mod semantics;
mod workflows;
