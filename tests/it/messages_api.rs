//! The stand-in of the Messages API answers as its scenario says, as JSON and as a stream.

use flowforge_tests::{
    messages_api::{MessagesApi, Reply, Scenario},
    plain_http,
};
use serde_json::{Value, json};

/// What one request is answered: status and body, and nothing when the connection was cut.
async fn ask(api: &MessagesApi, key: &str, body: Value) -> Option<(u16, String)> {
    let request = plain_http().post(format!("{}/v1/messages", api.url())).header("x-api-key", key);
    let answer = request.json(&body).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.ok()?))
}

async fn plain(api: &MessagesApi) -> Option<(u16, Value)> {
    let (status, body) = ask(api, MessagesApi::KEY, json!({"model": "m", "messages": []})).await?;
    Some((status, serde_json::from_str(&body).unwrap_or(Value::String(body))))
}

#[tokio::test]
async fn a_scenario_is_played_in_its_order() {
    let scenario = json!({"steps": [
        {"error": 429, "headers": {"retry-after": "7"}, "repeat": 2},
        {"thinking": "hm", "text": "So.", "tools": [{"name": "A"}, {"name": "B", "input": {"folder": "{{cwd}}"}}]},
        {"raw": "<html>", "status": 502, "content_type": "text/html"},
        {"disconnect": true},
        {"text": "cut", "cut_after": 0},
    ]});
    let api = MessagesApi::start(serde_json::from_value(scenario).expect("a scenario")).await;
    for _ in 0..2 {
        assert_eq!(
            plain(&api).await.map(|(status, body)| (status, body["error"]["type"] == "rate_limit_error")),
            Some((429, true))
        );
    }
    let body = json!({"model": "m", "system": "Working directory: /work tree", "messages": []});
    let message: Value = serde_json::from_str(&ask(&api, MessagesApi::KEY, body).await.expect("an answer").1).expect("JSON");
    let kinds: Vec<_> = message["content"].as_array().expect("blocks").iter().map(|block| block["type"].clone()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use"]);
    assert_eq!((&message["content"][3]["input"]["folder"], &message["stop_reason"]), (&json!("/work"), &json!("tool_use")));
    assert_eq!(plain(&api).await, Some((502, json!("<html>"))));
    assert_eq!((plain(&api).await, plain(&api).await), (None, None), "closed, and cut in the middle");
    assert_eq!(plain(&api).await.expect("an answer").1["content"][0]["text"], "(the scenario is exhausted)");
    assert_eq!(api.asked().len(), 7);
}

#[tokio::test]
async fn a_stream_carries_the_same_message_and_its_bill() {
    let replies = [
        Reply::text(&"x".repeat(100)).usage(3, 9),
        Reply::text("some").stream_error("overloaded_error"),
        Reply::text("some").cut_after(3),
    ];
    let api = MessagesApi::start(Scenario::of(replies)).await;
    let stream = json!({"model": "m", "stream": true, "messages": []});
    let (_, events) = ask(&api, MessagesApi::KEY, stream.clone()).await.expect("an answer");
    assert_eq!(events.matches("text_delta").count(), 3, "{events}");
    assert!(events.contains(r#""input_tokens":3"#) && events.contains(r#""usage":{"output_tokens":9}"#), "{events}");
    let (status, events) = ask(&api, MessagesApi::KEY, stream.clone()).await.expect("an answer");
    assert!(status == 200 && events.contains("event: error") && !events.contains("message_stop"), "{events}");
    assert_eq!(ask(&api, MessagesApi::KEY, stream).await, None, "cut");
}

#[tokio::test]
async fn a_wrong_key_takes_no_step_and_what_is_missing_is_said() {
    let api = MessagesApi::start(Scenario::of([Reply::text("secret").expect("please")])).await;
    let refused = ask(&api, "sk-wrong", json!({"messages": []})).await.expect("an answer");
    assert!(refused.0 == 401 && refused.1.contains("authentication_error"), "{refused:?}");
    assert_eq!(plain(&api).await.map(|answer| answer.0), Some(400));
    assert_eq!(api.asked()[0].key(), "sk-wrong");
}
