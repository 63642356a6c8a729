//! The event stream: every event once, in order, however often the reader goes away.

use flowforge_tests::{Event, Events, Forge, Seed, chain};
use reqwest::Method;
use serde_json::json;

on_each_database!(
    fifty_disconnects_lose_nothing_and_repeat_nothing,
    the_stream_tells_the_same_story_as_the_steps,
    odd_cursors_are_refused_or_harmless,
);

/// A run of forty slow effects, long enough to leave it fifty times.
async fn slow_run(forge: &Forge, steps: usize) -> String {
    let ids: Vec<_> = (0..steps).map(|number| format!("s{number}")).collect();
    let call = |id: &String| json!({"method": "POST", "url": format!("{}?delay_ms=20", forge.ledger.url(id))});
    let mut nodes = vec![("start", "trigger.manual", json!({}))];
    nodes.extend(ids.iter().map(|id| (id.as_str(), "http.request", call(id))));
    let workflow = forge.workflow("slow", &chain(&nodes)).await;
    forge.launch(&workflow, json!({})).await
}

async fn fifty_disconnects_lose_nothing_and_repeat_nothing(forge: Forge) {
    let mut seed = Seed::printed();
    let run = slow_run(&forge, 40).await;
    let mut seen: Vec<Event> = Vec::new();
    for _ in 0..50 {
        let mut events = Events::open(&forge.owner, &run, seen.last().map(|event| event.id)).await;
        for _ in 0..seed.pick(0..3) {
            seen.extend(events.next().await);
        }
    }
    seen.extend(Events::open(&forge.owner, &run, seen.last().map(|event| event.id)).await.rest().await);
    assert_dense(&seen);
    let replay = Events::open(&forge.owner, &run, None).await.rest().await;
    assert_eq!(seen, replay, "what was seen live is what is told afterwards");
    assert_eq!(forge.end_of(&run).await["status"], "completed");
}

/// 1, 2, 3, … from the start of the run to its end.
fn assert_dense(events: &[Event]) {
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.first().map(|event| event.kind.as_str()), Some("run_started"));
    assert_eq!(events.last().map(|event| event.kind.as_str()), Some("run_finished"));
    for event in events {
        assert_eq!((&event.data["seq"], &event.data["kind"]), (&json!(event.id), &json!(event.kind)));
        assert!(event.data["at"].is_string() && event.data["run_id"].is_string(), "{:#}", event.data);
    }
}

async fn the_stream_tells_the_same_story_as_the_steps(forge: Forge) {
    let retry = json!({"max_attempts": 2, "backoff": "linear", "initial_ms": 10, "max_ms": 10});
    let flaky = format!("{}?fail=1", forge.ledger.url("flaky"));
    let graph = chain(&[
        ("start", "trigger.manual", json!({})),
        ("flaky", "http.request", json!({"method": "POST", "url": flaky, "+": {"retry": retry}})),
        ("ask", "condition", json!({"expression": "false"})),
        ("never", "set", json!({"value": 1})),
    ]);
    let run = forge.run_once(&graph).await;
    let id = run["id"].as_str().expect("an id");
    let events = Events::open(&forge.owner, id, None).await.rest().await;
    assert_dense(&events);
    let about = |node: &str| -> Vec<String> {
        let mine = events.iter().filter(|event| event.data["node_id"] == node);
        mine.map(|event| event.kind.clone()).filter(|kind| kind != "step_log").collect()
    };
    assert_eq!(about("flaky"), ["step_started", "step_retrying", "step_started", "step_succeeded"]);
    assert_eq!(about("never"), ["step_skipped"]);
    let chosen = events.iter().find(|event| event.kind == "step_succeeded" && event.data["node_id"] == "ask");
    assert_eq!(chosen.expect("the condition succeeded").data["port"], "false");
    assert_eq!(events.last().expect("an end").data["status"], "completed");
}

async fn odd_cursors_are_refused_or_harmless(forge: Forge) {
    let run = forge.run_once(&chain(&[("start", "trigger.manual", json!({})), ("end", "set", json!({"value": 1}))])).await;
    let id = run["id"].as_str().expect("an id");
    let all = Events::open(&forge.owner, id, None).await.rest().await;
    let last = all.last().expect("an end").id;
    assert_eq!(Events::open(&forge.owner, id, Some(last)).await.rest().await, [], "nothing follows the end");
    assert_eq!(Events::open(&forge.owner, id, Some(last + 1000)).await.rest().await, [], "nothing follows the future");
    let path = format!("/runs/{id}/events");
    for odd in ["one", "-1", "1.5", "99999999999999999999999"] {
        let request = forge.owner.request(Method::GET, &path).header("last-event-id", odd);
        assert_eq!(forge.owner.send(request).await.status, 400, "Last-Event-ID: {odd}");
    }
    let reply = forge.owner.get(&format!("{path}?after={}", last - 1)).await.expect(200);
    assert!(reply.as_str().is_some_and(|text| text.starts_with(&format!("id: {last}\n"))), "{reply}");
}
