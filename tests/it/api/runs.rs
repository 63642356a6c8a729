//! Starting, watching, waiting for and cancelling runs.

use std::time::Duration;

use flowforge_tests::{Events, Forge, chain};
use reqwest::Method;
use serde_json::{Value, json};

on_each_database!(
    a_run_tells_its_whole_story,
    a_run_without_wait_answers_at_once,
    the_same_key_starts_one_run,
    logs_are_kept_in_order,
    a_waiting_run_can_be_cancelled,
    a_running_command_can_be_cancelled,
    runs_are_listed_newest_first,
);

fn greeting() -> Value {
    chain(&[("start", "trigger.manual", json!({})), ("greet", "set", json!({"value": {"text": "Hello {{ trigger.name }}"}}))])
}

async fn a_run_tells_its_whole_story(forge: Forge) {
    let workflow = forge.workflow("greeting", &greeting()).await;
    let run = forge.run(&workflow, json!({"name": "Ada"})).await;
    assert_eq!(run["status"], "completed", "{run:#}");
    assert_eq!((&run["workflow_id"], &run["workflow_name"]), (&json!(workflow), &json!("greeting")));
    assert_eq!((&run["input"], &run["error"]), (&json!({"name": "Ada"}), &Value::Null));
    assert_eq!(run["trigger"], "api");
    assert_eq!(run["output"], json!({"text": "Hello Ada"}), "the output of the last node");
    let times = ["created_at", "started_at", "finished_at"].map(|field| run[field].as_str().expect("a time").to_owned());
    assert!(times.is_sorted(), "{times:?}");
    let id = run["id"].as_str().expect("an id");
    let steps = forge.steps(id).await;
    let story: Vec<_> = steps.iter().map(|step| (step["node_id"].clone(), step["status"].clone())).collect();
    assert_eq!(story, [(json!("start"), json!("completed")), (json!("greet"), json!("completed"))]);
    assert_eq!(steps[1]["attempt"], 1);
    assert_eq!(steps[1]["output"], json!({"text": "Hello Ada"}));
    let listed = forge.owner.get("/workflows?q=greeting").await.expect(200);
    assert_eq!(listed["items"][0]["last_run"]["id"], id, "{listed:#}");
}

async fn a_run_without_wait_answers_at_once(forge: Forge) {
    let slow = chain(&[("start", "trigger.manual", json!({})), ("pause", "delay", json!({"seconds": 3600}))]);
    let workflow = forge.workflow("slow", &slow).await;
    let path = format!("/workflows/{workflow}/runs");
    let run = forge.owner.post(&path, json!({})).await.expect(201);
    assert!(matches!(run["status"].as_str(), Some("pending" | "running" | "waiting")), "{run:#}");
    assert!(run["finished_at"].is_null());
    let waited = forge.owner.post(&format!("{path}?wait=1"), json!({})).await.expect(201);
    assert!(matches!(waited["status"].as_str(), Some("running" | "waiting")), "{waited:#}");
}

async fn the_same_key_starts_one_run(forge: Forge) {
    let workflow = forge.workflow("once", &greeting()).await;
    let start = |key: &str, name: &str| {
        let request = forge.owner.request(Method::POST, &format!("/workflows/{workflow}/runs?wait=20"));
        forge.owner.send(request.header("idempotency-key", key).json(&json!({"input": {"name": name}})))
    };
    let first = start("one", "Ada").await.expect(201);
    let again = start("one", "Ada").await;
    assert!(matches!(again.status, 200 | 201), "{}", again.status);
    assert_eq!(again.body["id"], first["id"]);
    assert_ne!(start("two", "Ada").await.expect(201)["id"], first["id"]);
    let (a, b) = tokio::join!(start("three", "Ada"), start("three", "Ada"));
    assert_eq!(a.body["id"], b.body["id"], "at the same moment");
}

