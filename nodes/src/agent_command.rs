//! Lets any agent program work on the run's files: in the same seat as Claude Code, with the same sandbox and the same way out.
//!
//! Nothing is known of its sessions. So an attempt that is repeated finds the files as the first one found them, and begins anew.

mod reading;

use std::{collections::BTreeMap, ffi::OsString, fs, os::unix::fs::PermissionsExt};

use flowforge_core::{
    Awaiting,
    money::{Micros, Shortage},
    node::{Await, Context, Group, Lane, Node, NodeError, NodeSpec, Outcome, Wake},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::reading::{Reading, Reads};
use crate::{
    agent::{
        Proxy, ProxyReport,
        cli::environment,
        seat::{Access, Call, Room, Seat},
        transcript::{TRANSCRIPT, Transcript, follow},
    },
    params::{Text, duration, invalid, optional, or_default},
    services::Services,
};

/// How long it may work when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 3_600.0;
/// How often money is looked for, in seconds.
const LOOK_S: u64 = 60;
/// The argument in whose place the prompt goes.
const PLACE: &str = "@prompt";
/// The name of a prompt that is a file.
const PROMPT_FILE: &str = "prompt.md";

/// How the task reaches the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PromptBy {
    /// On its standard input.
    #[default]
    Stdin,
    /// As an argument: in the place of `@prompt`, else the last one. At most 127 KiB.
    Argument,
    /// As a file whose path is an argument: in the place of `@prompt`, else the last one.
    File,
}

/// Which program, and how it is talked to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The program: a name on the path, such as `codex`, or a path in the work tree, such as `./agent.sh`.
    program: Text,
    /// Its arguments, each as it is: no shell sees them.
    #[serde(default, deserialize_with = "or_default")]
    args: Vec<Text>,
    /// The task, in words.
    #[schemars(extend("x-widget" = "textarea"))]
    prompt: Text,
    /// How the task reaches it.
    #[serde(default, deserialize_with = "or_default")]
    prompt_by: PromptBy,
    /// How its output is read.
    #[serde(default, deserialize_with = "or_default")]
    output: Reads,
    /// Where in its JSON the result is, for example `/message/text`; all of it when absent. In `jsonl` the last line that has it counts.
    #[serde(default, deserialize_with = "or_default")]
    result_path: Text,
    /// More environment variables.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    env: BTreeMap<String, Text>,
    /// Hosts that it may reach over HTTPS; none when absent.
    #[serde(default, deserialize_with = "or_default")]
    hosts: Vec<String>,
    /// What its turns with the model may cost, in US dollars, where it asks through `ANTHROPIC_BASE_URL`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.0001, max = 100_000))]
    budget_usd: Option<f64>,
    /// The key for the model's service; the operator's when absent. The program finds a throw-away one in `ANTHROPIC_API_KEY`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-placeholder" = "{{ secrets.ANTHROPIC_API_KEY }}"))]
    api_key: Text,
    /// The longest that an attempt may take, in seconds; 3600 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 86400))]
    timeout_s: Option<f64>,
}

/// The node.
pub(crate) struct AgentCommand {
    room: Room,
}

impl AgentCommand {
    pub(crate) fn new(services: &Services) -> Self {
        Self { room: Room::new(services) }
    }
}

