//! Sends a branch to the repository that the work tree came from.

use std::{sync::Arc, time::Duration};

use flowforge_core::node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome, Stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    egress::Egress,
    git::{Git, Remote, WorkTree, WorkTrees, branch_name, git_said, network_fault},
    params::{Text, optional, or_default},
    services::Services,
};

/// The branch is locked over there.
const BUSY: &str = "GIT_PUSH_BUSY";
/// How long to wait for a lock over there to go away.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3)];

/// What to send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The branch's name over there; the name of the branch that is checked out when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "template"))]
    branch: Option<Text>,
    /// Whether to replace a branch over there that has other commits, as long as it stands where it stood when it was last seen.
    #[serde(default, deserialize_with = "or_default")]
    force_with_lease: bool,
    /// `user:password` or a token, best as `{{ secrets.NAME }}`. It is used for this call only and stored nowhere.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    credential: Option<Text>,
}

/// The node.
pub(crate) struct GitPush {
    egress: Arc<Egress>,
    trees: Arc<WorkTrees>,
}

impl GitPush {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress(), trees: services.trees() }
    }
}

impl Node for GitPush {
    const SPEC: NodeSpec = NodeSpec {
        kind: "git.push",
        title: "Push",
        description: "Sends the branch to the repository that was cloned.",
        group: Group::Git,
        icon: "git-merge",
        lane: Lane::Dispatched,
        timeout_s: 1_800,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let tree = self.trees.open(cx).await?;
        // The address was written down at the clone: the repository's own configuration is not asked.
        let origin = tree.repository()?;
        let push = push(&tree, &params).await?;
        let remote = Remote::open(&origin.url, params.credential.as_deref(), &self.egress, cx).await?;
        cx.log.line(Stream::System, format!("pushing {} to {} of {}", push.commit, push.branch, remote.url())).await;
        push.send(&tree, &remote).await?;
        Git::at(tree.path()).args(["update-ref", &push.seen_as(), &push.commit]).run().await?;
        Ok(Outcome::done(json!({"branch": push.branch, "commit": push.commit})))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {"branch": {"type": "string"}, "commit": {"type": "string"}}})
    }
}

/// One commit and where it is to stand.
struct Push {
    branch: String,
    commit: String,
    /// Where the branch stood when it was last seen, if it may be replaced from there; empty means nowhere.
    lease: Option<String>,
}

async fn push(tree: &WorkTree, params: &Params) -> Result<Push, NodeError> {
    let head = tree.head().await?;
    let branch = params.branch.as_deref().map(str::to_owned).or(head.branch);
    let branch = branch.ok_or_else(|| NodeError::fatal("GIT_REF_INVALID", "no branch is checked out; name one in `branch`"))?;
    let commit = head.commit.ok_or_else(|| NodeError::fatal("GIT_REF_INVALID", "there is no commit to push yet"))?;
    let mut push = Push { branch: branch_name(&branch)?.to_owned(), commit, lease: None };
    if params.force_with_lease {
        push.lease = Some(tree.commit(&push.seen_as()).await?.unwrap_or_default());
    }
    Ok(push)
}

