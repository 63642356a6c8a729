//! Files that a step leaves for the steps after it, wherever those are executed.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    id::RunId,
    node::{BoxFuture, NodeError},
};

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

/// A file that a step has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its path in the work tree.
    pub path: String,
    /// How many lines were added; nothing for a binary file.
    pub added: Option<u64>,
    /// How many lines were removed; nothing for a binary file.
    pub removed: Option<u64>,
}

/// The work tree of a run as a step left it, or leaves it while it is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The step that left it.
    pub effect_key: String,
    /// The commit, on a hidden ref, that holds all files and says where the repository's refs stood.
    pub commit: String,
    /// Bundles from which the repository can be made anew, in the order in which they are unpacked.
    pub bundles: Vec<KeptFile>,
    /// What else belongs to the step, by name: an agent's session.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attachments: BTreeMap<String, KeptFile>,
    /// How many files the step has changed.
    pub changed: u64,
    /// The first of them.
    pub changes: Vec<FileChange>,
    /// What it has changed, as a patch; nothing when that is nothing.
    pub diff: Option<KeptFile>,
}

/// A checkpoint, and the how manieth of its run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The run: this one, or the one from which it has taken its files over.
    pub run: RunId,
    /// From 1, in the order in which steps have left the tree.
    pub number: u32,
    /// What was left.
    pub checkpoint: Checkpoint,
}

/// Where the files of one step's run are kept.
pub trait Files: Send + Sync {
    /// Keeps a file for as long as the run is kept.
    fn keep<'a>(&'a self, from: &'a Path) -> BoxFuture<'a, Result<KeptFile, NodeError>>;

    /// Whether files are kept at all, so that there is sense in making some.
    fn is_kept(&self) -> bool;

    /// Fetches a file that was kept, and makes sure that it is whole.
    fn fetch<'a>(&'a self, file: &'a KeptFile, to: &'a Path) -> BoxFuture<'a, Result<(), NodeError>>;

    /// Writes down that the run's work tree now stands here, unless the step is another worker's by now. A step that writes again
    /// replaces what it has written before. The number of the checkpoint; nothing when files are not kept here.
    fn checkpoint(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<Option<u32>, NodeError>>;

    /// Where the run's work tree stands, by what was written down last: by its own steps, or by those that it has taken over.
    fn latest(&self) -> BoxFuture<'_, Result<Option<Standing>, NodeError>>;
}

/// Keeps nothing: the machine's own disk is all there is.
#[derive(Debug, Clone, Copy)]
pub struct Unkept;

impl Files for Unkept {
    fn keep<'a>(&'a self, from: &'a Path) -> BoxFuture<'a, Result<KeptFile, NodeError>> {
        let message = format!("`{}` cannot be kept: there is no place for files here", from.display());
        Box::pin(async move { Err(NodeError::fatal("NOT_KEPT", message)) })
    }

    fn is_kept(&self) -> bool {
        false
    }

    fn fetch<'a>(&'a self, file: &'a KeptFile, _to: &'a Path) -> BoxFuture<'a, Result<(), NodeError>> {
        Box::pin(async move { Err(NodeError::fatal("NOT_KEPT", format!("`{}` is not kept here", file.key))) })
    }

    fn checkpoint(&self, _checkpoint: Checkpoint) -> BoxFuture<'_, Result<Option<u32>, NodeError>> {
        Box::pin(async { Ok(None) })
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Standing>, NodeError>> {
        Box::pin(async { Ok(None) })
    }
}
