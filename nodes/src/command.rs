//! Runs a shell command in the run's work tree.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use flowforge_core::node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome, Stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    git::{WorkTree, WorkTrees},
    params::{Text, duration, optional, or_default},
    sandbox::{Ended, Network, Program, Sandbox, Task, follow},
    services::Services,
};

/// How long a command may take when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 600.0;
/// How much of each stream's end goes into the error of a command that failed.
const SHOWN: usize = 8 << 10;

/// What to run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Shell, run by `/bin/sh -e`: it ends with the first command that fails. A `{{ … }}` in it becomes a variable such as
    /// `${FLOWFORGE_VALUE_1}`, so no value can become shell; put it in double quotes to keep it in one piece.
    #[schemars(extend("x-widget" = "code", "x-language" = "shell", "x-placeholder" = "make test"))]
    run: String,
    /// More environment variables.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    env: BTreeMap<String, Text>,
    /// Where in the work tree to begin, for example `packages/web`.
    #[serde(default, deserialize_with = "or_default")]
    workdir: Text,
    /// The longest it may take, in seconds; 600 when absent. Then it is ended with everything that it started.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 86400))]
    timeout_s: Option<f64>,
    /// Whether it may use the network: the server's own, private addresses included. Without it there is none, not even loopback's.
    /// With it, secrets that are bound to hosts cannot be used.
    #[serde(default, deserialize_with = "or_default")]
    network: bool,
}

/// The node.
pub(crate) struct Command {
    sandbox: Arc<Sandbox>,
    trees: Arc<WorkTrees>,
}

impl Command {
    pub(crate) fn new(services: &Services) -> Self {
        Self { sandbox: services.sandbox(), trees: services.trees() }
    }
}

impl Node for Command {
    const SPEC: NodeSpec = NodeSpec {
        kind: "command",
        title: "Command",
        description: "Runs a shell command in the work tree, in a sandbox.",
        group: Group::Effects,
        icon: "terminal-2",
        lane: Lane::Dispatched,
        leaves_files: true,
        shell: &["run"],
        timeout_s: 86_400,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let limit = duration("timeout_s", seconds)?;
        let workdir = workdir(&params.workdir)?;
        let env = environment(params.env, cx)?;
        let plain = self.sandbox.is_plain().await?;
        if params.network || plain {
            // Nobody sees what a command dials: a secret that is bound to hosts is for commands without a network.
            cx.check_secret_host("any host")?;
        }
        let tree = self.trees.open(cx).await?;
        tree.begin(&cx.effect_key).await?;
        self.hand_over(&tree, &workdir, plain, cx).await?;
        let name = format!("{}-{}", cx.effect_key, cx.attempt);
        let task = Task {
            program: Program::Shell(&params.run),
            folder: tree.folder(),
            tree: tree.path(),
            workdir: &workdir,
            env,
            network: if params.network { Network::Host } else { Network::None },
            home: None,
            read_only: Vec::new(),
            limits: self.sandbox.limits(),
            name: &name,
        };
        let running = self.sandbox.start(&task, plain).await?;
        let ended = timeout(limit, follow(running, &*cx.log)).await.map_err(|_| {
            NodeError::retry(
                "COMMAND_TIMEOUT",
                format!("the command was ended after {seconds} seconds; give it more time or less to do"),
            )
        })?;
        let ended =
            ended.map_err(|fault| NodeError::retry("COMMAND_LOST", format!("the command could not be followed: {fault}")))?;
        // What a command that failed has done is there for whatever goes on after it.
        tree.leave(cx, &[]).await?;
        verdict(ended)
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "exit_code": {"type": "integer"}, "stdout": {"type": "string"}, "stderr": {"type": "string"}}})
    }
}

impl Command {
    /// Gives the work tree to the user as whom the command runs.
    async fn hand_over(&self, tree: &WorkTree, workdir: &Path, plain: bool, cx: &Context) -> Result<(), NodeError> {
        if plain {
            let warning = "bubblewrap does not work here: this command runs without a sandbox, as the operator allowed";
            cx.log.line(Stream::System, warning.to_owned()).await;
        }
        if !tree.path().join(workdir).is_dir() {
            return Err(invalid(format!("there is no folder `{}` in the work tree", workdir.display())));
        }
        match self.sandbox.owner(plain) {
            Some(user) => tree.give_to(user).await,
            None => Ok(()),
        }
    }
}

/// A path that stays inside the work tree as far as its text can say; the sandbox sees to the rest.
fn workdir(text: &str) -> Result<PathBuf, NodeError> {
    let path = Path::new(text);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || text.contains('\0') {
        return Err(invalid(format!("`workdir` must be a folder inside the work tree, not `{}`", text.escape_debug())));
    }
    Ok(path.components().filter(|part| matches!(part, Component::Normal(_))).collect())
}

fn environment(given: BTreeMap<String, Text>, cx: &Context) -> Result<Vec<(String, String)>, NodeError> {
    let given = given.into_iter().map(|(name, value)| (name, value.0));
    let own = [("CI".to_owned(), "true".to_owned()), ("FLOWFORGE_RUN".to_owned(), cx.run.to_string())];
    let key = [("FLOWFORGE_EFFECT_KEY".to_owned(), cx.effect_key.to_string())];
    let all: Vec<_> = own.into_iter().chain(key).chain(given).chain(cx.shell_values.iter().cloned()).collect();
    for (name, value) in &all {
        let well_formed = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !well_formed {
            return Err(invalid(format!("`{}` is not a variable's name; use letters, digits and `_`", name.escape_debug())));
        }
        if value.contains('\0') {
            return Err(invalid(format!("the value of `{name}` holds a NUL, which no variable can")));
        }
    }
    Ok(all)
}

fn verdict(ended: Ended) -> Result<Outcome, NodeError> {
    let Ended { exit_code, stdout, stderr, breach } = ended;
    if exit_code == 0 {
        return Ok(Outcome::done(json!({"exit_code": exit_code, "stdout": stdout, "stderr": stderr})));
    }
    let last = stderr.lines().rev().chain(stdout.lines().rev()).find(|line| !line.trim().is_empty()).unwrap_or_default();
    let last: String = last.chars().take(300).collect();
    let message = format!("the command ended with exit code {exit_code}: {last}");
    let details = json!({"exit_code": exit_code, "stdout": end_of(&stdout), "stderr": end_of(&stderr)});
    if let Some(fault) = breach {
        return Err(fault.with_details(details));
    }
    Err(NodeError::retry("COMMAND_FAILED", message).with_details(details))
}

fn end_of(text: &str) -> &str {
    let start = text.len().saturating_sub(SHOWN);
    &text[text.ceil_char_boundary(start)..]
}

fn invalid(message: String) -> NodeError {
    NodeError::fatal("INVALID_PARAMETER", message)
}

#[cfg(test)]
mod tests;
