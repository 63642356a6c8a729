//! What an answer means: an output, another attempt, or a failure.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::DateTime;
use flowforge_core::node::NodeError;
use reqwest::{
    StatusCode, Url,
    header::{self, HeaderMap},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::statuses::StatusPattern;
use crate::egress::{Answer, body, shown};

/// How much of the body of a refusal is kept in the error.
const SHOWN_BODY: usize = 16 << 10;
/// The longest wait that is honoured: one hour, in seconds.
const LONGEST_WAIT_S: u64 = 3600;

/// What an answer is read as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// What its type says: JSON, or a text, or base64 with `encoding` saying so.
    #[default]
    Auto,
    /// JSON, whatever its type; an answer that is none is a failure.
    Json,
    /// A text; bytes that are none are replaced.
    Text,
    /// Base64, with `encoding` saying so.
    Base64,
}

/// How answers are read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) form: Form,
    /// The largest, in bytes.
    pub(super) most: usize,
    /// What is no failure; everything below 400 when empty.
    pub(super) ok: Vec<StatusPattern>,
    /// What may pass; the usual ones when empty.
    pub(super) retry: Vec<StatusPattern>,
    pub(super) idle: Option<Duration>,
}

/// An answer that is no failure, read to its end.
#[derive(Debug)]
pub(super) struct Answered {
    /// What was called in the end.
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    pub(super) is_base64: bool,
    /// The size of the body in bytes.
    pub(super) size: usize,
}

impl Reading {
    /// Reads at most so many bytes.
    pub(super) async fn read(&self, answer: Answer, most: usize) -> Result<Answered, NodeError> {
        let (url, status, headers) = (answer.url().clone(), answer.status(), answer.headers().clone());
        let bytes = body(answer, most, self.idle).await?;
        if self.is_failure(status) {
            return Err(self.refusal(&shown(&url), status, &headers, &bytes));
        }
        let (body, is_base64) = read_as(self.form, &headers, &bytes).map_err(|fault| {
            let message = format!("{} answered what is not JSON: {fault}", shown(&url));
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BODY)]);
            NodeError::fatal("INVALID_RESPONSE", message).with_details(json!({"status": status.as_u16(), "body": text}))
        })?;
        Ok(Answered { url, status, headers, body, is_base64, size: bytes.len() })
    }

    fn is_failure(&self, status: StatusCode) -> bool {
        if self.ok.is_empty() {
            return status.as_u16() >= 400 || StatusPattern::any(&self.retry, status);
        }
        !StatusPattern::any(&self.ok, status)
    }

    fn may_pass(&self, status: StatusCode) -> bool {
        if self.retry.is_empty() {
            return status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        }
        StatusPattern::any(&self.retry, status)
    }

    /// Whether another attempt makes sense, and when.
    fn refusal(&self, shown: &str, status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> NodeError {
        let code = if status == StatusCode::TOO_MANY_REQUESTS { "RATE_LIMIT" } else { "HTTP_STATUS" };
        let message = format!("{shown} answered {status}");
        let passing = self.may_pass(status);
        let fault = if passing { NodeError::retry(code, message) } else { NodeError::fatal(code, message) };
        let (body, _) = by_type(headers, &bytes[..bytes.len().min(SHOWN_BODY)]);
        let fault = fault.with_details(json!({"status": status.as_u16(), "body": body}));
        match wait_asked_for(headers) {
            Some(wait) if passing => fault.after(wait),
            _ => fault,
        }
    }
}

impl Answered {
    /// What the step puts out.
    pub(super) fn output(self) -> Value {
        let mut output = Map::new();
        output.insert("status".into(), self.status.as_u16().into());
        output.insert("headers".into(), as_object(&self.headers));
        output.insert("body".into(), self.body);
        if self.is_base64 {
            output.insert("encoding".into(), "base64".into());
        }
        Value::Object(output)
    }
}

/// The body, and whether it is base64.
fn read_as(form: Form, headers: &HeaderMap, bytes: &[u8]) -> Result<(Value, bool), serde_json::Error> {
    Ok(match form {
        Form::Auto => by_type(headers, bytes),
        Form::Json => (serde_json::from_slice(bytes)?, false),
        Form::Text => {
            let text = as_text(headers, bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
            (Value::String(text), false)
        }
        Form::Base64 => (BASE64_STANDARD.encode(bytes).into(), true),
    })
}

fn by_type(headers: &HeaderMap, bytes: &[u8]) -> (Value, bool) {
    match as_text(headers, bytes) {
        Some(text) => {
            let json = is_json(headers).then(|| serde_json::from_str(&text).ok()).flatten();
            (json.unwrap_or(Value::String(text)), false)
        }
        None => (BASE64_STANDARD.encode(bytes).into(), true),
    }
}

fn as_object(headers: &HeaderMap) -> Value {
    let joined = |name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.to_string(), Value::String(joined(name)))).collect::<Map<_, _>>().into()
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = content_type(headers);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.is_empty() || kind == "application/json" || kind.ends_with("+json")
}

fn as_text(headers: &HeaderMap, bytes: &[u8]) -> Option<String> {
    if content_type(headers).contains("charset=iso-8859-1") {
        return Some(bytes.iter().copied().map(char::from).collect());
    }
    // A text has no NUL; what has one is an image, an archive or a program, even where its bytes happen to be UTF-8.
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(str::to_owned)
}

/// The wait that the server asks for: seconds, or a date that is measured by the server's own clock.
pub(super) fn wait_asked_for(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let asked = text(header::RETRY_AFTER)?.trim();
    let seconds = match asked.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let until = DateTime::parse_from_rfc2822(asked).ok()?;
            let now = DateTime::parse_from_rfc2822(text(header::DATE)?).ok()?;
            u64::try_from((until - now).num_seconds()).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT_S)))
}
