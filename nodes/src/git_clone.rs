//! Fetches a repository; its files are the run's work tree from then on.

use std::{path::Path, sync::Arc};

use flowforge_core::node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome, Stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    egress::Egress,
    git::{Git, Origin, Remote, WorkTrees, branch_name, network_fault},
    params::{Text, optional},
    services::Services,
};

/// What to fetch.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The repository's address, `https://…`, without a password in it.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "https://example.org/team/project.git"))]
    url: String,
    /// The branch to check out; the repository's default when absent.
    #[serde(default, deserialize_with = "optional")]
    branch: Option<Text>,
    /// `user:password` or a token, best as `{{ secrets.NAME }}`. It is used for this call only and stored nowhere.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    credential: Option<Text>,
}

/// The node.
pub(crate) struct GitClone {
    egress: Arc<Egress>,
    trees: Arc<WorkTrees>,
}

impl GitClone {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress(), trees: services.trees() }
    }
}

impl Node for GitClone {
    const SPEC: NodeSpec = NodeSpec {
        kind: "git.clone",
        title: "Clone",
        description: "Fetches a repository with its whole history; later steps work on its files.",
        group: Group::Git,
        icon: "git-fork",
        lane: Lane::Dispatched,
        leaves_files: true,
        timeout_s: 1_800,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let branch = params.branch.as_deref().map(branch_name).transpose()?;
        let tree = self.trees.open(cx).await?;
        // An earlier attempt may have come to its end without being heard.
        if let Some(origin) = tree.origin().filter(|origin| *origin.effect_key == *cx.effect_key) {
            tree.leave(cx, &[]).await?;
            return Ok(done(&origin));
        }
        let remote = Remote::open(&params.url, params.credential.as_deref(), &self.egress, cx).await?;
        let fresh = tree.aside().await?;
        cx.log.line(Stream::System, format!("cloning {}", remote.url())).await;
        fetch(&remote, branch, &fresh).await?;
        let origin = Origin {
            effect_key: cx.effect_key.to_string(),
            url: remote.url().to_owned(),
            branch: Git::at(&fresh).args(["symbolic-ref", "--quiet", "--short", "HEAD"]).find().await?,
            commit: Git::at(&fresh).args(["rev-parse", "--verify", "--quiet", "HEAD"]).find().await?,
        };
        tree.put_in_place(&fresh, &origin).await?;
        tree.leave(cx, &[]).await?;
        Ok(done(&origin))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {"branch": {"type": ["string", "null"]}, "commit": {"type": ["string", "null"]}}})
    }
}

async fn fetch(remote: &Remote, branch: Option<&str>, into: &Path) -> Result<(), NodeError> {
    let git =
        remote.allow(Git::anywhere()).args(["clone", "--quiet", "--template=", "--no-recurse-submodules", "--origin=origin"]);
    let git = git.args(branch.map(|branch| format!("--branch={branch}"))).args(["--", remote.url()]).args([into]);
    let answer = git.answer().await?;
    match answer.code {
        0 => Ok(()),
        _ => Err(network_fault("GIT_CLONE_FAILED", &format!("{} could not be cloned", remote.url()), &answer)),
    }
}

fn done(origin: &Origin) -> Outcome {
    Outcome::done(json!({"branch": origin.branch, "commit": origin.commit}))
}

#[cfg(test)]
mod tests {
    use flowforge_core::node::Outcome;
    use serde_json::json;

    use crate::testing::{Bench, allowing, remote::Remote, tree_of};

    fn bench() -> Bench {
        Bench::with("git.clone", &allowing("127.0.0.0/8"))
    }

    #[tokio::test]
    async fn the_work_tree_holds_the_branch_with_its_whole_history() {
        let remote = Remote::start().await;
        remote
            .shell("cd seed; git checkout -q -b old; echo x >x; git add x; git commit -q -m Second; git push -q origin old")
            .await;
        for (branch, file) in [("main", "sub/b.txt"), ("old", "x")] {
            let bench = bench();
            let commit = remote.git(&format!("rev-parse {branch}")).await;
            bench.done(json!({"url": remote.url(), "branch": branch}), json!({"branch": branch, "commit": commit})).await;
            let tree = tree_of(&bench);
            assert!(tree.join(file).is_file() && tree.join("link").is_symlink() && !tree.join(".git/shallow").exists());
            assert!(!tree.join(".git/hooks").exists(), "no template's hooks");
        }
        let head = remote.git("rev-parse main").await;
        bench().done(json!({"url": remote.url(), "branch": ""}), json!({"branch": "main", "commit": head})).await;
    }

