//! A process that owns runs: takes up hints, beats its heart, sweeps, and leaves in good order.

mod lane;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use flowforge_core::{RunId, RunStatus, event::RunError};
use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    committer::{Delta, Guard, RunPatch},
    error::{Error, Result},
    failpoint::{Point, reached},
    owner::{self, Ended, Loaded, Owner},
    queue::{Bell, Hint, Limits, Priority, Receivers},
    retention,
    shared::{Live, Shared},
    store::{
        inbox::Message,
        leases::{Blame, RunLease},
        runs::RunRow,
    },
    sweeper,
};

/// The wait before a run is read again after the database failed; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The worker of a process.
pub(crate) struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Works until the process leaves.
    pub(crate) async fn work(self: Arc<Self>, receivers: Receivers) {
        let shared = self.shared.clone();
        let limits = Limits { runs: shared.config.max_runs, steps: shared.config.lane_slots };
        let handle = move |hint| self.clone().take_up(hint);
        let queue = crate::queue::work(receivers, limits, shared.leaving.clone(), handle).boxed();
        tokio::join!(queue, beat(&shared), sweeper::sweep(&shared), retention::keep_up(&shared).boxed());
    }

    /// Begins nothing more.
    pub(crate) fn leave(&self) {
        self.shared.leaving.cancel();
    }

    /// Says that someone wants a run to stop. That needs no room: one that is not owned is taken up at once.
    pub(crate) fn call(&self, run: RunId) {
        let shared = self.shared.clone();
        if shared.ring_owner(run) {
            return;
        }
        shared.queue.tell(Bell::Owner(run));
        if shared.config.works {
            shared.runtime.clone().spawn(async move { own(&shared, run).await });
        } else {
            shared.queue.offer(Hint::Run(run), Priority::High);
        }
    }

    async fn take_up(self: Arc<Self>, hint: Hint) {
        match hint {
            Hint::Run(run) => {
                let _room = self.shared.room_at_last().await;
                own(&self.shared, run).await;
            }
            Hint::Step(step) => lane::execute(&self.shared, step).boxed().await,
        }
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

/// Begins a run that is to be created here, in a task of its own. It needs no hint: nobody else knows of it yet, and a way
/// through the queue would cost a tenth of what the whole run does.
pub(crate) fn begin(shared: &Arc<Shared>, owner: Box<Owner>, room: OwnedSemaphorePermit) {
    let Some(live) = shared.enlist(owner.id()) else { return };
    let shared = shared.clone();
    shared.runtime.clone().spawn(async move {
        drive(&shared, live, Some((owner, 0))).await;
        drop(room);
    });
}

/// Claims a run and drives it, unless that is done here already.
async fn own(shared: &Arc<Shared>, run: RunId) {
    let Some(live) = shared.enlist(run) else { return };
    let claimed = claim(shared, run, false).boxed().await.unwrap_or_else(|fault| {
        tracing::warn!(%run, %fault, "the run could not be claimed; the sweeper will try again");
        None
    });
    drive(shared, live, claimed).await;
}

/// Drives a run to where its ownership ends, through every time it has to be read again. Nobody else in this process
/// claims or drives it meanwhile. What is rarely needed is boxed: every run pays for the size of this future.
async fn drive(shared: &Arc<Shared>, live: Live, mut next: Option<(Box<Owner>, u32)>) {
    let run = live.run;
    let mut parked = false;
    let mut line = None;
    while let Some((mut owner, crashes)) = next.take() {
        let ended = AssertUnwindSafe(owner.drive(live.bell.clone(), crashes)).catch_unwind().await;
        let epoch = owner.epoch();
        line = owner.line().map(ToOwned::to_owned);
        drop(owner);
        parked = matches!(ended, Ok(Ended::Parked));
        next = match ended {
            Ok(Ended::Over | Ended::Gone | Ended::Parked) => None,
            Ok(Ended::Lost) => recover(shared, run, false).boxed().await,
            Ok(Ended::Unwritable) => {
                let message = "the database does not take what the run has come to: it is too large, or of no kind it knows";
                // When this is not written either, the sweeper finds the run, which comes to the same again.
                let _ = fail(shared, run, epoch, "RUN_UNWRITABLE", message.to_owned()).boxed().await;
                None
            }
            Err(_) => {
                tracing::error!(%run, "the owner of the run stopped on a fault in FlowForge itself; reading the run again");
                recover(shared, run, true).boxed().await
            }
        };
    }
    drop(live);
    if let Some(key) = line {
        call_next(shared, &key).boxed().await;
    }
    if shared.is_leaving() {
        // What is handed back need not wait to be found.
        return shared.queue.offer(Hint::Run(run), Priority::High);
    }
    // A message may have come while the run was let go of.
    if parked && shared.store.messages(run).boxed().await.is_ok_and(|messages| !messages.is_empty()) {
        shared.call(run);
    }
}

/// Whoever stands first in the line of a key may find room now.
async fn call_next(shared: &Shared, key: &str) {
    match shared.store.next_in_line(key).await {
        Ok(Some(run)) => shared.queue.offer(Hint::Run(run), Priority::High),
        Ok(None) => {}
        Err(fault) => tracing::warn!(key, %fault, "the next in line was not found; the sweeper will"),
    }
}

/// Claims a run and reads it. An error leaves it unknown whether it was claimed: the sweeper finds what this worker owns
/// and does not hold.
async fn claim(shared: &Arc<Shared>, run: RunId, crashed: bool) -> Result<Option<(Box<Owner>, u32)>> {
    if shared.is_leaving() || !shared.is_trusted() {
        return Ok(None);
    }
    // Taken before asking: the heartbeat may lapse while the answer is on its way.
    let lapses = shared.lapses();
    let blame = Blame { own: crashed, others: !shared.was_silent() };
    let claim = || shared.store.claim_run(run, shared.worker, shared.config.lease, blame);
    let claimed = match claim().await? {
        Some(claimed) => Some(claimed),
        None if let_in(shared, run).await? => claim().await?,
        None => None,
    };
    match claimed {
        Some(claimed) => load(shared, run, claimed, lapses).await,
        None => Ok(None),
    }
}

/// Lets a run in that waits for others with its key, if it is its turn.
async fn let_in(shared: &Shared, run: RunId) -> Result<bool> {
    match shared.store.line_of(run).await? {
        Some(key) => shared.store.admit_run(run, &key).await,
        None => Ok(false),
    }
}

/// Finds out what was written of a run that this worker owned, and goes on with it; `crashed` when losing track of it was the
/// run's own doing.
async fn recover(shared: &Arc<Shared>, run: RunId, mut crashed: bool) -> Option<(Box<Owner>, u32)> {
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
        match claim(shared, run, crashed).await {
            Ok(found) => return found,
            Err(fault) => tracing::warn!(%run, %fault, "the run could not be claimed and read again; trying again"),
        }
        crashed = false;
    }
}

