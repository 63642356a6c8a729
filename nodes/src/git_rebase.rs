//! Replays a branch on another one, and has what collides resolved by rules, by a model, and by people.
//!
//! The plan, what was resolved and the outcome are written down, so an attempt after a crash or after a person's answer goes on with
//! the same commits; the branch and its files are touched last, in one go that can be repeated.

mod ground;
mod model;
mod target;

use std::{sync::Arc, time::Duration};

use flowforge_core::{
    Awaiting,
    conflict::Method,
    node::{Await, Context, Group, Lane, Node, NodeError, NodeSpec, Outcome, Stream, Wake},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use self::{
    ground::{Place, Tested},
    model::{Model, USUAL_MODEL},
};
use crate::{
    agent::Messages,
    egress::Egress,
    git::{
        Git, Person, STEPS, WorkTree, WorkTrees, check_version,
        rebase::{Ended, Plan, Rebase, Resolver},
    },
    params::{Text, duration, optional, or_default},
    sandbox::Sandbox,
    services::Services,
};

/// How many conflicts there may be when the author does not say.
const USUAL_CONFLICTS: usize = 50;
/// How long the tests may take when the author does not say, in seconds.
const USUAL_TEST_S: f64 = 900.0;
/// How long answers are waited for before it is looked anew, although nobody has said anything.
const ANSWERS: Duration = Duration::from_secs(3_600);

/// What to replay onto, and who resolves what collides.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The branch, or the full id of a commit, that the commits of the branch that is checked out are to stand on. It is fetched before.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "main"))]
    onto: Text,
    /// Who resolves conflicts, in this order: `auto` by rules that need no judgement, `model`, `person` on the page of the run. `auto`
    /// and `person` when absent.
    #[serde(default, deserialize_with = "optional")]
    resolve: Option<Vec<Method>>,
    /// Shell that tests the result in the sandbox, with the files as they will be. When it fails a model is asked once more, then a
    /// person; with nobody to ask the step fails and nothing has changed. A `{{ … }}` in it becomes an environment variable.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "code", "x-language" = "shell", "x-placeholder" = "make test"))]
    test: Option<String>,
    /// The longest that the tests may take, in seconds; 900 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 86400))]
    test_timeout_s: Option<f64>,
    /// Shell that makes a lock file anew, in its folder and named `$FLOWFORGE_LOCK_FILE`; the usual command of its package manager when
    /// absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "code", "x-language" = "shell", "x-placeholder" = "npm install --package-lock-only"))]
    lock_command: Option<String>,
    /// Whether the tests and what makes lock files may use the network. With it, secrets that are bound to hosts cannot be used.
    #[serde(default, deserialize_with = "or_default")]
    network: bool,
    /// Which model resolves conflicts.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "claude-sonnet-5-5"))]
    model: Option<Text>,
    /// The key for the model, best as `{{ secrets.ANTHROPIC_API_KEY }}`; the operator's when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    api_key: Option<Text>,
    /// The most conflicts that are resolved; 50 when absent. More of them fail the step.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 1000))]
    max_conflicts: Option<usize>,
    /// Whether to put out only which conflicts there would be, and change nothing.
    #[serde(default, deserialize_with = "or_default")]
    preview: bool,
    /// `user:password` or a token for the repository, best as `{{ secrets.NAME }}`. It is used for this call only and stored nowhere.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    credential: Option<Text>,
}

/// The node.
pub(crate) struct GitRebase {
    egress: Arc<Egress>,
    trees: Arc<WorkTrees>,
    sandbox: Arc<Sandbox>,
    messages: Arc<Messages>,
    /// Stands in for a model in tests.
    pub(crate) resolver: Option<Arc<dyn Resolver>>,
}

impl GitRebase {
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            egress: services.egress(),
            trees: services.trees(),
            sandbox: services.sandbox(),
            messages: services.messages(),
            resolver: None,
        }
    }
}

