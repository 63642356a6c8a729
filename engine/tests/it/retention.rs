//! Removing runs that a workspace no longer keeps.

use std::time::Duration;

use flowforge_core::{RunId, RunStatus};
use flowforge_engine::{EngineConfig, Error, Started, clock};
use futures::{StreamExt, stream};
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::{
    blobs::files,
    forge::{Forge, Process, config, on_every_database},
};

const DAY_MS: u64 = 24 * 3_600 * 1_000;

impl Forge {
    /// Keeps runs so many days after their end.
    pub(crate) async fn keep(&self, days: u32) {
        let id = self.literal(self.workspace.uuid());
        self.sql("DELETE FROM workspaces").await;
        self.sql(&format!("INSERT INTO workspaces (id, name, created_at, retention_days) VALUES ({id}, 'w', 0, {days})")).await;
    }

    fn literal(&self, id: uuid::Uuid) -> String {
        match self.location {
            flowforge_engine::Location::Sqlite(_) => format!("x'{}'", id.simple()),
            flowforge_engine::Location::Postgres(_) => format!("'{id}'"),
        }
    }

    /// Makes a run look as if it had been accepted and had ended so many days ago.
    async fn age(&self, run: RunId, days: u64) {
        let (id, ms) = (self.literal(run.uuid()), days * DAY_MS);
        self.sql(&format!("UPDATE runs SET finished_at = finished_at - {ms}, created_at = created_at - {ms} WHERE id = {id}"))
            .await;
    }

    async fn count(&self, table: &str) -> i64 {
        let connection = self.store.connection();
        let sql = Statement::from_string(connection.get_database_backend(), format!("SELECT count(*) AS n FROM {table}"));
        connection.query_one_raw(sql).await.unwrap().unwrap().try_get("", "n").unwrap()
    }

    async fn is_there(&self, run: RunId) -> bool {
        match self.store.run(self.workspace, run).await {
            Ok(_) => true,
            Err(Error::NotFound(_) | Error::Expired { .. }) => false,
            Err(fault) => panic!("{run}: {fault}"),
        }
    }

