//! Messages to a server that plays Slack, in a good and in a bad mood.

use serde_json::{Value, json};

use crate::testing::{
    Bench, allowing,
    server::{Asked, Server, respond},
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json; charset=utf-8")];
const POSTED: &str = r#"{"ok":true,"channel":"C123","ts":"1503435956.000247","message":{"text":"x"}}"#;

fn bench() -> Bench {
    Bench::with("slack.message", &allowing("127.0.0.0/8"))
}

async fn answering(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> Server {
    Server::start(move |_| respond(status, headers, body)).await
}

fn by_token(server: &Server, change: Value) -> Value {
    let mut params = json!({"token": "xoxb-1", "channel": "#general", "text": "Hello", "api_url": server.url("/api")});
    params.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    params
}

fn by_webhook(server: &Server, change: Value) -> Value {
    let mut params = json!({"webhook_url": server.url("/services/T1/B1/s3cret"), "text": "Hello", "api_url": server.url("/")});
    params.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    params
}

fn sent(asked: &Asked) -> Value {
    assert_eq!(asked.header("content-type"), "application/json; charset=utf-8");
    serde_json::from_slice(&asked.body).unwrap()
}

#[tokio::test]
async fn a_bot_posts_with_its_token_and_the_key_of_the_step() {
    let server = answering(200, JSON, POSTED).await;
    let step = bench();
    let change = json!({"thread_ts": "1503435900.000100", "unfurl_links": false, "unfurl_media": true,
        "blocks": [{"type": "divider"}], "text": "a < b && *c* > <!channel>"});
    step.done(by_token(&server, change), json!({"ok": true, "channel": "C123", "ts": "1503435956.000247"})).await;
    let asked = server.asked().remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.uri.path(), asked.header("authorization")),
        ("POST", "/api/chat.postMessage", "Bearer xoxb-1")
    );
    let key = &*step.cx.effect_key;
    assert_eq!(
        sent(&asked),
        json!({
            "channel": "#general", "text": "a &lt; b &amp;&amp; *c* &gt; &lt;!channel&gt;", "blocks": [{"type": "divider"}],
            "thread_ts": "1503435900.000100", "unfurl_links": false, "unfurl_media": true,
            "client_msg_id": key.strip_prefix("ff-").unwrap(),
            "metadata": {"event_type": "flowforge_step", "event_payload": {"effect_key": key}},
        })
    );
    step.output(by_token(&server, json!({}))).await;
    step.next("slack.message", "another").output(by_token(&server, json!({}))).await;
    let ids: Vec<_> = server.asked().iter().map(|asked| sent(asked)["client_msg_id"].clone()).collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "the same for each attempt, another for another step: {ids:?}");
}

#[tokio::test]
async fn a_webhook_takes_text_or_blocks() {
    let server = answering(200, &[("content-type", "text/html")], "ok").await;
    bench()
        .done(by_webhook(&server, json!({"text": "<https://example.org|a link>", "escape": false})), json!({"ok": true}))
        .await;
    bench().output(by_webhook(&server, json!({"text": "", "blocks": {"blocks": [{"type": "divider"}]}}))).await;
    let asked = server.asked();
    assert_eq!((asked[0].uri.path(), asked[0].header("authorization")), ("/services/T1/B1/s3cret", ""));
    assert_eq!(sent(&asked[0]), json!({"text": "<https://example.org|a link>"}));
    assert_eq!(sent(&asked[1]), json!({"blocks": [{"type": "divider"}]}));
}

async fn refused(status: u16, body: &'static str, code: &str, retry: bool) {
    for is_webhook in [false, true] {
        let server = answering(status, &[], body).await;
        let params = if is_webhook { by_webhook(&server, json!({})) } else { by_token(&server, json!({})) };
        if is_webhook && status == 200 {
            continue;
        }
        let fault = bench().fails(params, code, "Slack").await;
        assert_eq!((fault.retryable, fault.retry_after_ms), (retry, None), "{status} {body}: {fault}");
        assert!(!format!("{fault} {}", fault.details).contains("s3cret"));
    }
}

