//! Secrets from outside: canaries go through every kind of node and every way in which a step may end, and then they are looked for
//! in everything that the server keeps and answers. And the master key: what a server does without the right one.

mod closed;
mod leaks;
mod master_key;
mod steps;

use std::time::Duration;

use flowforge_tests::{Database, Events, Forge, Remote, is_over};
use serde_json::{Value, json};

use self::leaks::Canaries;

/// A master key for tests.
const KEY: &str = "c2l4dGVlbiBieXRlcy4uc2l4dGVlbiBieXRlcy4uLi4=";
/// How long runs may take that nobody has to stop.
const PATIENCE: Duration = Duration::from_secs(240);

async fn forge(database: Database) -> Forge {
    Forge::start_with(database, &[("FLOWFORGE_MASTER_KEY", KEY), ("FLOWFORGE_LANE_SLOTS", "4")]).await
}

async fn save(forge: &Forge, name: &str, value: &str, hosts: &[&str]) {
    forge.owner.post("/secrets", json!({"name": name, "value": value, "hosts": hosts})).await.expect(201);
}

#[tokio::test]
async fn a_secret_is_found_nowhere_on_sqlite() {
    a_secret_is_found_nowhere(Database::Sqlite).await;
}

#[tokio::test]
async fn a_secret_is_found_nowhere_on_postgres() {
    a_secret_is_found_nowhere(Database::Postgres).await;
}

async fn a_secret_is_found_nowhere(database: Database) {
    let mut forge = forge(database).await;
    let (canaries, remote) = (Canaries::new(), Remote::start().await);
    for (name, value) in &canaries.0 {
        save(&forge, name, value, &[]).await;
    }
    let mut runs = Vec::new();
    for (what, graph) in steps::endings(&forge, &remote).into_iter().chain(steps::every_parameter(&forge, &canaries).await) {
        let saved = forge.owner.post("/workflows", json!({"name": what, "graph": graph})).await;
        // What is refused was told and is not kept.
        canaries.absent(&format!("the answer for {what}"), saved.body.to_string().as_bytes());
        if saved.status == 201 {
            let id = saved.body["id"].as_str().expect("an id").to_owned();
            runs.push((what, forge.launch(&id, json!({})).await));
        } else {
            println!("{what}: {} {}", saved.status, saved.body["detail"]);
        }
    }
    let crashed =
        forge.workflow("crashed", &steps::command("printf '%s' \"$V\"; sleep 2; printf '%s' \"$V\" >&2", json!({}))).await;
    let crashed = forge.launch(&crashed, json!({})).await;
    let runs_now = |steps: &Value| steps["items"].as_array().is_some_and(|all| all.iter().any(|it| it["status"] == "running"));
    forge.until(&format!("/runs/{crashed}/steps"), runs_now).await;
    forge.server.kill().await;
    forge.server.restart().await;
    runs.push(("crashed".to_owned(), crashed));
    end_all(&forge, &runs).await;
    let mut ends = std::collections::BTreeMap::<String, usize>::new();
    for (what, run) in &runs {
        let told = answers(&forge, run).await;
        *ends.entry(forge.owner.get(&format!("/runs/{run}")).await.expect(200)["status"].to_string()).or_default() += 1;
        for (path, body) in told {
            canaries.absent(&format!("{what}: {path}"), body.as_bytes());
        }
    }
    println!("{} runs: {ends:?}", runs.len());
    assert!(ends.len() == 3, "some completed, some failed, some were cancelled: {ends:?}");
    for path in LISTS {
        canaries.absent(path, forge.owner.get(path).await.body.to_string().as_bytes());
    }
    ways_out(&forge, &canaries, &runs).await;
    let masked = forge.query("SELECT count(*) FROM step_runs WHERE CAST(input AS text) LIKE '%***%'");
    assert!(masked[0].parse::<u32>().expect("a number") > 20, "the canaries were used: {masked:?}");
    canaries.absent_in_database(&forge);
    assert!(forge.server.stop().await);
    canaries.absent("the server's log", forge.server.log().as_bytes());
    canaries.absent_in_files(&forge.server.folder().join("data"));
}

/// Lists that could hold a secret.
const LISTS: [&str; 8] = [
    "/runs?limit=200",
    "/workflows?limit=200",
    "/secrets",
    "/approvals",
    "/node-types",
    "/triggers?limit=200",
    "/deliveries?limit=200",
    "/workspace",
];