impl Node for GitRebase {
    const SPEC: NodeSpec = NodeSpec {
        kind: "git.rebase",
        title: "Rebase",
        description: "Replays the branch on another one; conflicts are resolved by rules, a model, or people.",
        group: Group::Git,
        icon: "git-pull-request",
        lane: Lane::Dispatched,
        leaves_files: true,
        shell: &["test", "lock_command"],
        timeout_s: 86_400,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        check_version().await?;
        let tree = self.trees.open(cx).await?;
        tree.repository()?;
        if let Some(output) = finished(&tree, cx).await? {
            tree.leave(cx, &[]).await?;
            return Ok(Outcome::done(output));
        }
        let key = format!("{}/{}", cx.effect_key, cx.attempt);
        let plan = match Plan::find(&tree, &key).await? {
            Some(plan) => plan,
            None => self.plan(&tree, &key, &params, cx).await?,
        };
        let place = Place::new(&self.sandbox, &tree, (&plan, &key), &params, cx).await?;
        // An attempt that was killed may have left the files of a test.
        place.restore().await?;
        let outcome = self.replay(&tree, &plan, &place, &params, cx).await;
        place.restore().await?;
        let outcome = match outcome? {
            // The plan goes along: whoever goes on replays the same.
            Replayed::Waits(outcome) => outcome,
            Replayed::Previewed(output) => return Ok(Outcome::done(output)),
            Replayed::Done { commit, output } => Outcome::done(finish(&tree, &plan, (&commit, &output), cx).await?),
        };
        tree.leave(cx, &[]).await?;
        Ok(outcome)
    }

    fn output_schema() -> Value {
        let text = || json!({"type": "string"});
        json!({"type": "object", "properties": {
            "commit": text(), "before": text(), "base": text(), "onto": text(), "replayed": {"type": "integer"},
            "preview": {"type": "boolean"},
            "conflicts": {"type": "array", "items": {"type": "object", "properties": {
                "commit": text(), "path": text(), "kind": text(), "method": text(), "by": text(), "checks": {"type": "array"}}}}}})
    }
}

/// How far a call came.
enum Replayed {
    Waits(Outcome),
    Previewed(Value),
    Done { commit: String, output: Value },
}

impl GitRebase {
    async fn plan(&self, tree: &WorkTree, key: &str, params: &Params, cx: &Context) -> Result<Plan, NodeError> {
        let head = tree.head().await?.commit;
        let before = head.ok_or_else(|| NodeError::fatal("GIT_REF_INVALID", "there is no commit to replay yet"))?;
        if !params.preview && tree.snapshot().await? != tree_of(tree, &before).await? {
            let message = "the work tree has changes that no commit holds; put a git.commit step before this one";
            return Err(NodeError::fatal("GIT_WORK_TREE_DIRTY", message));
        }
        let onto = target::fetch(tree, &params.onto, params.credential.as_deref(), &self.egress, cx).await?;
        cx.log.line(Stream::System, format!("replaying {before} onto {onto}")).await;
        Plan::make(tree, key, before, onto).await
    }

    async fn replay(
        &self,
        tree: &WorkTree,
        plan: &Plan,
        place: &Place<'_>,
        params: &Params,
        cx: &Context,
    ) -> Result<Replayed, NodeError> {
        let methods = params.resolve.clone().unwrap_or_else(|| vec![Method::Auto, Method::Person]);
        let most = params.max_conflicts.unwrap_or(USUAL_CONFLICTS);
        let shown = |commit: &str, replayed: usize, conflicts: Value| {
            json!({"commit": commit, "before": plan.before, "base": plan.base, "onto": plan.onto, "replayed": replayed,
                "conflicts": conflicts})
        };
        if plan.is_done() && !params.preview {
            return Ok(Replayed::Done { commit: plan.before.clone(), output: shown(&plan.before, 0, json!([])) });
        }
        let model = Model {
            messages: &self.messages,
            name: params.model.as_deref().unwrap_or(USUAL_MODEL),
            api_key: params.api_key.as_deref(),
            cx,
        };
        let resolver = self.resolver.as_deref().or(Some(&model as &dyn Resolver));
        let mut rebase = Rebase::new((tree, plan), (&methods, resolver), (place, &*cx.conflicts, &*cx.log), most).await?;
        if params.preview {
            let conflicts = if plan.is_done() { json!([]) } else { rebase.preview().await? };
            let mut output = shown(&plan.before, plan.commits.len(), conflicts);
            output["preview"] = json!(true);
            return Ok(Replayed::Previewed(output));
        }
        loop {
            let (commit, replayed) = match rebase.run().await? {
                Ended::Done { commit, replayed } => (commit, replayed),
                Ended::Open(open) => return Ok(waits(open)),
                Ended::Waits(outcome) => return Ok(Replayed::Waits(*outcome)),
            };
            match place.test(&commit).await? {
                Tested::Passed => {
                    let output = shown(&commit, replayed, rebase.report());
                    return Ok(Replayed::Done { commit, output });
                }
                Tested::Failed { exit_code, said } => {
                    cx.log.line(Stream::System, format!("the tests ended with exit code {exit_code}")).await;
                    if !rebase.refuse(&said).await? {
                        let message =
                            format!("the tests of what {commit} holds ended with exit code {exit_code}; nothing was changed");
                        let details = json!({"exit_code": exit_code, "output": said});
                        return Err(NodeError::fatal("REBASE_TESTS_FAILED", message).with_details(details));
                    }
                }
            }
        }
    }
}

