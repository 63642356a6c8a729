//! The lane of dispatched steps: claims one, executes it, reports through the inbox of its run.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use flowforge_core::{
    StepState,
    node::{BoxFuture, LogSink, NodeError, Stream},
    run::CRASH_LIMIT,
};
use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    committer::{Delta, Guard, LogWrite, RunPatch},
    error::{Error, Result},
    executor::Executed,
    failpoint::{Point, reached},
    owner::{Attempt, Loaded, Surroundings, about, admitted},
    queue::{Hint, Priority, StepRef},
    shared::{LiveStep, Shared},
    store::{
        inbox::{Answer, Report},
        leases::StepLease,
    },
};

/// How long log lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(100);
/// The most log lines in one commit, and the most that wait before the step that writes them waits too.
const LINES: usize = 256;
/// The wait before a report is tried again that the database did not take.
const AGAIN: Duration = Duration::from_millis(500);

/// Executes a dispatched step if nobody else does.
pub(super) async fn execute(shared: &Arc<Shared>, step: StepRef) {
    if shared.is_leaving() || !shared.is_trusted() {
        return;
    }
    let Some(live) = shared.enlist_step(&step) else { return };
    // Taken before asking: the heartbeat may lapse while the answer is on its way.
    let lapses = shared.lapses();
    match shared.store.claim_step(&step, shared.worker, shared.config.lease).await {
        Ok(Some(lease)) => claimed(shared, &step, Claim { lease, lapses }, live).await,
        Ok(None) => {}
        Err(fault) => {
            tracing::warn!(run = %step.run, node = %step.node, %fault, "the step could not be claimed; the sweeper will try again")
        }
    }
}

/// A step that was claimed.
struct Claim {
    lease: StepLease,
    /// The lapses of this worker's heartbeat before it asked for the step.
    lapses: u64,
}

