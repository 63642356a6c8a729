//! The lines that Claude Code writes: one JSON object each.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::verdict::Quota;

/// How much of a tool's input is shown.
const SHOWN: usize = 240;

/// What a line says, as far as anybody here wants to know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// It has begun.
    Began {
        /// Its version.
        version: String,
        /// The model that it asks.
        model: String,
    },
    /// The model answered: the message's own id, which several lines may carry.
    Answered(String),
    /// The model said something.
    Said(String),
    /// The model uses a tool.
    Uses {
        /// The tool.
        tool: String,
        /// Its input in a line.
        input: String,
    },
    /// What a tool gave back.
    Got {
        /// What it wrote.
        text: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// Something that whoever watches should know.
    Note(String),
    /// How much may be asked is used up.
    Limited(Quota),
    /// It has ended.
    Ended(Box<Ending>),
}

/// The last line of a session that was not cut short.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ending {
    pub(crate) subtype: String,
    pub(crate) is_error: bool,
    pub(crate) terminal_reason: Option<String>,
    pub(crate) api_error_status: Option<u64>,
    pub(crate) result: Option<String>,
    pub(crate) structured: Option<Value>,
    pub(crate) errors: Vec<String>,
    pub(crate) turns: u64,
    pub(crate) session: String,
    pub(crate) cost_usd: f64,
    pub(crate) permission_denials: Vec<Value>,
}

/// What a line says. One that is no JSON, or of a kind that is not known, says nothing.
pub(crate) fn events(line: &[u8]) -> Vec<Event> {
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return Vec::new() };
    match text(&value, "type") {
        "system" => system(&value).into_iter().collect(),
        "assistant" => assistant(&value),
        "user" => blocks(&value).iter().filter_map(got).collect(),
        "rate_limit_event" => limited(&value["rate_limit_info"]).into_iter().collect(),
        "result" => vec![Event::Ended(Box::new(ending(&value)))],
        _ => Vec::new(),
    }
}

fn system(value: &Value) -> Option<Event> {
    match text(value, "subtype") {
        "init" => {
            Some(Event::Began { version: text(value, "claude_code_version").to_owned(), model: text(value, "model").to_owned() })
        }
        "api_retry" => {
            let (status, word) = (&value["error_status"], text(value, "error"));
            let status = if status.is_null() { "nothing".to_owned() } else { status.to_string() };
            Some(Event::Note(format!("the model's service answered {status} ({word}); asking again")))
        }
        "permission_denied" => {
            let tool = value.get("tool_name").or_else(|| value.get("tool")).and_then(Value::as_str).unwrap_or("a tool");
            Some(Event::Note(format!("{tool} was not permitted")))
        }
        "compact_boundary" => Some(Event::Note("the conversation was too long and has been summed up".to_owned())),
        _ => None,
    }
}

fn assistant(value: &Value) -> Vec<Event> {
    let message = &value["message"];
    // What it makes up itself, for example to tell of a failed request, is no answer of the model.
    let is_answer = text(message, "model") != "<synthetic>";
    let id = Some(text(message, "id")).filter(|id| is_answer && !id.is_empty()).map(|id| Event::Answered(id.to_owned()));
    id.into_iter().chain(blocks(value).iter().filter_map(said)).collect()
}

fn said(block: &Value) -> Option<Event> {
    match text(block, "type") {
        "text" => Some(Event::Said(text(block, "text").to_owned())),
        "tool_use" | "server_tool_use" => {
            Some(Event::Uses { tool: text(block, "name").to_owned(), input: in_a_line(&block["input"]) })
        }
        _ => None,
    }
}

fn got(block: &Value) -> Option<Event> {
    (text(block, "type") == "tool_result")
        .then(|| Event::Got { text: flat(&block["content"]), is_error: block["is_error"].as_bool().unwrap_or(false) })
}

fn limited(info: &Value) -> Option<Event> {
    let resets_at_s = info["resetsAt"].as_i64();
    (text(info, "status") == "rejected").then_some(Event::Limited(Quota { resets_at_s }))
}

fn ending(value: &Value) -> Ending {
    let words = |name: &str| value[name].as_str().map(str::to_owned);
    Ending {
        subtype: text(value, "subtype").to_owned(),
        is_error: value["is_error"].as_bool().unwrap_or(false),
        terminal_reason: words("terminal_reason"),
        api_error_status: value["api_error_status"].as_u64(),
        result: words("result"),
        structured: value.get("structured_output").filter(|value| !value.is_null()).cloned(),
        errors: list(&value["errors"]).iter().filter_map(|error| Some(error.as_str()?.to_owned())).collect(),
        turns: value["num_turns"].as_u64().unwrap_or_default(),
        session: text(value, "session_id").to_owned(),
        cost_usd: value["total_cost_usd"].as_f64().unwrap_or_default(),
        permission_denials: list(&value["permission_denials"]).to_vec(),
    }
}

