//! What a graph means: ports, skips, joins, retries, errors, templates.

use std::time::Duration;

use flowforge_tests::{Forge, chain, graph};
use serde_json::{Value, json};

on_each_database!(
    a_condition_chooses_one_way_and_the_other_is_skipped,
    branches_join_again,
    a_flaky_effect_is_tried_again_with_the_same_key,
    an_exhausted_retry_fails_the_run,
    a_drawn_error_port_is_followed,
    a_tolerated_failure_goes_on_with_null,
    a_failed_command_says_how,
    templates_keep_their_types,
    javascript_transforms_and_filters,
    a_delay_is_waited_for,
    a_step_that_takes_too_long_times_out,
);

const START: &str = "start";

fn start() -> (&'static str, &'static str, Value) {
    (START, "trigger.manual", json!({}))
}

async fn statuses(forge: &Forge, run: &Value) -> Vec<(String, String)> {
    let id = run["id"].as_str().expect("an id");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut all: Vec<_> = forge.steps(id).await.iter().map(|step| (text(&step["node_id"]), text(&step["status"]))).collect();
    all.sort();
    all
}

async fn check(forge: &Forge, graph: &Value, status: &str, steps: &str) -> Value {
    let run = forge.run_once(graph).await;
    assert_eq!(run["status"], status, "{run:#}");
    let seen: Vec<_> = statuses(forge, &run).await.into_iter().map(|(node, status)| format!("{node}:{status}")).collect();
    assert_eq!(seen.join(" "), steps, "{run:#}");
    run
}

async fn a_condition_chooses_one_way_and_the_other_is_skipped(forge: Forge) {
    let nodes = [
        start(),
        ("ask", "condition", json!({"expression": "1 + 1 == 2"})),
        ("yes", "set", json!({"value": "yes"})),
        ("no", "set", json!({"value": "no"})),
        ("after", "set", json!({"value": "after no"})),
    ];
    let graph = graph(&nodes, "start -> ask; ask:true -> yes; ask:false -> no; no -> after");
    let run = check(&forge, &graph, "completed", "after:skipped ask:completed no:skipped start:completed yes:completed").await;
    assert_eq!(forge.step(run["id"].as_str().expect("an id"), "ask").await["port"], "true");
}

async fn branches_join_again(forge: Forge) {
    let nodes = [
        start(),
        ("left", "set", json!({"value": 20})),
        ("right", "set", json!({"value": 22})),
        ("sum", "transform", json!({"code": "return steps.left.output + steps.right.output"})),
    ];
    let graph = graph(&nodes, "start -> left; start -> right; left -> sum; right -> sum");
    let run = check(&forge, &graph, "completed", "left:completed right:completed start:completed sum:completed").await;
    assert_eq!(run["output"], 42);
}

async fn a_flaky_effect_is_tried_again_with_the_same_key(forge: Forge) {
    let retry = json!({"max_attempts": 3, "backoff": "linear", "initial_ms": 10, "max_ms": 20});
    let url = format!("{}?fail=2", forge.ledger.url("flaky"));
    let graph = chain(&[start(), ("call", "http.request", json!({"method": "POST", "url": url, "+": {"retry": retry}}))]);
    let run = check(&forge, &graph, "completed", "call:completed call:failed call:failed start:completed").await;
    let effects = forge.ledger.of("flaky");
    assert_eq!((forge.ledger.calls("flaky"), effects.len()), (3, 1));
    let last = forge.step(run["id"].as_str().expect("an id"), "call").await;
    assert_eq!(last["output"]["body"]["nonce"], effects[0].nonce.as_str());
    assert_eq!(last["effect_key"].as_str(), effects[0].idempotency_key.as_deref());
    assert!(effects[0].idempotency_key.as_deref().is_some_and(|key| key.starts_with("ff-")), "{effects:?}");
}

async fn an_exhausted_retry_fails_the_run(forge: Forge) {
    let retry = json!({"max_attempts": 2, "backoff": "exponential", "initial_ms": 10, "max_ms": 20});
    let url = format!("{}?mode=500", forge.ledger.url("down"));
    let nodes = [
        start(),
        ("call", "http.request", json!({"method": "POST", "url": url, "+": {"retry": retry}})),
        ("never", "set", json!({"value": 1})),
    ];
    let run = forge.run_once(&chain(&nodes)).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["error"]["node_id"], "call", "{run:#}");
    assert!(run["error"]["code"].is_string() && run["error"]["message"].is_string(), "{run:#}");
    assert_eq!(forge.ledger.calls("down"), 2);
    assert!(forge.ledger.of("down").is_empty());
}