/// L7: what people save, copy or have checked: each version as a document, what it would take over, large values as files, and what
/// the doctor says.
async fn ways_out(forge: &Forge, canaries: &Canaries, runs: &[(String, String)]) {
    let (mut documents, mut files) = (0, 0);
    for (what, run) in runs {
        let shown = forge.owner.get(&format!("/runs/{run}")).await.expect(200);
        let workflow = shown["workflow_id"].as_str().expect("a workflow");
        for path in [
            format!("/workflows/{workflow}"),
            format!("/workflows/{workflow}/versions"),
            format!("/workflows/{workflow}/versions/1"),
        ] {
            let told = forge.owner.get(&path).await.expect(200).to_string();
            canaries.absent(&format!("{what}: {path}"), told.as_bytes());
            documents += usize::from(told.contains("secrets."));
        }
        let mut steps = json!(forge.steps(run).await).to_string();
        steps.push_str(&shown.to_string());
        for key in steps.split("\"$blob\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let reply = forge.owner.get(&format!("/runs/{run}/blobs/{}", key.replace('/', "%2F"))).await;
            canaries.absent(&format!("{what}: the file {key}"), reply.body.to_string().as_bytes());
            files += usize::from(reply.status == 200);
        }
    }
    assert!(documents > 20 && files > 0, "{documents} documents name secrets, {files} files were read");
    let mut doctor = flowforge_tests::command(forge.server.folder());
    doctor.args(["doctor", "--json"]).env("FLOWFORGE_MASTER_KEY", KEY);
    if let Some(postgres) = &forge.postgres {
        doctor.args(["--database-url", postgres.url()]);
    }
    let said = doctor.output().await.expect("the doctor starts");
    let said = [said.stdout, said.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("secrets"), "{}", String::from_utf8_lossy(&said));
    canaries.absent("what the doctor says", &said);
}

/// Stops what waits for what nobody gives, and returns when everything has ended.
async fn end_all(forge: &Forge, runs: &[(String, String)]) {
    let limit = std::time::Instant::now() + PATIENCE;
    for (what, run) in runs {
        let path = format!("/runs/{run}");
        let mut now = forge.owner.get(&path).await.expect(200);
        let mut looks = 0;
        while !is_over(&now) {
            assert!(std::time::Instant::now() < limit, "{what} does not end: {now:#}");
            let waits = now["status"] == "waiting" || what.starts_with("cancelled") && looks > 40;
            if waits {
                canaries_why(forge, &path).await;
                forge.owner.post(&format!("{path}/cancel"), json!({})).await;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            looks += 1;
            now = forge.owner.get(&path).await.expect(200);
        }
    }
}

/// Has the server tell why a run does not go on: the words are looked through with the log and the other answers.
async fn canaries_why(forge: &Forge, path: &str) {
    let told = forge.owner.get(&format!("{path}/why")).await.body.to_string();
    assert!(!told.contains(leaks::MARK), "{told}");
}

/// Everything that the server says of a run.
async fn answers(forge: &Forge, run: &str) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for path in ["", "/steps", "/why"] {
        let path = format!("/runs/{run}{path}");
        told.push((path.clone(), forge.owner.get(&path).await.body.to_string()));
    }
    for step in forge.steps(run).await {
        let path = format!("/runs/{run}/steps/{}/logs", step["node_id"].as_str().unwrap_or_default());
        let logs = forge.owner.get(&path).await;
        // Lines one after the other: a secret may not be read across them either.
        let lines: Vec<_> =
            logs.body["items"].as_array().into_iter().flatten().filter_map(|line| line["text"].as_str()).collect();
        told.push((path.clone() + " joined", lines.concat()));
        told.push((path, logs.body.to_string()));
    }
    let events: Vec<Value> =
        Events::open(&forge.owner, run, None).await.rest().await.into_iter().map(|event| event.data).collect();
    told.push(("events".to_owned(), json!(events).to_string()));
    told
}

#[tokio::test]
async fn a_secret_of_another_workspace_is_none_and_one_goes_to_its_hosts_only() {
    let forge = forge(Database::Sqlite).await;
    save(&forge, "BOUND", "bound-to-one-host", &["api.example.org"]).await;
    save(&forge, "HERE", "bound-to-this-host", &["127.0.0.1"]).await;
    let call = |secret: &str, key: &str| {
        let url = forge.ledger.url(key);
        let auth = json!({"scheme": "bearer", "token": format!("{{{{ secrets.{secret} }}}}")});
        steps::alone("http.request", json!({"method": "POST", "url": url, "auth": auth}))
    };
    let failed = async |graph: Value, code: &str| {
        let run = forge.run_once(&graph).await;
        assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!(code)), "{run:#}");
    };
    failed(call("BOUND", "one"), "SECRET_HOST_DENIED").await;
    failed(call("NONE", "one"), "SECRET_NOT_FOUND").await;
    assert_eq!(forge.run_once(&call("HERE", "two")).await["status"], "completed");
    assert_eq!((forge.ledger.calls("one"), forge.ledger.calls("two")), (0, 1));
    let effect = &forge.ledger.of("two")[0];
    assert_eq!(effect.authorization.as_deref(), Some("Bearer bound-to-this-host"));
    // A row in another workspace's place, as a mistake in the database would make it.
    forge.execute("UPDATE secrets SET workspace_id = x'00000000000000000000000000000001' WHERE name = 'HERE'");
    failed(call("HERE", "two"), "SECRET_NOT_FOUND").await;
    assert_eq!(forge.ledger.calls("two"), 1);
}

