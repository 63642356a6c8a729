//! What the stand-in answers, as Rust values and as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What requests are answered, one after the other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The only key that is taken; [`MessagesApi::KEY`](super::MessagesApi::KEY) when absent.
    pub api_key: Option<String>,
    /// One for each request to `/v1/messages`.
    pub steps: Vec<Reply>,
    /// When there are no more of them; a text that says so when absent.
    pub on_exhausted: Option<Reply>,
    /// What requests without tools get, without taking a step: what a client asks beside its main loop. They take steps when absent.
    pub side: Option<Reply>,
}

impl Scenario {
    /// These answers in their order.
    pub fn of(steps: impl IntoIterator<Item = Reply>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// The answer to the next request, and one step less.
    pub(super) fn next(&mut self, has_tools: bool) -> Reply {
        if let Some(side) = self.side.as_ref().filter(|_| !has_tools) {
            return side.clone();
        }
        let Some(step) = self.steps.first_mut() else {
            return self.on_exhausted.clone().unwrap_or_else(|| Reply::text("(the scenario is exhausted)"));
        };
        match step.repeat {
            None | Some(1) => self.steps.remove(0),
            Some(left) => {
                step.repeat = Some(if left > 1 { left - 1 } else { left });
                step.clone()
            }
        }
    }
}

/// One answer: a message, unless it says that it is a fault. In JSON every field may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// What the model says. `{{cwd}}` is replaced by the working folder that the system prompt names, here and in inputs of tools.
    pub text: Option<String>,
    /// What it thinks before.
    pub thinking: Option<String>,
    /// A tool that it calls, with `input`.
    pub tool: Option<String>,
    /// What it calls `tool` with.
    pub input: Value,
    /// Several tools, called at once.
    pub tools: Vec<ToolUse>,
    /// A status, and an error instead of a message.
    pub error: Option<u16>,
    /// The error's type; the usual one of its status when absent.
    #[serde(rename = "type")]
    pub error_type: Option<String>,
    /// What the error says.
    pub message: Option<String>,
    /// Headers of whatever is answered.
    pub headers: BTreeMap<String, String>,
    /// The type of an error that comes in the stream, after the content.
    pub stream_error: Option<String>,
    /// Any bytes at all instead of JSON or events, with `status` and `content_type`.
    pub raw: Option<String>,
    /// The status of `raw`; 200 when absent.
    pub status: Option<u16>,
    /// The type of `raw`; JSON when absent.
    pub content_type: Option<String>,
    /// Whether the connection is closed without an answer.
    pub disconnect: bool,
    /// After so many events the connection is cut. An answer that is no stream is cut after its headers.
    pub cut_after: Option<usize>,
    /// How long it takes until the answer begins.
    pub delay_ms: u64,
    /// How long each event takes.
    pub chunk_delay_ms: u64,
    /// Before this event, counted from 0, the answer waits for [`MessagesApi::release`](super::MessagesApi::release); one that is no
    /// stream waits as a whole.
    pub hold_at: Option<usize>,
    /// How many times it is given; for ever when negative, once when absent.
    pub repeat: Option<i64>,
    /// What is billed; 1000 tokens read and 50 written when absent, field by field.
    pub usage: Map<String, Value>,
    /// The model that answers; the one that was asked for when absent.
    pub model: Option<String>,
    /// Why it ends; `tool_use` or `end_turn` when absent.
    pub stop_reason: Option<String>,
    /// A text that must stand in the request, else it is answered 400.
    pub expect: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolUse {
    /// The tool's name.
    pub name: String,
    /// What it is called with.
    #[serde(default)]
    pub input: Value,
}

impl Reply {
    /// A message that ends the turn.
    pub fn text(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }

    /// A call of a tool.
    pub fn tool(name: &str, input: Value) -> Self {
        Self { tool: Some(name.to_owned()), input, ..Self::default() }
    }

    /// Calls of several tools at once.
    pub fn tools<const N: usize>(tools: [(&str, Value); N]) -> Self {
        let tools = tools.map(|(name, input)| ToolUse { name: name.to_owned(), input });
        Self { tools: tools.into(), ..Self::default() }
    }

    /// An error of the API.
    pub fn error(status: u16) -> Self {
        Self { error: Some(status), ..Self::default() }
    }