async fn claimed(shared: &Arc<Shared>, step: &StepRef, claim: Claim, live: LiveStep) {
    reached(Point::StepClaimed);
    let execution = live.execution.clone();
    let (epoch, key) = (claim.lease.epoch, claim.lease.key.clone());
    let _ = execution.epoch.set(epoch);
    let work = async {
        match attempt(shared, step, claim).await {
            Ok(Some(report)) => {
                send(shared, step, epoch, report).await;
                // Its owner may dispatch it again at once.
                drop(live);
                shared.call(step.run);
            }
            Ok(None) => hand_back(shared, step, epoch).await,
            // The run has gone on without this attempt.
            Err(Error::Fenced) => end(shared, step, epoch).await,
            // Its owner may be of a version that can read it, and would wait for ever.
            Err(fault @ (Error::Invalid(_) | Error::Inconsistent { .. } | Error::NotFound(_))) => {
                send(shared, step, epoch, unreadable(shared, step, &fault)).await;
                drop(live);
                shared.call(step.run);
            }
            Err(fault) => {
                tracing::warn!(run = %step.run, node = %step.node, %fault, "the step could not be read; handing it back");
                tokio::time::sleep(AGAIN).await;
                hand_back(shared, step, epoch).await;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = execution.stop.cancelled() => tracing::debug!(run = %step.run, node = %step.node, "the step was recalled"),
    }
    if let Some(key) = key {
        call_next(shared, &key).await;
    }
}

/// Whoever waits for a step with the same key to end may find room now.
async fn call_next(shared: &Shared, key: &str) {
    match shared.store.next_step_in_line(key, shared.config.lease).await {
        Ok(Some(step)) => shared.queue.offer(Hint::Step(step), Priority::High),
        Ok(None) => {}
        Err(fault) => tracing::warn!(key, %fault, "the next step in line was not found; the sweeper will"),
    }
}

/// Makes the attempt; nothing when the process leaves before it has ended.
async fn attempt(shared: &Arc<Shared>, step: &StepRef, Claim { lease, lapses }: Claim) -> Result<Option<Report>> {
    let loaded = Loaded::read(shared, step.run).await?;
    // What was read may be of after a recall: then the attempt that stands there is not for now.
    let held = match lease.crashes {
        1..CRASH_LIMIT => shared.store.begin_step(step, lease.epoch).await?,
        _ => shared.store.holds_step(step, lease.epoch).await?,
    };
    if !held {
        return Err(Error::Fenced);
    }
    let graph = &loaded.compiled.graph;
    let ix = graph.find(&step.node).ok_or(Error::NotFound("node"))?;
    if loaded.run.status().is_terminal() {
        return Err(Error::Fenced);
    }
    let (woken, awaited) = match loaded.run.state(ix) {
        StepState::Running { attempt, .. } if *attempt == step.attempt => (None, None),
        StepState::Waiting { attempt, until, awaiting } if *attempt == step.attempt => (*until, awaiting.clone()),
        _ => return Err(Error::Fenced),
    };
    if lease.crashes >= CRASH_LIMIT {
        return Ok(Some(crashed(shared, step, lease.crashes)));
    }
    let record = &loaded.row.record;
    let (sender, lines) = mpsc::channel(LINES);
    let log = Arc::new(LaneLog { sender, clock: shared.clock.clone(), lines: AtomicUsize::new(0) });
    let held = Some((step.clone(), lease.epoch));
    let attempt = Attempt { step: ix, attempt: step.attempt, woken, awaited, lease: held };
    let surroundings = Surroundings {
        run: &loaded.run,
        compiled: &loaded.compiled,
        record,
        about: &about(record),
        place: loaded.place.as_ref(),
        plain: loaded.plain,
    };
    let task = surroundings.task(attempt, log);
    if !shared.is_trusted_since(lapses) {
        return Ok(None);
    }
    let executed = async {
        tokio::select! {
            executed = shared.executor.execute(task) => Some(executed),
            () = shared.grace_is_over() => None,
        }
    };
    let (executed, ()) = tokio::join!(executed, write_lines(shared, step, lease.epoch, lines));
    Ok(executed.map(|executed| report(shared, step, executed)))
}

fn report(shared: &Shared, step: &StepRef, executed: Executed) -> Report {
    Report {
        node: step.node.clone(),
        attempt: step.attempt,
        answer: Answer::of(executed.result, shared.clock.now()),
        input: executed.input,
        started_at: executed.started_at,
        finished_at: executed.finished_at,
    }
}

fn crashed(shared: &Shared, step: &StepRef, crashes: u32) -> Report {
    let message = format!(
        "{crashes} workers died while they executed `{}`; find out what it does to its worker before running it again",
        step.node
    );
    failed(shared, step, NodeError::fatal("WORKER_CRASHED", message))
}

fn unreadable(shared: &Shared, step: &StepRef, fault: &Error) -> Report {
    let message = format!("the run cannot be read by the version of FlowForge that was to execute `{}`: {fault}", step.node);
    failed(shared, step, NodeError::fatal("RUN_UNREADABLE", message))
}

/// The report of an attempt that was not made.
fn failed(shared: &Shared, step: &StepRef, error: NodeError) -> Report {
    let now = shared.clock.now();
    let (node, answer) = (step.node.clone(), Answer::Failed(error));
    Report { node, attempt: step.attempt, answer, input: None, started_at: now, finished_at: now }
}

/// Reports until the database has taken it, or says that the lease is another worker's.
async fn send(shared: &Arc<Shared>, step: &StepRef, epoch: i64, report: Report) {
    loop {
        match shared.store.report(step, epoch, report.clone()).await {
            Ok(()) => return,
            Err(Error::Fenced) => return tracing::debug!(run = %step.run, node = %step.node, "a late report was dropped"),
            Err(fault) => tracing::warn!(run = %step.run, node = %step.node, %fault, "the report was not written; trying again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn hand_back(shared: &Shared, step: &StepRef, epoch: i64) {
    match shared.store.release_step(step, epoch).await {
        Ok(()) => shared.queue.offer(Hint::Step(step.clone()), Priority::High),
        Err(fault) => {
            tracing::warn!(run = %step.run, node = %step.node, %fault, "the step was not handed back; its lease will run out");
        }
    }
}

async fn end(shared: &Shared, step: &StepRef, epoch: i64) {
    if let Err(fault) = shared.store.end_lease(step, epoch).await {
        tracing::warn!(run = %step.run, node = %step.node, %fault, "the lease was not ended; it will run out");
    }
}

/// Writes log lines in batches until the step drops its end.
async fn write_lines(shared: &Shared, step: &StepRef, epoch: i64, mut lines: mpsc::Receiver<LogWrite>) {
    let mut batch = Vec::with_capacity(LINES);
    while lines.recv_many(&mut batch, LINES).await > 0 {
        let seqs = batch.len() as i64;
        for (offset, line) in (0..).zip(&mut batch) {
            (line.offset, line.node, line.attempt) = (offset, step.node.clone(), step.attempt);
        }
        let guard = Guard::Lease { node: step.node.clone(), attempt: step.attempt, epoch };
        let mut delta = Delta::of_run(step.run, guard, seqs, RunPatch::default());
        delta.logs = std::mem::replace(&mut batch, Vec::with_capacity(LINES));
        if let Err(fault) = shared.committer.commit(delta).await {
            tracing::warn!(run = %step.run, node = %step.node, %fault, "log lines were not written");
        }
        if lines.len() < LINES && !lines.is_closed() {
            tokio::time::sleep(GATHER).await;
        }
    }
}

/// Stops what this worker executes and no longer holds: recalled, or taken over by another worker.
pub(super) async fn stop_what_is_not_held(shared: &Shared) {
    for (step, execution) in shared.enlisted_steps() {
        if let Some(epoch) = execution.epoch.get()
            && let Ok(false) = shared.store.holds_step(&step, *epoch).await
        {
            execution.stop.cancel();
        }
    }
}

/// The log of one dispatched attempt.
struct LaneLog {
    sender: mpsc::Sender<LogWrite>,
    clock: Clock,
    lines: AtomicUsize,
}

impl LogSink for LaneLog {
    fn line(&self, stream: Stream, text: String) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some((stream, text)) = admitted(&self.lines, stream, text) else { return };
            let line = LogWrite { offset: 0, node: "".into(), attempt: 0, stream: stream.as_str(), text, at: self.clock.now() };
            // The receiver lives as long as the attempt.
            let _ = self.sender.send(line).await;
        })
    }
}
