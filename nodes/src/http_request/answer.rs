//! What an answer means: an output, another attempt, or a failure.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::DateTime;
use flowforge_core::node::NodeError;
use reqwest::{
    StatusCode,
    header::{self, HeaderMap},
};
use serde_json::{Map, Value, json};

use crate::egress::{Answer, body};

/// The largest body that is read.
const LARGEST_BODY: usize = 10 << 20;
/// How much of the body of a refusal is kept in the error.
const SHOWN_BODY: usize = 16 << 10;
/// The longest wait that is honoured: one day, in seconds.
const LONGEST_WAIT_S: u64 = 86_400;

pub(super) async fn read(answer: Answer) -> Result<Value, NodeError> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let shown = crate::egress::shown(answer.url());
    let bytes = body(answer, LARGEST_BODY).await?;
    if status.is_client_error() || status.is_server_error() {
        return Err(refusal(&shown, status, &headers, &bytes));
    }
    Ok(output(status, &headers, &bytes))
}

fn output(status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Value {
    let mut output = Map::new();
    output.insert("status".into(), status.as_u16().into());
    output.insert("headers".into(), as_object(headers));
    match as_text(headers, bytes) {
        Some(text) => {
            let json = is_json(headers).then(|| serde_json::from_str(&text).ok()).flatten();
            output.insert("body".into(), json.unwrap_or(Value::String(text)));
        }
        None => {
            output.insert("body".into(), BASE64_STANDARD.encode(bytes).into());
            output.insert("encoding".into(), "base64".into());
        }
    }
    Value::Object(output)
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

/// Whether another attempt makes sense, and when.
fn refusal(shown: &str, status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> NodeError {
    let code = if status == StatusCode::TOO_MANY_REQUESTS { "RATE_LIMIT" } else { "HTTP_STATUS" };
    let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    let message = format!("{shown} answered {status}");
    let fault = if passing { NodeError::retry(code, message) } else { NodeError::fatal(code, message) };
    let body = output(status, headers, &bytes[..bytes.len().min(SHOWN_BODY)]);
    let fault = fault.with_details(json!({"status": status.as_u16(), "body": body["body"]}));
    match retry_after(headers) {
        Some(wait) if passing => fault.after(wait),
        _ => fault,
    }
}

/// The wait that the server asks for: seconds, or a date that is measured by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
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
