//! Asks a model once, without tools: a text, or JSON that fits a schema.

use std::sync::Arc;

use flowforge_core::{
    money::Micros,
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::{
    agent::{Answer, Messages, Question, waited_ms},
    params::{Text, duration, invalid, optional, or_default},
    services::Services,
};

/// The model when its author names none.
const USUAL_MODEL: &str = "claude-sonnet-5-5";
/// How much it may write when its author does not say, in tokens.
const USUAL_TOKENS: u64 = 8192;
/// How long an answer may take when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 600.0;
/// The most stop sequences that the API takes.
const MOST_STOPS: usize = 16;

/// What to ask, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["prompt"]}, {"required": ["messages"]}]))]
pub(crate) struct Params {
    /// What the model is asked.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "textarea"))]
    prompt: Option<Text>,
    /// A conversation instead, as the Messages API takes it: `[{"role": "user", "content": "…"}, …]`. The last message is answered.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "json"))]
    messages: Option<Vec<Value>>,
    /// What the model is to know of its task, and how it is to answer.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "textarea"))]
    system: Option<Text>,
    /// The model's name; claude-sonnet-5-5 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "claude-sonnet-5-5"))]
    model: Option<Text>,
    /// The most that it may write, in tokens, thoughts included; 8192 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 128_000))]
    max_tokens: Option<u64>,
    /// How freely it chooses its words, 0 to 1. Newer models take none.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0, max = 1))]
    temperature: Option<f64>,
    /// A JSON Schema. The answer is then JSON that fits it; one that does not is sent back once to be repaired.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "json"))]
    output_schema: Option<Value>,
    /// Texts that end the answer when the model writes one of them.
    #[serde(default, deserialize_with = "or_default")]
    stop_sequences: Vec<String>,
    /// The key, best as `{{ secrets.ANTHROPIC_API_KEY }}`; the operator's when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    api_key: Option<Text>,
    /// The most that this step may cost, in dollars, beside what its run, workflow and workspace may spend.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0))]
    budget_usd: Option<f64>,
    /// Whether the answer is kept: the same question, in any run of the workspace, is then answered by it and costs nothing.
    #[serde(default, deserialize_with = "or_default")]
    cache: bool,
    /// The longest that an answer may take, in seconds; 600 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 3600))]
    timeout_s: Option<f64>,
}

/// The node.
pub(crate) struct ClaudeMessage {
    messages: Arc<Messages>,
}

impl ClaudeMessage {
    pub(crate) fn new(services: &Services) -> Self {
        Self { messages: services.messages() }
    }
}

impl Node for ClaudeMessage {
    const SPEC: NodeSpec = NodeSpec {
        kind: "claude.message",
        title: "Ask Claude",
        description: "Asks a model and puts out its answer, as text or as JSON that fits a schema.",
        group: Group::Agent,
        icon: "sparkles",
        timeout_s: 3600,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let limit = duration("timeout_s", seconds)?;
        let api_key = params.api_key.clone();
        let question = question(params)?;
        let asked = timeout(limit, Box::pin(self.messages.ask(&question, api_key.as_deref(), cx))).await;
        let late = |_| NodeError::retry("HTTP_TIMEOUT", format!("the model did not answer within {seconds} seconds"));
        match asked.map_err(late)? {
            Ok(answer) => Ok(Outcome::done(output(answer, cx))),
            Err(unanswered) => unanswered.outcome(cx),
        }
    }

    fn output_schema() -> Value {
        let tokens = |what: &str| json!({"type": "integer", "description": what});
        json!({"type": "object", "properties": {
            "result": {"description": "The text, or the JSON that fits the schema."},
            "text": {"type": "string", "description": "What the model said."},
            "model": {"type": "string", "description": "Which model."},
            "stop_reason": {"type": "string", "description": "Why it ended, for example `end_turn`; `max_tokens` when it was cut off."},
            "usage": {"type": "object", "description": "The tokens that were used.", "properties": {
                "input": tokens("Read at the full price."), "output": tokens("Written."),
                "cache_read": tokens("Read from the provider's cache."), "cache_write": tokens("Put into it.")}},
            "cost_usd": {"type": "number", "description": "What it has cost, in dollars."},
            "cached": {"type": "boolean", "description": "Whether the same was answered before and kept."},
            "waited_ms": {"type": "integer", "description": "How long the step has waited for the provider's quota, if it did."}}})
    }
}

fn question(params: Params) -> Result<Question, NodeError> {
    let messages = match (params.prompt, params.messages) {
        (Some(Text(prompt)), None) => vec![json!({"role": "user", "content": prompt})],
        (None, Some(messages)) if !messages.is_empty() => messages,
        _ => return Err(invalid("either `prompt` or `messages` is required")),
    };
    if params.stop_sequences.len() > MOST_STOPS {
        return Err(invalid(format!("`stop_sequences` has {} texts; {MOST_STOPS} are taken", params.stop_sequences.len())));
    }
    Ok(Question {
        model: params.model.map_or_else(|| USUAL_MODEL.to_owned(), |Text(model)| model),
        system: params.system.map(|Text(system)| system),
        messages,
        max_tokens: params.max_tokens.unwrap_or(USUAL_TOKENS),
        temperature: params.temperature,
        stop_sequences: params.stop_sequences,
        schema: params.output_schema,
        step_cap: params.budget_usd.map(Micros::from_usd),
        is_kept: params.cache,
    })
}

fn output(answer: Answer, cx: &Context) -> Value {
    let waited = waited_ms(cx);
    let Answer { result, text, model, stop_reason, usage, cost, cached } = answer;
    let mut output = Map::new();
    let fields = [
        ("result", result),
        ("text", text.into()),
        ("model", model.into()),
        ("stop_reason", stop_reason.into()),
        ("usage", json!(usage)),
        ("cost_usd", cost.usd().into()),
        ("cached", cached.into()),
    ];
    output.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    output.extend(waited.map(|ms| ("waited_ms".to_owned(), ms.into())));
    Value::Object(output)
}

#[cfg(test)]
mod tests;