/// The blocks of a message, whose content may also be a mere text.
fn blocks(value: &Value) -> Vec<Value> {
    match &value["message"]["content"] {
        Value::Array(blocks) => blocks.clone(),
        Value::String(text) => vec![serde_json::json!({"type": "text", "text": text})],
        _ => Vec::new(),
    }
}

/// A tool's result: a text, or blocks of it.
fn flat(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts: Vec<_> = blocks.iter().map(|block| block["text"].as_str().unwrap_or("[not a text]")).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// What a tool is given, as one would say it: the command, the path, the pattern; else all of it.
fn in_a_line(input: &Value) -> String {
    let names = ["command", "file_path", "path", "pattern", "query", "url", "description", "skill"];
    let main = names.iter().find_map(|name| input[name].as_str()).map(str::to_owned);
    let whole = main.unwrap_or_else(|| if input.is_null() { String::new() } else { input.to_string() });
    let line: String = whole.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        None => line,
        Some((at, _)) => format!("{}…", &line[..at]),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(line: &Value) -> Vec<Event> {
        events(line.to_string().as_bytes())
    }

    #[test]
    fn a_session_is_read_line_by_line() {
        let init = json!({"type": "system", "subtype": "init", "claude_code_version": "2.1.328", "model": "m", "tools": []});
        assert_eq!(of(&init), [Event::Began { version: "2.1.328".into(), model: "m".into() }]);
        let answer = json!({"type": "assistant", "message": {"id": "msg_1", "content": [
            {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "I look.\nThen I write."},
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "git  status\n -s", "timeout": 5}}]}});
        let uses = Event::Uses { tool: "Bash".into(), input: "git status -s".into() };
        assert_eq!(of(&answer), [Event::Answered("msg_1".into()), Event::Said("I look.\nThen I write.".into()), uses]);
        let result = json!({"type": "user", "message": {"content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a"}, {"type": "image"}], "is_error": true}]}});
        assert_eq!(of(&result), [Event::Got { text: "a\n[not a text]".into(), is_error: true }]);
        let retry = json!({"type": "system", "subtype": "api_retry", "error_status": 529, "error": "overloaded"});
        assert_eq!(of(&retry), [Event::Note("the model's service answered 529 (overloaded); asking again".into())]);
        let limit = json!({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1_800_000_000}});
        assert_eq!(of(&limit), [Event::Limited(Quota { resets_at_s: Some(1_800_000_000) })]);
    }

    #[test]
    fn the_last_line_is_taken_as_far_as_it_goes() {
        let line = json!({"type": "result", "subtype": "success", "is_error": false, "num_turns": 5, "result": "Done",
            "session_id": "s", "total_cost_usd": 0.5, "permission_denials": [{"tool_name": "Write"}],
            "terminal_reason": "completed", "api_error_status": null, "structured_output": {"a": 1}});
        let [Event::Ended(ending)] = &of(&line)[..] else { panic!() };
        assert_eq!((ending.turns, ending.result.as_deref(), ending.is_error), (5, Some("Done"), false));
        assert_eq!((&ending.structured, ending.permission_denials.len()), (&Some(json!({"a": 1})), 1));
        let odd = json!({"type": "result", "is_error": "yes", "result": 5, "errors": "none", "permission_denials": {}});
        assert_eq!(of(&odd), [Event::Ended(Box::default())]);
    }

    #[test]
    fn what_is_not_known_says_nothing() {
        for line in ["", "no json", "[]", "5", "{}", r#"{"type":"system","subtype":"ui_invalidate"}"#, r#"{"type":"news"}"#] {
            assert_eq!(events(line.as_bytes()), [], "{line}");
        }
        assert_eq!(of(&json!({"type": "assistant", "message": {"content": [{"type": "hologram"}, 7]}})), []);
        let made_up = json!({"type": "assistant", "message": {"id": "x", "model": "<synthetic>", "content": [{"type": "text", "text": "Invalid API key"}]}});
        assert_eq!(of(&made_up), [Event::Said("Invalid API key".into())]);
    }

    #[test]
    fn a_long_input_is_cut() {
        let input = in_a_line(&json!({"file_path": "ü".repeat(1_000)}));
        assert_eq!(input.chars().count(), SHOWN + 1);
        assert_eq!(in_a_line(&json!({"tasks": [1]})), r#"{"tasks":[1]}"#);
        assert_eq!(in_a_line(&Value::Null), "");
    }
}
