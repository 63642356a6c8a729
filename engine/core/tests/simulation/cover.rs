//! What has happened at least sometimes: a check that never meets a rare state says nothing of it.

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// A state that has to be met.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rare { $($(#[$doc])* $name),* }

        impl Rare {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

states! {
    /// A run was begun and ended by one commit.
    OneCommit
    /// A commit of several runs.
    GroupCommit
    /// A commit under an old epoch was refused.
    FencedCommit
    /// A report under an old lease was refused.
    FencedReport
    /// A commit was written and its answer lost.
    UnknownApplied
    /// A commit was not written and nobody knew.
    UnknownLost
    /// A delta was refused in a batch of several.
    BatchSplit
    /// A run was taken over from a worker that was killed.
    TakenFromDead
    /// A run was taken over from a worker that was only silent.
    TakenFromSilent
    /// A dispatched step was taken over.
    StepTakenOver
    /// An owner that was suspected died before it began anything.
    DiedUnbegun
    /// So did the worker of a dispatched step.
    StepDiedUnbegun
    /// A worker found out that it had been silent for too long and began nothing.
    FencedItself
    /// An owner died between its commit and the answer.
    DiedAfterCommit
    /// A run was given up because its owners died.
    CrashLimit
    /// A dispatched step was given up because its workers died.
    LaneCrashLimit
    /// A run was cancelled.
    Cancelled
    /// A cancel came after the end.
    CancelLate
    /// A cancel was read together with a report.
    CancelMeetsReport
    /// A run was let go of to wait.
    Parked
    /// Something came while a run was let go of.
    CalledWhileParked
    /// A run was handed back by a worker that left.
    HandedBack
    /// A dispatched step was handed back.
    StepHandedBack
    /// A hint for a run that had ended.
    HintForEnded
    /// A hint reached nobody.
    HintLost
    /// The queue was wiped while it held something.
    QueueWiped
    /// A second request with the same key got the first one's run.
    Repeated
    /// Two requests with the same key were on the way at once.
    RepeatedAtOnce
    /// A request whose answer was lost had been carried out.
    UnknownStart
    /// A subscriber came back and had a gap to fill.
    ResumedWithGap
    /// An effect was applied after its worker had lost the run.
    LateEffect
    /// An effect was begun twice.
    RepeatedEffect
    /// A dispatched step slept.
    LaneSlept
    /// A run took longer than it may.
    Expired
    /// A run failed.
    Failed
    /// A run completed as the reference says, through at least one change of hands.
    CompletedTakenOver
    /// A replayed run was held against the one in memory.
    Replayed
    /// A signal came before anybody waited for it.
    SignalKept
    /// What was waited for did not come in time.
    WaitTimedOut
    /// A person was asked.
    Asked
    /// A run was paused.
    Paused
    /// A child was called for that existed already.
    ChildCalledTwice
    /// A child was asked to stop.
    ChildCancelled
    /// A child whose parent had ended in the meantime.
    Orphan
    /// A run was created that keeps steps of an earlier one.
    Kept
    /// Nothing went wrong in a whole history.
    Calm
}

/// How often each was met, and how much was done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cover {
    pub(crate) met: Vec<u64>,
    pub(crate) events: u64,
    pub(crate) commits: u64,
    pub(crate) runs: u64,
    /// Simulated milliseconds.
    pub(crate) time_ms: u64,
}

impl Cover {
    pub(crate) fn sometimes(&mut self, rare: Rare) {
        if self.met.is_empty() {
            self.met = vec![0; Rare::ALL.len()];
        }
        self.met[rare as usize] += 1;
    }

    pub(crate) fn times(&self, rare: Rare) -> u64 {
        self.met.get(rare as usize).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for rare in Rare::ALL {
            let times = other.times(*rare);
            if times > 0 {
                self.sometimes(*rare);
                self.met[*rare as usize] += times - 1;
            }
        }
        self.events += other.events;
        self.commits += other.commits;
        self.runs += other.runs;
        self.time_ms += other.time_ms;
    }
}
