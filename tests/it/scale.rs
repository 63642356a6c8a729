//! Several processes over PostgreSQL and Redis: what they lose when Redis is lost is time.

use std::time::{Duration, Instant};

use flowforge_tests::{Events, Fleet, Postgres, Redis, chain, command};
use serde_json::{Value, json};

/// What a run needs when everything is well, and as much again for a busy machine.
const END: Duration = Duration::from_secs(30);

/// An effect, a command that any worker may execute, a wait, another effect.
fn steps(fleet: &Fleet) -> Value {
    let mark =
        |place: &str| json!({"method": "POST", "url": fleet.ledger.url(&format!("{{{{ trigger.n }}}}-{place}?delay_ms=50"))});
    chain(&[
        ("start", "trigger.manual", json!({})),
        ("first", "http.request", mark("first")),
        ("work", "command", json!({"run": "sleep 0.1; echo done"})),
        ("wait", "delay", json!({"seconds": 0.2})),
        ("last", "http.request", mark("last")),
    ])
}

/// Says so when a crash is counted, which later commits hide.
fn watch_crashes(postgres: &Postgres) {
    postgres.query("create table crashes_seen (run uuid)");
    postgres.query(
        "create function see_crash() returns trigger language plpgsql as \
         $$ begin insert into crashes_seen values (new.id); return new; end $$",
    );
    postgres.query(
        "create trigger see_crash before update on runs for each row when (new.crashes > old.crashes) execute function see_crash()",
    );
    postgres.query(
        "create function see_lease() returns trigger language plpgsql as \
         $$ begin insert into crashes_seen values (new.run_id); return new; end $$",
    );
    postgres.query(
        "create trigger see_lease before update on step_leases for each row when (new.crashes > old.crashes) execute function see_lease()",
    );
}

/// Every run completed, each of its steps at the first attempt, each effect once.
fn check_all(fleet: &Fleet, started: usize) {
    let started = i64::try_from(started).expect("few");
    assert_eq!(fleet.number("select count(*) from runs"), started, "as many runs as were accepted");
    let failed = fleet.postgres.query("select id, status, error from runs where status <> 'completed' limit 5");
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(fleet.number("select count(*) from step_runs where attempt > 1"), 0, "attempts");
    assert_eq!(fleet.number("select count(*) from step_leases"), 0, "leases");
    for number in 0..started {
        for place in ["first", "last"] {
            assert_eq!(fleet.ledger.calls(&format!("{number}-{place}")), 1, "{place} of run {number}");
        }
    }
}

/// How long the slowest run took, in milliseconds.
fn slowest(fleet: &Fleet) -> i64 {
    fleet.number("select max(finished_at - created_at) from runs")
}

#[tokio::test]
async fn a_rolling_restart_of_everything_is_not_noticed() {
    let redis = Redis::start();
    let mut fleet = Fleet::start(2, 3, &[("FLOWFORGE_REDIS_URL", &redis.url())]).await;
    watch_crashes(&fleet.postgres);
    let workflow = fleet.workflow(&steps(&fleet)).await;
    let load = fleet.load(&workflow);
    load.goes_on_for(5).await;
    for process in fleet.processes() {
        assert!(process.stop().await, "SIGTERM ends it well");
        load.goes_on_for(3).await;
        process.restart().await;
        load.goes_on_for(3).await;
    }
    let started = load.end().await;
    fleet.all_end_within(END).await;
    check_all(&fleet, started);
    assert_eq!(fleet.postgres.query("select run from crashes_seen"), Vec::<String>::new(), "crashes");
    println!("{started} runs, the slowest took {} ms", slowest(&fleet));
}

#[tokio::test]
async fn a_redis_that_dies_and_comes_back_empty_costs_time_only() {
    let mut redis = Redis::start();
    let mut fleet = Fleet::start(1, 2, &[("FLOWFORGE_REDIS_URL", &redis.url())]).await;
    let workflow = fleet.workflow(&steps(&fleet)).await;
    let load = fleet.load(&workflow);
    for _ in 0..2 {
        load.goes_on_for(20).await;
        redis.crash();
        load.goes_on_for(20).await;
        redis.restart();
    }
    load.goes_on_for(20).await;
    let started = load.end().await;
    fleet.all_end_within(END).await;
    check_all(&fleet, started);
    println!("{started} runs, the slowest took {} ms", slowest(&fleet));
    is_prompt_again(&fleet).await;
    all_live(&mut fleet).await;
}

#[tokio::test]
async fn a_redis_that_is_emptied_or_overwritten_costs_time_only() {
    let redis = Redis::start();
    let mut fleet = Fleet::start(1, 2, &[("FLOWFORGE_REDIS_URL", &redis.url())]).await;
    let workflow = fleet.workflow(&steps(&fleet)).await;
    let load = fleet.load(&workflow);
    let wrong = ["active", "data", "workers"]
        .map(|key| format!("SET flowforge-runs-normal:{key} x\nSET flowforge-steps-high:{key} x\n"))
        .concat();
    for damage in ["FLUSHALL", &wrong, "DEL flowforge-steps-high:active flowforge-runs-normal:data", "FLUSHALL"] {
        load.goes_on_for(15).await;
        redis.commands(damage);
    }
    load.goes_on_for(15).await;
    let started = load.end().await;
    fleet.all_end_within(END).await;
    check_all(&fleet, started);
    println!("{started} runs, the slowest took {} ms", slowest(&fleet));
    is_prompt_again(&fleet).await;
    all_live(&mut fleet).await;
}

