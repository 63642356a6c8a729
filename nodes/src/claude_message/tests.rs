//! `claude.message` against the stand-in of the Messages API.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use flowforge_core::{
    Awaiting, Timestamp,
    cache::Answers,
    money::Micros,
    node::{Await, BoxFuture, NodeError, Outcome, Wake},
};
use flowforge_tests::messages_api::{MessagesApi, Reply, Scenario};
use serde_json::{Value, json};

use crate::{
    ModelsConfig,
    testing::{Bench, asking, purse::TestPurse},
};

async fn api(replies: impl IntoIterator<Item = Reply>) -> (MessagesApi, Bench) {
    let api = MessagesApi::start(Scenario::of(replies)).await;
    let bench = at(&api.url());
    (api, bench)
}

fn at(url: &str) -> Bench {
    let models = ModelsConfig::new(Some(url), Some(MessagesApi::KEY.to_owned()), None).unwrap();
    Bench::with("claude.message", &asking("127.0.0.0/8", models))
}

fn prompt() -> Value {
    json!({"prompt": "What is it?", "model": "claude-opus-5"})
}

fn with(mut params: Value, more: Value) -> Value {
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

fn number() -> Value {
    with(
        prompt(),
        json!({"output_schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "maximum": 9}}}}),
    )
}

fn paid(bench: &mut Bench, limit_usd: f64) -> Arc<TestPurse> {
    let purse = TestPurse::of(Micros::from_usd(limit_usd));
    bench.cx.purse = purse.clone();
    purse
}

#[tokio::test]
async fn an_answer_comes_with_its_bill() {
    let (api, mut bench) = api([Reply::text("A cat.").thinking("hm").usage(100, 10).cached(1000, 200)]).await;
    let purse = paid(&mut bench, 1.0);
    let params = json!({"prompt": "What?", "model": "claude-opus-5", "system": "Be short.", "stop_sequences": ["\n\n"],
        "temperature": 0.5, "max_tokens": 300, "budget_usd": 0.25});
    let cost = 0.0025;
    let expected = json!({"result": "A cat.", "text": "A cat.", "model": "claude-opus-5", "stop_reason": "end_turn",
        "usage": {"input": 100, "output": 10, "cache_read": 1000, "cache_write": 200}, "cost_usd": cost, "cached": false});
    bench.done(params, expected).await;
    let asked = &api.asked()[0];
    let body = json!({"model": "claude-opus-5", "max_tokens": 300, "messages": [{"role": "user", "content": "What?"}],
        "system": "Be short.", "temperature": 0.5, "stop_sequences": ["\n\n"], "stream": true});
    assert_eq!((&asked.body, asked.key(), asked.header("anthropic-version")), (&body, MessagesApi::KEY, "2023-06-01"));
    assert_eq!(purse.spent(), Micros(2_500));
    assert_eq!(purse.turns()[0].step_cap, Some(Micros::from_usd(0.25)));
    assert!(purse.turns()[0].most > purse.spent() && !purse.settled()[0].estimated);
}

#[tokio::test]
async fn a_step_may_bring_its_own_key_and_a_conversation() {
    let (api, bench) = api([Reply::text("x")]).await;
    let messages =
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]);
    let fault =
        bench.fails(json!({"messages": messages, "api_key": "sk-other"}), "API_KEY_INVALID", "does not take the key").await;
    assert!(!fault.retryable);
    assert_eq!((api.asked()[0].key(), &api.asked()[0].body["messages"]), ("sk-other", &messages));
    for params in [json!({}), json!({"prompt": "a", "messages": messages}), json!({"messages": []})] {
        bench.fails(params, "INVALID_PARAMETER", "").await;
    }
}

#[tokio::test]
async fn without_a_key_or_over_plain_http_nothing_is_asked() {
    let api = MessagesApi::start(Scenario::default()).await;
    let keyless = ModelsConfig::new(Some(&api.url()), None, None).unwrap();
    Bench::with("claude.message", &asking("127.0.0.0/8", keyless)).fails(prompt(), "API_KEY_MISSING", "secrets.").await;
    let models = ModelsConfig::new(Some(&api.url()), Some("key".to_owned()), None).unwrap();
    Bench::with("claude.message", &asking("", models)).fails(prompt(), "EGRESS_DENIED", "FLOWFORGE_EGRESS_ALLOW").await;
    at(&api.url()).secret_for("KEY", &["api.anthropic.com"]).fails(prompt(), "SECRET_HOST_DENIED", "`KEY`").await;
    assert!(api.asked().is_empty());
}

#[tokio::test]
async fn json_fits_its_schema_or_is_repaired_once() {
    let (api, bench) = api([Reply::text(r#"{"n": 12}"#).usage(10, 10), Reply::text(r#"{"n": 7}"#).usage(10, 10)]).await;
    let output = bench.output(number()).await;
    assert_eq!((&output.value["result"], &output.value["usage"]["output"]), (&json!({"n": 7}), &json!(20)));
    let asked = api.asked();
    let format = &asked[0].body["output_config"]["format"];
    assert_eq!((&format["type"], &format["schema"]["additionalProperties"]), (&json!("json_schema"), &json!(false)));
    let repair = asked[1].body["messages"].as_array().unwrap();
    assert_eq!((repair.len(), &repair[1]["content"]), (3, &json!(r#"{"n": 12}"#)));
    assert!(repair[2]["content"].as_str().unwrap().contains("/n: "), "{repair:?}");

    api.load(Scenario::of([Reply::text("no"), Reply::text("still no")]));
    let fault = bench.fails(number(), "OUTPUT_INVALID", "no JSON").await;
    assert!(
        !fault.retryable && fault.details["text"] == "still no" && fault.details["cost_usd"].as_f64() > Some(0.0),
        "{fault:?}"
    );
    api.load(Scenario::of([Reply::text("{").stop_reason("max_tokens")]));
    bench.fails(number(), "OUTPUT_INVALID", "max_tokens").await;
    api.load(Scenario::of([Reply::text("No.").stop_reason("refusal")]));
    bench.fails(number(), "MODEL_REFUSED", "declines").await;
    assert_eq!(api.asked().len(), 6, "neither is asked again");
}

#[tokio::test]
async fn every_failure_says_whether_to_try_again_and_costs_nothing() {
    let html = || Reply::raw(200, "text/html", "<html>");
    for (reply, code, retryable, after) in [
        (Reply::error(400), "MODEL_REQUEST_INVALID", false, None),
        (Reply::error(401), "API_KEY_INVALID", false, None),
        (Reply::error(403), "MODEL_FORBIDDEN", false, None),
        (Reply::error(404), "MODEL_NOT_FOUND", false, None),
        (Reply::error(413), "MODEL_REQUEST_INVALID", false, None),
        (Reply::error(429), "RATE_LIMIT", true, None),
        (Reply::error(500), "MODEL_UNAVAILABLE", true, None),
        (Reply::error(503).header("retry-after", "9"), "MODEL_UNAVAILABLE", true, Some(9000)),
        (Reply::error(529), "MODEL_OVERLOADED", true, None),
        (Reply::error(529).header("retry-after", "2"), "MODEL_OVERLOADED", true, Some(2000)),
        (html(), "INVALID_RESPONSE", true, None),
        (Reply::raw(200, "application/json", "not json"), "INVALID_RESPONSE", true, None),
        (Reply::raw(200, "text/event-stream", "data: {}\n\n"), "INVALID_RESPONSE", true, None),
        (Reply::raw(302, "text/plain", "").header("location", "http://127.0.0.1:1/"), "INVALID_REDIRECT", false, None),
    ] {
        let shown = format!("{reply:?}");
        let (api, mut bench) = api([reply]).await;
        let purse = paid(&mut bench, 1.0);
        let fault = bench.fails(prompt(), code, "").await;
        assert_eq!((fault.retryable, fault.retry_after_ms), (retryable, after), "{shown}: {fault}");
        purse.is_closed().await;
        assert_eq!((purse.spent(), api.asked().len()), (Micros::ZERO, 1), "{shown}");
    }
    let free = flowforge_tests::free_port();
    let mut bench = at(&format!("http://127.0.0.1:{free}"));
    let purse = paid(&mut bench, 1.0);
    assert!(bench.fails(prompt(), "NETWORK_ERROR", "").await.retryable);
    assert_eq!((purse.spent(), purse.settled().len()), (Micros::ZERO, 1), "nobody has heard it");
}

#[tokio::test]
async fn what_is_cut_short_is_paid_for_as_estimated() {
    let text = "x".repeat(400);
    for (reply, code, tokens) in [
        (Reply::text(&text).usage(1000, 500).cut_after(6), "NETWORK_ERROR", Some((1000, 40))),
        (Reply::text(&text).usage(1000, 500).stream_error("overloaded_error"), "MODEL_OVERLOADED", Some((1000, 134))),
        (Reply::text(&text).usage(1000, 500).stream_error("api_error"), "MODEL_UNAVAILABLE", Some((1000, 134))),
        (Reply::disconnect(), "NETWORK_ERROR", None),
        (Reply::text(&text).cut_after(0), "NETWORK_ERROR", None),
    ] {
        let shown = format!("{reply:?}");
        let (_api, mut bench) = api([reply]).await;
        let purse = paid(&mut bench, 1.0);
        assert!(bench.fails(prompt(), code, "").await.retryable, "{shown}");
        let (settled, most) = (purse.settled(), purse.turns()[0].most);
        assert!(settled.len() == 1 && settled[0].estimated, "{shown}: {settled:?}");
        match tokens {
            Some((input, output)) => {
                assert_eq!((settled[0].tokens.input, settled[0].tokens.output), (input, output), "{shown}");
                assert!(settled[0].cost > Micros::ZERO && settled[0].cost < most);
            }
            None => assert_eq!(settled[0].cost, most, "{shown}"),
        }
    }
}

#[tokio::test]
async fn an_attempt_that_is_stopped_settles_what_it_has_heard() {
    let (api, mut bench) = api([Reply::text("slow").usage(1000, 10).hold_at(3)]).await;
    let purse = paid(&mut bench, 1.0);
    let step = tokio::spawn({
        let bench = bench.clone();
        async move { bench.run(prompt()).await.is_ok() }
    });
    api.asked_times(1).await;
    step.abort();
    assert!(step.await.unwrap_err().is_cancelled());
    purse.is_closed().await;
    assert!(purse.settled().len() == 1 && purse.settled()[0].estimated, "{:?}", purse.settled());
}

#[tokio::test]
async fn a_used_up_quota_is_waited_for_in_the_same_attempt() {
    let (api, mut bench) = api([Reply::error(429).header("retry-after", "30"), Reply::text("at last")]).await;
    let Outcome::Await(Await { what: Awaiting::Quota { since }, until: Some(Wake::At(until)) }) =
        bench.run(prompt()).await.unwrap()
    else {
        panic!("it waits");
    };
    assert_eq!(until.ms_since(since), 31_000);
    (bench.cx.awaited, bench.cx.woken) = (Some(Arc::new(Awaiting::Quota { since })), Some(until));
    let output = bench.output(prompt()).await;
    assert_eq!((&output.value["text"], &output.value["waited_ms"]), (&json!("at last"), &json!(31_000)));

    api.load(Scenario::of([Reply::error(429).header("anthropic-ratelimit-unified-reset", "4000000000")]));
    let fault = bench.fails(prompt(), "RATE_LIMIT", "more than a day").await;
    assert!(!fault.retryable);
    bench.cx.awaited = Some(Arc::new(Awaiting::Quota { since: Timestamp(since.0 - 86_400_000) }));
    api.load(Scenario::of([Reply::error(429).header("retry-after", "30")]));
    bench.fails(prompt(), "RATE_LIMIT", "more than a day").await;
}

#[tokio::test]
async fn without_money_it_waits_and_asks_nobody() {
    let (api, mut bench) = api([Reply::text("never")]).await;
    paid(&mut bench, 0.0);
    let Outcome::Await(Await { what: Awaiting::Funds(shortage), until }) = bench.run(prompt()).await.unwrap() else {
        panic!("it waits");
    };
    assert_eq!((&*shortage.budget, until), ("run", Some(Wake::After(Duration::from_secs(60)))));
    bench.cx.purse = TestPurse::named("step", Micros::ZERO);
    assert!(!bench.fails(prompt(), "BUDGET_EXCEEDED", "budget_usd").await.retryable);
    assert!(api.asked().is_empty());
}

/// Keeps answers in memory.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Value>>);

impl Answers for Memory {
    fn get<'a>(&'a self, question: &'a str) -> BoxFuture<'a, Result<Option<Value>, NodeError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(question).cloned()) })
    }

    fn put<'a>(&'a self, question: &'a str, answer: &'a Value) -> BoxFuture<'a, Result<(), NodeError>> {
        self.0.lock().unwrap().insert(question.to_owned(), answer.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn the_same_question_is_paid_for_once() {
    let (api, mut bench) =
        api([Reply::text("first"), Reply::text("second"), Reply::text("cut").stop_reason("max_tokens").repeat(2)]).await;
    let kept = Arc::new(Memory::default());
    bench.cx.answers = kept.clone();
    let ask = async |more: Value| {
        let output = bench.output(with(with(prompt(), json!({"cache": true})), more)).await;
        (output.value["text"].clone(), output.value["cached"].clone(), output.value["cost_usd"] == 0.0)
    };
    assert_eq!(ask(json!({})).await, (json!("first"), json!(false), false));
    assert_eq!(ask(json!({"api_key": "sk-any"})).await, (json!("first"), json!(true), true), "whoever asks");
    assert_eq!(ask(json!({"max_tokens": 7})).await, (json!("second"), json!(false), false), "another question");
    for _ in 0..2 {
        assert_eq!(ask(json!({"system": "x"})).await.1, json!(false), "what was cut off is not kept");
    }
    assert_eq!(api.asked().len(), 4);
    let all = format!("{:?}", kept.0.lock().unwrap());
    assert!(!all.contains(MessagesApi::KEY) && !all.contains("What is it?"), "{all}");
}

#[tokio::test]
async fn a_model_without_a_price_is_told_of() {
    let (_api, bench) = api([Reply::text("x").usage(1_000_000, 0)]).await;
    let output = bench.output(json!({"prompt": "a", "model": "gpt-17"})).await;
    assert_eq!(output.value["cost_usd"], 15.0);
    assert!(bench.log.all()[0].1.contains("`gpt-17`"), "{:?}", bench.log.all());
}
