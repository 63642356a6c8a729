//! Schedules among several processes that die: every slot is one run.
//!
//! `FLOWFORGE_SCHEDULES_SECONDS=300 FLOWFORGE_SCHEDULES_REPORT=tests/triggers/SCHEDULES.md` makes the record.

use std::time::{Duration, Instant};

use flowforge_tests::{Database, Fleet, Forge, Seed, Server, chain, graph};
use serde_json::{Value, json};

on_each_database!(
    a_paused_schedule_is_silent_and_goes_on_with_the_moment,
    a_slot_tells_its_run_what_it_stands_for,
    a_schedule_that_changes_never_fires_what_has_passed,
    what_was_missed_is_made_up_for_as_the_policy_says,
    a_schedule_that_was_not_paused_loses_nothing_when_it_is_resumed,
    slots_that_wait_are_left_out_when_their_schedule_stops,
    runs_of_a_schedule_take_turns,
    a_backfill_fires_what_has_not_fired,
    what_never_comes_is_refused_when_it_is_saved
);

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn ticks(params: Value) -> Value {
    chain(&[("tick", "trigger.schedule", params), ("keep", "set", json!({"value": "{{ trigger }}"}))])
}

async fn published(forge: &Forge, name: &str, graph: &Value) -> String {
    let saved = forge.owner.post("/workflows", json!({"name": name, "graph": graph})).await.expect(201);
    let id = saved["id"].as_str().expect("an id").to_owned();
    forge.owner.post(&format!("/workflows/{id}/publish"), json!({"version": 1})).await.expect(200);
    id
}

/// The one trigger of a workflow.
async fn trigger(forge: &Forge, workflow: &str) -> Value {
    let found = forge.owner.get(&format!("/triggers?workflow_id={workflow}")).await.expect(200);
    found["items"][0].clone()
}

