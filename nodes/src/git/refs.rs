//! Where a repository stands.

use flowforge_core::node::NodeError;

use super::{Git, WorkTree};

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The branch; none when a commit is checked out by itself.
    pub(crate) branch: Option<String>,
    /// The commit; none when the branch has none yet.
    pub(crate) commit: Option<String>,
}

impl WorkTree {
    pub(crate) async fn head(&self) -> Result<Head, NodeError> {
        let branch = Git::at(self.path()).args(["symbolic-ref", "--quiet", "--short", "HEAD"]).find().await?;
        Ok(Head { branch, commit: self.commit("HEAD").await? })
    }

    /// The commit that a ref names; none when there is no such ref.
    pub(crate) async fn commit(&self, name: &str) -> Result<Option<String>, NodeError> {
        let commit = format!("{name}^{{commit}}");
        Git::at(self.path()).args(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).find().await
    }
}
