//! Runs that wait: for signals, for their turn to go on, for days, for runs that their steps have started.

use flowforge_tests::{Forge, chain, graph};
use serde_json::{Value, json};

on_each_database!(
    signals_come_before_and_after_they_are_waited_for,
    a_paused_run_stands_still,
    a_run_that_waits_for_days_is_nobody_s,
    the_items_of_a_list_are_runs_in_its_order,
    a_failed_run_is_handled_once,
    an_answer_does_not_wait_for_the_end,
);

fn start() -> (&'static str, &'static str, Value) {
    ("start", "trigger.manual", json!({}))
}

fn listening() -> Value {
    chain(&[
        start(),
        ("hear", "wait.signal", json!({"name": "go"})),
        ("said", "set", json!({"value": "{{ steps.hear.output }}"})),
    ])
}

async fn waits(forge: &Forge, run: &str, node: &str) {
    let waits = |step: &Value| step["node_id"] == node && step["status"] == "waiting";
    let path = format!("/runs/{run}/steps");
    forge.until(&path, |steps| steps["items"].as_array().expect("a list").iter().any(waits)).await;
}

async fn signals_come_before_and_after_they_are_waited_for(mut forge: Forge) {
    let workflow = forge.workflow("listens", &listening()).await;
    let late = forge.launch(&workflow, json!({})).await;
    waits(&forge, &late, "hear").await;
    forge.owner.post(&format!("/runs/{late}/signals/go"), json!({"n": 1})).await.expect(202);
    assert_eq!(forge.end_of(&late).await["output"], json!({"n": 1}));
    forge.owner.post(&format!("/runs/{late}/signals/go"), json!(2)).await.problem(409, "run_finished");

    let nap = chain(&[
        start(),
        ("ask", "wait.signal", json!({"name": "first"})),
        ("hear", "wait.signal", json!({"name": "go"})),
        ("said", "set", json!({"value": "{{ steps.hear.output }}"})),
    ]);
    let early = forge.launch(&forge.workflow("listens late", &nap).await, json!({})).await;
    waits(&forge, &early, "ask").await;
    forge.owner.post(&format!("/runs/{early}/signals/go"), json!("early")).await.expect(202);
    // What was accepted is kept, whatever happens to the server.
    forge.server.kill().await;
    forge.server.restart().await;
    forge.owner.post(&format!("/runs/{early}/signals/first"), json!(null)).await.expect(202);
    assert_eq!(forge.end_of(&early).await["output"], "early");
}

async fn a_paused_run_stands_still(mut forge: Forge) {
    let run = forge.launch(&forge.workflow("listens", &listening()).await, json!({})).await;
    waits(&forge, &run, "hear").await;
    let path = format!("/runs/{run}");
    forge.owner.post(&format!("{path}/pause"), json!({})).await.expect(202);
    forge.until(&path, |run| run["paused_at"].is_string()).await;
    forge.owner.post(&format!("{path}/signals/go"), json!(7)).await.expect(202);
    let hear = |steps: &Value| steps["items"][1]["status"] == "completed";
    forge.until(&format!("{path}/steps"), hear).await;
    forge.server.kill().await;
    forge.server.restart().await;
    let paused = forge.owner.get(&path).await.expect(200);
    assert!(paused["paused_at"].is_string() && paused["finished_at"].is_null(), "{paused:#}");
    assert_eq!(forge.steps(&run).await.len(), 2, "nothing has begun");
    forge.owner.post(&format!("{path}/resume"), json!({})).await.expect(202);
    assert_eq!(forge.end_of(&run).await["output"], 7);
}

