//! Posts to Slack: by an incoming webhook, or by a bot's token with `chat.postMessage`.
//!
//! A message carries the step's key as `client_msg_id` and in its metadata. Slack's documents promise nothing about either, and a
//! webhook has neither: a message whose receipt was lost may be posted twice.

mod answer;
mod target;

use std::sync::Arc;

use flowforge_core::{
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome},
    params::ParamsProblem,
};
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use self::target::Target;
use crate::{
    egress::{Call, Egress},
    params::{Problems, Text, duration, invalid, known, optional},
    services::Services,
};

/// How long posting may take when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 30.0;
/// The longest text that Slack takes, in characters.
const LONGEST_TEXT: usize = 40_000;
/// The most blocks that Slack takes.
const MOST_BLOCKS: usize = 50;
/// What is said of a message without anything in it.
const NOTHING: &str = "`text` or `blocks` is required";

/// What to post, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["webhook_url"]}, {"required": ["token"]}]))]
pub(crate) struct Params {
    /// The address of an incoming webhook, best as `{{ secrets.NAME }}`: whoever has it can post to its channel.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    webhook_url: Option<Text>,
    /// A bot's token with the scope `chat:write`, best as `{{ secrets.NAME }}`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    token: Option<Text>,
    /// The channel or person, by id (C0123456789) or #name; for `token`, since a webhook has a channel of its own.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "#deployments"))]
    channel: Option<Text>,
    /// The `ts` of a message, to answer below it.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "template"))]
    thread_ts: Option<Text>,
    /// What is said; with `blocks`, what notifications show of it. `*bold*`, `_italic_` and `` `code` `` are understood.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "textarea"))]
    text: Option<Text>,
    /// Whether `&`, `<` and `>` in `text` are shown as they are, so that no value put into it makes a link or calls `@channel`; yes
    /// when absent. Turn it off to write `<https://example.org|a link>` or `<@U0123456789>` yourself. Blocks are sent as they are.
    #[serde(default, deserialize_with = "optional")]
    escape: Option<bool>,
    /// The message as blocks of Slack's Block Kit.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "json"))]
    blocks: Option<Value>,
    /// Whether links are shown with a preview; Slack decides when absent.
    #[serde(default, deserialize_with = "optional")]
    unfurl_links: Option<bool>,
    /// Whether pictures and films that are linked to are shown; Slack decides when absent.
    #[serde(default, deserialize_with = "optional")]
    unfurl_media: Option<bool>,
    /// Another address than https://slack.com/api/, for a proxy or a server like Slack's; then the webhook lies there as well.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "https://slack.com/api/"))]
    api_url: Option<Text>,
    /// The longest that posting may take, in seconds; 30 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 3600))]
    timeout_s: Option<f64>,
}

/// The node.
pub(crate) struct SlackMessage {
    egress: Arc<Egress>,
}

impl SlackMessage {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress() }
    }
}

impl Node for SlackMessage {
    const SPEC: NodeSpec = NodeSpec {
        kind: "slack.message",
        title: "Slack message",
        description: "Posts a message to a channel of Slack.",
        group: Group::Effects,
        icon: "brand-slack",
        timeout_s: 300,
        ..NodeSpec::BASE
    };
    type Params = Params;

    fn check(params: &Params) -> Vec<ParamsProblem> {
        let mut problems = Problems::default();
        target::check(params, &mut problems);
        if params.text.is_none() && params.blocks.is_none() {
            problems.missing("text", NOTHING);
        }
        if let Some(text) = known(params.text.as_ref()) {
            problems.note("text", text_of(text, params.escape));
        }
        if let Some(list) = params.blocks.as_ref().filter(|value| !value.is_string()) {
            problems.note("blocks", blocks(list.clone()));
        }
        if let Some(ts) = known(params.thread_ts.as_ref()) {
            problems.note("thread_ts", thread(ts));
        }
        problems.all()
    }

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let limit = duration("timeout_s", seconds)?;
        let target = target::of(&params)?;
        let body = message(params, &target, cx)?;
        let host = target.url().host_str().unwrap_or_default().to_owned();
        let late = |_| NodeError::retry("HTTP_TIMEOUT", format!("{host} did not answer within {seconds} seconds"));
        let posted = timeout(limit, Box::pin(self.post(&target, &body, cx)));
        posted.await.map_err(late)?.map(Outcome::done)
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "ok": {"const": true},
            "channel": {"type": "string", "description": "The channel's id; a webhook does not say."},
            "ts": {"type": "string", "description": "The message's id in its channel, as `thread_ts` takes it; a webhook does not say."}}})
    }
}

