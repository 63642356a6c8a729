//! Large values in a bucket. `FLOWFORGE_TEST_S3` names a service that speaks S3, for example `http://127.0.0.1:9000`, with a
//! bucket `flowforge`; without it nothing is tested here.

use std::time::Duration;

use flowforge_core::RunStatus;
use flowforge_engine::{BlobConfig, Blobs, EngineConfig, Error, NewRun};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::forge::{config, on_every_database};

fn bucket(endpoint: &str, name: &str) -> BlobConfig {
    BlobConfig::S3 { url: format!("s3://{name}/some/folder"), endpoint: Some(endpoint.to_owned()) }
}

#[test]
fn a_bucket_holds_large_values_as_a_folder_does() {
    let Ok(endpoint) = std::env::var("FLOWFORGE_TEST_S3") else { return };
    on_every_database(async |forge| {
        let config = EngineConfig { blobs: bucket(&endpoint, "flowforge"), sweep: Duration::from_millis(20), ..config() };
        let process = forge.process_as_given(config).await;
        let blobs = Blobs::open(&bucket(&endpoint, "flowforge")).unwrap();
        blobs.check().await.unwrap();
        let nodes = json!([["a", "grow", {"bytes": 9_000_000}], ["b", "length", {}]]);
        let workflow = forge.workflow(nodes, &["a -> b"]).await;
        let input: Value = "x".repeat(300_000).into();
        let started = process.engine.start(NewRun { input: input.clone(), ..forge.new_run(workflow) }).await.unwrap();
        let record = forge.ended(&process, started.record.id).await;
        assert_eq!((record.status, record.output.as_deref()), (RunStatus::Completed, Some(&json!(9_000_000))));
        let key = record.input["$blob"].as_str().unwrap();
        let read = async || process.engine.blob(forge.workspace, record.id, key).await;
        let bytes = read().await.unwrap().bytes.try_concat().await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), input);
        assert_eq!(*process.engine.whole(forge.workspace, record.input.clone()).await.unwrap(), input);
        forge.keep(0).await;
        // The run is gone at once; what it has left is asked for by a reference that nothing leads to any more.
        while process.engine.whole(forge.workspace, record.input.clone()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(matches!(read().await, Err(Error::Expired { .. } | Error::NotFound(_))));
    });
}

#[test]
fn a_bucket_that_is_not_there_is_told() {
    let Ok(endpoint) = std::env::var("FLOWFORGE_TEST_S3") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let checked = runtime.block_on(Blobs::open(&bucket(&endpoint, "nobodys")).unwrap().check());
    assert!(matches!(checked, Err(Error::Storage(_))), "{checked:?}");
    for odd in ["", "s3://", "s3:///x", "http://x", "folder"] {
        let config = BlobConfig::S3 { url: odd.to_owned(), endpoint: None };
        assert!(matches!(Blobs::open(&config), Err(Error::BadInput(_))), "{odd}");
    }
}