/// L3: a secret of the environment that is too short to be masked everywhere is named when the server starts, and never told.
#[tokio::test]
async fn short_secrets_of_the_environment_are_warned_of() {
    let environment =
        [("FLOWFORGE_SECRET_PIN", "q7#z"), ("FLOWFORGE_SECRET_WORD", "tr\u{e4}um3"), ("FLOWFORGE_SECRET_LONG", "q7#z-and-more")];
    let forge = Forge::start_with(Database::Sqlite, &environment).await;
    let log = forge.server.log();
    let warning = log.lines().find(|line| line.contains("cannot be masked")).unwrap_or_else(|| panic!("no warning: {log}"));
    assert!(warning.contains("PIN, WORD") && !warning.contains("LONG"), "{warning}");
    assert!(environment.iter().all(|(_, value)| !log.contains(value)), "{log}");
    // The twin: with long ones only there is nothing to say.
    let fine = Forge::start_with(Database::Sqlite, &environment[2..]).await;
    assert!(!fine.server.log().contains("cannot be masked"));
}

/// L9: a row that was changed in the database is told of where operators look: in the log when it is used, and by the doctor.
#[tokio::test]
async fn a_row_that_was_tampered_with_is_told_of() {
    let forge = forge(Database::Sqlite).await;
    for (name, value) in [("MINE", "value-of-mine"), ("OTHER", "value-of-other")] {
        save(&forge, name, value, &[]).await;
    }
    let graph = |name: &str| {
        let env = json!({"V": format!("{{{{ secrets.{name} }}}}")});
        steps::alone("command", json!({"run": "test -n \"$V\"", "env": env}))
    };
    assert_eq!(forge.run_once(&graph("MINE")).await["status"], "completed");
    forge.execute("UPDATE secrets SET ciphertext = (SELECT ciphertext FROM secrets WHERE name = 'OTHER') WHERE name = 'MINE'");
    let run = forge.run_once(&graph("MINE")).await;
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("SECRET_UNREADABLE")), "{run:#}");
    let log = forge.server.log();
    let told =
        log.lines().find(|line| line.contains("is not what was written")).unwrap_or_else(|| panic!("nothing is told: {log}"));
    assert!(told.contains("ERROR") && told.contains("MINE") && told.contains("workspace"), "{told}");
    assert!(!log.contains("value-of-"), "{log}");
    assert_eq!(forge.run_once(&graph("OTHER")).await["status"], "completed", "the other one is as it was");
    let mut doctor = flowforge_tests::command(forge.server.folder());
    let said = doctor.args(["doctor", "--json"]).env("FLOWFORGE_MASTER_KEY", KEY).output().await.expect("the doctor starts");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("`MINE` cannot be decrypted") && !said.contains("`OTHER`"), "{said}");
}

/// Who deletes a secret does not expect another one to take its place: where the operator has one of that name, that has to be said.
#[tokio::test]
async fn a_deleted_secret_does_not_become_the_operators_unawares() {
    let forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_SECRET_SHARED", "of-the-operator")]).await;
    let uses = |name: &str| {
        steps::alone(
            "command",
            json!({"run": "test \"$V\" = of-the-operator", "env": {"V": format!("{{{{ secrets.{name} }}}}")}}),
        )
    };
    assert_eq!(forge.run_once(&uses("SHARED")).await["status"], "completed", "every workspace may use it");
    for name in ["SHARED", "OWN"] {
        save(&forge, name, "of-the-workspace", &[]).await;
    }
    assert_eq!(forge.run_once(&uses("SHARED")).await["error"]["code"], "COMMAND_FAILED", "its own comes first");
    let told = forge.owner.delete("/secrets/SHARED").await.problem(409, "secret_of_operator");
    assert!(told["detail"].to_string().contains("fall_back=true"), "{told:#}");
    assert_eq!(forge.run_once(&uses("SHARED")).await["error"]["code"], "COMMAND_FAILED", "nothing was deleted");
    forge.owner.delete("/secrets/OWN").await.expect(200);
    assert_eq!(forge.run_once(&uses("OWN")).await["error"]["code"], "SECRET_NOT_FOUND");
    forge.owner.delete("/secrets/SHARED?fall_back=true").await.expect(200);
    assert_eq!(forge.run_once(&uses("SHARED")).await["status"], "completed");
    forge.owner.delete("/secrets/SHARED").await.problem(404, "not_found");
}
