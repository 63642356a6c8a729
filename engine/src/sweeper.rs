//! Finds what time and death leave behind: runs and steps whose worker died, due timers, hints that were lost.
//!
//! Everything that can be claimed is found by looking, so that losing every hint costs time and nothing else.

mod nets;

use std::{sync::Arc, time::Duration};

use flowforge_core::RunId;
use uuid::Uuid;

use crate::{
    blob::Origin,
    clock,
    config::QueueConfig,
    error::{Error, Result},
    owner::HANDLER,
    queue::{Hint, Priority},
    shared::Shared,
    start::{self, Accept},
    store::{inbox::Handler, leases::Held},
    triggers,
};

/// The most runs and steps that are found at once, oldest first.
const BATCH: u64 = 200;
/// The fewest runs that are taken up however little room there is, so that one whose hint was lost has its turn.
const FEW: usize = 16;
/// The pause when there is more to find.
const MORE: Duration = Duration::from_millis(100);
/// How long a hint may be on its way at the most.
const HINTED: Duration = Duration::from_secs(1);
/// Sweeps between two looks at what nobody will ask for again.
const TIDY_EVERY: u32 = 100;
/// Sweeps between two looks for what should never be lost.
const NETS_EVERY: u32 = 10;

/// Looks every few moments until the process leaves.
pub(crate) async fn sweep(shared: &Arc<Shared>) {
    for round in 0_u32.. {
        let found_all = run_once(shared, round).await.unwrap_or_else(|fault| {
            tracing::warn!(%fault, "a sweep failed; the next one will find the same");
            true
        });
        let pause = async {
            tokio::time::sleep(clock::spread(if found_all { shared.config.sweep } else { MORE })).await;
            // What was found last is not taken up yet, and would only be found again.
            while !found_all && !shared.queue.is_drained() {
                tokio::time::sleep(MORE).await;
            }
        };
        tokio::select! {
            () = pause => {}
            () = shared.sweep_now.notified() => {}
            () = shared.leaving.cancelled() => return,
        }
    }
}

/// Whether everything was found that there is to do.
async fn run_once(shared: &Arc<Shared>, round: u32) -> Result<bool> {
    let found = shared.store.find_work(shared.config.lease, on_the_way(shared), BATCH).await?;
    let most = most_runs(shared);
    let found_all = (found.runs.len() as u64) < BATCH && found.runs.len() <= most;
    for run in found.runs.into_iter().take(most) {
        shared.queue.push(Hint::Run(run), Priority::Low);
    }
    for run in shared.store.find_admissible(BATCH).await? {
        shared.queue.push(Hint::Run(run), Priority::Low);
    }
    for step in found.steps {
        shared.queue.push(Hint::Step(step), Priority::Low);
    }
    start_handlers(shared).await?;
    triggers::look_after(shared);
    look_after_own(shared).await?;
    if round.is_multiple_of(NETS_EVERY) {
        nets::cast(shared).await?;
    }
    if round.is_multiple_of(TIDY_EVERY) {
        shared.store.forget_silent_workers(shared.config.lease).await?;
        shared.store.forget_late_messages().await?;
        shared.store.cancel_orphans().await?;
    }
    Ok(found_all)
}

/// How many of the runs that were found are taken up. A backlog has hints, which whoever has room takes up; workers that all go
/// for its oldest runs as well wait for each other's claims and find most of them taken.
fn most_runs(shared: &Shared) -> usize {
    match shared.config.queue {
        QueueConfig::None => usize::MAX,
        _ => shared.room_left().max(FEW),
    }
}

/// How long the hint of a dispatched step may be on its way before the sweeper speaks of the step itself.
fn on_the_way(shared: &Shared) -> Duration {
    match shared.config.queue {
        QueueConfig::None => Duration::ZERO,
        _ => HINTED.min(shared.config.lease / 6),
    }
}

/// Creates the runs that failures have called for. Each has its id from the beginning, so it is created once.
async fn start_handlers(shared: &Arc<Shared>) -> Result<()> {
    for (id, message, handler) in shared.store.called_for(BATCH).await? {
        if let Err(fault) = start_handler(shared, id, message, &handler).await {
            tracing::error!(workflow = handler.workflow, %fault, "the run that a failure calls for cannot be started");
            if matches!(fault, Error::NotFound(_) | Error::Invalid(_) | Error::Conflict { .. } | Error::BadInput(_)) {
                shared.store.forget_message(message).await?;
            }
        }
    }
    Ok(())
}

async fn start_handler(shared: &Arc<Shared>, id: RunId, message: Uuid, handler: &Handler) -> Result<()> {
    let compiled = start::compiled(shared, handler.workspace, &handler.workflow, None).await?;
    // The run that has failed may be removed before its handler has ended. What is gone already is missed where it is read.
    let input = Arc::new(handler.input.clone());
    let own = shared.blobs.adopt(&Origin::of_run(handler.workspace, id), input.clone()).await;
    let new = Accept::new(handler.workspace, compiled, own.unwrap_or(input), HANDLER);
    match start::accept(shared, Accept { id, called_by: Some(message), ..new }).await {
        // Another process was quicker.
        Err(Error::Fenced) => shared.store.forget_message(message).await,
        answer => answer.map(drop),
    }
}

/// Rings owners whose runs were called by other processes, and takes up again what this worker owns and lost track of: the
/// answer to a claim was lost, or what was claimed could not be read.
async fn look_after_own(shared: &Arc<Shared>) -> Result<()> {
    let held = shared.store.held_by(shared.worker).await?;
    take_up_lost(shared, held).await
}

async fn take_up_lost(shared: &Shared, held: Held) -> Result<()> {
    let is_live = |(run, called): (RunId, bool)| if called { shared.ring_owner(run) } else { shared.is_live(run) };
    let lost: Vec<RunId> = held.runs.into_iter().filter(|held| !is_live(*held)).map(|(run, _)| run).collect();
    if !lost.is_empty() {
        // One that was let go of while the database answered looks lost as well, and would be claimed for nothing: asked again, the
        // database does not name it any more.
        let still = shared.store.held_by(shared.worker).await?;
        let is_lost = |(run, _): &(RunId, bool)| lost.contains(run) && !shared.is_live(*run);
        for (run, _) in still.runs.into_iter().filter(is_lost) {
            shared.queue.push(Hint::Run(run), Priority::Low);
        }
    }
    for step in held.steps.into_iter().filter(|step| !shared.is_executed(step)) {
        shared.queue.push(Hint::Step(step), Priority::Low);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;
    use crate::start::tests::{create, process};

    #[tokio::test]
    async fn a_run_is_lost_that_its_worker_owns_and_does_not_know_and_not_one_that_it_just_let_go_of() {
        let folder = tempfile::tempdir().unwrap();
        let shared = process(folder.path()).await;
        create(&shared).await;
        let held = async || shared.store.held_by(shared.worker).await.unwrap();
        assert_eq!(held().await.runs.len(), 1);
        let before = held().await;
        shared.store.connection().execute_unprepared("UPDATE runs SET owner = NULL").await.unwrap();
        take_up_lost(&shared, before).await.unwrap();
        assert!(shared.queue.is_drained(), "it was let go of while the database answered");
        let sql = format!("UPDATE runs SET owner = x'{}'", shared.worker.uuid().simple());
        shared.store.connection().execute_unprepared(&sql).await.unwrap();
        take_up_lost(&shared, held().await).await.unwrap();
        assert!(!shared.queue.is_drained(), "it is owned here, and nobody is at it");
    }
}