async fn deliveries(forge: &Forge, trigger: &Value) -> Vec<Value> {
    let id = trigger["id"].as_str().expect("an id");
    let found = forge.owner.get(&format!("/deliveries?trigger_id={id}&limit=200")).await.expect(200);
    found["items"].as_array().expect("a list").clone()
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let limit = Instant::now() + PATIENCE;
    while !is().await {
        assert!(Instant::now() < limit, "{what} never happened");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until another schedule, which begins now, has fired so often: whoever is still silent then has had the time.
async fn others_fire(forge: &Forge, slots: usize) {
    let workflow = published(forge, "metronome", &ticks(json!({"cron": "* * * * * *"}))).await;
    until("the metronome fires", async || count(&deliveries(forge, &trigger(forge, &workflow).await).await, "started") >= slots)
        .await;
    forge.owner.delete(&format!("/workflows/{workflow}")).await.expect(204);
}

fn count(deliveries: &[Value], status: &str) -> usize {
    deliveries.iter().filter(|delivery| delivery["status"] == status).count()
}

async fn a_slot_tells_its_run_what_it_stands_for(forge: Forge) {
    let workflow = published(&forge, "every second", &ticks(json!({"cron": "* * * * * *", "timezone": "Europe/Berlin"}))).await;
    until("three fires", async || count(&deliveries(&forge, &trigger(&forge, &workflow).await).await, "started") >= 3).await;
    let trigger = trigger(&forge, &workflow).await;
    let fired = deliveries(&forge, &trigger).await;
    let started = fired.iter().find(|delivery| delivery["status"] == "started").expect("one");
    let run = forge.owner.get(&format!("/runs/{}", started["run_id"].as_str().expect("a run"))).await.expect(200);
    assert_eq!((&run["trigger"], &run["input"]["slot"]), (&json!("schedule"), &started["slot"]), "{run:#}");
    assert_eq!(run["input"]["timezone"], "Europe/Berlin");
    let fires = forge.owner.get(&format!("/triggers/{}/fires?count=3", trigger["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!(fires["items"].as_array().map(Vec::len), Some(3), "{fires:#}");
    // Archived is silent.
    forge.owner.delete(&format!("/workflows/{workflow}")).await.expect(204);
    let before = deliveries(&forge, &trigger).await.len();
    others_fire(&forge, 2).await;
    assert_eq!(deliveries(&forge, &trigger).await.len(), before);
}

async fn a_schedule_that_changes_never_fires_what_has_passed(forge: Forge) {
    // Once a year: nothing fires by itself here.
    let workflow = published(&forge, "yearly", &ticks(json!({"cron": "0 0 1 1 *", "missed": "all"}))).await;
    let first = trigger(&forge, &workflow).await;
    let daily = ticks(json!({"cron": "0 0 * * *", "missed": "all"}));
    let path = format!("/workflows/{workflow}");
    forge.owner.post(&format!("{path}/versions"), json!({"graph": daily, "base_version": 1})).await.expect(201);
    forge.owner.post(&format!("{path}/publish"), json!({"version": 2})).await.expect(200);
    forge.owner.delete(&path).await.expect(204);
    forge.owner.patch(&path, json!({"status": "active"})).await.expect(200);
    until("it is looked at", async || trigger(&forge, &workflow).await["next_fire_at"].is_string()).await;
    let second = trigger(&forge, &workflow).await;
    assert_eq!((&first["id"], &second["status"]), (&second["id"], &json!("active")));
    assert!(deliveries(&forge, &second).await.is_empty());
}

async fn what_was_missed_is_made_up_for_as_the_policy_says(mut forge: Forge) {
    let mut workflows = Vec::new();
    for missed in ["skip", "one", "all"] {
        let params = json!({"cron": "* * * * *", "missed": missed, "missed_within_s": 3_600});
        workflows.push(published(&forge, missed, &ticks(params)).await);
    }
    for workflow in &workflows {
        until("it is looked at", async || trigger(&forge, workflow).await["next_fire_at"].is_string()).await;
    }
    forge.server.kill().await;
    // Nobody was there for a little more than ten minutes.
    forge.execute("UPDATE triggers SET last_slot = last_slot - 620000, next_fire_at = next_fire_at - 620000");
    forge.server.restart().await;
    for (workflow, least_fired, most_fired) in [(&workflows[0], 0, 3), (&workflows[1], 1, 4), (&workflows[2], 10, 13)] {
        until("it has caught up", async || deliveries(&forge, &trigger(&forge, workflow).await).await.len() >= 10).await;
        let trigger = trigger(&forge, workflow).await;
        until("all have started", async || count(&deliveries(&forge, &trigger).await, "received") == 0).await;
        let found = deliveries(&forge, &trigger).await;
        let fired = count(&found, "started");
        assert!((least_fired..=most_fired).contains(&fired), "{fired} of {found:#?}");
        assert_eq!(fired + count(&found, "skipped"), found.len(), "what does not fire is told of");
    }
}

async fn a_paused_schedule_is_silent_and_goes_on_with_the_moment(forge: Forge) {
    let workflow = published(&forge, "paused", &ticks(json!({"cron": "* * * * * *", "missed": "all"}))).await;
    until("one fires", async || !deliveries(&forge, &trigger(&forge, &workflow).await).await.is_empty()).await;
    let trigger = trigger(&forge, &workflow).await;
    let path = format!("/triggers/{}", trigger["id"].as_str().expect("an id"));
    let paused = forge.owner.post(&format!("{path}/pause"), json!({})).await.expect(200);
    assert!(paused["paused_at"].is_string(), "{paused:#}");
    // A slot that was being decided may still come.
    others_fire(&forge, 1).await;
    let before = deliveries(&forge, &trigger).await.len();
    others_fire(&forge, 3).await;
    assert_eq!(deliveries(&forge, &trigger).await.len(), before);
    forge.owner.post(&format!("{path}/resume"), json!({})).await.expect(200);
    until("it fires again", async || deliveries(&forge, &trigger).await.len() > before + 1).await;
    let slots: Vec<_> = deliveries(&forge, &trigger).await.iter().map(|one| seconds(&one["slot"])).collect();
    let gaps = slots.windows(2).map(|pair| pair[0] - pair[1]).max();
    assert!(gaps >= Some(3), "what passed meanwhile was made up for: {slots:?}");
}

async fn a_schedule_that_was_not_paused_loses_nothing_when_it_is_resumed(forge: Forge) {
    // A slot that has come and has not fired yet is what would be lost.
    let every_other = json!({"cron": "*/2 * * * * *", "missed": "all", "jitter_s": 1});
    let workflow = published(&forge, "resumed", &ticks(every_other)).await;
    let trigger = trigger(&forge, &workflow).await;
    let resume = format!("/triggers/{}/resume", trigger["id"].as_str().expect("an id"));
    until("five fire", async || {
        forge.owner.post(&resume, json!({})).await.expect(200);
        deliveries(&forge, &trigger).await.len() >= 5
    })
    .await;
    let slots: Vec<_> = deliveries(&forge, &trigger).await.iter().map(|one| seconds(&one["slot"])).collect();
    assert!(slots.windows(2).all(|pair| pair[0] - pair[1] == 2), "a slot is missing: {slots:?}");
}

async fn slots_that_wait_are_left_out_when_their_schedule_stops(forge: Forge) {
    let work = ("work", "delay", json!({"seconds": 600}));
    let every = json!({"cron": "* * * * * *", "overlap": "queue"});
    for (name, instead) in [
        ("archived", None),
        ("removed", Some(("other", "trigger.schedule", json!({"cron": "0 0 1 1 *"})))),
        ("changed", Some(("tick", "trigger.webhook", json!({})))),
    ] {
        let workflow = published(&forge, name, &chain(&[("tick", "trigger.schedule", every.clone()), work.clone()])).await;
        let path = format!("/workflows/{workflow}");
        let trigger = trigger(&forge, &workflow).await;
        until("two wait", async || count(&deliveries(&forge, &trigger).await, "queued") >= 2).await;
        match instead {
            None => drop(forge.owner.delete(&path).await.expect(204)),
            Some(node) => {
                let next = json!({"graph": chain(&[node, work.clone()]), "base_version": 1});
                forge.owner.post(&format!("{path}/versions"), next).await.expect(201);
                forge.owner.post(&format!("{path}/publish"), json!({"version": 2})).await.expect(200);
            }
        }
        let left = deliveries(&forge, &trigger).await;
        assert_eq!(count(&left, "queued"), 0, "{name}: {left:#?}");
        let skipped: Vec<_> = left.iter().filter(|one| one["status"] == "skipped").collect();
        assert!(skipped.len() >= 2 && skipped.iter().all(|one| one["reason"].is_string()), "{name}: {left:#?}");
        // Nothing takes the place of the run that is under way.
        let run = left.iter().find(|one| one["status"] == "started").expect("the first");
        let run = run["run_id"].as_str().expect("a run");
        forge.owner.post(&format!("/runs/{run}/cancel"), json!({})).await;
        until("it ends", async || runs(&forge, &workflow).await.iter().all(|run| run["finished_at"].is_string())).await;
        others_fire(&forge, 2).await;
        assert_eq!(runs(&forge, &workflow).await.len(), 1, "{name}");
    }
}

/// The seconds within the hour of a time as JSON has it.
fn seconds(at: &Value) -> i64 {
    let text = at.as_str().expect("a time");
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("a number");
    (part(11..13) * 60 + part(14..16)) * 60 + part(17..19)
}

async fn runs_of_a_schedule_take_turns(forge: Forge) {
    let slow = |overlap: &str| {
        let nodes = [
            ("tick", "trigger.schedule", json!({"cron": "* * * * * *", "overlap": overlap})),
            ("work", "delay", json!({"seconds": 2.5})),
        ];
        graph(&nodes, "tick -> work")
    };
    let mut workflows = Vec::new();
    for overlap in ["skip", "queue", "cancel_previous"] {
        workflows.push(published(&forge, overlap, &slow(overlap)).await);
    }
    for workflow in &workflows {
        until("three fires", async || count(&deliveries(&forge, &trigger(&forge, workflow).await).await, "started") >= 3).await;
        forge.owner.delete(&format!("/workflows/{workflow}")).await.expect(204);
    }
    let (skip, queue, cancel) = (&workflows[0], &workflows[1], &workflows[2]);
    assert!(count(&deliveries(&forge, &trigger(&forge, skip).await).await, "skipped") >= 2);
    until("the line is empty", async || {
        let left = deliveries(&forge, &trigger(&forge, queue).await).await;
        count(&left, "queued") + count(&left, "received") == 0
    })
    .await;
    for (workflow, ended) in [(skip, "completed"), (queue, "completed"), (cancel, "cancelled")] {
        until("all have ended", async || runs(&forge, workflow).await.iter().all(|run| run["finished_at"].is_string())).await;
        let mut runs = runs(&forge, workflow).await;
        runs.sort_by_key(|run| run["created_at"].to_string());
        assert!(runs.iter().any(|run| run["status"] == ended), "{runs:#?}");
        for pair in runs.windows(2) {
            let (end, begin) = (pair[0]["finished_at"].as_str(), pair[1]["created_at"].as_str());
            assert!(end <= begin, "{} began before {} had ended", pair[1]["id"], pair[0]["id"]);
        }
    }
}

async fn runs(forge: &Forge, workflow: &str) -> Vec<Value> {
    let found = forge.owner.get(&format!("/runs?workflow_id={workflow}&limit=200")).await.expect(200);
    found["items"].as_array().expect("a list").clone()
}

async fn a_backfill_fires_what_has_not_fired(forge: Forge) {
    let workflow = published(&forge, "hourly", &ticks(json!({"cron": "0 * * * *"}))).await;
    let trigger = trigger(&forge, &workflow).await;
    let path = format!("/triggers/{}/backfill", trigger["id"].as_str().expect("an id"));
    let range = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T12:30:00Z"});
    let first = forge.owner.post(&path, range.clone()).await.expect(202);
    assert_eq!(first, json!({"slots": 13, "started": 13, "already": 0}));
    assert_eq!(forge.owner.post(&path, range).await.expect(202), json!({"slots": 13, "started": 0, "already": 13}));
    until("all have run", async || {
        let runs = runs(&forge, &workflow).await;
        runs.len() == 13 && runs.iter().all(|run| run["status"] == "completed")
    })
    .await;
    // A slot that was left out fires as the schedule is now.
    forge.execute("UPDATE deliveries SET status = 'skipped', reason = 'missed', run_id = NULL, started_at = NULL WHERE slot = 1767229200000");
    let version = json!({"graph": ticks(json!({"cron": "0 * * * *"})), "base_version": 1});
    forge.owner.post(&format!("/workflows/{workflow}/versions"), version).await.expect(201);
    forge.owner.post(&format!("/workflows/{workflow}/publish"), json!({"version": 2})).await.expect(200);
    let one = json!({"from": "2026-01-01T01:00:00Z", "to": "2026-01-01T01:00:00Z"});
    assert_eq!(forge.owner.post(&path, one).await.expect(202), json!({"slots": 1, "started": 1, "already": 0}));
    until("it runs", async || runs(&forge, &workflow).await.iter().any(|run| run["version"] == 2)).await;
    for range in [
        json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}),
        json!({"from": "2026-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"}),
        json!({"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}),
        json!({"from": "yesterday", "to": "2026-01-01T00:00:00Z"}),
    ] {
        assert_eq!(forge.owner.post(&path, range.clone()).await.status, 400, "{range}");
    }
}

/// Retention removes deliveries after 30 days at the earliest; which slots fired is known all the same.
async fn a_backfill_never_fires_again_what_retention_has_removed(database: Database) {
    let forge = Forge::start_with(database, &[("FLOWFORGE_SWEEP_MS", "100")]).await;
    let workflow = published(&forge, "hourly", &ticks(json!({"cron": "0 * * * *"}))).await;
    let trigger = trigger(&forge, &workflow).await;
    let path = format!("/triggers/{}/backfill", trigger["id"].as_str().expect("an id"));
    let range = |to: &str| json!({"from": "2026-01-01T00:00:00Z", "to": to});
    let first = forge.owner.post(&path, range("2026-01-01T05:30:00Z")).await.expect(202);
    assert_eq!(first, json!({"slots": 6, "started": 6, "already": 0}));
    until("all have run", async || count(&deliveries(&forge, &trigger).await, "started") == 6).await;
    // One had been left out: that may still be made up for.
    forge.execute("UPDATE deliveries SET status = 'skipped', reason = 'missed', run_id = NULL WHERE slot = 1767229200000");
    forge.execute("UPDATE deliveries SET received_at = 0, decided_at = 0, started_at = 0");
    forge.execute("UPDATE workspaces SET retention_days = 1");
    until("they are removed", async || deliveries(&forge, &trigger).await.is_empty()).await;
    // Another expression has some of the same slots.
    let version = json!({"graph": ticks(json!({"cron": "*/30 * * * *"})), "base_version": 1});
    forge.owner.post(&format!("/workflows/{workflow}/versions"), version).await.expect(201);
    forge.owner.post(&format!("/workflows/{workflow}/publish"), json!({"version": 2})).await.expect(200);
    let second = forge.owner.post(&path, range("2026-01-01T06:00:00Z")).await.expect(202);
    assert_eq!(second, json!({"slots": 13, "started": 8, "already": 5}), "six half hours, the hour left out, and the one after");
    let third = forge.owner.post(&path, range("2026-01-01T06:00:00Z")).await.expect(202);
    assert_eq!(third, json!({"slots": 13, "started": 0, "already": 13}));
}

#[tokio::test]
async fn a_backfill_never_fires_again_what_retention_has_removed_sqlite() {
    a_backfill_never_fires_again_what_retention_has_removed(Database::Sqlite).await;
}

#[tokio::test]
async fn a_backfill_never_fires_again_what_retention_has_removed_postgres() {
    a_backfill_never_fires_again_what_retention_has_removed(Database::Postgres).await;
}

async fn what_never_comes_is_refused_when_it_is_saved(forge: Forge) {
    for (params, field) in [
        (json!({"cron": "0 0 31 2 *"}), "params.cron"),
        (json!({"cron": "99 * * * *"}), "params.cron"),
        (json!({"cron": "0 9 * * *", "timezone": "Mars/Olympus"}), "params.timezone"),
        (json!({"cron": "0 9 * * *", "jitter_s": 99_999}), "params.jitter_s"),
    ] {
        let answer = forge.owner.post("/workflows", json!({"name": "never", "graph": ticks(params.clone())})).await.expect(400);
        assert_eq!(answer["problems"][0]["field"], field, "{params}: {answer:#}");
        let answer = forge.owner.post("/schedules/preview", params).await;
        assert_eq!(answer.status, 400);
    }
    let march = json!({"cron": "30 2 * * *", "timezone": "Europe/Berlin", "count": 100});
    let fires = forge.owner.post("/schedules/preview", march).await.expect(200);
    assert!(fires["words"].as_str().is_some_and(|words| words.contains("02:30")), "{fires:#}");
    assert_eq!(fires["items"].as_array().map(Vec::len), Some(100));
}

/// The processor time that a process has used, in clock ticks.
fn used(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn slots_of_five_schedulers_that_are_killed_are_one_run_each() {
    let seconds: u64 = std::env::var("FLOWFORGE_SCHEDULES_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut seed = Seed::printed();
    let mut fleet = Fleet::start(1, 5, &[]).await;
    for schedule in 0..4 {
        let workflow = fleet.workflow(&ticks(json!({"cron": "* * * * * *", "missed": "all", "jitter_s": schedule % 2}))).await;
        fleet.owners[0].post(&format!("/workflows/{workflow}/publish"), json!({"version": 1})).await.expect(200);
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut kills = 0;
    while Instant::now() < until {
        let before: Vec<u64> = fleet.workers.iter().map(used).collect();
        tokio::time::sleep(Duration::from_millis(1_700 + seed.pick(0..600))).await;
        let busiest =
            (0..fleet.workers.len()).max_by_key(|at| used(&fleet.workers[*at]).saturating_sub(before[*at])).expect("five");
        fleet.workers[busiest].kill().await;
        fleet.workers[busiest].restart().await;
        kills += 1;
    }
    let last = fleet.number("select (extract(epoch from clock_timestamp()) * 1000)::bigint / 1000 * 1000");
    let limit = Instant::now() + PATIENCE;
    while fleet.number(&format!("select count(*) from triggers where last_slot < {last}")) > 0 {
        assert!(Instant::now() < limit, "slots are not decided any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fleet.postgres.query("update triggers set status = 'stopped', next_fire_at = null");
    while fleet.number("select count(*) from deliveries where status = 'received'") > 0 {
        assert!(
            Instant::now() < limit,
            "runs are not started: {:?}",
            fleet.postgres.query("select * from deliveries where status = 'received' limit 3")
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fleet.all_end_within(PATIENCE).await;
    check_slots(&fleet);
    let slots = fleet.number("select count(*) from deliveries");
    let late = "extract(epoch from percentile_disc(0.99) within group (order by (received_at - slot)) * interval '1 ms') * 1000";
    let p99 = fleet.postgres.query(&format!("select ({late})::bigint from deliveries"));
    let line = format!(
        "{slots} slots of 4 schedules in {seconds} s, 5 schedulers, the busiest killed {kills} times: {slots} runs, 0 doubled, 0 lost; p99 of decided after slot: {} ms",
        p99[0]
    );
    println!("{line}");
    if let Ok(path) = std::env::var("FLOWFORGE_SCHEDULES_REPORT") {
        std::fs::write(&path, format!("# Schedules\n\nMade by `FLOWFORGE_SCHEDULES_SECONDS={seconds} FLOWFORGE_SCHEDULES_REPORT={path} cargo test -p flowforge-tests --test it slots_of_five`, PostgreSQL, 2 cores.\n\n{line}\n")).expect("the report");
    }
}

/// Each second is one slot of each schedule, each slot one run, each run one slot, and all of them have completed.
fn check_slots(fleet: &Fleet) {
    let gaps = "select trigger_id, slot, next from (select trigger_id, slot, lead(slot) over (partition by trigger_id order by slot) as next \
         from deliveries) s where next <> slot + 1000";
    assert_eq!(fleet.postgres.query(gaps), Vec::<String>::new(), "slots are missing");
    assert_eq!(fleet.number("select count(distinct trigger_id) from deliveries"), 4);
    let odd = "select id, status, reason from deliveries where status <> 'started' limit 5";
    assert_eq!(fleet.postgres.query(odd), Vec::<String>::new(), "slots that did not fire");
    let runs = fleet.number("select count(*) from runs where status = 'completed'");
    assert_eq!(runs, fleet.number("select count(*) from deliveries"), "a run for each slot");
    assert_eq!(runs, fleet.number("select count(*) from runs r join deliveries d on d.run_id = r.id"), "a slot for each run");
    assert_eq!(fleet.number("select count(*) from runs"), runs);
}
