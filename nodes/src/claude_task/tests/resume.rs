//! Sessions whose worker is gone in the middle.

use std::time::Duration;

use serde_json::Value;

use super::*;

/// The model's own words and uses of tools in the last request, in their order: what was paid for before it.
fn answers(scene: &Scene) -> Vec<String> {
    let asked = scene.api.asked();
    let messages = asked.last().unwrap().body["messages"].as_array().cloned().unwrap_or_default();
    let answers = messages.into_iter().filter(|message| message["role"] == "assistant");
    let blocks = answers.flat_map(|message| message["content"].as_array().cloned().unwrap_or_default());
    blocks.map(|block| block["name"].as_str().or(block["text"].as_str()).unwrap_or_default().to_owned()).collect()
}

/// Runs the step until the model was asked so many times and a little longer, and then drops it.
async fn cut(scene: &Scene, asked: usize) {
    let enough = async {
        scene.api.asked_times(asked).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    };
    tokio::select! {
        ended = scene.bench.run(task()) => panic!("{ended:?}\n{}", scene.log()),
        () = enough => {}
    }
}

/// The session's id by the log.
fn session(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| line.strip_prefix("session ")?.split_once(' '));
    lines.map(|(id, _)| id.to_owned()).collect()
}

async fn goes_on(scene: &Scene, result: &str) -> Value {
    let output = (*scene.bench.output(task()).await.value).clone();
    assert_eq!(output["result"], result, "{}", scene.log());
    let ids = session(&scene.log());
    assert!(ids.iter().all(|id| *id == output["session_id"]), "{ids:?}");
    output
}

#[tokio::test]
async fn a_first_turn_that_was_cut_is_asked_again() {
    let Some(scene) = scene([Reply::text("never heard").hold_at(0), Reply::text("done")]).await else { return };
    cut(&scene, 1).await;
    goes_on(&scene, "done").await;
    assert_eq!(scene.api.asked().len(), 2);
    assert!(scene.last_asked().contains("Change a.txt."));
}

#[tokio::test]
async fn a_turn_in_the_middle_is_asked_again_and_none_before_it() {
    let steps = [read("a.txt"), write("b.txt", "b"), Reply::text("never heard").hold_at(3), Reply::text("done")];
    let Some(scene) = scene(steps).await else { return };
    cut(&scene, 3).await;
    assert!(scene.file("b.txt").exists());
    let output = goes_on(&scene, "done").await;
    // Three answers that were paid for, of which one was cut short, and one that replaces it.
    assert_eq!(scene.api.asked().len(), 4);
    assert_eq!(&answers(&scene)[..2], ["Read", "Write"], "{}", scene.last_asked());
    assert_eq!(output["changed_files"], json!(["b.txt"]), "the files were not put back");
}

#[tokio::test]
async fn a_tool_that_was_cut_is_not_answered_for() {
    let wait = "echo begun >begun; python3 -c 'import time; time.sleep(600)'";
    let Some(scene) = scene([bash(wait), Reply::text("done")]).await else { return };
    let begun = async {
        while !scene.file("begun").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What it was answered is written into its session while the tool runs; a turn that is not yet is one that was cut.
        tokio::time::sleep(Duration::from_millis(700)).await;
    };
    tokio::select! {
        ended = scene.bench.run(task()) => panic!("{ended:?}"),
        () = begun => {}
    }
    goes_on(&scene, "done").await;
    assert_eq!((scene.api.asked().len(), answers(&scene)[0].as_str()), (2, "Bash"), "the first turn is not asked again");
    assert!(scene.last_asked().contains("interrupted"), "{}", scene.last_asked());
}

#[tokio::test]
async fn it_is_cut_again_and_again_and_comes_to_its_end() {
    let held = || Reply::text("never heard").hold_at(1);
    let steps = [read("a.txt"), held(), bash("echo one >>n"), held(), bash("echo two >>n"), held(), Reply::text("done")];
    let Some(scene) = scene(steps).await else { return };
    for asked in [2, 4, 6] {
        cut(&scene, asked).await;
    }
    let output = goes_on(&scene, "done").await;
    assert_eq!(std::fs::read_to_string(scene.file("n")).unwrap(), "one\ntwo\n", "nothing is done twice");
    assert_eq!((scene.api.asked().len(), &output["turns"]), (7, &json!(4)), "{}", scene.log());
}

#[tokio::test]
async fn a_session_that_is_gone_is_replaced_with_a_note() {
    for corrupt in [false, true] {
        let steps = [write("b.txt", "b"), Reply::text("never heard").hold_at(1), Reply::text("done")];
        let Some(scene) = scene(steps).await else { return };
        cut(&scene, 2).await;
        let desk = tree_of(&scene.bench).parent().unwrap().join("agents").join(&*scene.bench.cx.effect_key);
        let projects = desk.join("home/.claude/projects/-workspace");
        for entry in std::fs::read_dir(&projects).unwrap() {
            let path = entry.unwrap().path();
            if corrupt { std::fs::write(&path, "\u{0}nonsense").unwrap() } else { std::fs::remove_file(&path).unwrap() }
        }
        let output = scene.bench.output(task()).await.value;
        assert_eq!(output["result"], "done", "{}", scene.log());
        assert_eq!(output["changed_files"], json!(["b.txt"]));
        assert_eq!(scene.log().contains("cannot be gone on with"), corrupt, "{}", scene.log());
    }
}
