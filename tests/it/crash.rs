//! The main job while its server is killed at random moments: every run ends by itself, and nothing happens twice.

use std::time::Duration;

use flowforge_tests::{Events, Forge, Remote, Seed, is_over, leftovers};
use serde_json::json;

use crate::job::{check_pushed, job};

on_each_database!(twenty_kills_lose_nothing_and_repeat_nothing, a_clean_stop_costs_nothing);

/// Twenty kills come in ten rounds: a step may be killed a few times before it counts as the cause.
const ROUNDS: usize = 10;
const KILLS_PER_ROUND: usize = 2;
/// The steps that write into the ledger.
const MARKS: [&str; 4] = ["cloned", "tested", "committed", "pushed"];
const RUNS_PER_ROUND: usize = 2;

/// What the server had said, and the ledger held, just before a kill.
struct Snapshot {
    effects: usize,
    completed: Vec<(String, String)>,
    unfinished: usize,
}

async fn twenty_kills_lose_nothing_and_repeat_nothing(mut forge: Forge) {
    let mut seed = Seed::printed();
    let remote = Remote::start().await;
    let workflow = forge.workflow("job", &job(&remote, &forge.ledger)).await;
    let (mut snapshots, mut runs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut batch = Vec::new();
        for number in 0..RUNS_PER_ROUND {
            let branch = format!("job-{round}-{number}");
            batch.push((forge.launch(&workflow, json!({"branch": branch})).await, branch));
        }
        for _ in 0..KILLS_PER_ROUND {
            random_moment(&forge, &batch[0].0, &mut seed).await;
            snapshots.push(snapshot(&forge, &batch).await);
            forge.server.kill().await;
            forge.server.restart().await;
        }
        for (run, branch) in &batch {
            completes(&forge, run, branch).await;
        }
        runs.extend(batch);
    }
    let hits = snapshots.iter().filter(|snapshot| snapshot.unfinished > 0).count();
    println!("{hits} of {} kills hit a run", snapshots.len());
    assert!(hits >= ROUNDS, "too few kills hit anything to prove much");
    for (run, branch) in &runs {
        check_once(&forge, run, branch).await;
        check_pushed(&remote, branch);
    }
    check_nothing_completed_ran_again(&forge, &snapshots);
    let data = forge.server.folder().to_string_lossy().into_owned();
    forge.server.kill().await;
    assert_no_leftovers(&data).await;
}

/// Some events into the run, and a little further.
async fn random_moment(forge: &Forge, run: &str, seed: &mut Seed) {
    let mut events = Events::open(&forge.owner, run, None).await;
    for _ in 0..seed.pick(1..22) {
        if events.next().await.is_none() {
            return;
        }
    }
    tokio::time::sleep(Duration::from_millis(seed.pick(0..200))).await;
}

async fn snapshot(forge: &Forge, batch: &[(String, String)]) -> Snapshot {
    let mut snapshot = Snapshot { effects: 0, completed: Vec::new(), unfinished: 0 };
    for (run, branch) in batch {
        let path = format!("/runs/{run}");
        snapshot.unfinished += usize::from(!is_over(&forge.owner.get(&path).await.expect(200)));
        let done = forge.steps(run).await.into_iter().filter(|step| step["status"] == "completed");
        snapshot.completed.extend(done.map(|step| (branch.clone(), step["node_id"].as_str().expect("an id").to_owned())));
    }
    snapshot.effects = forge.ledger.effects().len();
    snapshot
}

/// The run completes within a minute, and nobody helps it.
async fn completes(forge: &Forge, run: &str, branch: &str) {
    let ended = forge.end_of(run).await;
    if ended["status"] != "completed" {
        let logs = forge.owner.get(&format!("/runs/{run}/logs?limit=200")).await.expect(200);
        panic!("{branch}: {ended:#}\n{:#?}\n{logs:#}", forge.steps(run).await);
    }
}

/// One completed row for each step, its output is that of a recorded effect, and its key never changed.
async fn check_once(forge: &Forge, run: &str, branch: &str) {
    let steps = forge.steps(run).await;
    for node in ["clone", "cloned", "branch", "work", "tested", "green", "commit", "committed", "push", "pushed"] {
        let rows: Vec<_> = steps.iter().filter(|step| step["node_id"] == node).collect();
        let completed: Vec<_> = rows.iter().filter(|step| step["status"] == "completed").collect();
        assert_eq!(completed.len(), 1, "{node} of {branch}: {rows:#?}");
        if !MARKS.contains(&node) {
            continue;
        }
        let nonce = completed[0]["output"]["body"]["nonce"].as_str().expect("the ledger's answer");
        let effects = forge.ledger.of(&format!("{branch}-{node}"));
        assert!(effects.iter().any(|effect| effect.nonce == nonce), "{node} of {branch} has an effect that never was");
        let key = completed[0]["effect_key"].as_str();
        assert!(effects.iter().all(|effect| effect.idempotency_key.as_deref() == key), "{node} of {branch}: {effects:?}");
    }
    let ids: Vec<_> = Events::open(&forge.owner, run, None).await.rest().await.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "the events of {branch}");
}

fn check_nothing_completed_ran_again(forge: &Forge, snapshots: &[Snapshot]) {
    let effects = forge.ledger.effects();
    for snapshot in snapshots {
        let later: Vec<_> = effects[snapshot.effects..].iter().map(|effect| effect.key.as_str()).collect();
        for (branch, node) in &snapshot.completed {
            let key = format!("{branch}-{node}");
            assert!(!later.contains(&key.as_str()), "{key} was completed and ran again");
        }
    }
}

/// Steps die with their server: their processes are gone soon after it, without its help.
async fn assert_no_leftovers(data: &str) {
    for _ in 0..500 {
        if leftovers(data).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("left behind by the server: {:#?}", leftovers(data));
}

async fn a_clean_stop_costs_nothing(mut forge: Forge) {
    let remote = Remote::start().await;
    let workflow = forge.workflow("job", &job(&remote, &forge.ledger)).await;
    let run = forge.launch(&workflow, json!({"branch": "stopped"})).await;
    forge.ledger.reaches(1).await;
    assert!(forge.server.stop().await, "SIGTERM ends it well");
    forge.server.restart().await;
    completes(&forge, &run, "stopped").await;
    check_once(&forge, &run, "stopped").await;
    check_pushed(&remote, "stopped");
}