#[tokio::test]
async fn ten_thousand_hints_that_are_none_are_thrown_away() {
    let redis = Redis::start();
    let mut fleet = Fleet::start(1, 2, &[("FLOWFORGE_REDIS_URL", &redis.url())]).await;
    let workflow = fleet.workflow(&steps(&fleet)).await;
    let load = fleet.load(&workflow);
    load.goes_on_for(10).await;
    let absent: String = (0..5_000).map(|n| format!("RPUSH flowforge-runs-normal:active absent-{n}\n")).collect();
    let hint = r#"'{"run":"run_00000000000000000000000000000000"}'"#;
    let unknown: String = (0..5_000)
        .map(|n| {
            let payload = if n % 2 == 0 { hint } else { "'{\"of\":\"tomorrow\"}'" };
            let known = format!("HSET flowforge-steps-high:meta:g-{n} attempts 0 max_attempts 1 status Pending");
            format!("HSET flowforge-steps-high:data g-{n} {payload}\n{known}\nRPUSH flowforge-steps-high:active g-{n} g-{n}\n")
        })
        .collect();
    redis.commands(&absent);
    redis.commands(&unknown);
    load.goes_on_for(40).await;
    let started = load.end().await;
    fleet.all_end_within(END).await;
    check_all(&fleet, started);
    println!("{started} runs, the slowest took {} ms", slowest(&fleet));
    is_emptied(&redis).await;
    is_prompt_again(&fleet).await;
    all_live(&mut fleet).await;
}

#[tokio::test]
async fn without_any_queue_everything_is_found() {
    let fleet = Fleet::start(1, 2, &[("FLOWFORGE_QUEUE", "none")]).await;
    let workflow = fleet.workflow(&steps(&fleet)).await;
    let load = fleet.load(&workflow);
    load.goes_on_for(100).await;
    let started = load.end().await;
    fleet.all_end_within(END).await;
    check_all(&fleet, started);
    println!("{started} runs, the slowest took {} ms", slowest(&fleet));
}

#[tokio::test]
async fn an_owner_in_another_process_hears_of_a_cancel_at_once() {
    let redis = Redis::start();
    let fleet = Fleet::start(1, 1, &[("FLOWFORGE_REDIS_URL", &redis.url())]).await;
    let hangs = chain(&[
        ("start", "trigger.manual", json!({})),
        ("hang", "http.request", json!({"method": "POST", "url": format!("{}?mode=hang", fleet.ledger.url("hang"))})),
    ]);
    let workflow = fleet.workflow(&hangs).await;
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let run = fleet.launch(&workflow, json!({})).await;
        let mut events = Events::open(&fleet.owners[0], &run, None).await;
        while events.next().await.expect("it is under way").kind != "step_started" {}
        let began = Instant::now();
        fleet.owners[0].post(&format!("/runs/{run}/cancel"), json!({})).await.expect(202);
        // Its end comes over the stream of the one process, from the other.
        events.rest().await;
        fastest = fastest.min(began.elapsed());
    }
    // Whoever only looks does so every second, at both ends.
    assert!(fastest < Duration::from_millis(400), "{fastest:?}");
}

#[tokio::test]
async fn a_worker_that_cannot_work_is_not_ready() {
    let fleet = Fleet::start(1, 1, &[]).await;
    let ready = |server: &flowforge_tests::Server| {
        let client = flowforge_tests::Client::anonymous(&server.base());
        async move { client.send(client.request(reqwest::Method::GET, "//health/ready")).await.status }
    };
    assert_eq!(ready(&fleet.workers[0]).await, 200);
    // Heartbeats are refused; everything else is well.
    fleet.postgres.query(
        "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$; \
         create trigger refuse before insert or update on workers for each row execute function refuse()",
    );
    let limit = Instant::now() + Duration::from_secs(20);
    while ready(&fleet.workers[0]).await != 503 {
        assert!(Instant::now() < limit, "it says that it is ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ready(&fleet.apis[0]).await, 200, "whoever only answers needs no heartbeat");
}

#[tokio::test]
async fn settings_that_do_not_go_together_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = async |arguments: &[&str]| {
        let done = command(folder.path()).arg("serve").args(arguments).output().await.expect("it starts");
        assert!(!done.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    assert!(refused(&["--redis-url", "redis://127.0.0.1:1"]).await.contains("postgres://"));
    assert!(refused(&["--queue", "redis"]).await.contains("--redis-url"));
    assert!(refused(&["--database-url", "postgres://x", "--redis-url", "http://x"]).await.contains("redis://"));
}

/// Runs are told of again, instead of being found.
async fn is_prompt_again(fleet: &Fleet) {
    let quick = chain(&[("start", "trigger.manual", json!({})), ("work", "command", json!({"run": "true"}))]);
    let workflow = fleet.workflow(&quick).await;
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let run = fleet.launch(&workflow, json!({})).await;
        let began = Instant::now();
        Events::open(&fleet.owners[0], &run, None).await.rest().await;
        if began.elapsed() < Duration::from_millis(700) {
            return;
        }
        assert!(Instant::now() < limit, "runs are still found only by looking");
    }
}

/// No process has ended.
async fn all_live(fleet: &mut Fleet) {
    for process in fleet.processes() {
        process.ready().await;
    }
}

/// Nothing is left in Redis of what was handled.
async fn is_emptied(redis: &Redis) {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let keys = redis.command(&["KEYS", "flowforge-*"]);
        let left: Vec<&str> = keys.lines().filter(|key| !key.is_empty() && !key.ends_with(":workers")).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < limit, "{} keys are left in Redis, for example {}", left.len(), left[0]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
