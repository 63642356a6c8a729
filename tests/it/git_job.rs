//! The main job on real input: a real project, a real remote with a password, real tests.

use std::process::Stdio;

use flowforge_tests::{Database, Forge, Ledger, Remote, Server, chain, command, root};
use serde_json::{Value, json};

use crate::job::{MESSAGE, WORK, check_pushed, clone_from, job};

on_each_database!(
    the_job_pushes_one_commit,
    red_tests_push_nothing,
    a_lost_answer_to_a_push_is_survived,
    a_wrong_password_is_told_and_not_shown,
    the_password_stays_out_of_sight,
    a_run_goes_on_from_the_files_of_another_one,
);

async fn the_job_pushes_one_commit(forge: Forge) {
    let remote = Remote::start().await;
    let workflow = forge.workflow("job", &job(&remote, &forge.ledger)).await;
    let run = forge.run(&workflow, json!({"branch": "job-1"})).await;
    assert_eq!(run["status"], "completed", "{run:#}");
    check_pushed(&remote, "job-1");
    let id = run["id"].as_str().expect("an id");
    let commit = forge.step(id, "commit").await["output"]["commit"].clone();
    assert_eq!(commit, remote.git(&["rev-parse", "refs/heads/job-1"]).as_str());
    assert_eq!(forge.step(id, "push").await["output"], json!({"branch": "job-1", "commit": commit}));
    assert_eq!(forge.step(id, "red").await["status"], "skipped");
    let marks: Vec<_> = forge.ledger.effects().into_iter().map(|effect| effect.key).collect();
    assert_eq!(marks, ["job-1-cloned", "job-1-tested", "job-1-committed", "job-1-pushed"]);
}

async fn a_run_goes_on_from_the_files_of_another_one(forge: Forge) {
    let remote = Remote::start().await;
    let command = |id: &str, run: &str| json!({"id": id, "type": "command", "params": {"run": run}});
    let graph = json!({
        "nodes": [
            {"id": "clone", "type": "git.clone", "params": clone_from(&remote)},
            command("edit", "echo edited >made; rm -f *.lock"),
            command("look", "cat made; git status --porcelain"),
            command("spoil", "echo spoilt >>made"),
        ],
        "edges": [{"source": "clone", "target": "edit"}, {"source": "edit", "target": "look"}, {"source": "look", "target": "spoil"}]
    });
    let workflow = forge.workflow("forked", &graph).await;
    let first = forge.run(&workflow, json!({})).await;
    assert_eq!(first["status"], "completed", "{first:#}");
    let first = first["id"].as_str().expect("an id");

    let left = forge.owner.get(&format!("/runs/{first}/checkpoints")).await.expect(200);
    let nodes: Vec<_> = left["items"].as_array().expect("a list").iter().map(|one| one["node_id"].clone()).collect();
    assert_eq!(nodes, ["clone", "edit", "look", "spoil"]);
    assert_eq!(left["items"][1]["changes"][0], json!({"path": "made", "added": 1, "removed": 0}), "{left:#}");
    let patch = forge.owner.get(&format!("/runs/{first}/checkpoints/2/diff")).await;
    assert_eq!(patch.status, 200);
    assert!(patch.body.as_str().is_some_and(|patch| patch.contains("+++ b/made\n@@ -0,0 +1 @@\n+edited\n")), "{:?}", patch.body);

    let second = forge.owner.post(&format!("/runs/{first}/rerun"), json!({"from_node": "look"})).await.expect(201);
    let second = forge.end_of(second["id"].as_str().expect("an id")).await;
    assert_eq!(second["status"], "completed", "{second:#}");
    let second = second["id"].as_str().expect("an id");
    assert_eq!(forge.step(second, "edit").await["kept"], true);
    assert_eq!(forge.step(second, "look").await["output"]["stdout"], "edited\n?? made\n", "its own files, as they were then");
}

async fn red_tests_push_nothing(forge: Forge) {
    let remote = Remote::start().await;
    let mut red = job(&remote, &forge.ledger);
    red["nodes"][1]["params"]["branch"] = json!("characters");
    red["nodes"][4]["on_error"] = json!("continue");
    red["nodes"][6]["params"]["expression"] = json!("steps.work.output !== null");
    let workflow = forge.workflow("red", &red).await;
    let run = forge.run(&workflow, json!({"branch": "job-2"})).await;
    assert_eq!(run["status"], "completed", "{run:#}");
    let id = run["id"].as_str().expect("an id");
    assert_eq!(forge.step(id, "work").await["error"]["code"], "COMMAND_FAILED");
    assert_eq!(forge.step(id, "red").await["status"], "completed");
    assert_eq!(forge.step(id, "push").await["status"], "skipped");
    assert!(remote.commits("job-2").is_empty());
}

