//! Sends a branch to the repository that the work tree came from.

mod allowed;
mod scan;

use std::{sync::Arc, time::Duration};

use flowforge_core::node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome, Stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    egress::Egress,
    git::{Git, PushPolicy, Remote, WorkTree, WorkTrees, branch_name, git_said, network_fault},
    params::{Text, invalid, optional, or_default},
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
    /// With `force_with_lease`, the commit at which the branch has to stand over there, for example
    /// `{{ steps.rebase.output.before }}`; where it stood when it was last seen when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "template"))]
    lease: Option<Text>,
    /// Patterns of the branches that may be pushed to, for example `flowforge/*`. Every branch but the repository's default one when
    /// absent; the operator's list comes first.
    #[serde(default, deserialize_with = "or_default")]
    branches: Vec<String>,
    /// Patterns of files in which what looks like a key or a token is none, for example `tests/fixtures/**`.
    #[serde(default, deserialize_with = "or_default")]
    scan_except: Vec<String>,
    /// `user:password` or a token, best as `{{ secrets.NAME }}`. It is used for this call only and stored nowhere.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    credential: Option<Text>,
}

/// The node.
pub(crate) struct GitPush {
    egress: Arc<Egress>,
    trees: Arc<WorkTrees>,
    policy: Arc<PushPolicy>,
}

impl GitPush {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress(), trees: services.trees(), policy: services.push_policy() }
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
        allowed::check(&push.branch, &params.branches, &self.policy, (&tree, &remote)).await?;
        scan::check(&tree, &push.commit, &params.scan_except).await?;
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
        push.lease = Some(match params.lease.as_deref().map(str::trim) {
            Some(lease) if is_commit(lease) => lease.to_owned(),
            Some(_) => return Err(invalid("`lease` must be the full id of a commit")),
            None => tree.commit(&push.seen_as()).await?.unwrap_or_default(),
        });
    }
    Ok(push)
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit())
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
mod tests;
