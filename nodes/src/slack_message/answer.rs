//! What Slack's answers mean: a message, another attempt, or a failure.

use std::{borrow::Cow, time::Duration};

use flowforge_core::node::NodeError;
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::target::Target;
use crate::egress::{Answer, body};

/// The largest answer that is read, in bytes.
const LARGEST_BODY: usize = 1 << 20;
/// The longest wait that is honoured: one day, in seconds.
const LONGEST_WAIT_S: u64 = 86_400;
/// How long to wait when Slack is asked too often and does not say, in seconds.
const USUAL_WAIT_S: u64 = 30;
/// What may pass by itself, by Slack's words for it.
const PASSING: [&str; 8] = [
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "rollup_error",
    "timeout",
    "external_channel_migrating",
];

pub(super) async fn read(target: &Target, answer: Answer) -> Result<Value, NodeError> {
    let status = answer.status();
    let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let bytes = body(answer, LARGEST_BODY, None).await.map_err(|fault| target.without_path(fault))?;
    let json: Option<Value> = serde_json::from_slice(&bytes).ok();
    let said = json.as_ref().and_then(|json| json["error"].as_str()).map_or_else(|| word(&bytes), |word| Some(word.to_owned()));
    if status == StatusCode::TOO_MANY_REQUESTS
        || said.as_deref().is_some_and(|said| matches!(said, "ratelimited" | "rate_limited"))
    {
        let wait = Duration::from_secs(asked.unwrap_or(USUAL_WAIT_S).min(LONGEST_WAIT_S));
        return Err(NodeError::retry("RATE_LIMIT", "Slack is asked too often").after(wait));
    }
    match (target, json) {
        (Target::Api { .. }, Some(json)) if status.is_success() && json["ok"] == true => {
            Ok(json!({"ok": true, "channel": json["channel"], "ts": json["ts"]}))
        }
        (Target::Webhook { .. }, _) if status.is_success() => Ok(json!({"ok": true})),
        (_, json) => Err(refusal(status, said, json.as_ref())),
    }
}

/// The word of an answer that is nothing but a word, as webhooks give it.
fn word(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    is_word(text).then(|| text.to_owned())
}

fn is_word(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn refusal(status: StatusCode, said: Option<String>, json: Option<&Value>) -> NodeError {
    let known = said.as_deref().filter(|said| is_word(said));
    let passing = known.map_or(status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT, |said| PASSING.contains(&said));
    let message = match known {
        Some(said) => format!("Slack refused the message: {said}{}", hint(said)),
        None => format!("Slack answered {status} and not what it usually does"),
    };
    let mut fault = if passing { NodeError::retry("HTTP_STATUS", message) } else { NodeError::fatal("HTTP_STATUS", message) };
    if let Some(said) = known {
        fault.code = Cow::Owned(format!("SLACK_{}", said.to_ascii_uppercase()));
    }
    let explained = json.map_or(Value::Null, |json| json["response_metadata"]["messages"].clone());
    fault.with_details(json!({"status": status.as_u16(), "error": known, "messages": explained}))
}

/// What to do about the commonest refusals.
fn hint(said: &str) -> &'static str {
    match said {
        "not_in_channel" => "; invite the bot to the channel",
        "channel_not_found" => "; check the channel's id, and invite the bot when it is a private one",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => "; check the token",
        "missing_scope" => "; give the bot the scope chat:write",
        "no_service" | "no_team" | "invalid_token" | "no_active_hooks" => "; the webhook is gone, make a new one",
        "invalid_blocks" | "invalid_blocks_format" => "; try the blocks in Slack's Block Kit Builder",
        _ => "",
    }
}
