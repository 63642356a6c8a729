//! Starts a branch, or goes back to one.

use std::sync::Arc;

use flowforge_core::node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    git::{Git, WorkTree, WorkTrees, branch_name},
    params::Text,
    services::Services,
};

/// Which branch.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The branch's name. It starts at the commit that is checked out; a branch of that name in the work tree is checked out instead.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "flowforge/{{ run.id }}"))]
    name: Text,
}

/// The node.
pub(crate) struct GitBranch {
    trees: Arc<WorkTrees>,
}

impl GitBranch {
    pub(crate) fn new(services: &Services) -> Self {
        Self { trees: services.trees() }
    }
}

impl Node for GitBranch {
    const SPEC: NodeSpec = NodeSpec {
        kind: "git.branch",
        title: "Branch",
        description: "Starts a branch for the commits that follow.",
        group: Group::Git,
        icon: "git-branch",
        lane: Lane::Dispatched,
        leaves_files: true,
        timeout_s: 300,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let name = branch_name(&params.name)?;
        let tree = self.trees.open(cx).await?;
        tree.repository()?;
        switch(&tree, name).await?;
        let commit = tree.head().await?.commit;
        tree.leave(cx, &[]).await?;
        Ok(Outcome::done(json!({"branch": name, "commit": commit})))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {"branch": {"type": "string"}, "commit": {"type": ["string", "null"]}}})
    }
}

/// Every part of it may be done already, by an attempt that was killed.
async fn switch(tree: &WorkTree, name: &str) -> Result<(), NodeError> {
    let (head, full) = (tree.head().await?, format!("refs/heads/{name}"));
    if head.branch.as_deref() == Some(name) {
        return Ok(());
    }
    let there = tree.commit(&full).await?;
    if there.is_some() && there != head.commit {
        return check_out(tree, name).await;
    }
    if let (Some(commit), None) = (&head.commit, &there) {
        let made = Git::at(tree.path()).args(["update-ref", &full, commit, ""]).answer().await?;
        if made.code != 0 {
            let message = format!("the branch `{name}` cannot be made beside those that are there: {}", made.stderr.trim());
            return Err(NodeError::fatal("GIT_REF_INVALID", message));
        }
    }
    // The files are those of the commit that both stand at, so only the name changes.
    Git::at(tree.path()).args(["symbolic-ref", "HEAD", &full]).run().await.map(drop)
}

async fn check_out(tree: &WorkTree, name: &str) -> Result<(), NodeError> {
    let answer = Git::at(tree.path()).args(["switch", "--quiet", "--no-guess", name]).answer().await?;
    if answer.code == 0 {
        return Ok(());
    }
    let message = format!("the branch `{name}` cannot be checked out over what was changed: {}", answer.stderr.trim());
    Err(NodeError::fatal("GIT_CHECKOUT_FAILED", message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{Bench, cloned, remote::Remote};

    #[tokio::test]
    async fn a_branch_starts_at_the_commit_and_is_found_again() {
        let remote = Remote::start().await;
        let head = remote.git("rev-parse main").await;
        let bench = cloned("git.branch", &remote).await;
        for name in ["feature/x", "feature/x", "main", "feature/x"] {
            bench.done(json!({"name": name}), json!({"branch": name, "commit": head})).await;
        }
        bench.fails(json!({"name": "feature"}), "GIT_REF_INVALID", "feature/x").await;
        for name in ["", "-d", "a..b", "refs/heads/x", "a b"] {
            bench.fails(json!({"name": name}), "GIT_REF_INVALID", "").await;
        }
    }

    #[tokio::test]
    async fn changes_go_along_and_other_commits_come_back() {
        let remote = Remote::start().await;
        let bench = cloned("git.branch", &remote).await;
        bench.next("command", "1").output(json!({"run": "echo more >>a.txt"})).await;
        bench.output(json!({"name": "work"})).await;
        bench.next("git.commit", "2").output(json!({"message": "More"})).await;
        let look = |key: &str| bench.next("command", key);
        bench.output(json!({"name": "main"})).await;
        assert_eq!(look("3").output(json!({"run": "cat a.txt"})).await.value["stdout"], "one\n");
        bench.output(json!({"name": "work"})).await;
        assert_eq!(look("4").output(json!({"run": "cat a.txt; echo other >>a.txt"})).await.value["stdout"], "one\nmore\n");
        bench.fails(json!({"name": "main"}), "GIT_CHECKOUT_FAILED", "a.txt").await;
    }

    #[tokio::test]
    async fn without_a_clone_there_is_nothing_to_branch() {
        Bench::new("git.branch").fails(json!({"name": "x"}), "NO_WORK_TREE", "git.clone").await;
        Bench::new("git.commit").fails(json!({"message": "x"}), "NO_WORK_TREE", "git.clone").await;
        Bench::new("git.push").fails(json!({}), "NO_WORK_TREE", "git.clone").await;
    }
}