    #[tokio::test]
    async fn a_credential_opens_the_remote_and_is_left_nowhere() {
        let remote = Remote::start().await.private();
        let bench = bench();
        bench.output(json!({"url": remote.url(), "credential": Remote::CREDENTIAL})).await;
        let secret = Remote::CREDENTIAL.split_once(':').unwrap().1;
        let encoded = "cm9ib3Q6aHVzaC1odXNo";
        let found = std::process::Command::new("grep")
            .args(["-raE", &format!("{secret}|{encoded}")])
            .arg(tree_of(&bench))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "");
        assert!(bench.log.all().iter().all(|(_, line)| !line.contains(secret)));
        for credential in [json!("robot:wrong-one"), json!("token"), json!(null)] {
            let fault = bench
                .next("git.clone", "other")
                .fails(json!({"url": remote.url(), "credential": credential}), "GIT_AUTH_FAILED", "")
                .await;
            assert!(!fault.retryable && !fault.to_string().contains("wrong-one"), "{fault}");
        }
        assert!(tree_of(&bench).join("a.txt").exists(), "a clone that fails leaves the tree of before");
    }

    #[tokio::test]
    async fn a_credential_that_is_bound_to_other_hosts_is_not_sent() {
        let remote = Remote::start().await.private();
        let params = json!({"url": remote.url(), "credential": Remote::CREDENTIAL});
        let elsewhere = bench().secret_for("GIT", &["git.example.org"]);
        elsewhere.fails(params.clone(), "SECRET_HOST_DENIED", "git.example.org").await;
        bench().secret_for("GIT", &["127.0.0.1", "localhost"]).output(params).await;
    }

    #[tokio::test]
    async fn what_cannot_be_cloned_says_why() {
        let remote = Remote::start().await;
        let lost = bench().fails(json!({"url": remote.url().replace("repo", "none")}), "GIT_CLONE_FAILED", "not found").await;
        let branch = bench().fails(json!({"url": remote.url(), "branch": "none"}), "GIT_CLONE_FAILED", "none").await;
        assert!(!lost.retryable && !branch.retryable);
        remote.broken(true);
        assert!(bench().fails(json!({"url": remote.url()}), "GIT_CLONE_FAILED", "503").await.retryable);
        bench().fails(json!({"url": remote.url(), "branch": "--upload-pack=touch /tmp/x"}), "GIT_REF_INVALID", "option").await;
        for url in ["ext::sh -c id", "file:///etc", "/etc", "ssh://h/x", "git@h:x", "-u", "https://u:p@h/x"] {
            bench().fails(json!({"url": url}), "GIT_URL_REFUSED", "").await;
        }
    }

    #[tokio::test]
    async fn private_hosts_and_plain_http_need_the_operator() {
        let remote = Remote::start().await;
        let strict = Bench::new("git.clone");
        strict.fails(json!({"url": remote.url()}), "EGRESS_DENIED", "FLOWFORGE_EGRESS_ALLOW").await;
        strict.fails(json!({"url": "https://localhost:1/x"}), "EGRESS_DENIED", "loopback").await;
        strict.fails(json!({"url": "http://[::ffff:10.0.0.1]/x"}), "EGRESS_DENIED", "private").await;
        strict.fails(json!({"url": "http://8.8.8.8/x"}), "GIT_URL_REFUSED", "https").await;
    }

    #[tokio::test]
    async fn an_empty_repository_is_a_beginning() {
        let remote = Remote::start().await;
        remote.shell("git init -q --bare -b trunk empty.git; git -C empty.git config http.receivepack true").await;
        let bench = bench();
        bench.done(json!({"url": remote.url().replace("repo", "empty")}), json!({"branch": "trunk", "commit": null})).await;
        bench.next("command", "1").output(json!({"run": "echo x >x"})).await;
        let commit = bench.next("git.commit", "2").output(json!({"message": "First"})).await.value["commit"].clone();
        bench.next("git.push", "3").done(json!({}), json!({"branch": "trunk", "commit": commit})).await;
        assert_eq!(remote.shell("git -C empty.git log --format=%s trunk").await, "First");
    }

    #[tokio::test]
    async fn an_attempt_that_was_not_heard_is_not_made_again() {
        let remote = Remote::start().await;
        let bench = bench();
        let first = bench.run(json!({"url": remote.url()})).await.unwrap();
        remote.broken(true);
        assert_eq!(bench.run(json!({"url": remote.url()})).await.unwrap(), first);
        assert!(matches!(first, Outcome::Done(_)));
    }
}
