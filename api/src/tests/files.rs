//! Clearing away the files of runs that ended long ago.

use flowforge_core::Timestamp;
use flowforge_engine::QueueConfig;
use serde_json::json;

use super::Forge;
use crate::{app, janitor::clear_once};

#[tokio::test]
async fn only_the_files_of_runs_that_ended_long_ago_are_removed() {
    for forge in Forge::each().await {
        let path = format!("/api/v1/workflows/{}/runs?wait=30", forge.workflow("w").await);
        let run = forge.post(&path, json!({})).await.expect(201)["id"].as_str().unwrap().to_owned();
        let work = forge.place.data.data_dir.join("work");
        let unknown = format!("run_{}", "0".repeat(32));
        for folder in [&run, &unknown, "stranger"] {
            std::fs::create_dir_all(work.join(folder).join("tree")).unwrap();
        }
        let services = app::services(&forge.place.data, &forge.app.settings.work, &QueueConfig::Memory).unwrap();
        let now = forge.app.engine.clock().now();
        assert_eq!(clear_once(&forge.app.engine, &services, Timestamp(now.0 - 60_000)).await.unwrap(), []);
        let cleared = clear_once(&forge.app.engine, &services, now.plus_ms(1_000)).await.unwrap();
        assert_eq!(cleared.iter().map(ToString::to_string).collect::<Vec<_>>(), std::slice::from_ref(&run));
        assert!(!work.join(&run).exists());
        assert!(work.join(unknown).exists() && work.join("stranger").exists());
    }
}
