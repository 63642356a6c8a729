//! A place for files, as the engine has one, and machines that share nothing else.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use flowforge_core::{
    RunId,
    files::{Checkpoint, Files, KeptFile, Standing},
    node::{BoxFuture, NodeError},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Bench, allowing_in};
use crate::Services;

/// Keeps the files of one run in a folder, and its checkpoints in memory.
pub(crate) struct Depot {
    folder: TempDir,
    run: RunId,
    /// What the run has taken over from another one.
    inherited: Option<Standing>,
    checkpoints: Mutex<Vec<Checkpoint>>,
}

impl Depot {
    pub(crate) fn new(run: RunId, inherited: Option<Standing>) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(Self { folder, run, inherited, checkpoints: Mutex::default() })
    }

    pub(crate) fn all(&self) -> Vec<Checkpoint> {
        self.checkpoints.lock().unwrap().clone()
    }

    pub(crate) fn standing(&self) -> Option<Standing> {
        let all = self.checkpoints.lock().unwrap();
        let own = all.last().map(|last| Standing { run: self.run, number: all.len() as u32, checkpoint: last.clone() });
        own.or_else(|| self.inherited.clone())
    }

    pub(crate) fn text(&self, file: &KeptFile) -> String {
        String::from_utf8(std::fs::read(&file.key).unwrap()).unwrap()
    }
}

impl Files for Depot {
    fn is_kept(&self) -> bool {
        true
    }

    fn keep<'a>(&'a self, from: &'a Path) -> BoxFuture<'a, Result<KeptFile, NodeError>> {
        let bytes = std::fs::read(from).unwrap();
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.folder.path().join(&sha256);
        std::fs::write(&path, &bytes).unwrap();
        let kept = KeptFile { key: path.to_str().unwrap().to_owned(), size: bytes.len() as u64, sha256 };
        Box::pin(std::future::ready(Ok(kept)))
    }

    fn fetch<'a>(&'a self, file: &'a KeptFile, to: &'a Path) -> BoxFuture<'a, Result<(), NodeError>> {
        std::fs::copy(&file.key, to).unwrap();
        Box::pin(std::future::ready(Ok(())))
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<Option<u32>, NodeError>> {
        let mut all = self.checkpoints.lock().unwrap();
        let at = match all.iter().position(|known| known.effect_key == checkpoint.effect_key) {
            Some(at) => {
                all[at] = checkpoint;
                at
            }
            None => {
                all.push(checkpoint);
                all.len() - 1
            }
        };
        Box::pin(std::future::ready(Ok(Some(at as u32 + 1))))
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Standing>, NodeError>> {
        Box::pin(std::future::ready(Ok(self.standing())))
    }
}

/// A machine: a folder for work trees and nothing else.
pub(crate) struct Machine {
    folder: TempDir,
    services: Services,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let services = allowing_in("127.0.0.0/8", folder.path().to_owned());
        Self { folder, services }
    }

    /// A step of the bench's run, on this machine.
    pub(crate) fn step(&self, like: &Bench, kind: &str, effect: &str, depot: &Arc<Depot>) -> Bench {
        let mut bench = Bench::with(kind, &self.services);
        bench.cx.run = like.cx.run;
        bench.cx.files = depot.clone();
        bench.cx.effect_key = format!("ff-{effect}").into();
        bench
    }

    pub(crate) async fn does(&self, like: &Bench, kind: &str, effect: &str, depot: &Arc<Depot>, params: Value) -> Value {
        (*self.step(like, kind, effect, depot).output(params).await.value).clone()
    }

    pub(crate) async fn open(&self, step: &Bench) -> crate::git::WorkTree {
        self.services.trees().open(&step.cx).await.unwrap()
    }

    pub(crate) fn tree(&self, like: &Bench) -> std::path::PathBuf {
        self.folder.path().join(like.cx.run.to_string()).join("tree")
    }
}
