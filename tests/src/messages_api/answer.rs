//! A reply as the API would send it: JSON, or the events of a stream.

use serde_json::{Map, Value, json};

use super::Reply;

/// How many characters an event carries.
const PIECE: usize = 40;

/// The whole message.
pub(super) fn message(reply: &Reply, asked_for: &str) -> Value {
    json!({
        "id": format!("msg_stub_{}", uuid::Uuid::new_v4().simple()),
        "type": "message",
        "role": "assistant",
        "model": reply.model.as_deref().unwrap_or(asked_for),
        "content": reply.content(),
        "stop_reason": reply.reason(),
        "stop_sequence": null,
        "usage": usage(reply),
    })
}

/// The error object of a status.
pub(super) fn error(status: u16, error_type: Option<&str>, message: &str) -> Value {
    let usual = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": error_type.unwrap_or(usual), "message": message}})
}

fn usage(reply: &Reply) -> Map<String, Value> {
    let usual = json!({
        "input_tokens": 1000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 50,
    });
    let mut usage = usual.as_object().cloned().unwrap_or_default();
    usage.extend(reply.usage.clone());
    usage
}

/// The message as a stream, each event as it is written.
pub(super) fn events(reply: &Reply, asked_for: &str) -> Vec<String> {
    let (mut head, usage) = (message(reply, asked_for), usage(reply));
    (head["content"], head["stop_reason"], head["usage"]["output_tokens"]) = (json!([]), Value::Null, json!(1));
    let mut events = vec![event("message_start", json!({"message": head})), event("ping", json!({}))];
    for (index, block) in reply.content().into_iter().enumerate() {
        let (start, deltas) = pieces(&block);
        events.push(event("content_block_start", json!({"index": index, "content_block": start})));
        events.extend(deltas.into_iter().map(|delta| event("content_block_delta", json!({"index": index, "delta": delta}))));
        events.push(event("content_block_stop", json!({"index": index})));
    }
    if let Some(error_type) = &reply.stream_error {
        let fault = json!({"type": error_type, "message": reply.message.as_deref().unwrap_or("a scripted error")});
        events.push(event("error", json!({"error": fault})));
        return events;
    }
    let delta = json!({"stop_reason": reply.reason(), "stop_sequence": null});
    events.push(event("message_delta", json!({"delta": delta, "usage": {"output_tokens": usage["output_tokens"]}})));
    events.push(event("message_stop", json!({})));
    events
}

fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}

/// A block as it begins, and what is added to it.
fn pieces(block: &Value) -> (Value, Vec<Value>) {
    let mut start = block.clone();
    match block["type"].as_str() {
        Some("text") => {
            start["text"] = "".into();
            (start, cut(block["text"].as_str()).map(|text| json!({"type": "text_delta", "text": text})).collect())
        }
        Some("thinking") => {
            (start["thinking"], start["signature"]) = ("".into(), "".into());
            let thoughts = json!({"type": "thinking_delta", "thinking": block["thinking"]});
            (start, vec![thoughts, json!({"type": "signature_delta", "signature": block["signature"]})])
        }
        _ => {
            start["input"] = json!({});
            let input = block["input"].to_string();
            (start, cut(Some(&input)).map(|json| json!({"type": "input_json_delta", "partial_json": json})).collect())
        }
    }
}

fn cut(text: Option<&str>) -> impl Iterator<Item = String> {
    let characters: Vec<char> = text.unwrap_or_default().chars().collect();
    let pieces: Vec<String> = characters.chunks(PIECE).map(|piece| piece.iter().collect()).collect();
    pieces.into_iter()
}
