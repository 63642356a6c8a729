//! Lets Claude Code work on the run's files.
//!
//! One step has one session, whatever happens to whoever executes it: after a retry, a crash or a wait the same conversation goes on
//! in the same files, so nothing is paid for twice but the turn that was cut short. The program sits in a sandbox that holds no key;
//! it reaches the model, and nothing else that is not listed, through a proxy that has one.

mod output;
mod pause;
mod work;

use std::{path::PathBuf, sync::Arc};

use flowforge_core::{
    money::Micros,
    node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use self::work::{Next, Work};
use crate::{
    agent::{
        cli::{PermissionMode, find_program},
        seat::Room,
    },
    params::{Text, duration, invalid, optional, or_default},
    services::Services,
};

/// How long it may work when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 3_600.0;
/// What it can do when its author does not say: all that works without a person and without the network.
const USUAL_TOOLS: [&str; 6] = ["Bash", "Edit", "Glob", "Grep", "Read", "Write"];

/// What to do, and how far it may go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The task, in words.
    #[schemars(extend("x-widget" = "textarea", "x-placeholder" = "Fix the failing test in src/parser.rs and explain the cause."))]
    pub(crate) prompt: Text,
    /// The model, by its name or as `opus`, `sonnet` or `haiku`; the program's own choice when absent.
    #[serde(default, deserialize_with = "optional")]
    pub(crate) model: Option<Text>,
    /// What it may use without being asked, for example `Bash(git log *)`; everything in `tools` when absent. Nobody is there to be
    /// asked, so anything else is refused.
    #[serde(default, deserialize_with = "optional")]
    pub(crate) allowed_tools: Option<Vec<String>>,
    /// What it can use at all; Bash, Edit, Glob, Grep, Read and Write when absent.
    #[serde(default, deserialize_with = "optional")]
    pub(crate) tools: Option<Vec<String>>,
    /// What it may do beside `allowed_tools`.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) permission_mode: PermissionMode,
    /// Whether the step fails when something was refused to it, instead of listing it.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) fail_on_denials: bool,
    /// How many answers it may get from the model; as many as it likes when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) max_turns: Option<u32>,
    /// What it may cost, in US dollars. The run's and the workspace's budgets hold as well.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.0001, max = 100_000))]
    pub(crate) budget_usd: Option<f64>,
    /// Added to its own instructions.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "textarea"))]
    pub(crate) system_prompt: Text,
    /// A JSON Schema: its answer is then a value that fits, in `structured`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "json"))]
    pub(crate) output_schema: Option<Value>,
    /// Whether to add the repository's `CLAUDE.md` to its instructions. Nothing else in the repository configures it.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) include_claude_md: bool,
    /// Hosts that it may reach over HTTPS, for example `registry.npmjs.org` or `*.crates.io`; none when absent.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) hosts: Vec<String>,
    /// The longest that an attempt may take, in seconds; 3600 when absent. The next attempt goes on where it was.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 86400))]
    pub(crate) timeout_s: Option<f64>,
    /// The key for the model's service, usually `{{ secrets.ANTHROPIC_API_KEY }}`; the operator's when absent. The agent never sees it.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-placeholder" = "{{ secrets.ANTHROPIC_API_KEY }}"))]
    pub(crate) api_key: Text,
}

impl Params {
    fn tools(&self) -> Vec<String> {
        self.tools.clone().unwrap_or_else(|| USUAL_TOOLS.map(str::to_owned).to_vec())
    }

    fn allowed(&self) -> Vec<String> {
        self.allowed_tools.clone().unwrap_or_else(|| self.tools())
    }

    fn budget(&self) -> Option<Micros> {
        self.budget_usd.map(Micros::from_usd)
    }
}

/// The node.
pub(crate) struct ClaudeTask {
    room: Room,
    program: Option<Arc<PathBuf>>,
}

impl ClaudeTask {
    pub(crate) fn new(services: &Services) -> Self {
        Self { room: Room::new(services), program: services.claude() }
    }
}

impl Node for ClaudeTask {
    const SPEC: NodeSpec = NodeSpec {
        kind: "claude.task",
        title: "Claude Code",
        description: "Lets Claude Code work on the run's files, in a sandbox.",
        group: Group::Agent,
        icon: "robot",
        lane: Lane::Dispatched,
        leaves_files: true,
        timeout_s: 90_000,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let limit = duration("timeout_s", seconds)?;
        if params.prompt.trim().is_empty() {
            return Err(invalid("`prompt` is empty: say what is to be done"));
        }
        let program = find_program(self.program.as_ref().map(|path| path.as_path()))?;
        let seat = self.room.seat(cx).await?;
        let before = seat.tree.found_by(&cx.effect_key).await?;
        seat.catch_up(cx).await?;
        let mut work = Work::begin(&seat, &params, &program, cx);
        let next = timeout(limit, work.go_on()).await.unwrap_or_else(|_| {
            let message = format!("the agent was stopped after {seconds} seconds; another attempt goes on from there");
            Err(NodeError::retry("AGENT_TIMEOUT", message))
        });
        // However it came to a halt: what it has done so far is there for whatever goes on after it.
        let left = seat.leave(Some(work.record()), cx).await;
        let next = next?;
        left?;
        match next {
            Next::Done(ending) => output::of(&seat, &params, work.record(), *ending, before.as_deref(), cx).await,
            Next::Pause(outcome) => Ok(outcome),
        }
    }

    fn output_schema() -> Value {
        output::schema()
    }
}

#[cfg(test)]
mod tests;
