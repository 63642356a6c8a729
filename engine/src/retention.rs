//! Removes runs that ended longer ago than their workspace keeps them, with everything that belongs to them.
//!
//! A run is removed with the runs that its steps have started, never before one of them has ended, and these never before it. Any
//! number of processes may do it at once. Rows go first and large values after them; what a process leaves behind that dies in
//! between is found by looking through the blob store.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flowforge_core::{RunId, Timestamp, WorkspaceId};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{clock, error::Result, shared::Shared, store::retention::DEDUPE};

/// How many sweeps there are between two looks for what is to be removed.
const SWEEPS: u32 = 30;
/// How many runs are looked at in one go.
const LOT: u64 = 200;
/// The pause between two lots: others write too.
const PAUSE: Duration = Duration::from_millis(20);
/// How many runs' large values are removed at once.
const AT_ONCE: usize = 8;
/// How often the blob store is looked through for values of runs that are not there.
const LOOK_THROUGH: Duration = Duration::from_secs(6 * 3_600);
/// How old such a value must be: it is written before the row that names it.
const STRAY_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Looks every few moments until the process leaves.
pub(crate) async fn keep_up(shared: &Arc<Shared>) {
    let mut looked_through = None;
    loop {
        let pause = clock::spread(shared.config.sweep * SWEEPS);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.leaving.cancelled() => return,
        }
        let work = async {
            if let Err(fault) = remove_expired(shared).await {
                tracing::warn!(%fault, "not all runs could be removed whose time is over; the next look will");
            }
            let now = clock::monotonic();
            if looked_through.is_none_or(|at| now.duration_since(at) >= LOOK_THROUGH) {
                looked_through = Some(now);
                if let Err(fault) = forget_old_money(shared).await {
                    tracing::warn!(%fault, "what was spent long ago could not be removed; the next look will");
                }
                if let Err(fault) = forget_strays(shared).await {
                    tracing::warn!(%fault, "the blob store could not be looked through; the next look will");
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = shared.leaving.cancelled() => return,
        }
    }
}

async fn remove_expired(shared: &Shared) -> Result<()> {
    shared.store.forget_answers().await?;
    for (workspace, before) in shared.store.retention().await? {
        let mut after = None;
        loop {
            let lot = shared.store.expired(workspace, before, after, LOT).await?;
            for (run, _) in &lot {
                remove(shared, workspace, *run).await?;
            }
            tokio::time::sleep(PAUSE).await;
            after = lot.last().map(|(run, finished_at)| (*finished_at, *run));
            if (lot.len() as u64) < LOT {
                break;
            }
        }
        remove_deliveries(shared, workspace, before).await?;
    }
    Ok(())
}

/// Removes what came to triggers as long ago, but never before a sender can be told that it sends the same again.
async fn remove_deliveries(shared: &Shared, workspace: WorkspaceId, before: Timestamp) -> Result<()> {
    let kept = i64::try_from(DEDUPE.as_millis()).unwrap_or(i64::MAX);
    let before = before.min(Timestamp(shared.clock.now().0.saturating_sub(kept)));
    while shared.store.remove_deliveries(workspace, before, LOT).await? == LOT {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn forget_old_money(shared: &Shared) -> Result<()> {
    while shared.store.forget_old_money().await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Removes a run and all below it, the lowest first, unless one of them has not ended, or one that repeats it, which may go on with
/// its files.
async fn remove(shared: &Shared, workspace: WorkspaceId, run: RunId) -> Result<()> {
    if shared.store.has_unfinished_below(run).await? || shared.store.lends_files(run).await? {
        return Ok(());
    }
    loop {
        let lowest = shared.store.lowest_below(run, LOT).await?;
        let (lot, is_last) = if lowest.is_empty() { (vec![run], true) } else { (lowest, false) };
        shared.store.remove_ended(&lot).await?;
        forget_values(shared, workspace, lot).await;
        if is_last {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is not removed here is found by looking through the store.
async fn forget_values(shared: &Shared, workspace: WorkspaceId, runs: Vec<RunId>) {
    let forget = async |run: RunId| {
        if let Err(fault) = shared.blobs.forget_run(workspace, run).await {
            tracing::warn!(%run, %fault, "the large values of a run that was removed are left for later");
        }
    };
    stream::iter(runs).for_each_concurrent(AT_ONCE, forget).await;
}

/// Removes values of runs that are not there: a process died before it had removed them, or before it had created the run.
async fn forget_strays(shared: &Shared) -> Result<()> {
    let before = shared.clock.now().0.saturating_sub(i64::try_from(STRAY_AFTER.as_millis()).unwrap_or(i64::MAX));
    let mut found = shared.blobs.owners().try_chunks(1_000).map_err(|fault| fault.1);
    while let Some(objects) = found.try_next().await? {
        let mut newest: BTreeMap<RunId, (WorkspaceId, Timestamp)> = BTreeMap::new();
        for (workspace, run, at) in objects {
            let known = newest.entry(run).or_insert((workspace, at));
            known.1 = known.1.max(at);
        }
        let old: Vec<RunId> = newest.iter().filter(|(_, (_, at))| at.0 < before).map(|(run, _)| *run).collect();
        let there = shared.store.existing(&old).await?;
        for run in old.into_iter().filter(|run| !there.contains(run)) {
            let (workspace, _) = newest[&run];
            forget_values(shared, workspace, vec![run]).await;
        }
    }
    Ok(())
}
