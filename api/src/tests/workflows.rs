//! Workflows and versions in the store.

use flowforge_core::{UserId, WorkflowId, WorkspaceId};
use flowforge_engine::{
    Error, PageRequest, Result, clock,
    store::workflows::{NewVersion, WorkflowFilter, WorkflowPatch, WorkflowRecord, WorkflowStatus, content_hash},
};
use futures::future::join_all;
use serde_json::{Value, json};

use super::{Place, constant};

fn version(place: &Place, graph: Value) -> NewVersion {
    NewVersion { graph, note: "note".to_owned(), created_by: Some(UserId::new(clock::new_uuid())), at: place.clock.now() }
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new(clock::new_uuid())
}

async fn saved(place: &Place, workspace: WorkspaceId, name: &str) -> WorkflowRecord {
    place.store.create_workflow(workspace, name.to_owned(), String::new(), version(place, constant(1))).await.unwrap()
}

#[tokio::test]
async fn what_is_saved_is_read_back() {
    for place in Place::each().await {
        let here = workspace();
        let record = saved(&place, here, "First").await;
        assert_eq!(place.store.workflow(here, record.id).await.unwrap(), record);
        let first = place.store.version(here, record.id, 1).await.unwrap();
        assert_eq!((first.graph.clone(), first.workflow_name.as_str()), (constant(1), "First"));
        assert_eq!(first.content_hash, content_hash(&first.graph), "also after PostgreSQL has sorted the keys");
        let listed = place.store.versions(here, record.id, u32::MAX, 10).await.unwrap();
        assert_eq!((listed.len(), &listed[0].graph, &listed[0].created_by), (1, &Value::Null, &first.created_by));
    }
}

#[tokio::test]
async fn one_of_many_saves_on_the_same_base_succeeds() {
    for place in Place::each().await {
        let here = workspace();
        let id = saved(&place, here, "Raced").await.id;
        let saves = (0..8).map(|number| place.store.add_version(here, id, 1, version(&place, constant(number))));
        let answers = join_all(saves).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        let conflict = |answer: &Result<_>| matches!(answer, Err(Error::Conflict { code: "version_conflict", .. }));
        assert_eq!(answers.iter().filter(|answer| conflict(answer)).count(), 7);
        assert_eq!(place.store.workflow(here, id).await.unwrap().version, 2);
        assert_eq!(place.store.versions(here, id, u32::MAX, 10).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_run_begins_with_the_published_version_or_the_newest() {
    for place in Place::each().await {
        let here = workspace();
        let id = saved(&place, here, "Published").await.id;
        place.store.add_version(here, id, 1, version(&place, constant(2))).await.unwrap();
        let number = async |asked| place.store.version_to_run(here, id, asked).await.map(|(version, _)| version);
        assert_eq!(number(None).await.unwrap(), 2);
        let published = place.store.publish(here, id, 1, place.clock.now()).await.unwrap();
        assert_eq!((published.status, published.published_version), (WorkflowStatus::Active, Some(1)));
        assert_eq!((number(None).await.unwrap(), number(Some(2)).await.unwrap()), (1, 2));
        assert!(matches!(place.store.version(here, id, 3).await, Err(Error::NotFound("version"))));
        let archive = WorkflowPatch { status: Some(WorkflowStatus::Archived), ..WorkflowPatch::default() };
        place.store.update_workflow(here, id, archive, place.clock.now()).await.unwrap();
        assert!(matches!(number(None).await, Err(Error::Conflict { code: "workflow_archived", .. })));
    }
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    for place in Place::each().await {
        let here = workspace();
        let mut ids = Vec::new();
        for name in ["alpha", "Beta 100%", "gamma_x", "ÄPFEL", "alphabet"] {
            ids.insert(0, saved(&place, here, name).await.id);
        }
        saved(&place, workspace(), "alpha").await;
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let page = place.store.workflows(here, &WorkflowFilter::default(), PageRequest { limit: 2, before }).await.unwrap();
            seen.extend(page.items.iter().map(|workflow| workflow.id));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids);
        for (text, count) in [("ALPHA", 2), ("%", 1), ("_", 1), ("100%", 1), ("\\", 0), ("'", 0), ("", 5)] {
            let filter = WorkflowFilter { status: None, name: Some(text.to_owned()) };
            let found = place.store.workflows(here, &filter, PageRequest::default()).await.unwrap();
            assert_eq!(found.items.len(), count, "{text}");
        }
    }
}

#[tokio::test]
async fn archived_workflows_are_shown_when_asked_for() {
    for place in Place::each().await {
        let here = workspace();
        let id = saved(&place, here, "Old").await.id;
        let patch = |status| WorkflowPatch { status: Some(status), ..WorkflowPatch::default() };
        place.store.update_workflow(here, id, patch(WorkflowStatus::Archived), place.clock.now()).await.unwrap();
        let listed = async |status| {
            let filter = WorkflowFilter { status, name: None };
            place.store.workflows(here, &filter, PageRequest::default()).await.unwrap().items.len()
        };
        assert_eq!((listed(None).await, listed(Some(WorkflowStatus::Archived)).await), (0, 1));
        let active = place.store.update_workflow(here, id, patch(WorkflowStatus::Active), place.clock.now()).await;
        assert!(matches!(active, Err(Error::Conflict { code: "not_published", .. })));
    }
}

/// Every verb, with the id of another workspace's workflow and with an id of nothing.
#[tokio::test]
async fn another_workspace_sees_nothing() {
    for place in Place::each().await {
        let theirs = saved(&place, workspace(), "Theirs").await.id;
        for id in [theirs, WorkflowId::new(clock::new_uuid())] {
            let (store, here, now) = (&place.store, workspace(), place.clock.now());
            let not_found = [
                store.workflow(here, id).await.err(),
                store.update_workflow(here, id, WorkflowPatch::default(), now).await.err(),
                store.add_version(here, id, 1, version(&place, constant(2))).await.err(),
                store.versions(here, id, u32::MAX, 10).await.err(),
                store.version(here, id, 1).await.err(),
                store.publish(here, id, 1, now).await.err(),
                store.version_to_run(here, id, None).await.err(),
            ];
            assert!(not_found.iter().all(|fault| matches!(fault, Some(Error::NotFound("workflow")))), "{not_found:?}");
            assert!(store.workflow_names(here, &[id]).await.unwrap().is_empty());
        }
    }
}

#[test]
fn the_hash_does_not_depend_on_the_order_of_keys() {
    let (one, other) = (json!({"a": [1, {"b": null, "c": "x"}], "d": 1.5}), json!({"d": 1.5, "a": [1, {"c": "x", "b": null}]}));
    assert_eq!(content_hash(&one), content_hash(&other));
    assert_ne!(content_hash(&one), content_hash(&json!({"d": 1.5, "a": [{"c": "x", "b": null}, 1]})));
    assert!(content_hash(&one).starts_with("sha256:") && content_hash(&one).len() == 71);
}
