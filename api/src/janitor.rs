//! Clears away the files of runs that ended long ago.

use std::time::Duration;

use flowforge_core::{RunId, Timestamp};
use flowforge_engine::{Engine, Error};
use flowforge_nodes::Services;

/// How often the folder is looked through.
const EVERY: Duration = Duration::from_secs(600);
/// How many runs are asked for at once.
const LOT: usize = 500;

/// Looks every few minutes, as long as the process lives.
pub(crate) async fn clear(engine: Engine, services: Services, keep: Duration) {
    let mut pause = tokio::time::interval(EVERY);
    loop {
        pause.tick().await;
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp(engine.clock().now().0.saturating_sub(keep_ms));
        if let Err(fault) = clear_once(&engine, &services, before).await {
            tracing::warn!(%fault, "the files of ended runs could not be looked through; the next look will");
        }
    }
}

/// Removes the files of runs that ended before a time. Files of a run that is not known are left: the database may be
/// another one than the folder belongs to.
pub(crate) async fn clear_once(engine: &Engine, services: &Services, before: Timestamp) -> Result<Vec<RunId>, Error> {
    let runs = services.work_trees().map_err(|fault| Error::Storage(fault.message))?;
    let mut cleared = Vec::new();
    for lot in runs.chunks(LOT) {
        for run in engine.store().ended_before(lot, before).await? {
            match services.remove_work_tree(run).await {
                Ok(()) => cleared.push(run),
                Err(fault) => tracing::warn!(%run, %fault, "the files of a run could not be removed"),
            }
        }
    }
    Ok(cleared)
}
