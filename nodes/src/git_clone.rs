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
        timeout_s: 1_800,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let branch = params.branch.as_deref().map(branch_name).transpose()?;
        let tree = self.trees.open(cx.run).await?;
        // An earlier attempt may have come to its end without being heard.
        if let Some(origin) = tree.origin().filter(|origin| *origin.effect_key == *cx.effect_key) {
            return Ok(done(&origin));
        }
        let remote = Remote::open(&params.url, params.credential.as_deref(), &self.egress).await?;
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