async fn load(shared: &Arc<Shared>, run: RunId, claimed: RunLease, lapses: u64) -> Result<Option<(Box<Owner>, u32)>> {
    reached(Point::RunClaimed);
    let RunLease { epoch, row, called } = claimed;
    let is_all = row.as_ref().is_ok_and(|row| !owner::has_begun(row));
    let read = match row {
        Ok(row) => Loaded::of_row(shared, row).await,
        Err(fault) => Err(fault),
    };
    // What is read after the row belongs to it only if nobody else was given the run meanwhile.
    let is_ours = is_all || shared.store.epoch_of(run).await? == Some(epoch);
    if !is_ours || !shared.is_trusted_since(lapses) {
        return Ok(None);
    }
    match read {
        Ok(loaded) => {
            let crashes = loaded.row.crashes;
            Ok(Some((Owner::resume(shared.clone(), loaded, called, lapses), crashes)))
        }
        Err(fault @ (Error::Invalid(_) | Error::Inconsistent { .. } | Error::NotFound(_))) => {
            // What this program cannot read must not be claimed for ever: it fails, and only it.
            let message = format!("the run cannot be read by this version of FlowForge: {fault}");
            fail(shared, run, epoch, "RUN_UNREADABLE", message).await.map(|()| None)
        }
        Err(fault) => Err(fault),
    }
}

/// Ends a run without its planner.
async fn fail(shared: &Shared, run: RunId, epoch: i64, code: &str, message: String) -> Result<()> {
    tracing::error!(%run, code, message, "the run fails");
    let now = shared.clock.now();
    let error = RunError { code: code.to_owned(), message, node_id: None };
    let patch = RunPatch {
        status: Some(RunStatus::Failed),
        error: Some(serde_json::json!(error).to_string()),
        finished: Some((0, now)),
        release: true,
        ..RunPatch::default()
    };
    let mut delta = Delta::of_run(run, Guard::Owner(epoch), 1, patch);
    let told = match shared.store.readable_row(None, run).await {
        Ok(row) => tell_of_failure(shared, row, &error, &mut delta).await,
        Err(_) => Vec::new(),
    };
    shared.committer.commit(delta).await?;
    told.into_iter().for_each(|run| shared.call(run));
    shared.sweep_now.notify_one();
    Ok(())
}

/// The parent of a run that its planner could not end learns of it all the same, and so does whoever handles failures.
async fn tell_of_failure(shared: &Shared, row: RunRow, error: &RunError, delta: &mut Delta) -> Vec<RunId> {
    let now = shared.clock.now();
    let mut record = row.record;
    (record.status, record.error) = (RunStatus::Failed, Some(error.clone()));
    let parent = record.parent.as_ref();
    delta.outbox.extend(parent.map(|parent| owner::ended(parent, record.status).letter(parent.run, now)));
    let (workspace, workflow, version) = (record.workspace, record.workflow, record.version);
    // What cannot be compiled any more names no handler.
    if let Ok(compiled) = shared.versions.of_run(&shared.store, workspace, workflow, version, row.body.as_deref()).await
        && let Some((run, handler)) = owner::handler(&compiled, &record, now)
    {
        delta.outbox.push(Message::Start(Box::new(handler)).letter(run, now));
    }
    parent.map(|parent| parent.run).into_iter().collect()
}
