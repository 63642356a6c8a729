//! A tree's whole content as one git tree: taken, compared, and put back.

use std::{fs, io, path::PathBuf};

use flowforge_core::node::NodeError;

use super::{BEFORE, Git, WorkTree, faults};

impl WorkTree {
    /// Before a step that changes files: remembers what it finds, or, when an attempt of the same step began before, puts that back.
    /// So a change that was half made is not made on top of itself. Ignored files are neither remembered nor put back.
    pub(crate) async fn begin(&self, effect_key: &str) -> Result<(), NodeError> {
        if self.origin().is_none() {
            return Ok(());
        }
        self.repository()?;
        let name = format!("{BEFORE}/{effect_key}");
        match Git::at(self.path()).args(["rev-parse", "--verify", "--quiet", &name]).find().await? {
            Some(tree) => self.put_back(&tree).await,
            None => {
                let tree = self.snapshot().await?;
                Git::at(self.path()).args(["update-ref", &name, &tree]).run().await.map(drop)
            }
        }
    }

    /// For a step that goes on with what an attempt of it left: the files as its first attempt found them. Nothing when there is no
    /// repository.
    pub(crate) async fn found_by(&self, effect_key: &str) -> Result<Option<String>, NodeError> {
        if self.origin().is_none() {
            return Ok(None);
        }
        self.repository()?;
        let name = format!("{BEFORE}/{effect_key}");
        if let Some(tree) = Git::at(self.path()).args(["rev-parse", "--verify", "--quiet", &name]).find().await? {
            return Ok(Some(tree));
        }
        let tree = self.snapshot().await?;
        Git::at(self.path()).args(["update-ref", &name, &tree]).run().await?;
        Ok(Some(tree))
    }

    /// Writes the files as they are now, without those that are ignored, into the repository.
    pub(crate) async fn snapshot(&self) -> Result<String, NodeError> {
        let index = self.stage().await?;
        Git::at(self.path()).env("GIT_INDEX_FILE", index).args(["write-tree"]).run().await
    }

    /// Makes the index that the last snapshot used the repository's own: it describes the files as they are.
    pub(crate) fn keep_index(&self) -> Result<(), NodeError> {
        fs::rename(self.index("flowforge-index"), self.index("index"))
            .map_err(|fault| NodeError::retry("WORK_TREE_FAILED", format!("the index could not be put in place: {fault}")))
    }

    /// Makes the files those of a tree. Ignored files stay.
    pub(crate) async fn put_back(&self, tree: &str) -> Result<(), NodeError> {
        // Everything is staged first: then git knows the files that the last attempt made, and removes them.
        let index = self.stage().await?;
        Git::at(self.path()).env("GIT_INDEX_FILE", index).args(["read-tree", "--reset", "-u", tree]).run().await.map(drop)
    }

    /// Stages everything in an index of its own, so that the repository's is not touched.
    async fn stage(&self) -> Result<PathBuf, NodeError> {
        let index = self.index("flowforge-index");
        let copied = match fs::copy(self.index("index"), &index) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => fs::remove_file(&index).or(Ok(())),
            other => other.map(drop),
        };
        copied.map_err(|fault| NodeError::retry("WORK_TREE_FAILED", format!("the index could not be copied: {fault}")))?;
        let answer = Git::at(self.path()).env("GIT_INDEX_FILE", &index).args(["add", "--all", "--", "."]).answer().await?;
        if answer.code == 0 {
            return Ok(index);
        }
        let message = format!("the work tree's files cannot be recorded: {}", faults::said(&answer.stderr));
        Err(NodeError::fatal("GIT_ADD_FAILED", message))
    }

    fn index(&self, name: &str) -> PathBuf {
        self.path().join(".git").join(name)
    }
}