async fn a_run_that_waits_for_days_is_nobody_s(mut forge: Forge) {
    const DAYS: i64 = 3;
    let nap = chain(&[start(), ("nap", "delay", json!({"seconds": DAYS * 86_400}))]);
    let run = forge.launch(&forge.workflow("naps", &nap).await, json!({})).await;
    waits(&forge, &run, "nap").await;
    let ahead = |forge: &Forge| {
        let rows = forge.query("SELECT owner IS NULL, (wake_at - created_at) / 3600000, crashes FROM runs");
        rows.iter().map(|row| row.replace('t', "1")).collect::<Vec<_>>()
    };
    let path = format!("/runs/{run}");
    forge.until(&path, |run| run["status"] == "waiting").await;
    assert_eq!(ahead(&forge), [format!("1|{}|0", DAYS * 24)]);
    let wakes = forge.step(&run, "nap").await["wake_at"].clone();
    forge.server.kill().await;
    forge.server.restart().await;
    assert_eq!(forge.step(&run, "nap").await["wake_at"], wakes);
    assert_eq!(ahead(&forge), [format!("1|{}|0", DAYS * 24)]);
    // The days pass.
    forge.execute("UPDATE runs SET wake_at = 1; UPDATE step_runs SET wake_at = 1 WHERE status = 'waiting'");
    assert_eq!(forge.end_of(&run).await["status"], "completed");
}

async fn the_items_of_a_list_are_runs_in_its_order(forge: Forge) {
    let body = chain(&[("double", "transform", json!({"code": "return item * 2"}))]);
    let params = json!({"items": "{{ trigger }}", "body": body, "max_parallel": 3});
    let workflow = forge.workflow("lists", &chain(&[start(), ("each", "map", params)])).await;
    let ended = forge.run(&workflow, json!([5, 3, 1, 4, 2, 0])).await;
    assert_eq!(ended["output"], json!([10, 6, 2, 8, 4, 0]), "{ended:#}");
    let run = ended["id"].as_str().expect("an id");
    let (mut inputs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = forge.owner.get(&format!("/runs?parent={run}&node=each&limit=4{cursor}")).await.expect(200);
        for child in page["items"].as_array().expect("a list") {
            assert_eq!((&child["parent"]["run_id"], &child["parent"]["index"]), (&json!(run), &json!(inputs.len())), "{child:#}");
            inputs.push(
                forge.owner.get(&format!("/runs/{}", child["id"].as_str().expect("an id"))).await.expect(200)["input"].clone(),
            );
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(Value::from(inputs), json!([5, 3, 1, 4, 2, 0]));
    let roots = forge.owner.get(&format!("/runs?workflow_id={workflow}")).await.expect(200);
    assert_eq!(roots["items"].as_array().map(Vec::len), Some(1), "{roots:#}");
}

async fn a_failed_run_is_handled_once(forge: Forge) {
    let told = chain(&[start(), ("told", "set", json!({"value": "{{ trigger.run }}"}))]);
    let handler = forge.workflow("handles", &told).await;
    let mut breaks = graph(&[start(), ("break", "command", json!({"run": "exit 3"}))], "start -> break");
    breaks["settings"] = json!({"on_failure": {"workflow": "handles"}});
    let broken = forge.run(&forge.workflow("breaks", &breaks).await, json!({"why": "not"})).await;
    assert_eq!(broken["status"], "failed");
    let path = format!("/runs?workflow_id={handler}");
    let listed = forge.until(&path, |list| list["items"][0]["status"] == "completed").await;
    let handled = forge.owner.get(&format!("/runs/{}", listed["items"][0]["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!(handled["trigger"], "failure");
    let output = &handled["output"];
    assert_eq!((&output["id"], &output["workflow_name"]), (&broken["id"], &json!("breaks")), "{handled:#}");
    assert_eq!((&output["error"]["code"], &output["input"]), (&json!("COMMAND_FAILED"), &json!({"why": "not"})));
    assert_eq!(output["failed_at"], broken["finished_at"], "a time is a text");
    assert_eq!(forge.owner.get(&path).await.expect(200)["items"].as_array().map(Vec::len), Some(1), "once");
}

async fn an_answer_does_not_wait_for_the_end(forge: Forge) {
    let nodes =
        [start(), ("reply", "respond", json!({"status": 202, "body": "later"})), ("nap", "delay", json!({"seconds": 3600}))];
    let workflow = forge.workflow("answers", &chain(&nodes)).await;
    let began = std::time::Instant::now();
    let run = forge.owner.post(&format!("/workflows/{workflow}/runs?wait=50"), json!({})).await.expect(201);
    assert!(began.elapsed().as_secs() < 25, "the end was waited for");
    assert_eq!((&run["response"]["status"], &run["response"]["body"]), (&json!(202), &json!("later")), "{run:#}");
    assert!(run["finished_at"].is_null(), "{run:#}");
}
