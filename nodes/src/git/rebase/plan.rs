//! What is replayed, and onto what: found once and written down as refs, so that an attempt after a crash or a person's answer
//! replays the same.

use flowforge_core::node::NodeError;

use super::super::{Git, STEPS, WorkTree};

/// The most commits that are replayed.
const MOST_COMMITS: usize = 2_000;

/// What is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Where the branch stood before.
    pub(crate) before: String,
    /// What it is replayed onto.
    pub(crate) onto: String,
    /// Where the two lines part.
    pub(crate) base: String,
    /// The commits, oldest first.
    pub(crate) commits: Vec<String>,
}

impl Plan {
    /// The plan that an earlier call of this attempt made.
    pub(crate) async fn find(tree: &WorkTree, key: &str) -> Result<Option<Self>, NodeError> {
        let (before, onto) = (
            tree.commit(&format!("{STEPS}/rebase/{key}/before")).await?,
            tree.commit(&format!("{STEPS}/rebase/{key}/onto")).await?,
        );
        match (before, onto) {
            (Some(before), Some(onto)) => Self::of(tree, before, onto).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Plans a replay and writes it down. `onto` comes second, so a plan that has it is whole.
    pub(crate) async fn make(tree: &WorkTree, key: &str, before: String, onto: String) -> Result<Self, NodeError> {
        let plan = Self::of(tree, before, onto).await?;
        for (name, commit) in [("before", &plan.before), ("onto", &plan.onto)] {
            Git::objects(tree.path()).args(["update-ref", &format!("{STEPS}/rebase/{key}/{name}"), commit]).run().await?;
        }
        Ok(plan)
    }

    async fn of(tree: &WorkTree, before: String, onto: String) -> Result<Self, NodeError> {
        let git = || Git::objects(tree.path());
        let unrelated = || {
            NodeError::fatal(
                "REBASE_UNRELATED",
                format!("{before} and {onto} have no commit in common, so nothing can be replayed"),
            )
        };
        let base = git().args(["merge-base", &before, &onto]).find().await?.ok_or_else(unrelated)?;
        let between = format!("{base}..{before}");
        let merges = git().args(["rev-list", "--min-parents=2", "--max-count=1", &between]).run().await?;
        if !merges.is_empty() {
            let message = format!("{merges} is a merge; only a line of single commits can be replayed");
            return Err(NodeError::fatal("REBASE_MERGES", message));
        }
        let commits = git().args(["rev-list", "--reverse", "--topo-order", &between]).run().await?;
        let commits: Vec<_> = commits.lines().map(str::to_owned).collect();
        if commits.len() > MOST_COMMITS {
            let message = format!("{} commits would be replayed, {MOST_COMMITS} is the most", commits.len());
            return Err(NodeError::fatal("REBASE_TOO_LONG", message));
        }
        Ok(Self { before, onto, base, commits })
    }

    /// Whether the branch stands on its target already.
    pub(crate) fn is_done(&self) -> bool {
        self.base == self.onto
    }
}