    /// Any bytes with any status.
    pub fn raw(status: u16, content_type: &str, bytes: &str) -> Self {
        let (status, content_type) = (Some(status), Some(content_type.to_owned()));
        Self { raw: Some(bytes.to_owned()), status, content_type, ..Self::default() }
    }

    /// A connection that is closed without an answer.
    pub fn disconnect() -> Self {
        Self { disconnect: true, ..Self::default() }
    }

    /// With a text before its tools.
    #[must_use]
    pub fn and_text(self, text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..self }
    }

    /// With thoughts before everything else.
    #[must_use]
    pub fn thinking(self, thoughts: &str) -> Self {
        Self { thinking: Some(thoughts.to_owned()), ..self }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With an error in the stream, after the content.
    #[must_use]
    pub fn stream_error(self, error_type: &str) -> Self {
        Self { stream_error: Some(error_type.to_owned()), ..self }
    }

    /// Cut after so many events.
    #[must_use]
    pub fn cut_after(self, events: usize) -> Self {
        Self { cut_after: Some(events), ..self }
    }

    /// Held before this event, counted from 0.
    #[must_use]
    pub fn hold_at(self, event: usize) -> Self {
        Self { hold_at: Some(event), ..self }
    }

    /// After so long.
    #[must_use]
    pub fn delay_ms(self, delay_ms: u64) -> Self {
        Self { delay_ms, ..self }
    }

    /// So many times; for ever when negative.
    #[must_use]
    pub fn repeat(self, times: i64) -> Self {
        Self { repeat: Some(times), ..self }
    }

    /// Only for requests that hold this text.
    #[must_use]
    pub fn expect(self, text: &str) -> Self {
        Self { expect: Some(text.to_owned()), ..self }
    }

    /// For so many tokens read and written.
    #[must_use]
    pub fn usage(self, input: u64, output: u64) -> Self {
        self.billed("input_tokens", input).billed("output_tokens", output)
    }

    /// For so many tokens of the cache, read and written.
    #[must_use]
    pub fn cached(self, read: u64, written: u64) -> Self {
        self.billed("cache_read_input_tokens", read).billed("cache_creation_input_tokens", written)
    }

    /// Ended by this.
    #[must_use]
    pub fn stop_reason(self, reason: &str) -> Self {
        Self { stop_reason: Some(reason.to_owned()), ..self }
    }

    /// Answered by this model.
    #[must_use]
    pub fn model(self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self }
    }

    fn billed(mut self, what: &str, tokens: u64) -> Self {
        self.usage.insert(what.to_owned(), tokens.into());
        self
    }

    /// With the working folder put in.
    pub(super) fn within(mut self, folder: &str) -> Self {
        let put = |text: &mut String| *text = text.replace("{{cwd}}", folder);
        self.text.iter_mut().for_each(put);
        put_into(&mut self.input, folder);
        self.tools.iter_mut().for_each(|tool| put_into(&mut tool.input, folder));
        self
    }

    /// The content blocks, in their order.
    pub(super) fn content(&self) -> Vec<Value> {
        let mut content = Vec::new();
        if let Some(thoughts) = &self.thinking {
            content.push(json!({"type": "thinking", "thinking": thoughts, "signature": "c3R1Yg=="}));
        }
        if let Some(text) = &self.text {
            content.push(json!({"type": "text", "text": text}));
        }
        for ToolUse { name, input } in self.called() {
            let input = if input.is_null() { json!({}) } else { input };
            let id = format!("toolu_{}", &uuid::Uuid::new_v4().simple().to_string()[..24]);
            content.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
        }
        content
    }

    /// Why the turn ends.
    pub(super) fn reason(&self) -> &str {
        let usual = if self.called().is_empty() { "end_turn" } else { "tool_use" };
        self.stop_reason.as_deref().unwrap_or(usual)
    }

    fn called(&self) -> Vec<ToolUse> {
        let one = self.tool.iter().map(|name| ToolUse { name: name.clone(), input: self.input.clone() });
        one.chain(self.tools.iter().cloned()).collect()
    }
}

fn put_into(value: &mut Value, folder: &str) {
    match value {
        Value::String(text) => *text = text.replace("{{cwd}}", folder),
        Value::Array(items) => items.iter_mut().for_each(|item| put_into(item, folder)),
        Value::Object(fields) => fields.values_mut().for_each(|field| put_into(field, folder)),
        _ => {}
    }
}
