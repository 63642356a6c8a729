//! Files that a step leaves for the steps after it, wherever those are executed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::node::{BoxFuture, NodeError};

/// A file that is kept outside the machine that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Where, in words that only the engine understands.
    pub key: String,
    /// How large it is, in bytes.
    pub size: u64,
    /// What it holds.
    pub sha256: String,
}

/// The work tree of a run as a step left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The step that left it.
    pub effect_key: String,
    /// The commit, on a hidden ref, that holds all files.
    pub commit: String,
    /// Bundles from which the repository can be made anew, in the order in which they are unpacked.
    pub bundles: Vec<KeptFile>,
}

/// Where the files of one step's run are kept.
pub trait Files: Send + Sync {
    /// Keeps a file. What is kept again under the same name is the same or replaces it.
    fn keep<'a>(&'a self, name: &'a str, from: &'a Path) -> BoxFuture<'a, Result<KeptFile, NodeError>>;

    /// Fetches a file that was kept, and makes sure that it is whole.
    fn fetch<'a>(&'a self, file: &'a KeptFile, to: &'a Path) -> BoxFuture<'a, Result<(), NodeError>>;

    /// Writes down that the run's work tree now stands here.
    fn checkpoint(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), NodeError>>;

    /// Where the run's work tree stands, by what was written down last.
    fn latest(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, NodeError>>;
}

/// Keeps nothing: the machine's own disk is all there is.
#[derive(Debug, Clone, Copy)]
pub struct Unkept;

impl Files for Unkept {
    fn keep<'a>(&'a self, name: &'a str, _from: &'a Path) -> BoxFuture<'a, Result<KeptFile, NodeError>> {
        Box::pin(async move {
            Err(NodeError::fatal("NOT_KEPT", format!("`{name}` cannot be kept: there is no place for files here")))
        })
    }

    fn fetch<'a>(&'a self, file: &'a KeptFile, _to: &'a Path) -> BoxFuture<'a, Result<(), NodeError>> {
        Box::pin(async move { Err(NodeError::fatal("NOT_KEPT", format!("`{}` is not kept here", file.key))) })
    }

    fn checkpoint(&self, _checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, NodeError>> {
        Box::pin(async { Ok(None) })
    }
}