    async fn until_gone(&self, run: RunId) {
        while self.is_there(run).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Looks for what is to be removed several times a second.
fn eager() -> EngineConfig {
    EngineConfig { sweep: Duration::from_millis(5), ..config() }
}

/// A run with two children, log lines, a large value and a step in the lane.
async fn family(forge: &Forge, process: &Process) -> RunId {
    let body = json!({"nodes": [{"id": "inner", "type": "job", "params": {}}]});
    let nodes = json!([
        ["a", "grow", {"bytes": 300_000}],
        ["m", "spawn", {"items": ["{{ steps.a.output }}", 2], "body": body}],
        ["j", "job", {}]
    ]);
    let workflow = forge.workflow(nodes, &["a -> m", "m -> j"]).await;
    let record = forge.run(process, workflow).await;
    assert_eq!(record.status, RunStatus::Completed, "{:?}", record.error);
    record.id
}

#[test]
fn a_run_is_removed_with_everything_that_belongs_to_it() {
    on_every_database(async |forge| {
        let process = forge.process_with(eager()).await;
        let (old, young) = (family(&forge, &process).await, family(&forge, &process).await);
        let kept = files(&forge.blobs()).len();
        forge.age(old, 8).await;
        // Its children ended days ago; they stay as long as it does.
        forge
            .sql(&format!(
                "UPDATE runs SET finished_at = finished_at - {} WHERE parent_run_id = {}",
                30 * DAY_MS,
                forge.literal(young.uuid())
            ))
            .await;
        forge.keep(7).await;
        forge.until_gone(old).await;
        let removed = "SELECT 1 WHERE (SELECT count(*) FROM runs) = 3";
        forge.until(removed).await;
        for table in ["step_runs", "step_logs"] {
            let rows = forge.count(&format!("{table} WHERE run_id NOT IN (SELECT id FROM runs)")).await;
            assert_eq!(rows, 0, "{table}");
        }
        assert!(forge.count("step_logs").await > 0 && forge.is_there(young).await);
        while files(&forge.blobs()).len() * 2 != kept {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        forge.check_record(&process, young).await;
    });
}

#[test]
fn what_has_not_ended_or_still_keeps_a_request_from_being_repeated_stays() {
    on_every_database(async |forge| {
        let process = forge.process_with(eager()).await;
        let hangs = forge.workflow(json!([["e", "effect", {"hang": true}]]), &[]).await;
        let set = forge.workflow(json!([["s", "set", {"value": 1}]]), &[]).await;
        let open = forge.start(&process, hangs).await.record.id;
        let keyed = async |key: &str| {
            let Started { record, .. } = forge.start_with_key(&process, set, key, "h").await.unwrap();
            forge.ended(&process, record.id).await.id
        };
        let (live, stale, plain) = (keyed("live").await, keyed("stale").await, forge.run(&process, set).await.id);
        // A run whose child goes on although it has ended itself.
        let parent = forge.run(&process, set).await.id;
        let (child, above) = (forge.literal(open.uuid()), forge.literal(parent.uuid()));
        for (run, days) in [(live, 20), (stale, 31), (plain, 20), (parent, 20)] {
            forge.age(run, days).await;
        }
        // It counts as asked to stop: otherwise the sweeper asks it, and then it ends.
        let below = format!("parent_run_id = {above}, parent_node = 's', parent_attempt = 1, parent_index = 0");
        forge.sql(&format!("UPDATE runs SET {below}, cancel_requested_at = 1 WHERE id = {child}")).await;
        forge.keep(7).await;
        forge.until_gone(plain).await;
        forge.until_gone(stale).await;
        let left = [forge.is_there(live).await, forge.is_there(open).await, forge.is_there(parent).await];
        assert_eq!(left, [true; 3], "its key still counts, it has not ended, and neither has what it has started");
        assert!(!forge.start_with_key(&process, set, "live", "h").await.unwrap().is_new);
        forge.world.gate.notify_waiters();
        forge.world.gate.notify_one();
        forge.until_gone(parent).await;
        assert!(!forge.is_there(open).await);
    });
}

#[test]
fn who_asks_for_a_run_of_that_time_is_told_so() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let now = forge.store.now().await.unwrap().0.cast_unsigned();
        let made = |ms: u64| RunId::new(uuid::Uuid::from_u64_pair(ms << 16 | 0x7123, 1 << 63 | 5));
        let (old, young) = (made(now - 8 * DAY_MS), made(now - 6 * DAY_MS));
        let fault = async |run| forge.store.run(forge.workspace, run).await.unwrap_err();
        assert!(matches!(fault(old).await, Error::NotFound("run")), "runs are kept for ever");
        forge.keep(7).await;
        assert!(matches!(fault(old).await, Error::Expired { days: 7 }));
        assert!(matches!(fault(young).await, Error::NotFound("run")));
        assert!(
            matches!(fault(RunId::new(uuid::Uuid::from_u64_pair(0x4123, 1 << 63))).await, Error::NotFound("run")),
            "no time in it"
        );
        let event = process.engine.feed(forge.workspace, old, 0).boxed().next().await.unwrap();
        assert!(matches!(event, Err(Error::Expired { .. })), "{event:?}");
    });
}

#[test]
fn removing_at_once_what_has_ended_disturbs_nothing_that_goes_on() {
    on_every_database(async |forge| {
        forge.keep(0).await;
        let processes = [forge.process_with(eager()).await, forge.process_with(eager()).await];
        let body = json!({"nodes": [{"id": "inner", "type": "effect", "params": {}}, {"id": "t", "type": "set", "params": {"value": "{{ item }}"}}],
            "edges": [{"source": "inner", "target": "t"}]});
        let nodes = json!([
            ["a", "grow", {"bytes": 270_000}],
            ["m", "spawn", {"items": [1, "{{ steps.a.output }}", 3, 4], "body": body}],
            ["j", "job", {}],
            ["n", "nap", {"ms": 40}]
        ]);
        let workflow = forge.workflow(nodes, &["a -> m", "m -> j", "j -> n"]).await;
        const RUNS: usize = 60;
        let one = async |n: usize| {
            let process = &processes[n % 2];
            let started = process.engine.start(forge.new_run(workflow)).await.unwrap();
            match process.engine.wait(started, Duration::from_secs(25)).await {
                Ok(record) => assert_eq!(record.status, RunStatus::Completed, "{:?}", record.error),
                Err(fault) => assert!(matches!(fault, Error::Expired { .. }), "{fault}"),
            }
        };
        stream::iter(0..RUNS).for_each_concurrent(8, one).await;
        forge.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM runs)").await;
        for table in ["step_runs", "step_logs", "step_leases"] {
            assert_eq!(forge.count(table).await, 0, "{table}");
        }
        let calls = forge.world.calls();
        // Every item, and the step in the lane: none was lost, and none was done twice.
        assert_eq!((calls.len(), calls.iter().max()), (RUNS * 5, Some(&1)));
        let begun = clock::monotonic();
        while !files(&forge.blobs()).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", files(&forge.blobs()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}
