//! Records the work tree's changes.
//!
//! The commit is made first, then a ref that carries the step's key, then the branch is moved. Each is one act that a kill cannot
//! halve, and an attempt that finds the ref goes on from there: one step never makes two commits.

use std::sync::Arc;

use flowforge_core::node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    git::{Change, Git, Head, Person, STEPS, WorkTree, WorkTrees},
    params::{Text, optional},
    services::Services,
};

/// How many names of changed files are put out.
const NAMED: usize = 1_000;

/// What to say of the changes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The commit's message.
    #[schemars(extend("x-widget" = "textarea"))]
    message: Text,
    /// Who made the changes, as `Name <address>`; FlowForge when absent. FlowForge is always the committer.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "Ada Lovelace <ada@example.org>"))]
    author: Option<Text>,
}

/// The node.
pub(crate) struct GitCommit {
    trees: Arc<WorkTrees>,
}

impl GitCommit {
    pub(crate) fn new(services: &Services) -> Self {
        Self { trees: services.trees() }
    }
}

impl Node for GitCommit {
    const SPEC: NodeSpec = NodeSpec {
        kind: "git.commit",
        title: "Commit",
        description: "Records all changes of the work tree; leaves by `unchanged` when there are none.",
        group: Group::Git,
        icon: "git-commit",
        ports: &["out", "unchanged"],
        side_ports: &["unchanged"],
        lane: Lane::Dispatched,
        timeout_s: 600,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let message = message(&params.message)?;
        let author = params.author.as_deref().map_or_else(|| Ok(Person::default()), Person::parse)?;
        let tree = self.trees.open(cx.run).await?;
        tree.repository()?;
        let mark = format!("{STEPS}/{}", cx.effect_key);
        let commit = match tree.commit(&mark).await? {
            Some(commit) => commit,
            None => match record(&tree, &message, &author, &mark).await? {
                Some(commit) => commit,
                None => return Ok(Outcome::on_port(json!({"commit": null, "changed_files": []}), "unchanged")),
            },
        };
        advance(&tree, &commit).await?;
        let changes = tree.changes(tree.commit(&format!("{commit}^")).await?.as_deref(), &commit).await?;
        let names: Vec<_> = changes.iter().take(NAMED).map(|change| change.path.as_str()).collect();
        Ok(Outcome::done(json!({"commit": commit, "changed_files": names, "changed": changes.len()})))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "commit": {"type": ["string", "null"]},
            "changed_files": {"type": "array", "items": {"type": "string"}},
            "changed": {"type": "integer"}}})
    }
}

/// Makes the commit and its mark; nothing when the files are as the last commit left them.
async fn record(tree: &WorkTree, message: &str, author: &Person, mark: &str) -> Result<Option<String>, NodeError> {
    let parent = tree.head().await?.commit;
    let content = tree.snapshot().await?;
    let changes = tree.changes(parent.as_deref(), &content).await?;
    if changes.is_empty() {
        return Ok(None);
    }
    refuse_nested(&changes)?;
    let parents = parent.iter().flat_map(|parent| ["-p", parent]);
    let git = author.sign(Git::at(tree.path())).args(["commit-tree", &content]).args(parents).args(["-F", "-"]);
    let commit = git.stdin(message).run().await?;
    Git::at(tree.path()).args(["update-ref", mark, &commit]).run().await?;
    tree.keep_index()?;
    Ok(Some(commit))
}

/// Moves the branch to a commit that stands on it; it may have been moved already.
async fn advance(tree: &WorkTree, commit: &str) -> Result<(), NodeError> {
    let (Head { commit: head, .. }, parent) = (tree.head().await?, tree.commit(&format!("{commit}^")).await?);
    if head.as_deref() == Some(commit) || head != parent {
        return Ok(());
    }
    // Zeros mean: there must be none yet.
    let none = "0".repeat(commit.len());
    Git::at(tree.path()).args(["update-ref", "HEAD", commit, head.as_deref().unwrap_or(&none)]).run().await.map(drop)
}

/// A repository inside the repository would be recorded as a bare number, and its files lost.
fn refuse_nested(changes: &[Change]) -> Result<(), NodeError> {
    match changes.iter().find(|change| change.is_repository) {
        None => Ok(()),
        Some(change) => {
            let message = format!("`{}` is a git repository of its own; remove its `.git` folder or ignore it", change.path);
            Err(NodeError::fatal("GIT_NESTED_REPOSITORY", message))
        }
    }
}

/// The message without what a terminal would obey.
fn message(text: &str) -> Result<String, NodeError> {
    let text = text.replace("\r\n", "\n");
    let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    match clean.trim() {
        "" => Err(NodeError::fatal("INVALID_PARAMETER", "the commit's message is empty; write one")),
        clean => Ok(format!("{clean}\n")),
    }
}
