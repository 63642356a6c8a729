//! How Claude Code is called.

use std::{ffi::OsString, path::Path};

use flowforge_core::{money::Micros, node::NodeError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::params::invalid;

/// How often it asks the model's service again by itself. Whatever lasts longer is waited for by the engine, which holds no process.
const RETRIES: &str = "1";
/// The longest schema that fits into an argument, in bytes.
const LONGEST_SCHEMA: usize = 100 << 10;

/// What it may do without being asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PermissionMode {
    /// Change files in the work tree; for anything else only `allowed_tools` counts.
    #[default]
    AcceptEdits,
    /// Everything: the sandbox alone is the limit.
    BypassPermissions,
    /// Only what `allowed_tools` says.
    DontAsk,
    /// Nothing but look and make a plan.
    Plan,
}

impl PermissionMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::AcceptEdits => "acceptEdits",
            Self::BypassPermissions => "bypassPermissions",
            Self::DontAsk => "dontAsk",
            Self::Plan => "plan",
        }
    }
}

/// Whether a session begins or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With its first word.
    Anew,
    /// Where it was left.
    Again,
}

/// One call. The prompt is not among them: it goes to the standard input, where it may be long.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    /// The program, as it is found where it runs.
    pub(crate) program: &'a Path,
    /// The session.
    pub(crate) session: &'a str,
    pub(crate) begin: Begin,
    pub(crate) model: Option<&'a str>,
    /// What it has; what it can do at all.
    pub(crate) tools: &'a [String],
    /// What it may use without being asked.
    pub(crate) allowed: &'a [String],
    pub(crate) mode: PermissionMode,
    pub(crate) max_turns: Option<u32>,
    /// What this call may cost, by its own count.
    pub(crate) budget: Option<Micros>,
    /// A file with what is added to its own instructions.
    pub(crate) system_prompt: Option<&'a Path>,
    /// What its answer must look like.
    pub(crate) schema: Option<&'a Value>,
}

impl Arguments<'_> {
    /// The words of the call, the program first.
    ///
    /// Neither settings nor servers of tools that lie in the repository are obeyed: they may be anybody's. Nobody answers when it
    /// asks for permission: then it is refused.
    pub(crate) fn words(&self) -> Result<Vec<OsString>, NodeError> {
        let mut words = vec![OsString::from(self.program)];
        words.extend(["-p", "--output-format", "stream-json", "--verbose"].map(OsString::from));
        words.extend(["--setting-sources", "user", "--strict-mcp-config", "--permission-prompts", "none"].map(OsString::from));
        words.extend(["--permission-mode", self.mode.as_str()].map(OsString::from));
        let how = if self.begin == Begin::Again { "--resume" } else { "--session-id" };
        words.extend([how, self.session].map(OsString::from));
        let mut add = |name: &str, value: &str| words.extend([name, value].map(OsString::from));
        if let Some(model) = self.model {
            add("--model", word("model", model)?);
        }
        add("--tools", &list("tools", self.tools)?);
        if !self.allowed.is_empty() {
            add("--allowedTools", &list("allowed_tools", self.allowed)?);
        }
        if let Some(turns) = self.max_turns {
            add("--max-turns", &turns.to_string());
        }
        if let Some(budget) = self.budget {
            add("--max-budget-usd", &format!("{:.6}", budget.usd()));
        }
        if let Some(schema) = self.schema {
            add("--json-schema", &text(schema)?);
        }
        if let Some(path) = self.system_prompt {
            words.extend([OsString::from("--append-system-prompt-file"), path.into()]);
        }
        Ok(words)
    }
}

/// The environment in which it asks nobody but the proxy, and writes every turn down before the next one.
pub(crate) fn environment(base_url: &str, token: &str) -> Vec<(String, String)> {
    let fixed = [
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
        ("CLAUDE_CODE_MAX_RETRIES", RETRIES),
        ("CLAUDE_CODE_EAGER_FLUSH", "1"),
        ("CLAUDE_CODE_DISABLE_AUTO_MEMORY", "1"),
        ("ANTHROPIC_BASE_URL", base_url),
        ("ANTHROPIC_API_KEY", token),
    ];
    fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// One word that cannot be taken for an option.
fn word<'a>(name: &str, text: &'a str) -> Result<&'a str, NodeError> {
    if text.is_empty() || text.starts_with('-') || text.contains(char::is_control) {
        return Err(invalid(format!("`{name}` cannot hold `{}`", text.escape_debug())));
    }
    Ok(text)
}

/// Names and rules, of which none can be taken for an option or for several.
fn list(name: &str, words: &[String]) -> Result<String, NodeError> {
    for text in words {
        word(name, text)?;
        // It reads a comma outside of parentheses as the beginning of another one.
        if outside_parentheses(text).contains(',') {
            return Err(invalid(format!("`{name}` is a list: give `{text}` as several")));
        }
    }
    Ok(words.join(","))
}

fn outside_parentheses(text: &str) -> &str {
    text.split('(').next().unwrap_or(text)
}

fn text(schema: &Value) -> Result<String, NodeError> {
    let text = schema.to_string();
    if !schema.is_object() || text.len() > LONGEST_SCHEMA {
        return Err(invalid(format!("`output_schema` must be a JSON Schema: an object of at most {LONGEST_SCHEMA} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments<'a>(tools: &'a [String], allowed: &'a [String]) -> Arguments<'a> {
        Arguments {
            program: Path::new("/opt/claude"),
            session: "7",
            begin: Begin::Anew,
            model: None,
            tools,
            allowed,
            mode: PermissionMode::AcceptEdits,
            max_turns: None,
            budget: None,
            system_prompt: None,
            schema: None,
        }
    }

    fn line(arguments: &Arguments<'_>) -> String {
        let words: Vec<_> = arguments.words().unwrap().iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    #[test]
    fn a_call_leaves_the_repository_out() {
        let (tools, allowed) = (["Read".to_owned(), "Bash".to_owned()], ["Bash(git log, x)".to_owned()]);
        let few = arguments(&tools, &[]);
        assert_eq!(
            line(&few),
            "/opt/claude -p --output-format stream-json --verbose --setting-sources user --strict-mcp-config \
             --permission-prompts none --permission-mode acceptEdits --session-id 7 --tools Read,Bash"
        );
        let schema = json!({"type": "object"});
        let all = Arguments {
            begin: Begin::Again,
            model: Some("m"),
            mode: PermissionMode::Plan,
            max_turns: Some(3),
            budget: Some(Micros(1_500_000)),
            system_prompt: Some(Path::new("/s")),
            schema: Some(&schema),
            ..arguments(&tools, &allowed)
        };
        assert!(line(&all).ends_with(
            "--permission-mode plan --resume 7 --model m --tools Read,Bash --allowedTools Bash(git log, x) --max-turns 3 \
             --max-budget-usd 1.500000 --json-schema {\"type\":\"object\"} --append-system-prompt-file /s"
        ));
    }

    #[test]
    fn nothing_that_is_given_becomes_an_option() {
        for bad in ["", "-x", "--dangerously-skip-permissions", "a\nb", "Read,Write"] {
            let words = [bad.to_owned()];
            assert_eq!(arguments(&words, &[]).words().unwrap_err().code, "INVALID_PARAMETER", "{bad:?}");
            assert_eq!(arguments(&[], &words).words().unwrap_err().code, "INVALID_PARAMETER", "{bad:?}");
        }
        assert!(Arguments { model: Some("--resume"), ..arguments(&[], &[]) }.words().is_err());
        assert!(Arguments { schema: Some(&json!([])), ..arguments(&[], &[]) }.words().is_err());
    }
}
