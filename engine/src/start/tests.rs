//! A run that two processes create at once: its id is known to both.

use std::path::Path;

use flowforge_core::{
    Catalog,
    node::{BoxFuture, Context, Evaluate, Node, NodeSpec, Outcome, Output},
};
use flowforge_migrations::{Migrator, MigratorTrait};
use schemars::JsonSchema;
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{
    config::{EngineConfig, QueueConfig},
    queue::Queue,
    store::{Location, Store, workflows::NewVersion},
};

struct Noop;

#[derive(Deserialize, JsonSchema)]
struct NoParams {}

impl Node for Noop {
    const SPEC: NodeSpec = NodeSpec { kind: "noop", pure: true, ..NodeSpec::BASE };
    type Params = NoParams;

    async fn run(&self, _: NoParams, _: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::Done(Output { value: Arc::new(Value::Null), port: None }))
    }
}

struct NoScripts;

impl Evaluate for NoScripts {
    fn evaluate<'a>(&'a self, _: &'a str, _: &'a Value) -> BoxFuture<'a, Result<Value, NodeError>> {
        Box::pin(async { Ok(Value::Null) })
    }
}

/// The engine of a process, without anything that works of itself.
pub(crate) async fn process(folder: &Path) -> Arc<Shared> {
    let store = Store::connect(&Location::Sqlite(folder.join("test.db"))).await.unwrap();
    Migrator::up(store.connection(), None).await.unwrap();
    let (queue, receivers, _) = Queue::open(&QueueConfig::Memory).unwrap();
    // Nobody reads them; without them a hint would be refused.
    std::mem::forget(receivers);
    let config = EngineConfig { blobs: crate::BlobConfig::Folder(folder.join("blobs")), ..EngineConfig::default() };
    let catalog = Catalog::default().with(Noop);
    let shared = Shared::new(store, catalog, Arc::new(NoScripts), Arc::new(NoSecrets), queue, config).await.unwrap();
    shared.beat().await.unwrap();
    Arc::new(shared)
}

async fn noop(shared: &Shared, workspace: WorkspaceId) -> Arc<Compiled> {
    let graph = json!({"nodes": [{"id": "a", "type": "noop"}]});
    let new = NewVersion { graph, note: String::new(), created_by: None, at: shared.clock.now() };
    let saved = shared.store.create_workflow(workspace, "noop".to_owned(), String::new(), new).await.unwrap();
    shared.versions.to_start(&shared.store, workspace, saved.id, None).await.unwrap()
}

fn noop_run(workspace: WorkspaceId, compiled: &Arc<Compiled>, id: RunId) -> Accept {
    Accept { id, ..Accept::new(workspace, compiled.clone(), Arc::new(json!(1)), "api") }
}

/// Creates a run that this worker owns and is not at.
async fn create_as(shared: &Shared, new: &Accept) {
    let (_, row) = rows(shared, new, None);
    let row = NewRunRow { owner: Some(shared.worker), ..row };
    let patch = RunPatch { status: Some(RunStatus::Running), started: Some((0, row.created_at)), ..RunPatch::default() };
    shared.committer.commit(Delta::of_run(new.id, Guard::New(Box::new(row)), 1, patch)).await.unwrap();
}

/// The same, whichever run it is.
pub(crate) async fn create(shared: &Shared) {
    let workspace = WorkspaceId::new(clock::new_uuid());
    let compiled = noop(shared, workspace).await;
    create_as(shared, &noop_run(workspace, &compiled, RunId::new(clock::new_uuid()))).await;
}

#[tokio::test]
async fn a_run_that_another_process_has_created_is_left_alone_by_one_that_could_not() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (process(folder.path()).await, process(folder.path()).await);
    let workspace = WorkspaceId::new(clock::new_uuid());
    let compiled = noop(&first, workspace).await;
    let id = RunId::new(clock::new_uuid());
    // The first process has it under epoch 1.
    create_as(&first, &noop_run(workspace, &compiled, id)).await;
    // The database takes nothing of what the second one wants to create it with.
    let refuse = "CREATE TRIGGER refused BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'refused'); END";
    second.store.connection().execute_unprepared(refuse).await.unwrap();
    let refused = accept(&second, noop_run(workspace, &compiled, id)).await;
    assert!(matches!(refused, Err(Error::BadInput(_))), "{refused:?}");
    while second.is_working() {
        tokio::task::yield_now().await;
    }
    let row = first.store.run_row(Some(workspace), id).await.unwrap();
    assert_eq!((row.record.status, row.owner, row.epoch), (RunStatus::Running, Some(first.worker), 1), "{:?}", row.record.error);
}
