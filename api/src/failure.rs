//! Why a command did not do what was asked.

use std::fmt::Display;

/// One line for the terminal: what happened, where, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub String);

impl Failure {
    /// Turns a cause into a failure that says what was being done.
    pub(crate) fn during<E: Display>(what: impl Display) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("{what}: {cause}"))
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<flowforge_engine::Error> for Failure {
    fn from(cause: flowforge_engine::Error) -> Self {
        Self(cause.to_string())
    }
}
