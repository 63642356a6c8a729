//! A rebase as people see it: conflicts that wait for an answer, answers that are checked, and a branch that is replaced.

use std::process::Stdio;

use flowforge_tests::{Database, Forge, Remote, Server, chain, root};
use serde_json::{Value, json};

on_each_database!(a_person_resolves_what_rules_do_not, an_answer_survives_the_death_of_the_server);

/// What both sides do to the README, which is merged as a word of its own.
const OURS: &str = "Counts lines, words and bytes.";

/// A branch `topic` that changes the README's second line, and `main`, which changes it too and adds a commit beside it.
fn collide(remote: &Remote) {
    let folder = remote.checkout("main");
    let script = format!(
        "git config user.name Ada; git config user.email ada@example.org; base=$(git rev-parse HEAD)
         sed -i 's/^Counts what.*/{OURS}/' README.md; git commit -qam 'Say what is counted'; git push -q origin HEAD:main
         git checkout -q -b topic $base; sed -i 's/^Counts what.*/Counts what is in texts./' README.md; git commit -qam 'Speak of texts'
         echo note >NOTES; git add NOTES; git commit -qm 'Add a note'; git push -q origin topic"
    );
    let done =
        std::process::Command::new("bash").args(["-euc", &script]).current_dir(folder.path()).output().expect("bash starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn graph(remote: &Remote) -> Value {
    let credential = format!("{}:{{{{ secrets.GIT_PASSWORD }}}}", Remote::USER);
    chain(&[
        ("start", "trigger.manual", json!({})),
        ("clone", "git.clone", json!({"url": remote.url(), "branch": "topic", "credential": credential})),
        (
            "rebase",
            "git.rebase",
            json!({"onto": "main", "resolve": ["auto", "person"], "test": "make -s test", "credential": credential}),
        ),
        (
            "push",
            "git.push",
            json!({"force_with_lease": true, "lease": "{{ steps.rebase.output.before }}", "credential": credential}),
        ),
    ])
}

/// Starts the rebase and waits for its conflict: the run and the conflict.
async fn asked(forge: &Forge, remote: &Remote) -> (String, Value) {
    collide(remote);
    let workflow = forge.workflow("rebase", &graph(remote)).await;
    let run = forge.launch(&workflow, json!({})).await;
    let why = forge.until(&format!("/runs/{run}/why"), |why| why["reason"]["kind"] == "resolutions").await;
    assert_eq!(
        (&why["reason"]["node_id"], &why["reason"]["open"], &why["status"]),
        (&json!("rebase"), &json!(1), &json!("waiting"))
    );
    let conflicts = forge.owner.get(&format!("/runs/{run}/conflicts")).await.expect(200)["items"].clone();
    assert_eq!(conflicts.as_array().expect("a list").len(), 1, "{conflicts:#}");
    (run, conflicts[0].clone())
}

async fn ends_well(forge: &Forge, remote: &Remote, run: &str, says: &str) {
    let ended = forge.end_of(run).await;
    assert_eq!(ended["status"], "completed", "{ended:#}");
    assert_eq!(remote.commits("topic"), ["Add a note", "Speak of texts"]);
    assert!(remote.git(&["show", "topic:README.md"]).contains(says));
    remote.git(&["fsck", "--strict", "--no-dangling"]);
    let output = forge.step(run, "rebase").await["output"].clone();
    assert_eq!((&output["replayed"], &output["conflicts"][0]["method"]), (&json!(2), &json!("person")));
    assert_eq!(output["onto"], remote.git(&["rev-parse", "main"]).as_str());
}

async fn a_person_resolves_what_rules_do_not(forge: Forge) {
    let remote = Remote::start().await;
    let (run, conflict) = asked(&forge, &remote).await;
    assert_eq!(
        (&conflict["path"], &conflict["kind"], &conflict["resolved"]),
        (&json!("README.md"), &json!("content"), &json!(false))
    );
    assert!(conflict["ours"]["text"].as_str().expect("a text").contains(OURS));
    assert!(conflict["theirs"]["text"].as_str().expect("a text").contains("is in texts"));
    let path = format!("/runs/{run}/conflicts/{}/resolution", conflict["id"].as_str().expect("an id"));
    for (body, status, code) in [
        (json!({}), 400, "invalid_input"),
        (json!({"take": "ours", "content": "x"}), 400, "invalid_input"),
        (json!({"take": "both"}), 400, "invalid_body"),
        (json!({"content": "<<<<<<< ours\nx\n"}), 422, "resolution_refused"),
        (json!({"content": format!("ghp_{}\n", "a1".repeat(18))}), 422, "resolution_refused"),
    ] {
        let told = forge.owner.post(&path, body).await.problem(status, code);
        assert!(!told.to_string().contains("ghp_"), "{told}");
    }
    let nowhere = path.replace(conflict["id"].as_str().expect("an id"), "00000000-0000-0000-0000-000000000000");
    forge.owner.post(&nowhere, json!({"take": "ours"})).await.problem(404, "not_found");
    let stranger = path.replace(&run, "run_00000000-0000-0000-0000-000000000000");
    forge.owner.post(&stranger, json!({"take": "ours"})).await.problem(404, "not_found");
    let content = conflict["theirs"]["text"]
        .as_str()
        .expect("a text")
        .replace("Counts what is in texts.", "Counts what texts are made of.");
    let answered = forge.owner.post(&path, json!({"content": content})).await.expect(200);
    assert_eq!((&answered["resolved"], &answered["resolutions"][0]["method"]), (&json!(true), &json!("person")));
    assert!(answered["resolutions"][0]["checks"].as_array().expect("a list").iter().all(|check| check["passed"] == true));
    ends_well(&forge, &remote, &run, "Counts what texts are made of.").await;
    let late = forge.owner.post(&path, json!({"take": "ours"})).await;
    late.problem(409, "run_finished");
}

async fn an_answer_survives_the_death_of_the_server(mut forge: Forge) {
    let remote = Remote::start().await;
    let (run, conflict) = asked(&forge, &remote).await;
    let path = format!("/runs/{run}/conflicts/{}/resolution", conflict["id"].as_str().expect("an id"));
    // Of two answers one is taken.
    let (first, second) =
        tokio::join!(forge.owner.post(&path, json!({"take": "theirs"})), forge.owner.post(&path, json!({"take": "theirs"})),);
    let (taken, refused) = if first.status == 200 { (first, second) } else { (second, first) };
    taken.expect(200);
    assert!(refused.status == 409, "{:#}", refused.body);
    forge.server.kill().await;
    forge.server.restart().await;
    ends_well(&forge, &remote, &run, "Counts what is in texts.").await;
}

/// Viewers see what collides and decide nothing.
#[tokio::test]
async fn whoever_may_only_look_cannot_answer() {
    let (forge, remote) = (Forge::start(Database::Sqlite).await, Remote::start().await);
    let (run, conflict) = asked(&forge, &remote).await;
    let path = format!("/runs/{run}/conflicts/{}/resolution", conflict["id"].as_str().expect("an id"));
    forge.execute("UPDATE memberships SET role = 'viewer'");
    let viewer = forge.server.owner().await;
    viewer.post(&path, json!({"take": "theirs"})).await.problem(403, "forbidden");
    viewer.get(&format!("/runs/{run}/conflicts")).await.expect(200);
}

/// The same on the page, in a real browser. With `SHOTS=folder` it leaves pictures there.
#[tokio::test]
async fn a_person_resolves_it_on_the_page() {
    let (forge, remote) = (Forge::start(Database::Sqlite).await, Remote::start().await);
    let (run, _) = asked(&forge, &remote).await;
    let mut scene = tokio::process::Command::new(root().join("tests/setup/play.sh"));
    scene.args(["scene", "conflict"]).stdin(Stdio::null()).env("NO_COLOR", "1").kill_on_drop(true);
    scene.env("FLOWFORGE_URL", forge.server.base()).env("RUN", &run);
    scene.env("FLOWFORGE_EMAIL", Server::EMAIL).env("FLOWFORGE_PASSWORD", Server::PASSWORD);
    let played = scene.output().await.expect("play.sh starts");
    let (out, err) = (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
    // Indented, so that nobody who adds up summaries takes this one for another.
    assert!(played.status.success(), "| {}", format!("{out}\n{err}").replace('\n', "\n| "));
    ends_well(&forge, &remote, &run, "Counts what is in texts.").await;
}