async fn a_drawn_error_port_is_followed(forge: Forge) {
    let nodes = [
        start(),
        ("break", "command", json!({"run": "exit 3"})),
        ("fine", "set", json!({"value": "fine"})),
        ("mend", "set", json!({"value": "mended"})),
    ];
    let graph = graph(&nodes, "start -> break; break -> fine; break:error -> mend");
    let run = check(&forge, &graph, "completed", "break:failed fine:skipped mend:completed start:completed").await;
    assert!(run["error"].is_null(), "{run:#}");
}

async fn a_tolerated_failure_goes_on_with_null(forge: Forge) {
    let nodes = [
        start(),
        ("break", "command", json!({"run": "exit 3", "+": {"on_error": "continue"}})),
        ("next", "set", json!({"value": {"got": "{{ steps.break.output }}"}})),
    ];
    let run = check(&forge, &chain(&nodes), "completed", "break:failed next:completed start:completed").await;
    assert_eq!(run["output"], json!({"got": null}));
}

async fn a_failed_command_says_how(forge: Forge) {
    let graph = chain(&[start(), ("break", "command", json!({"run": "echo half; echo wrong >&2; exit 7"}))]);
    let run = check(&forge, &graph, "failed", "break:failed start:completed").await;
    assert_eq!(run["error"]["code"], "COMMAND_FAILED");
    let step = forge.step(run["id"].as_str().expect("an id"), "break").await;
    assert_eq!(step["error"]["code"], "COMMAND_FAILED");
    assert!(step["error"].to_string().contains('7'), "the exit code is told: {step:#}");
}

async fn templates_keep_their_types(forge: Forge) {
    let value = json!({"whole": "{{ trigger.list }}", "part": "n={{ trigger.n }}", "plain": true, "deep": ["{{ trigger.n }}"]});
    let workflow = forge.workflow("types", &chain(&[start(), ("make", "set", json!({"value": value}))])).await;
    let run = forge.run(&workflow, json!({"list": [1, {"a": null}], "n": 5})).await;
    assert_eq!(run["output"], json!({"whole": [1, {"a": null}], "part": "n=5", "plain": true, "deep": [5]}));
}

async fn javascript_transforms_and_filters(forge: Forge) {
    let nodes = [
        start(),
        ("make", "transform", json!({"code": "return [1, 2, 3, 4].map(n => ({n, square: n * n}))"})),
        ("big", "filter", json!({"items": "{{ steps.make.output }}", "expression": "item.square > 4"})),
        ("names", "transform", json!({"code": "return input.map(one => `n${one.n}`).join()"})),
    ];
    let run = forge.run_once(&chain(&nodes)).await;
    assert_eq!(run["output"], "n3,n4", "{run:#}");
}

async fn a_delay_is_waited_for(forge: Forge) {
    let graph = chain(&[start(), ("pause", "delay", json!({"seconds": 1})), ("end", "set", json!({"value": "later"}))]);
    let run = check(&forge, &graph, "completed", "end:completed pause:completed start:completed").await;
    let (from, to) = (run["started_at"].as_str().expect("a time"), run["finished_at"].as_str().expect("a time"));
    assert_ne!(from[..19], to[..19], "a second lies between {from} and {to}");
}

async fn a_step_that_takes_too_long_times_out(forge: Forge) {
    // The same test on the other database runs beside this one, and its commands are not this one's.
    let mark = format!("97{:07}", std::process::id());
    let graph = chain(&[start(), ("stuck", "command", json!({"run": format!("sleep {mark}"), "+": {"timeout_s": 1}}))]);
    let run = check(&forge, &graph, "failed", "start:completed stuck:failed").await;
    assert!(run["error"]["code"].as_str().is_some_and(|code| code.contains("TIMEOUT")), "{run:#}");
    let left = flowforge_tests::left_after(Duration::from_secs(5), &mark).await;
    assert!(left.is_empty(), "still running after the timeout: {left:?}");
}
