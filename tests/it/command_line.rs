//! `flowforge run`: a workflow file to its end, without a server.

use flowforge_tests::chain;
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