#[tokio::test]
async fn slacks_words_become_codes() {
    for (said, code) in [
        (r#"{"ok":false,"error":"channel_not_found"}"#, "SLACK_CHANNEL_NOT_FOUND"),
        (r#"{"ok":false,"error":"invalid_auth"}"#, "SLACK_INVALID_AUTH"),
        (r#"{"ok":false,"error":"not_in_channel"}"#, "SLACK_NOT_IN_CHANNEL"),
        (r#"{"ok":false,"error":"something_new"}"#, "SLACK_SOMETHING_NEW"),
    ] {
        refused(200, said, code, false).await;
    }
    refused(200, r#"{"ok":false,"error":"internal_error"}"#, "SLACK_INTERNAL_ERROR", true).await;
    refused(200, r#"{"ok":false,"error":"fatal_error"}"#, "SLACK_FATAL_ERROR", true).await;
    refused(400, "invalid_payload", "SLACK_INVALID_PAYLOAD", false).await;
    refused(403, "action_prohibited", "SLACK_ACTION_PROHIBITED", false).await;
    refused(404, "no_service", "SLACK_NO_SERVICE", false).await;
    refused(410, "channel_is_archived", "SLACK_CHANNEL_IS_ARCHIVED", false).await;
    refused(500, "rollup_error", "SLACK_ROLLUP_ERROR", true).await;
    refused(502, "<html>Bad gateway</html>", "HTTP_STATUS", true).await;
    refused(302, "", "HTTP_STATUS", false).await;
    refused(200, r#"{"ok":false,"error":"X\nY evil"}"#, "HTTP_STATUS", false).await;
    refused(200, "<html>not Slack</html>", "HTTP_STATUS", false).await;
    let server =
        answering(200, JSON, r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] no"]}}"#).await;
    let fault = bench().fails(by_token(&server, json!({})), "SLACK_INVALID_BLOCKS", "Builder").await;
    assert_eq!(fault.details, json!({"status": 200, "error": "invalid_blocks", "messages": ["[ERROR] no"]}));
}

#[tokio::test]
async fn too_many_messages_wait_as_long_as_slack_asks() {
    for (status, headers, body, wait) in [
        (429, &[("retry-after", "7")][..], "", 7_000),
        (429, &[][..], r#"{"ok":false,"error":"ratelimited"}"#, 30_000),
        (429, &[("retry-after", "soon")][..], "rate_limited", 30_000),
        (429, &[("retry-after", "999999999")][..], "", 86_400_000),
        (200, &[("retry-after", "3")][..], r#"{"ok":false,"error":"ratelimited"}"#, 3_000),
    ] {
        let server = answering(status, headers, body).await;
        let fault = bench().fails(by_token(&server, json!({})), "RATE_LIMIT", "too often").await;
        assert_eq!((fault.retryable, fault.retry_after_ms), (true, Some(wait)), "{headers:?} {body}");
    }
}

#[tokio::test]
async fn only_slack_is_told_unless_the_author_names_another() {
    for url in [
        "https://hooks.slack.com.evil.example/services/T/B/x",
        "https://evilslack.com/services/T/B/x",
        "https://hooks.slack.com./services/T/B/x",
        "https://hooks.slack.com@evil.example/services/T/B/x",
        "https://hooks.slack.com:8443/services/T/B/x",
        "https://evil.example/hooks.slack.com/x",
        "https://slack.com/services/T/B/x",
        "http://hooks.slack.com/services/T/B/x",
        "https://hooks.slack.com/",
        "https://hooks.slack.com/services/T/B/x?next=https://evil.example",
        "https://hooks.slack.com/services/T/B/x#y",
        "file:///etc/passwd",
        "hooks.slack.com/services/T/B/x",
        "",
    ] {
        bench().fails(json!({"webhook_url": url, "text": "x"}), "INVALID_PARAMETER", "webhook_url").await;
    }
    let server = answering(200, JSON, POSTED).await;
    let elsewhere = json!({"webhook_url": server.url("/x"), "api_url": "https://slack.com/api", "text": "x"});
    bench().fails(elsewhere, "INVALID_PARAMETER", "https://slack.com/").await;
    for url in ["ftp://slack.com/", "http://u:p@127.0.0.1/", "nonsense"] {
        bench().fails(by_token(&server, json!({"api_url": url})), "INVALID_PARAMETER", "api_url").await;
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn another_server_is_reached_by_the_rules_of_the_operator() {
    let server = answering(200, JSON, POSTED).await;
    let strict = Bench::with("slack.message", &allowing("10.0.0.0/8"));
    strict.fails(by_token(&server, json!({})), "EGRESS_DENIED", "FLOWFORGE_EGRESS_ALLOW").await;
    strict.fails(by_webhook(&server, json!({})), "EGRESS_DENIED", "FLOWFORGE_EGRESS_ALLOW").await;
    // One of the addresses for documents: it is not reached, and needs no network to be refused.
    bench().fails(by_token(&server, json!({"api_url": "http://1.1.1.1/"})), "EGRESS_DENIED", "plain http").await;
    let bound = bench().secret_for("SLACK", &["slack.com"]);
    bound.fails(by_token(&server, json!({})), "SECRET_HOST_DENIED", "SLACK").await;
    assert!(server.asked().is_empty());
    bench().secret_for("SLACK", &["127.0.0.1"]).output(by_token(&server, json!({}))).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = answering(200, JSON, POSTED).await;
    let elsewhere = other.url("/");
    let server = Server::start(move |_| respond(307, &[("location", &elsewhere)], "")).await;
    bench().fails(by_token(&server, json!({})), "HTTP_STATUS", "307").await;
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_server_that_is_silent_or_absent_is_an_error() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let params = json!({"webhook_url": format!("{origin}/services/s3cret"), "api_url": origin, "text": "x", "timeout_s": 0.3});
    assert!(bench().fails(params.clone(), "HTTP_TIMEOUT", "0.3 seconds").await.retryable);
    drop(silent);
    let fault = bench().fails(params, "NETWORK_ERROR", "/…").await;
    assert!(fault.retryable && !fault.message.contains("s3cret"), "{fault}");
}

#[tokio::test]
async fn what_cannot_be_posted_is_refused_before_it_is_tried() {
    let server = answering(200, JSON, POSTED).await;
    let long = "&".repeat(8_001);
    bench().fails(by_token(&server, json!({"text": long})), "SLACK_MSG_TOO_LONG", "40005").await;
    bench().fails(by_webhook(&server, json!({"text": "ä".repeat(40_001), "escape": false})), "SLACK_MSG_TOO_LONG", "40001").await;
    for (change, words) in [
        (json!({"text": ""}), "`text` or `blocks`"),
        (json!({"blocks": "x"}), "list of blocks"),
        (json!({"blocks": []}), "1 to 50"),
        (json!({"blocks": vec![json!({"type": "divider"}); 51]}), "51 blocks"),
        (json!({"channel": ""}), "channel"),
        (json!({"channel": "a\nb"}), "channel"),
        (json!({"thread_ts": "yesterday"}), "thread_ts"),
        (json!({"token": "a\r\nX-Evil: 1"}), "token"),
        (json!({"token": ""}), "either"),
        (json!({"webhook_url": "https://hooks.slack.com/services/x"}), "either"),
        (json!({"timeout_s": -1}), "timeout_s"),
    ] {
        bench().fails(by_token(&server, change), "INVALID_PARAMETER", words).await;
    }
    bench().fails(by_webhook(&server, json!({"channel": "#x"})), "INVALID_PARAMETER", "channel").await;
    assert!(server.asked().is_empty());
    bench().output(by_token(&server, json!({"text": "ä".repeat(40_000)}))).await;
}

#[test]
fn what_cannot_be_posted_is_told_when_it_is_saved() {
    let hook = "https://hooks.slack.com/services/T1/B1/s";
    let long = "x".repeat(40_001);
    for (params, field) in [
        (json!({"text": "x"}), "webhook_url"),
        (json!({"webhook_url": hook, "token": "xoxb", "text": "x"}), "token"),
        (json!({"webhook_url": hook, "channel": "#a", "text": "x"}), "channel"),
        (json!({"webhook_url": "https://hooks.slack.com.evil.example/x", "text": "x"}), "webhook_url"),
        (json!({"webhook_url": "hooks.slack.com/services/T1", "text": "x"}), "webhook_url"),
        (json!({"token": "xoxb", "text": "x"}), "channel"),
        (json!({"token": "xoxb", "channel": " ", "text": "x"}), "channel"),
        (json!({"token": "xo\nxb", "channel": "#a", "text": "x"}), "token"),
        (json!({"token": "{{ secrets.S }}", "channel": "#a"}), "text"),
        (json!({"token": "{{ secrets.S }}", "channel": "#a", "text": long}), "text"),
        (json!({"token": "{{ secrets.S }}", "channel": "#a", "blocks": []}), "blocks"),
        (json!({"token": "{{ secrets.S }}", "channel": "#a", "blocks": {"type": "divider"}}), "blocks"),
        (json!({"token": "{{ secrets.S }}", "channel": "#a", "text": "x", "thread_ts": "yesterday"}), "thread_ts"),
        (json!({"token": "{{ secrets.S }}", "channel": "#a", "text": "x", "api_url": "slack.com"}), "api_url"),
    ] {
        assert_eq!(bench().problems(&params), [field], "{params}");
    }
}

#[test]
fn what_a_template_will_be_is_not_judged_before() {
    for params in [
        json!({"webhook_url": "{{ secrets.HOOK }}", "text": "{{ steps.a.output }}"}),
        json!({"webhook_url": "https://hooks.slack.com/services/T1/B1/s", "blocks": [{"type": "divider"}]}),
        json!({"webhook_url": "https://proxy.example/x/y", "api_url": "{{ trigger.url }}", "text": "x"}),
        json!({"token": "{{ secrets.S }}", "channel": "{{ trigger.channel }}", "blocks": "{{ steps.a.output.blocks }}"}),
        json!({"token": "xoxb-1", "channel": "C0123", "text": "x", "thread_ts": "{{ steps.a.output.ts }}"}),
    ] {
        assert_eq!(bench().problems(&params), Vec::<String>::new(), "{params}");
    }
}