impl Push {
    fn full(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    fn seen_as(&self) -> String {
        format!("refs/remotes/origin/{}", self.branch)
    }

    /// A push of an attempt that was killed may still be on its way over there and hold the branch; that passes.
    async fn send(&self, tree: &WorkTree, remote: &Remote) -> Result<(), NodeError> {
        for pause in PAUSES {
            match self.try_to_send(tree, remote).await {
                Err(fault) if fault.code == BUSY => sleep(pause).await,
                other => return other,
            }
        }
        self.try_to_send(tree, remote).await
    }

    async fn try_to_send(&self, tree: &WorkTree, remote: &Remote) -> Result<(), NodeError> {
        let full = self.full();
        let lease = self.lease.as_ref().map(|lease| format!("--force-with-lease={full}:{lease}"));
        let git = remote.allow(Git::at(tree.path())).args(["push", "--porcelain", "--no-verify", "--no-follow-tags"]).args(lease);
        let answer = git.args(["--", remote.url(), &format!("{}:{full}", self.commit)]).answer().await?;
        // It may have landed and only its answer been lost; then it may have been repeated below us and refused.
        if answer.code == 0 || self.landed(tree, remote).await? {
            return Ok(());
        }
        let report = String::from_utf8_lossy(&answer.stdout);
        Err(match report.lines().find(|line| line.starts_with('!')) {
            Some(line) => self.rejected(line, &answer.stderr),
            None => network_fault("GIT_PUSH_FAILED", &format!("{} could not be pushed to", remote.url()), &answer),
        })
    }

    async fn landed(&self, tree: &WorkTree, remote: &Remote) -> Result<bool, NodeError> {
        let git = remote.allow(Git::at(tree.path())).args(["ls-remote", "--", remote.url(), &self.full()]);
        let found = git.find().await?.unwrap_or_default();
        Ok(found.lines().any(|line| line.split_once('\t') == Some((&self.commit, &self.full()))))
    }

    fn rejected(&self, line: &str, stderr: &str) -> NodeError {
        let why = line.split_once('[').map_or(line, |(_, why)| why).replace(']', "");
        if why.contains("failed to update ref") || why.contains("cannot lock ref") || why.contains("failed to lock") {
            return NodeError::retry(
                BUSY,
                format!("the branch `{}` is being changed by somebody else: {}", self.branch, git_said(stderr)),
            );
        }
        let hint = match &why {
            why if why.contains("stale info") => "it does not stand where it was last seen",
            why if why.contains("fetch first") || why.contains("non-fast-forward") => {
                "it has commits that are not here; use another branch, or `force_with_lease` to replace them"
            }
            _ => "the remote does not take it",
        };
        let message = format!("the branch `{}` was rejected: {hint} ({why})", self.branch);
        NodeError::fatal("GIT_PUSH_REJECTED", message).with_details(json!({"reason": why, "remote": git_said(stderr)}))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{Bench, cloned, git_in, remote::Remote, tree_of};

    /// A run with one commit on `branch` that the remote does not have.
    async fn committed(remote: &Remote, branch: &str) -> Bench {
        let bench = cloned("git.branch", remote).await;
        bench.output(json!({"name": branch})).await;
        bench.next("command", "edit").output(json!({"run": "echo more >>a.txt"})).await;
        bench.next("git.commit", "commit").output(json!({"message": "More"})).await;
        bench.next("git.push", "push")
    }

    #[tokio::test]
    async fn the_branch_arrives_and_arriving_twice_is_no_fault() {
        let remote = Remote::start().await;
        let bench = committed(&remote, "work").await;
        let commit = git_in(&tree_of(&bench), "rev-parse HEAD");
        for force in [false, false, true] {
            bench.done(json!({"force_with_lease": force}), json!({"branch": "work", "commit": commit})).await;
        }
        bench.done(json!({"branch": "other/name"}), json!({"branch": "other/name", "commit": commit})).await;
        assert_eq!(remote.git("rev-parse work other/name").await, format!("{commit}\n{commit}"));
        assert_eq!(
            remote.git("for-each-ref --format='%(refname)'").await,
            "refs/heads/main\nrefs/heads/other/name\nrefs/heads/work"
        );
    }

    #[tokio::test]
    async fn what_others_pushed_is_replaced_only_when_asked_and_seen() {
        let remote = Remote::start().await;
        let other = "cd seed; git checkout -q -B work main; git commit -q --allow-empty -m Other; git push -qf origin work";
        remote.shell(other).await;
        // This run has seen the other commit at its clone, the next one has not.
        let seen = committed(&remote, "work").await;
        let fault = seen.fails(json!({}), "GIT_PUSH_REJECTED", "force_with_lease").await;
        assert!(!fault.retryable);
        let unseen = committed(&remote, "work2").await;
        remote.shell(&other.replace("work", "work2")).await;
        unseen.fails(json!({"force_with_lease": true}), "GIT_PUSH_REJECTED", "last seen").await;
        seen.output(json!({"force_with_lease": true})).await;
        assert_eq!(remote.git("log --format=%s main..work").await, "More");
        assert_eq!(remote.git("log --format=%s main..work2").await, "Other");
    }

    #[tokio::test]
    async fn a_push_whose_answer_was_lost_has_landed() {
        let remote = Remote::start().await;
        let bench = committed(&remote, "work").await;
        remote.lose_an_answer();
        bench.output(json!({})).await;
        assert_eq!(remote.git("log --format=%s main..work").await, "More");
    }

    #[tokio::test]
    async fn a_branch_that_is_locked_over_there_is_waited_for() {
        let remote = Remote::start().await;
        let bench = committed(&remote, "work").await;
        // The lock of another push is gone when this one comes back.
        let meet = "touch repo.git/refs/heads/work.lock
            printf '#!/bin/sh\\ntest ! -e came || rm -f refs/heads/work.lock\\ntouch came\\n' >repo.git/hooks/pre-receive
            chmod +x repo.git/hooks/pre-receive";
        remote.shell(meet).await;
        bench.output(json!({})).await;
        assert_eq!(remote.git("log --format=%s main..work").await, "More");
        assert_eq!(remote.shell("cat repo.git/came").await, "");
    }

    #[tokio::test]
    async fn what_cannot_be_pushed_says_why() {
        let remote = Remote::start().await;
        let bench = committed(&remote, "work").await;
        bench.fails(json!({"branch": "a..b"}), "GIT_REF_INVALID", "").await;
        remote.shell("printf '#!/bin/sh\\necho not this one >&2\\nexit 1\\n' >repo.git/hooks/pre-receive; chmod +x repo.git/hooks/pre-receive").await;
        let fault = bench.fails(json!({}), "GIT_PUSH_REJECTED", "hook declined").await;
        assert!(fault.details["remote"].as_str().unwrap().contains("not this one"), "{fault:?}");
        remote.broken(true);
        assert!(bench.fails(json!({}), "GIT_PUSH_FAILED", "503").await.retryable);
        remote.broken(false);
        let remote = remote.private();
        bench.fails(json!({}), "GIT_AUTH_FAILED", "").await;
        bench.fails(json!({"credential": "robot:wrong"}), "GIT_AUTH_FAILED", "").await;
        remote.shell("rm repo.git/hooks/pre-receive").await;
        bench.output(json!({"credential": Remote::CREDENTIAL})).await;
    }

    #[tokio::test]
    async fn only_the_address_that_was_cloned_is_pushed_to() {
        let (remote, evil) = (Remote::start().await, Remote::start().await);
        let bench = committed(&remote, "work").await;
        let tree = tree_of(&bench);
        for setting in ["remote.origin.url", "remote.origin.pushurl"] {
            git_in(&tree, &format!("config {setting} {}", evil.url()));
        }
        bench.output(json!({})).await;
        assert_eq!(evil.git("branch --list work").await, "");
        assert_eq!(remote.git("log --format=%s main..work").await, "More");
    }
}
