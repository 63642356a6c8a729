//! Nets below everything else: what should never be lost is looked for all the same, told to the log, and mended by a look at the
//! rows.

use std::sync::Arc;

use flowforge_core::RunId;

use crate::{
    engine::{Reason, why},
    error::Result,
    money,
    shared::Shared,
    store::inbox::Message,
};

/// The most runs that are mended, and told of, at once.
const MOST: u64 = 20;

/// Looks for runs that nothing moves although they have not ended.
pub(super) async fn cast(shared: &Arc<Shared>) -> Result<()> {
    for run in shared.store.find_forgotten_children(shared.config.lease, MOST).await? {
        tracing::warn!(%run, "every run that a step waits for has ended, and the step was not told; looking again");
        look(shared, run).await?;
    }
    // Most of these execute a step themselves, for long, and have nothing to do.
    for run in shared.store.find_unleased(shared.worker, shared.config.lease * 2, MOST).await? {
        look(shared, run).await?;
    }
    // A run that was just accepted, or let go of, may look like this for a moment.
    for run in shared.store.find_stuck(shared.config.lease * 2, MOST).await? {
        let standing = shared.store.standing(None, run, shared.config.lease).await?;
        if why(standing, shared.config.lease) == Reason::None {
            tracing::error!(%run, "nothing moves the run, which is a fault of FlowForge; reading it again");
            look(shared, run).await?;
        }
    }
    money::look_after(shared).await
}

/// Has the run read again by whoever owns it, or will.
async fn look(shared: &Arc<Shared>, run: RunId) -> Result<()> {
    shared.store.send(run, &Message::Look).await?;
    shared.call(run);
    Ok(())
}
