//! Claude Code's command line, run without a terminal: how it is called, what it says, and what its end means.
//!
//! Everything here was tried with the version that is pinned. Its words are not documented in full, so whatever is not known is
//! passed over, and what decides is only what was seen to be reliable.

mod arguments;
mod event;
mod program;
mod verdict;

pub(crate) use self::{
    arguments::{Arguments, Begin, PermissionMode, environment},
    event::{Ending, Event, events},
    program::find as find_program,
    verdict::{Ended, Verdict, verdict},
};

/// The version that was tried.
pub(crate) const PINNED: &str = "2.1.328";
