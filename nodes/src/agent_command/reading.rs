//! What an agent's output is taken for.

use std::io;

use flowforge_core::node::{LogSink, NodeError, Stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    agent::{
        cli::{Ending, Event, events},
        transcript::{Listen, tell},
    },
    params::invalid,
};

/// How much of an output is kept that is taken as a whole, in bytes.
const MOST: usize = 8 << 20;

/// How an output is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reads {
    /// As text, which is the result.
    #[default]
    Text,
    /// As one JSON value.
    Json,
    /// As a JSON value in each line.
    Jsonl,
    /// As Claude Code's `stream-json`.
    ClaudeStreamJson,
}

/// An output while it comes.
#[derive(Debug)]
pub(super) struct Reading {
    how: Reads,
    path: String,
    text: String,
    is_cut: bool,
    found: Option<Value>,
    ending: Option<Ending>,
}

impl Reading {
    pub(super) fn new(how: Reads, path: &str) -> Self {
        Self { how, path: path.to_owned(), text: String::new(), is_cut: false, found: None, ending: None }
    }

    /// The result, at the end.
    pub(super) fn result(self, path: &str) -> Result<Value, NodeError> {
        match self.how {
            Reads::Text => Ok(self.text.into()),
            Reads::Json => {
                if self.is_cut {
                    return Err(unread(format!("it is larger than {MOST} bytes")));
                }
                let value: Value = serde_json::from_str(&self.text).map_err(|fault| unread(fault.to_string()))?;
                value.pointer(path).cloned().ok_or_else(|| unread(format!("there is nothing at `{path}`")))
            }
            Reads::Jsonl => self.found.ok_or_else(|| unread(format!("no line has anything at `{path}`"))),
            Reads::ClaudeStreamJson => match self.ending {
                Some(ending) if !ending.is_error => {
                    Ok(ending.structured.or(ending.result.map(Value::String)).unwrap_or_default())
                }
                Some(ending) => Err(NodeError::retry("AGENT_FAILED", ending.result.unwrap_or_else(|| ending.errors.join("; ")))),
                None => Err(unread("it has no last line".to_owned())),
            },
        }
    }

    fn keep(&mut self, line: &str) {
        if self.text.len() + line.len() < MOST {
            self.text.push_str(line);
            self.text.push('\n');
        } else if !self.is_cut {
            self.is_cut = true;
            self.text.push_str("[… the rest is left out …]\n");
        }
    }
}

impl Listen for Reading {
    async fn line(&mut self, line: &[u8], log: &dyn LogSink) -> io::Result<bool> {
        if self.how == Reads::ClaudeStreamJson {
            for event in events(line) {
                tell(&event, log).await;
                if let Event::Ended(ending) = event {
                    self.ending = Some(*ending);
                }
            }
            return Ok(self.ending.is_some());
        }
        let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
        if self.how == Reads::Jsonl {
            let value = serde_json::from_str::<Value>(&text).ok();
            self.found = value.and_then(|value| value.pointer(&self.path).cloned()).or(self.found.take());
        } else {
            self.keep(&text);
        }
        log.line(Stream::Stdout, text).await;
        Ok(false)
    }
}

fn unread(why: String) -> NodeError {
    NodeError::fatal(
        "AGENT_OUTPUT_INVALID",
        format!("the agent's output cannot be read as `output` and `result_path` say: {why}"),
    )
}

/// Whether a path can lead anywhere.
pub(super) fn check(path: &str) -> Result<(), NodeError> {
    if path.is_empty() || path.starts_with('/') {
        return Ok(());
    }
    Err(invalid(format!("`result_path` is a JSON Pointer such as `/message/text`, not `{}`", path.escape_debug())))
}