async fn logs_are_kept_in_order(forge: Forge) {
    let script = "for n in 1 2 3; do echo out $n; done; echo err >&2";
    let talk = chain(&[("start", "trigger.manual", json!({})), ("talk", "command", json!({"run": script}))]);
    let run = forge.run_once(&talk).await;
    assert_eq!(run["status"], "completed", "{run:#}");
    let id = run["id"].as_str().expect("an id");
    let step = forge.step(id, "talk").await;
    assert_eq!(step["output"]["exit_code"], 0);
    assert_eq!(step["output"]["stdout"], "out 1\nout 2\nout 3\n");
    let path = format!("/runs/{id}/logs?node_id=talk");
    let logs = forge.owner.get(&path).await.expect(200);
    let said = |stream: &str| -> String {
        let lines = logs["items"].as_array().expect("lines").iter().filter(|line| line["stream"] == stream);
        lines.map(|line| line["text"].as_str().expect("text").trim_end().to_owned() + "\n").collect()
    };
    assert_eq!((said("stdout").as_str(), said("stderr").as_str()), ("out 1\nout 2\nout 3\n", "err\n"));
    let seqs: Vec<_> = logs["items"].as_array().expect("lines").iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    let rest = forge.owner.get(&format!("{path}&after={}", seqs.last().expect("a line"))).await.expect(200);
    assert_eq!(rest["items"], json!([]));
}

async fn a_waiting_run_can_be_cancelled(forge: Forge) {
    let slow = chain(&[
        ("start", "trigger.manual", json!({})),
        ("pause", "delay", json!({"seconds": 3600})),
        ("end", "set", json!({"value": 1})),
    ]);
    let workflow = forge.workflow("slow", &slow).await;
    let run = forge.launch(&workflow, json!({})).await;
    reaches(&forge, &run, "step_waiting").await;
    cancel(&forge, &run).await;
    assert_eq!(forge.step(&run, "pause").await["status"], "cancelled");
    forge.owner.post(&format!("/runs/{run}/cancel"), json!({})).await.expect(409);
}

async fn a_running_command_can_be_cancelled(forge: Forge) {
    // The same test on the other database runs beside this one, and its commands are not this one's.
    let mark = format!("98{:07}", std::process::id());
    let command = json!({"run": format!("echo begun; exec sleep {mark}")});
    let stuck = chain(&[("start", "trigger.manual", json!({})), ("stuck", "command", command)]);
    let workflow = forge.workflow("stuck", &stuck).await;
    let run = forge.launch(&workflow, json!({})).await;
    reaches(&forge, &run, "step_log").await;
    cancel(&forge, &run).await;
    let left = flowforge_tests::left_after(Duration::from_secs(5), &mark).await;
    assert!(left.is_empty(), "still running after the cancel: {left:?}");
}

async fn runs_are_listed_newest_first(forge: Forge) {
    let workflow = forge.workflow("listed", &greeting()).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.insert(0, forge.run(&workflow, json!({"name": name})).await["id"].clone());
    }
    let first = forge.owner.get(&format!("/runs?workflow_id={workflow}&limit=2")).await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = forge.owner.get(&format!("/runs?workflow_id={workflow}&limit=2&cursor={cursor}")).await.expect(200);
    let all = [&first, &second].into_iter().flat_map(|page| page["items"].as_array().expect("items"));
    assert_eq!(all.map(|run| run["id"].clone()).collect::<Vec<_>>(), ids);
    let none = forge.owner.get(&format!("/runs?workflow_id={workflow}&status=failed")).await.expect(200);
    assert_eq!(none["items"], json!([]));
}

async fn reaches(forge: &Forge, run: &str, kind: &str) {
    let mut events = Events::open(&forge.owner, run, None).await;
    while events.next().await.unwrap_or_else(|| panic!("no {kind} before the end")).kind != kind {}
}

async fn cancel(forge: &Forge, run: &str) {
    let asked = forge.owner.post(&format!("/runs/{run}/cancel"), json!({})).await.expect(202);
    assert!(!asked["cancel_requested_at"].is_null(), "{asked:#}");
    let ended = forge.end_of(run).await;
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
}