async fn a_lost_answer_to_a_push_is_survived(forge: Forge) {
    let remote = Remote::start().await;
    let mut patient = job(&remote, &forge.ledger);
    patient["nodes"][9]["retry"] = json!({"max_attempts": 3, "backoff": "linear", "initial_ms": 50, "max_ms": 100});
    let workflow = forge.workflow("patient", &patient).await;
    remote.lose_answers(1);
    let run = forge.run(&workflow, json!({"branch": "job-3"})).await;
    assert_eq!(run["status"], "completed", "{run:#}");
    check_pushed(&remote, "job-3");
}

async fn a_wrong_password_is_told_and_not_shown(forge: Forge) {
    let remote = Remote::start().await;
    let mut params = clone_from(&remote);
    params["credential"] = json!("robot:wrong-canary-pass");
    let run = forge.run_once(&chain(&[("start", "trigger.manual", json!({})), ("clone", "git.clone", params)])).await;
    assert_eq!(run["status"], "failed", "{run:#}");
    let told = run["error"].to_string();
    assert!(told.contains("GIT_") && !told.contains("wrong-canary-pass"), "{told}");
    assert!(!forge.server.log().contains("wrong-canary-pass"));
}

/// Nothing that is shown or left behind has the password.
async fn the_password_stays_out_of_sight(forge: Forge) {
    let remote = Remote::start().await;
    let graph = chain(&[
        ("start", "trigger.manual", json!({})),
        ("clone", "git.clone", clone_from(&remote)),
        ("look", "command", json!({"run": "env; cat .git/config || true; git config --list || true"})),
    ]);
    let run = forge.run_once(&graph).await;
    assert_eq!(run["status"], "completed", "{run:#}");
    let id = run["id"].as_str().expect("an id");
    let seen = [
        forge.steps(id).await.into_iter().collect::<Value>().to_string(),
        forge.owner.get(&format!("/runs/{id}/logs")).await.expect(200).to_string(),
        forge.owner.get(&format!("/runs/{id}/events")).await.expect(200).to_string(),
        forge.server.log(),
    ];
    for text in seen {
        assert!(!text.contains(Remote::PASSWORD), "{text}");
    }
    let data = forge.server.folder().to_string_lossy();
    let files = std::process::Command::new("grep").args(["-rlI", Remote::PASSWORD, &data]).output().expect("grep starts");
    assert_eq!(String::from_utf8_lossy(&files.stdout), "", "files with the password");
}

#[tokio::test]
async fn the_command_line_runs_the_job_without_a_server() {
    let (remote, ledger) = (Remote::start().await, Ledger::start().await);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("job.json");
    let document = json!({"name": "job", "graph": job(&remote, &ledger)});
    std::fs::write(&file, document.to_string()).expect("a file");
    let flowforge = |input: &str| {
        let mut command = command(folder.path());
        command.arg("run").arg(&file).args(["--input", input]).stdin(Stdio::null());
        command
    };
    let done = flowforge(r#"{"branch": "job-4"}"#).output().await.expect("flowforge starts");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
    for node in ["clone", "work", "push"] {
        assert!(out.contains(node), "{node} is not in the timeline:\n{out}");
    }
    assert!(!out.contains(Remote::PASSWORD) && !err.contains(Remote::PASSWORD), "{out}\n{err}");
    check_pushed(&remote, "job-4");
    let refused = flowforge("{").output().await.expect("flowforge starts");
    assert!(!refused.status.success(), "the input is not JSON");
}

/// The example that every server has, started by hand in a real browser.
#[tokio::test]
async fn a_person_starts_the_job_from_the_page() {
    let (forge, remote) = (Forge::start(Database::Sqlite).await, Remote::start().await);
    let mut scene = tokio::process::Command::new(root().join("tests/setup/play.sh"));
    scene.args(["scene", "gitJob"]).stdin(Stdio::null()).env("NO_COLOR", "1").kill_on_drop(true);
    scene.env("FLOWFORGE_URL", forge.server.base());
    scene.env("FLOWFORGE_EMAIL", Server::EMAIL).env("FLOWFORGE_PASSWORD", Server::PASSWORD);
    scene.env("JOB_URL", remote.url()).env("JOB_BRANCH", "by-hand").env("JOB_MESSAGE", MESSAGE);
    scene.env("JOB_COMMAND", WORK).env("JOB_SAYS", "9 cases, 0 failed").env("JOB_PASSWORD", Remote::PASSWORD);
    let played = scene.output().await.expect("play.sh starts");
    let (out, err) = (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
    // Indented, so that nobody who adds up summaries takes this one for another.
    assert!(played.status.success(), "| {}", format!("{out}\n{err}").replace('\n', "\n| "));
    check_pushed(&remote, "by-hand");
    let runs = forge.owner.get("/runs").await.expect(200)["items"].clone();
    let runs: Vec<_> = runs.as_array().expect("a list").iter().map(|run| &run["status"]).collect();
    assert_eq!(runs, ["completed"], "one press, one run");
}
