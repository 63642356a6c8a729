//! Commands beside the server: `flowforge run`, a workflow file to its end, and `flowforge doctor`. And settings of the server.

use std::time::{Duration, Instant};

use flowforge_tests::{Database, Forge, Postgres, Redis, chain, free_port};
use serde_json::{Value, json};

/// What the command printed, what it told meanwhile, and whether it went well.
async fn run(graph: Value) -> (String, String, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("workflow.json");
    std::fs::write(&file, graph.to_string()).expect("a file");
    let mut command = flowforge_tests::command(folder.path());
    let done = command.arg("run").arg(&file).output().await.expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(done.stdout), text(done.stderr), done.status.success())
}

fn mapping(body: Value) -> Value {
    let each = json!({"items": [30, 10, 20], "max_parallel": 2, "body": body});
    chain(&[("start", "trigger.manual", json!({})), ("each", "map", each)])
}

#[tokio::test]
async fn the_items_of_a_list_stand_below_it() {
    let (printed, told, well) = run(mapping(chain(&[("double", "set", json!({"value": "{{ item }}"}))]))).await;
    assert!(well, "{printed}{told}");
    assert!(told.contains("… each waits for 3 runs"), "{told}");
    let names: Vec<_> =
        printed.lines().take(5).map(|line| line.split("  completed").next().unwrap_or_default().trim_end()).collect();
    assert_eq!(names, ["start", "each", "  each[0]", "  each[1]", "  each[2]"], "{printed}");
}

#[tokio::test]
async fn what_nobody_can_answer_is_not_waited_for() {
    for (kind, params, what) in [
        ("wait.signal", json!({"name": "go"}), "a signal that nobody can send here"),
        ("approval", json!({"title": "Go?"}), "a decision that nobody can make here"),
    ] {
        let direct = chain(&[("start", "trigger.manual", json!({})), ("ask", kind, params.clone())]);
        for graph in [direct, mapping(chain(&[("ask", kind, params)]))] {
            let (printed, told, well) = run(graph).await;
            assert!(!well && told.contains(&format!("the step `ask` waits for {what}")), "{printed}{told}");
        }
    }
}

#[tokio::test]
async fn what_nobody_answers_in_time_goes_on_without() {
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("ask", "approval", json!({"title": "Go?", "timeout_s": 0.2})),
        ("late", "set", json!({"value": "too late"})),
    ];
    let graph = flowforge_tests::graph(&nodes, "start -> ask; ask:timeout -> late");
    let (printed, told, well) = run(graph).await;
    assert!(well && printed.contains("too late"), "{printed}{told}");
    assert!(told.contains("which nobody can give it here, until 2"), "{told}");
}

/// What the doctor says of Redis, and whether everything is well.
async fn redis_finding(arguments: &[&str]) -> (Option<Value>, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut doctor = flowforge_tests::command(folder.path());
    let done = doctor.args(["doctor", "--json"]).args(arguments).output().await.expect("the doctor starts");
    let findings: Vec<Value> = serde_json::from_slice(&done.stdout).expect("the findings are JSON");
    (findings.into_iter().find(|finding| finding["name"] == "redis"), done.status.success())
}

#[tokio::test]
async fn the_doctor_looks_at_the_redis_that_is_given() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let database = ["--database-url", postgres.url()];
    let nobody = format!("redis://127.0.0.1:{}", free_port());
    assert_eq!(redis_finding(&database).await.0, None, "none is asked for");
    let (found, _) = redis_finding(&[&database[..], &["--redis-url", &redis.url()]].concat()).await;
    assert_eq!(found.as_ref().map(|found| &found["level"]), Some(&json!("good")), "{found:#?}");
    let (found, well) = redis_finding(&[&database[..], &["--redis-url", &nobody]].concat()).await;
    assert_eq!((found.as_ref().map(|found| &found["level"]), well), (Some(&json!("missing")), false), "{found:#?}");
    let (found, well) = redis_finding(&["--redis-url", &nobody]).await;
    assert_eq!((found.as_ref().map(|found| &found["level"]), well), (Some(&json!("missing")), false), "SQLite: {found:#?}");
    let unused = [&database[..], &["--redis-url", &nobody, "--queue", "none"]].concat();
    assert_eq!(redis_finding(&unused).await.0, None, "it would not be used");
}

/// Where nobody gives hints, the time between two looks is what each dispatched step waits.
#[tokio::test]
async fn how_often_a_process_looks_can_be_set() {
    let settings = [("FLOWFORGE_QUEUE", "none"), ("FLOWFORGE_SWEEP_MS", "50")];
    let forge = Forge::start_with(Database::Sqlite, &settings).await;
    let names = ["a", "b", "c", "d", "e"];
    let mut steps = vec![("start", "trigger.manual", json!({}))];
    steps.extend(names.map(|name| (name, "command", json!({"run": "true"}))));
    let began = Instant::now();
    assert_eq!(forge.run_once(&chain(&steps)).await["status"], "completed");
    assert!(began.elapsed() < Duration::from_secs(5), "five looks at 50 ms, and not at the usual 2 s: {:?}", began.elapsed());
}
