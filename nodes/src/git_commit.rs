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
        leaves_files: true,
        timeout_s: 600,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let message = message(&params.message)?;
        let author = params.author.as_deref().map_or_else(|| Ok(Person::default()), Person::parse)?;
        let tree = self.trees.open(cx).await?;
        tree.repository()?;
        let mark = format!("{STEPS}/{}", cx.effect_key);
        let commit = match tree.commit(&mark).await? {
            Some(commit) => commit,
            None => match record(&tree, &message, &author, &mark).await? {
                Some(commit) => commit,
                None => {
                    tree.leave(cx, &[]).await?;
                    return Ok(Outcome::on_port(json!({"commit": null, "changed_files": []}), "unchanged"));
                }
            },
        };
        advance(&tree, &commit).await?;
        tree.leave(cx, &[]).await?;
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
    // Before the mark: an attempt that finds the mark does not look at the files again.
    tree.keep_index()?;
    Git::at(tree.path()).args(["update-ref", mark, &commit]).run().await?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{cloned, git_in, remote::Remote, tree_of};

    #[tokio::test]
    async fn every_kind_of_change_is_recorded_and_ignored_files_are_not() {
        let remote = Remote::start().await;
        let bench = cloned("command", &remote).await;
        let script = "echo more >>a.txt; rm sub/b.txt; echo n >'new ü.txt'; chmod -x run.sh; ln -sf sub link; echo i >ignored; mkdir empty";
        bench.output(json!({"run": script})).await;
        let output = bench
            .next("git.commit", "c")
            .output(json!({"message": "Change\r\n\r\nall \u{1b}[31mof\u{7} it", "author": "Ada <ada@x.y>"}))
            .await;
        assert_eq!(output.value["changed_files"], json!(["a.txt", "link", "new ü.txt", "run.sh", "sub/b.txt"]));
        assert_eq!((&output.value["changed"], output.port.as_deref()), (&json!(5), None));
        let tree = tree_of(&bench);
        assert_eq!(
            git_in(&tree, "log -1 --format=%an,%ae,%cn,%ce,%B"),
            "Ada,ada@x.y,FlowForge,flowforge@localhost,Change\n\nall [31mof it"
        );
        assert_eq!(output.value["commit"], git_in(&tree, "rev-parse HEAD").as_str());
        assert_eq!(git_in(&tree, "status --porcelain"), "", "the index knows of it too");
        assert_eq!(git_in(&tree, "rev-list --count HEAD"), "2");
    }

    #[tokio::test]
    async fn nothing_to_commit_leaves_by_another_port() {
        let remote = Remote::start().await;
        let bench = cloned("git.commit", &remote).await;
        bench.leaves(json!({"message": "x"}), json!({"commit": null, "changed_files": []}), "unchanged").await;
        bench.next("command", "1").output(json!({"run": "echo x >ignored; touch a.txt; mkdir d"})).await;
        bench.leaves(json!({"message": "x"}), json!({"commit": null, "changed_files": []}), "unchanged").await;
    }

    #[tokio::test]
    async fn what_cannot_be_committed_says_why() {
        let remote = Remote::start().await;
        let bench = cloned("git.commit", &remote).await;
        for message in ["", " \n", "\u{7}"] {
            bench.fails(json!({"message": message}), "INVALID_PARAMETER", "message").await;
        }
        bench.fails(json!({"message": "x", "author": "me"}), "INVALID_PARAMETER", "author").await;
        let nested = "mkdir n; cd n; git init -q; echo x >x; git add x; git -c user.name=x -c user.email=x commit -qm x";
        bench.next("command", "1").output(json!({"run": nested})).await;
        bench.fails(json!({"message": "x"}), "GIT_NESTED_REPOSITORY", "`n`").await;
    }

    #[tokio::test]
    async fn nothing_that_a_repository_holds_is_run() {
        let remote = Remote::start().await;
        let bench = cloned("command", &remote).await;
        let script = "echo '* filter=evil diff=evil merge=evil' >.gitattributes; git config --file .gitmodules submodule.x.path x
            git config --file .gitmodules submodule.x.url ext::touch; mkdir n; git init -q n; git -C n config core.fsmonitor 'touch ran'; echo x >n/x
            git -C n add x 2>/dev/null; rm -rf n; echo y >y";
        bench.output(json!({"run": script})).await;
        let tree = tree_of(&bench);
        // As if a plain process had got at the repository's own configuration.
        let mark = tree.parent().unwrap().join("ran");
        let hook = format!("#!/bin/sh\ntouch {}\n", mark.display());
        std::fs::create_dir_all(tree.join(".git/hooks")).unwrap();
        for name in ["pre-commit", "reference-transaction", "post-index-change", "pre-push", "post-checkout"] {
            let path = tree.join(".git/hooks").join(name);
            std::fs::write(&path, &hook).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let program = tree.join(".git/hooks/pre-commit");
        for setting in [
            "core.fsmonitor",
            "diff.external",
            "core.sshCommand",
            "core.editor",
            "gpg.program",
            "core.pager",
            "credential.helper",
        ] {
            git_in(&tree, &format!("config {setting} {}", program.display()));
        }
        git_in(&tree, "config commit.gpgSign true");
        std::fs::remove_file(&mark).ok();
        bench.next("git.commit", "c").output(json!({"message": "x"})).await;
        bench.next("git.branch", "b").output(json!({"name": "other"})).await;
        bench.next("git.push", "p").output(json!({})).await;
        assert!(!mark.exists());
    }
}
