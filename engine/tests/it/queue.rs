//! What hints do between processes, over the Redis of `FLOWFORGE_TEST_REDIS`; without it only what needs none. The sweeper
//! sleeps where a test wants to see that it was not needed.

use std::time::Duration;

use flowforge_core::RunStatus;
use flowforge_engine::{EngineConfig, QueueConfig};
use redis::{Client, aio::MultiplexedConnection};
use serde_json::json;

use crate::forge::{Forge, Process, config, on_every_database, shown};

/// A database of the Redis that no other test uses at the same time.
struct Redis {
    url: String,
    connection: MultiplexedConnection,
}

impl Redis {
    async fn open() -> Option<Self> {
        let url = std::env::var("FLOWFORGE_TEST_REDIS").ok()?;
        let mut connection = Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
        let number: u64 = redis::cmd("INCR").arg("flowforge-test-database").query_async(&mut connection).await.unwrap();
        let url = format!("{url}/{}", 1 + number % 15);
        let mut connection = Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
        redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.unwrap();
        Some(Self { url, connection })
    }

    /// Runs a command.
    async fn command(&mut self, words: &[&str]) {
        redis::cmd(words[0]).arg(&words[1..]).query_async::<()>(&mut self.connection).await.unwrap();
    }

    /// Waits until nothing is left but the names of workers.
    async fn is_emptied(&mut self) {
        loop {
            let keys: Vec<String> = redis::cmd("KEYS").arg("flowforge-*").query_async(&mut self.connection).await.unwrap();
            if keys.iter().all(|key| key.ends_with(":workers")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A process whose sweeper sleeps.
    fn awake(&self) -> EngineConfig {
        EngineConfig {
            lease: Duration::from_secs(600),
            sweep: Duration::from_secs(600),
            queue: QueueConfig::Redis(self.url.clone()),
            ..config()
        }
    }

    /// One that only accepts runs.
    fn api(&self) -> EngineConfig {
        EngineConfig { works: false, ..self.awake() }
    }

    /// Returns when hints go from one process to the other.
    async fn connects(&self, forge: &Forge, api: &Process) {
        let workflow = forge.workflow(json!([["a", "set", {"value": 1}]]), &[]).await;
        forge.run(api, workflow).await;
    }
}

#[test]
fn a_worker_takes_up_what_another_process_accepted() {
    on_every_database(async |forge| {
        let Some(mut redis) = Redis::open().await else { return };
        let (api, worker) = (forge.process_with(redis.api()).await, forge.process_with(redis.awake()).await);
        redis.connects(&forge, &api).await;
        let workflow = forge.workflow(json!([["a", "effect", {}], ["b", "job", {}]]), &["a -> b"]).await;
        for _ in 0..20 {
            assert_eq!(forge.run(&api, workflow).await.status, RunStatus::Completed);
        }
        redis.is_emptied().await;
        drop(worker);
    });
}

#[test]
fn a_dispatched_step_goes_to_whoever_is_free_and_its_owner_hears_of_its_end() {
    on_every_database(async |forge| {
        let Some(redis) = Redis::open().await else { return };
        let one_slot = || EngineConfig { lane_slots: 1, ..redis.awake() };
        let (owner, other) = (forge.process_with(one_slot()).await, forge.process_with(one_slot()).await);
        redis.connects(&forge, &owner).await;
        let nodes = json!([["a", "job", {"hang": true}], ["b", "job", {"hang": true}], ["c", "job", {}]]);
        let workflow = forge.workflow(nodes, &["a -> c"]).await;
        let run = forge.start(&owner, workflow).await.record.id;
        forge.world.called(2).await;
        forge.world.gate.notify_one();
        forge.event(&other, run, "step_succeeded").await;
        forge.world.gate.notify_one();
        assert_eq!(forge.ended(&other, run).await.status, RunStatus::Completed);
        assert_eq!(forge.world.calls(), [1, 1, 1]);
        forge.check_record(&owner, run).await;
    });
}

#[test]
fn an_owner_elsewhere_hears_of_a_cancel() {
    on_every_database(async |forge| {
        let Some(redis) = Redis::open().await else { return };
        let (api, worker) = (forge.process_with(redis.api()).await, forge.process_with(redis.awake()).await);
        redis.connects(&forge, &api).await;
        let workflow = forge.workflow(json!([["a", "effect", {"hang": true}]]), &[]).await;
        let run = forge.start(&api, workflow).await.record.id;
        forge.world.called(1).await;
        api.engine.cancel(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&api, run).await.status, RunStatus::Cancelled);
        forge.check_record(&worker, run).await;
    });
}

#[test]
fn what_is_handed_back_is_taken_up_at_once() {
    on_every_database(async |forge| {
        let Some(redis) = Redis::open().await else { return };
        let short = EngineConfig { grace: Duration::from_millis(200), ..redis.awake() };
        let first = forge.process_with(short).await;
        let nodes = json!([["a", "effect", {"hang": true}], ["b", "job", {"hang": true}]]);
        let workflow = forge.workflow(nodes, &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(2).await;
        let second = forge.process_with(redis.awake()).await;
        redis.connects(&forge, &second).await;
        first.engine.shutdown().await;
        assert_eq!(shown(&forge.ended(&second, run).await), r#"completed {"a":{"call":2},"b":{"call":2}}"#);
        assert!(forge.steps(run).await.iter().all(|step| step.attempt == 1), "no attempt is used up");
        forge.check_record(&second, run).await;
    });
}

#[test]
fn queues_that_were_emptied_or_overwritten_are_made_good() {
    on_every_database(async |forge| {
        let Some(mut redis) = Redis::open().await else { return };
        let (api, _worker) = (forge.process_with(redis.api()).await, forge.process_with(redis.awake()).await);
        redis.connects(&forge, &api).await;
        let workflow = forge.workflow(json!([["a", "effect", {}], ["b", "job", {}]]), &["a -> b"]).await;
        let keys = ["active", "data", "workers", "scheduled"].map(|key| format!("flowforge-runs-normal:{key}"));
        for key in &keys {
            redis.command(&["SET", key, "x"]).await;
            assert_eq!(forge.run(&api, workflow).await.status, RunStatus::Completed, "after {key} was overwritten");
        }
        redis.command(&["FLUSHDB"]).await;
        assert_eq!(forge.run(&api, workflow).await.status, RunStatus::Completed, "after everything was lost");
        redis.command(&["RPUSH", "flowforge-runs-normal:active", "absent", "absent", "\u{fffd}"]).await;
        assert_eq!(forge.run(&api, workflow).await.status, RunStatus::Completed, "after hints that are none");
        redis.is_emptied().await;
    });
}

#[test]
fn a_redis_that_is_not_there_stops_nothing() {
    on_every_database(async |forge| {
        let nowhere = || EngineConfig { queue: QueueConfig::Redis("redis://127.0.0.1:1".to_owned()), ..config() };
        let (api, worker) =
            (forge.process_with(EngineConfig { works: false, ..nowhere() }).await, forge.process_with(nowhere()).await);
        let workflow = forge.workflow(json!([["a", "effect", {}], ["b", "job", {}]]), &["a -> b"]).await;
        assert_eq!(forge.run(&api, workflow).await.status, RunStatus::Completed);
        assert_eq!(forge.run(&worker, workflow).await.status, RunStatus::Completed);
    });
}

#[test]
fn without_any_queue_everything_is_found() {
    on_every_database(async |forge| {
        let silent = || EngineConfig { queue: QueueConfig::None, ..config() };
        let (api, worker) =
            (forge.process_with(EngineConfig { works: false, ..silent() }).await, forge.process_with(silent()).await);
        let workflow = forge.workflow(json!([["a", "effect", {}], ["b", "job", {}]]), &["a -> b"]).await;
        assert_eq!(forge.run(&api, workflow).await.status, RunStatus::Completed);
        assert_eq!(forge.run(&worker, workflow).await.status, RunStatus::Completed);
    });
}
