//! What a finished session puts out.

use flowforge_core::node::{Context, NodeError, Outcome};
use serde_json::{Value, json};

use super::Params;
use crate::agent::{
    cli::Ending,
    seat::Seat,
    session::{Record, session_id},
    transcript::TRANSCRIPT,
};

pub(super) fn schema() -> Value {
    let text_or_null = json!({"type": ["string", "null"]});
    json!({"type": "object", "properties": {
        "result": {"type": "string"}, "structured": {}, "cost_usd": {"type": "number"}, "turns": {"type": "integer"},
        "session_id": {"type": "string"},
        "usage": {"type": "object", "properties": {
            "input": {"type": "integer"}, "output": {"type": "integer"},
            "cache_read": {"type": "integer"}, "cache_write": {"type": "integer"}}},
        "diff": text_or_null, "changed_files": {"type": "array", "items": {"type": "string"}}, "changed": {"type": "integer"},
        "permission_denials": {"type": "array"}, "denied_hosts": {"type": "array", "items": {"type": "string"}},
        "transcript": {"type": "object", "properties": {"path": {"type": "string"}, "bytes": {"type": "integer"}}}}})
}

pub(super) async fn of(
    seat: &Seat,
    params: &Params,
    record: &Record,
    ending: Ending,
    before: Option<&str>,
    cx: &Context,
) -> Result<Outcome, NodeError> {
    if params.fail_on_denials && !ending.permission_denials.is_empty() {
        let tools: Vec<_> = ending.permission_denials.iter().filter_map(|denial| denial["tool_name"].as_str()).collect();
        let message = format!("the agent was refused {}; allow it in `allowed_tools`, or ask for less", tools.join(", "));
        return Err(NodeError::fatal("AGENT_PERMISSION_DENIED", message).with_details(json!(ending.permission_denials)));
    }
    let result = ending.result.unwrap_or_default();
    let structured = match (&params.output_schema, ending.structured) {
        (_, Some(value)) => value,
        (None, None) => Value::Null,
        (Some(_), None) => serde_json::from_str(&result)
            .map_err(|fault| NodeError::fatal("AGENT_OUTPUT_INVALID", format!("the agent's answer is no JSON: {fault}")))?,
    };
    let bytes = std::fs::metadata(seat.desk.file(TRANSCRIPT)).map_or(0, |found| found.len());
    let mut output = json!({
        "result": result, "structured": structured, "cost_usd": record.spent.usd(), "turns": record.turns,
        "session_id": session_id(&cx.effect_key, record.number), "usage": record.tokens,
        "permission_denials": ending.permission_denials, "denied_hosts": record.denied_hosts,
        "transcript": {"path": format!("agents/{}/{TRANSCRIPT}", cx.effect_key), "bytes": bytes},
    });
    let changes = seat.changes(before, cx).await?;
    for (name, value) in changes.as_object().into_iter().flatten() {
        output[name] = value.clone();
    }
    Ok(Outcome::done(output))
}