fn waits(open: u32) -> Replayed {
    Replayed::Waits(Outcome::Await(Await { what: Awaiting::Resolutions { open }, until: Some(Wake::After(ANSWERS)) }))
}

async fn tree_of(tree: &WorkTree, commit: &str) -> Result<String, NodeError> {
    Git::objects(tree.path()).args(["rev-parse", "--verify", &format!("{commit}^{{tree}}")]).run().await
}

/// Where a step leaves its output: by this ref a later attempt knows that everything was decided.
fn output_ref(cx: &Context) -> String {
    format!("{STEPS}/{}", cx.effect_key)
}

/// What an attempt decided that came that far; the branch and the files are brought there if they are not.
async fn finished(tree: &WorkTree, cx: &Context) -> Result<Option<Value>, NodeError> {
    let name = output_ref(cx);
    let Some(mark) = tree.commit(&name).await? else { return Ok(None) };
    let text = Git::objects(tree.path()).args(["log", "-1", "--format=%B", &mark]).run().await?;
    let unreadable = |fault: serde_json::Error| NodeError::fatal("GIT_FAILED", format!("`{name}` cannot be read: {fault}"));
    let output: Value = serde_json::from_str(&text).map_err(unreadable)?;
    advance(tree, &output).await?;
    Ok(Some(output))
}

async fn finish(tree: &WorkTree, plan: &Plan, (commit, output): (&str, &Value), cx: &Context) -> Result<Value, NodeError> {
    let head = tree.head().await?.commit;
    if head.as_deref() != Some(&plan.before) {
        let message =
            format!("the branch stood at {} when this step began and does not any more; another step has moved it", plan.before);
        return Err(NodeError::fatal("GIT_HEAD_MOVED", message));
    }
    cx.log.line(Stream::System, format!("the branch goes from {} to {commit}", plan.before)).await;
    // A commit, so that it is kept with the commits that it tells of.
    let git =
        Person::default().sign(Git::objects(tree.path())).args(["commit-tree", &tree_of(tree, commit).await?, "-p", commit]);
    let mark = git.args(["-F", "-"]).stdin(output.to_string()).run().await?;
    Git::objects(tree.path()).args(["update-ref", &output_ref(cx), &mark]).run().await?;
    advance(tree, output).await?;
    Ok(output.clone())
}

/// Brings the files and then the branch to where they are to stand. A branch that has gone on since then is left alone.
async fn advance(tree: &WorkTree, output: &Value) -> Result<(), NodeError> {
    let (before, commit) = (output["before"].as_str().unwrap_or_default(), output["commit"].as_str().unwrap_or_default());
    if before == commit || tree.head().await?.commit.as_deref() != Some(before) {
        return Ok(());
    }
    tree.put_back(&tree_of(tree, commit).await?).await?;
    tree.keep_index()?;
    Git::at(tree.path()).args(["update-ref", "HEAD", commit, before]).run().await.map(drop)
}

#[cfg(test)]
mod tests;
