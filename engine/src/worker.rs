//! A process that owns runs: takes up hints, beats its heart, sweeps, and leaves in good order.

mod lane;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use flowforge_core::{RunId, RunStatus, event::RunError};
use futures::FutureExt;

use crate::{
    committer::{Delta, Guard, RunPatch},
    error::{Error, Result},
    owner::{Ended, Loaded, Owner},
    queue::{Hint, Limits, Priority, Receivers},
    shared::{Shared, lock},
    sweeper,
};

/// The wait before a run is read again after the database failed; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The worker of a process.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    /// Owners of runs that this process has accepted, until the queue brings their hint.
    prepared: Mutex<HashMap<RunId, Owner>>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, prepared: Mutex::default() }
    }

    /// Works until the process leaves.
    pub(crate) async fn work(self: Arc<Self>, receivers: Receivers) {
        let shared = self.shared.clone();
        let limits = Limits { runs: shared.config.max_runs, steps: shared.config.lane_slots };
        let handle = move |hint| self.clone().take_up(hint);
        let queue = crate::queue::work(receivers, limits, shared.leaving.clone(), handle).boxed();
        tokio::join!(queue, beat(&shared), sweeper::sweep(&shared));
    }

    /// Takes a run that is to be created here. Gives it back when there is no room for it.
    pub(crate) fn accept(&self, run: RunId, owner: Owner) -> Result<(), Box<Owner>> {
        lock(&self.prepared).insert(run, owner);
        if self.shared.queue.push(Hint::Run(run), Priority::Normal) {
            return Ok(());
        }
        self.take_prepared(run).map_or(Ok(()), |owner| Err(Box::new(owner)))
    }

    /// Whether another run can be held in memory, and owned safely.
    pub(crate) fn has_room(&self) -> bool {
        let held = self.shared.owned() + lock(&self.prepared).len();
        held < self.shared.config.max_runs && self.shared.is_trusted() && !self.shared.is_leaving()
    }

    /// Begins nothing more. Whoever asked for a run that no commit has created yet is told that it was not accepted.
    pub(crate) fn leave(&self) {
        self.shared.leaving.cancel();
        lock(&self.prepared).clear();
    }

    async fn take_up(self: Arc<Self>, hint: Hint) {
        match hint {
            Hint::Run(run) => match self.take_prepared(run) {
                Some(owner) => own(&self.shared, run, owner, 0).await,
                None => take_up_run(&self.shared, run).await,
            },
            Hint::Step(step) => lane::execute(&self.shared, step).await,
        }
    }

    fn take_prepared(&self, run: RunId) -> Option<Owner> {
        lock(&self.prepared).remove(&run)
    }
}

/// Says that this worker is alive, and learns the database's time from the answer.
async fn beat(shared: &Shared) {
    let mut pause = tokio::time::interval(shared.config.lease / 10);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pause.tick() => {}
            () = shared.left.cancelled() => return,
        }
        if let Err(fault) = shared.beat().await {
            tracing::warn!(%fault, "the heartbeat was not written");
        }
        lane::stop_what_is_not_held(shared).await;
    }
}

async fn take_up_run(shared: &Arc<Shared>, run: RunId) {
    match claim(shared, run).await {
        Ok(Some((owner, crashes))) => own(shared, run, owner, crashes).await,
        Ok(None) => {}
        Err(fault) => tracing::warn!(%run, %fault, "the run could not be claimed; the sweeper will try again"),
    }
}

/// Drives a run to where its ownership ends, through every time it has to be read again.
async fn own(shared: &Arc<Shared>, run: RunId, owner: Owner, crashes: u32) {
    let mut next = Some((owner, crashes));
    while let Some((mut owner, crashes)) = next.take() {
        let live = shared.enlist(run, owner.bell());
        let ended = AssertUnwindSafe(owner.drive(crashes)).catch_unwind().await;
        let epoch = owner.epoch();
        drop((live, owner));
        next = match ended {
            Ok(Ended::Over | Ended::Gone) => None,
            Ok(Ended::Parked) => called_back(shared, run).await,
            Ok(Ended::Lost) => recover(shared, run, epoch, false).await,
            Err(_) => {
                tracing::error!(%run, "the owner of the run stopped on a fault in FlowForge itself; reading the run again");
                recover(shared, run, epoch, true).await
            }
        };
    }
}

/// A message may have come while the run was let go of: then it is claimed again at once.
async fn called_back(shared: &Arc<Shared>, run: RunId) -> Option<(Owner, u32)> {
    match shared.store.messages(run).await {
        Ok(messages) if messages.is_empty() => None,
        Ok(_) => claim(shared, run).await.ok().flatten(),
        Err(_) => None,
    }
}

async fn claim(shared: &Arc<Shared>, run: RunId) -> Result<Option<(Owner, u32)>> {
    if shared.is_leaving() || shared.ring_owner(run) {
        return Ok(None);
    }
    match shared.store.claim_run(run, shared.worker, shared.config.lease).await? {
        Some(epoch) => load(shared, run, epoch).await,
        None => Ok(None),
    }
}

/// Finds out what was written of a run that this worker owned, and goes on with it.
async fn recover(shared: &Arc<Shared>, run: RunId, epoch: i64, crashed: bool) -> Option<(Owner, u32)> {
    let mut wait = FIRST_WAIT;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.leaving.cancelled() => return None,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
        if !shared.is_trusted() {
            continue;
        }
        match shared.store.reclaim_run(run, shared.worker, epoch, crashed).await {
            Ok(Some(epoch)) => match load(shared, run, epoch).await {
                Ok(found) => return found,
                Err(fault) => tracing::warn!(%run, %fault, "the run could not be read; trying again"),
            },
            Ok(None) => return None,
            Err(fault) => tracing::warn!(%run, %fault, "the run could not be claimed again; trying again"),
        }
    }
}

async fn load(shared: &Arc<Shared>, run: RunId, epoch: i64) -> Result<Option<(Owner, u32)>> {
    match Loaded::read(shared, run).await {
        Ok(loaded) if loaded.row.epoch == epoch => {
            let crashes = loaded.row.crashes;
            Ok(Some((Owner::resume(shared.clone(), loaded), crashes)))
        }
        Ok(_) => Ok(None),
        Err(fault @ (Error::Invalid(_) | Error::Inconsistent { .. } | Error::NotFound(_))) => {
            fail_unreadable(shared, run, epoch, &fault).await.map(|()| None)
        }
        Err(fault) => Err(fault),
    }
}

/// A run that this program cannot read must not be claimed for ever: it fails, and only it.
async fn fail_unreadable(shared: &Shared, run: RunId, epoch: i64, fault: &Error) -> Result<()> {
    tracing::error!(%run, %fault, "the run cannot be read and fails");
    let now = shared.clock.now();
    let message = format!("the run cannot be read by this version of FlowForge: {fault}");
    let error = RunError { code: "RUN_UNREADABLE".to_owned(), message, node_id: None };
    let patch = RunPatch {
        status: Some(RunStatus::Failed),
        error: Some(serde_json::json!(error).to_string()),
        finished: Some((0, now)),
        release: true,
        ..RunPatch::default()
    };
    shared.committer.commit(Delta::of_run(run, Guard::Owner(epoch), 1, patch)).await
}
