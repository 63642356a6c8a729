//! Finds what time and death leave behind: runs and steps whose worker died, due timers, hints that were lost.
//!
//! Everything that can be claimed is found by looking, so that losing every hint costs time and nothing else.

use std::{sync::Arc, time::Duration};

use crate::{
    clock,
    error::Result,
    queue::{Hint, Priority},
    shared::Shared,
};

/// The most runs and steps that are found at once, oldest first.
const BATCH: u64 = 200;
/// Sweeps between two looks at what nobody will ask for again.
const TIDY_EVERY: u32 = 100;

/// Looks every few moments until the process leaves.
pub(crate) async fn sweep(shared: &Arc<Shared>) {
    for round in 0_u32.. {
        if let Err(fault) = run_once(shared, round).await {
            tracing::warn!(%fault, "a sweep failed; the next one will find the same");
        }
        tokio::select! {
            () = tokio::time::sleep(pause(shared.config.sweep)) => {}
            () = shared.leaving.cancelled() => return,
        }
    }
}

async fn run_once(shared: &Arc<Shared>, round: u32) -> Result<()> {
    let found = shared.store.find_work(shared.config.lease, BATCH).await?;
    for run in found.runs {
        shared.queue.push(Hint::Run(run), Priority::Low);
    }
    for step in found.steps {
        shared.queue.push(Hint::Step(step), Priority::Low);
    }
    look_after_own(shared).await?;
    if round.is_multiple_of(TIDY_EVERY) {
        shared.store.forget_silent_workers(shared.config.lease).await?;
        shared.store.forget_late_messages().await?;
    }
    Ok(())
}

/// Rings owners whose runs were called by other processes, and takes up again what this worker owns and lost track of: the
/// answer to a claim was lost, or what was claimed could not be read.
async fn look_after_own(shared: &Arc<Shared>) -> Result<()> {
    let held = shared.store.held_by(shared.worker).await?;
    for (run, called) in held.runs {
        let is_live = if called { shared.ring_owner(run) } else { shared.is_live(run) };
        if !is_live {
            shared.queue.push(Hint::Run(run), Priority::Low);
        }
    }
    for step in held.steps.into_iter().filter(|step| !shared.is_executed(step)) {
        shared.queue.push(Hint::Step(step), Priority::Low);
    }
    Ok(())
}

/// The pause, longer or shorter by up to a fifth, so that many processes do not look at the same moment.
fn pause(every: Duration) -> Duration {
    let spread = clock::new_uuid().as_u64_pair().1 % 400;
    every.mul_f64(0.8 + spread as f64 / 1000.0)
}
