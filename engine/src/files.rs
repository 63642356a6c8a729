//! The files of one dispatched step: what it keeps and fetches, and where it leaves the work tree of its run.

use std::path::Path;

use flowforge_core::{
    WorkspaceId,
    files::{Checkpoint, Files, KeptFile, Standing},
    node::{BoxFuture, NodeError},
};
use futures::FutureExt;

use crate::{blob::Blobs, error::Error, queue::StepRef, store::Store};

/// What a dispatched step keeps, under its lease.
#[derive(Debug, Clone)]
pub(crate) struct StepFiles {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) workspace: WorkspaceId,
    pub(crate) step: StepRef,
    pub(crate) epoch: i64,
}

impl Files for StepFiles {
    fn is_kept(&self) -> bool {
        true
    }

    fn keep<'a>(&'a self, from: &'a Path) -> BoxFuture<'a, Result<KeptFile, NodeError>> {
        async move { self.blobs.keep_file(self.workspace, self.step.run, from).await.map_err(told) }.boxed()
    }

    fn fetch<'a>(&'a self, file: &'a KeptFile, to: &'a Path) -> BoxFuture<'a, Result<(), NodeError>> {
        async move { self.blobs.fetch_file(self.workspace, file, to).await.map_err(told) }.boxed()
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<Option<u32>, NodeError>> {
        async move { self.store.set_checkpoint(&self.step, self.epoch, &checkpoint).await.map(Some).map_err(told) }.boxed()
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Standing>, NodeError>> {
        async move { self.store.files_of(self.step.run).await.map_err(told) }.boxed()
    }
}

/// As a step's failure: what is gone stays gone, everything else may pass.
fn told(fault: Error) -> NodeError {
    match fault {
        Error::NotFound(_) => {
            NodeError::fatal("FILES_MISSING", "files of the run are not kept any more: the run that they come from was removed")
        }
        Error::BadInput(message) => NodeError::fatal("FILES_TOO_LARGE", message),
        fault => NodeError::retry("FILES_UNAVAILABLE", format!("the run's files could not be kept or fetched: {fault}")),
    }
}