impl Node for AgentCommand {
    const SPEC: NodeSpec = NodeSpec {
        kind: "agent.command",
        title: "Agent program",
        description: "Lets any agent program work on the run's files, in a sandbox.",
        group: Group::Agent,
        icon: "robot-face",
        lane: Lane::Dispatched,
        leaves_files: true,
        timeout_s: 90_000,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let limit = duration("timeout_s", seconds)?;
        if params.program.trim().is_empty() {
            return Err(invalid("`program` is empty: name one"));
        }
        reading::check(&params.result_path)?;
        let seat = self.room.seat(cx).await?;
        let before = seat.tree.found_by(&cx.effect_key).await?;
        seat.tree.begin(&cx.effect_key).await?;
        let (code, stderr, reading, report) = timeout(limit, call(&seat, &params, cx)).await.map_err(|_| {
            let message = format!("the agent was ended after {seconds} seconds; give it more time or less to do");
            NodeError::retry("AGENT_TIMEOUT", message)
        })??;
        seat.leave(None, cx).await?;
        if let Some(shortage) = report.shortage.clone().filter(|_| code != 0) {
            return for_money(shortage);
        }
        if code != 0 {
            let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            let last: String = last.chars().take(300).collect();
            let message = format!("`{}` ended with exit code {code}: {last}", params.program);
            return Err(NodeError::retry("AGENT_FAILED", message).with_details(json!({"exit_code": code, "stderr": stderr})));
        }
        let mut output = json!({
            "result": reading.result(&params.result_path)?, "exit_code": code, "cost_usd": report.cost.usd(),
            "usage": report.tokens, "denied_hosts": report.denied,
        });
        let changes = seat.changes(before.as_deref(), cx).await?;
        for (name, value) in changes.as_object().into_iter().flatten() {
            output[name] = value.clone();
        }
        Ok(Outcome::done(output))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "result": {}, "exit_code": {"type": "integer"}, "cost_usd": {"type": "number"}, "usage": {"type": "object"},
            "denied_hosts": {"type": "array", "items": {"type": "string"}}, "diff": {"type": ["string", "null"]},
            "changed_files": {"type": "array", "items": {"type": "string"}}, "changed": {"type": "integer"}}})
    }
}

async fn call(seat: &Seat, params: &Params, cx: &Context) -> Result<(i32, String, Reading, ProxyReport), NodeError> {
    let budget = params.budget_usd.map(Micros::from_usd);
    let proxy =
        seat.proxy(Access { api_key: Some(&params.api_key), hosts: &params.hosts, budget, may_lack_key: true }, cx).await?;
    let running = seat.start(prepare(seat, params, &proxy)?, cx).await?;
    let lost = |fault: std::io::Error| NodeError::retry("AGENT_LOST", format!("the agent could not be followed: {fault}"));
    let mut transcript = Transcript::open(&seat.desk.file(TRANSCRIPT)).map_err(lost)?;
    let mut reading = Reading::new(params.output, &params.result_path);
    let (code, stderr) = follow(running, &*cx.log, &mut transcript, &mut reading).await.map_err(lost)?;
    Ok((code, stderr, reading, proxy.close().await))
}

fn prepare(seat: &Seat, params: &Params, proxy: &Proxy) -> Result<Call, NodeError> {
    let mut words: Vec<String> = [&params.program].into_iter().chain(&params.args).map(ToString::to_string).collect();
    let (mut stdin, mut files) = (Vec::new(), Vec::new());
    match params.prompt_by {
        PromptBy::Stdin => stdin = params.prompt.as_bytes().to_vec(),
        PromptBy::Argument => put(&mut words, &params.prompt),
        PromptBy::File => {
            let here = seat.desk.file(PROMPT_FILE);
            let written =
                fs::write(&here, &*params.prompt).and_then(|()| fs::set_permissions(&here, fs::Permissions::from_mode(0o644)));
            written
                .map_err(|fault| NodeError::retry("AGENT_FILES_FAILED", format!("the prompt could not be written: {fault}")))?;
            let inside = seat.inside(&here, PROMPT_FILE);
            put(&mut words, &inside.to_string_lossy());
            files.push((here, inside));
        }
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(invalid("an argument holds a NUL, which none can"));
    }
    let given = params.env.iter().map(|(name, value)| (name.clone(), value.to_string()));
    let env = environment(&seat.base_url(), proxy.token()).into_iter().chain(given).collect();
    Ok(Call { words: words.into_iter().map(OsString::from).collect(), stdin, env, files })
}

/// In the place that is kept for it, else at the end.
fn put(words: &mut Vec<String>, prompt: &str) {
    match words.iter_mut().skip(1).find(|word| *word == PLACE) {
        Some(word) => *word = prompt.to_owned(),
        None => words.push(prompt.to_owned()),
    }
}

fn for_money(shortage: Shortage) -> Result<Outcome, NodeError> {
    if shortage.budget == "step" {
        return Err(NodeError::fatal("AGENT_BUDGET", format!("{shortage}; raise `budget_usd`")));
    }
    let until = Some(Wake::After(std::time::Duration::from_secs(LOOK_S)));
    Ok(Outcome::Await(Await { what: Awaiting::Funds(shortage), until }))
}

#[cfg(test)]
mod tests;