impl SlackMessage {
    async fn post(&self, target: &Target, body: &Value, cx: &Context) -> Result<Value, NodeError> {
        let url = target.url();
        if url.scheme() == "http" && !self.egress.destination(url).await?.trusted {
            let message = "plain http shows everybody the message and the credential; use https, or let the operator name the network \
                 in FLOWFORGE_EGRESS_ALLOW";
            return Err(NodeError::fatal("EGRESS_DENIED", message));
        }
        // A redirect would tell somebody else what was meant for Slack.
        let mut call = Call { redirects: 0, body: body.to_string().into(), ..Call::new(cx, Method::POST, url.clone()) };
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        if let Target::Api { token, .. } = target {
            call.headers.insert(AUTHORIZATION, token.clone());
        }
        let answer = self.egress.call(call).await.map_err(|fault| target.without_path(fault))?;
        answer::read(target, answer).await
    }
}

/// The message as Slack takes it.
fn message(params: Params, target: &Target, cx: &Context) -> Result<Value, NodeError> {
    let mut message = Map::new();
    let text = params.text.as_deref().map(|text| text_of(text, params.escape)).transpose()?;
    let blocks = params.blocks.map(blocks).transpose()?;
    if text.is_none() && blocks.is_none() {
        return Err(invalid(NOTHING));
    }
    let mut put = |name: &str, value: Option<Value>| value.map(|value| message.insert(name.to_owned(), value));
    put("text", text.map(Value::from));
    put("blocks", blocks);
    put("thread_ts", params.thread_ts.map(|ts| thread(&ts)).transpose()?);
    put("unfurl_links", params.unfurl_links.map(Value::from));
    put("unfurl_media", params.unfurl_media.map(Value::from));
    if let Target::Api { channel, .. } = target {
        put("channel", Some(channel.as_str().into()));
        put("client_msg_id", Some(cx.effect_key.trim_start_matches("ff-").into()));
        put("metadata", Some(json!({"event_type": "flowforge_step", "event_payload": {"effect_key": &*cx.effect_key}})));
    }
    Ok(Value::Object(message))
}

/// The text as it is sent.
fn text_of(text: &str, escape: Option<bool>) -> Result<String, NodeError> {
    let text = if escape.unwrap_or(true) { escaped(text) } else { text.to_owned() };
    let length = text.chars().count();
    if length > LONGEST_TEXT {
        let message = format!("`text` has {length} characters, `&`, `<` and `>` as several each; Slack takes {LONGEST_TEXT}");
        return Err(NodeError::fatal("SLACK_MSG_TOO_LONG", message));
    }
    Ok(text)
}

/// A text in which nothing is a link or calls anybody, by Slack's own rule.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A list of blocks, or what Slack's Block Kit Builder copies.
fn blocks(value: Value) -> Result<Value, NodeError> {
    let list = match value {
        Value::Object(mut copied) if copied.contains_key("blocks") => copied.remove("blocks").unwrap_or_default(),
        other => other,
    };
    match list.as_array().map(Vec::len) {
        Some(1..=MOST_BLOCKS) => Ok(list),
        Some(count) => Err(invalid(format!("`blocks` has {count} blocks; Slack takes 1 to {MOST_BLOCKS}"))),
        None => Err(invalid("`blocks` must be a list of blocks")),
    }
}

fn thread(ts: &str) -> Result<Value, NodeError> {
    let is_ts = ts.split_once('.').is_some_and(|parts| [parts.0, parts.1].iter().all(|part| part.parse::<u64>().is_ok()));
    if is_ts { Ok(ts.into()) } else { Err(invalid(format!("`thread_ts` is no message's `ts`: `{}`", ts.escape_debug()))) }
}

#[cfg(test)]
mod tests;
