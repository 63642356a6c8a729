//! Answers of models that are kept, so that the same question is paid for once.

use serde_json::Value;

use crate::node::{BoxFuture, NodeError};

/// The answers that one workspace has kept.
pub trait Answers: Send + Sync {
    /// The answer to a question, which is named by a hash of all that the answer depends on; nothing when none is kept.
    fn get<'a>(&'a self, question: &'a str) -> BoxFuture<'a, Result<Option<Value>, NodeError>>;

    /// Keeps an answer, or replaces it. It may be forgotten at any time.
    fn put<'a>(&'a self, question: &'a str, answer: &'a Value) -> BoxFuture<'a, Result<(), NodeError>>;
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy)]
pub struct Forgetful;

impl Answers for Forgetful {
    fn get<'a>(&'a self, _question: &'a str) -> BoxFuture<'a, Result<Option<Value>, NodeError>> {
        Box::pin(async { Ok(None) })
    }

    fn put<'a>(&'a self, _question: &'a str, _answer: &'a Value) -> BoxFuture<'a, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }
}
