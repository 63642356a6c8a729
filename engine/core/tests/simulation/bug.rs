//! Bugs that are planted into the simulated shell, one at a time: a check that misses one is itself broken.

/// A planted bug. None of them can be switched on outside this test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// None.
    None,
    /// A commit asks for the run and not for the epoch.
    CommitWithoutEpoch,
    /// A report of a dispatched step asks for the step and not for the lease's epoch.
    ReportWithoutEpoch,
    /// One transaction writes a run twice, and the database keeps one of the two.
    RunTwiceInBatch,
    /// A heartbeat after a lapse makes a worker trust what it was given before.
    BeatForgetsLapse,
    /// A worker that was given a run looks at its heartbeat only then.
    LapsesAfterClaim,
    /// A run is acknowledged when its first commit is handed over.
    AckBeforeCommit,
    /// Claiming a run does not look whether it has ended.
    ClaimFinished,
    /// Claiming a run does not look whether its owner lives.
    ClaimLiving,
    /// A subscriber's cursor is a number that all runs share, given out before the commit.
    GlobalCursor,
    /// Dedupe keys are kept in the queue's server.
    DedupeInQueue,
    /// The effect key holds the attempt.
    KeyOfAttempt,
    /// A cancel leaves the run's dispatched steps to whoever finds them.
    CancelSparesLane,
    /// A cancel is not handed on to the runs that steps have started.
    CancelSparesChildren,
    /// A run that was started for an item does not tell its end.
    ChildEndsSilently,
    /// A worker that was silent for too long starts no children, and goes on as if it had.
    LapsedCallsNobody,
    /// What is left of the signals is written when there are more or fewer of them.
    SignalsByCount,
    /// Claiming a run leaves its epoch as it was.
    ClaimKeepsEpoch,
    /// Claiming a dispatched step leaves its epoch as it was.
    StepKeepsEpoch,
    /// The queue drops a hint that it has seen before.
    HintOnce,
    /// Nobody sweeps.
    NoSweeper,
    /// A run that was not created because of its dedupe key is acknowledged all the same.
    ConflictIgnored,
    /// Handing a run back in good order counts as a crash.
    HandBackCounts,
    /// An effect begins before its causes are on disk.
    EffectBeforeCommit,
    /// A new owner asks what there is to execute after it has obeyed what its inbox led to.
    CommandsAfterInbox,
    /// A dispatched step that is called again and sleeps once more before a commit is dispatched all the same.
    SleepKeepsDispatch,
    /// A dispatched step that is dispatched again begins with the first epoch again.
    LeaseEpochRestarts,
    /// A message is deleted when it is read.
    MessageReadOnce,
    /// A commit whose outcome is not known counts as failed, and is written again.
    UnknownIsFailed,
    /// Crashes are not counted.
    CrashesUncounted,
    /// Every owner that dies counts, whether it has begun anything or not.
    UnbegunCounts,
    /// An owner says that something begins as soon as it is given the run.
    MarkAtClaim,
    /// A suspected owner begins before it is on disk that something does.
    BeginsUnmarked,
    /// A worker does not say that it begins a dispatched step with which others have died.
    StepBeginsUnmarked,
    /// A run that is let go of does not say when it wants to be woken.
    ParkWithoutWake,
    /// A subscriber reads the rows first and how far the record goes afterwards.
    MarkAfterRows,
    /// A run that keeps steps of an earlier one is created without them.
    KeptForgotten,
}

impl Bug {
    /// All of them, with what is to see them first: any of these assertions.
    pub(crate) const ALL: &[(Self, &[&str])] = &[
        (Self::CommitWithoutEpoch, &["D5", "D1", "D6"]),
        (Self::ReportWithoutEpoch, &["D5"]),
        (Self::RunTwiceInBatch, &["D6", "D5"]),
        (Self::BeatForgetsLapse, &["D5"]),
        (Self::LapsesAfterClaim, &["D5"]),
        (Self::AckBeforeCommit, &["D13"]),
        (Self::ClaimFinished, &["D1"]),
        (Self::ClaimLiving, &["D11"]),
        (Self::GlobalCursor, &["D6"]),
        (Self::DedupeInQueue, &["D4"]),
        (Self::KeyOfAttempt, &["D7"]),
        (Self::CancelSparesLane, &["D8"]),
        (Self::CancelSparesChildren, &["D8"]),
        (Self::ChildEndsSilently, &["D12"]),
        (Self::LapsedCallsNobody, &["D12"]),
        (Self::SignalsByCount, &["D12"]),
        (Self::ClaimKeepsEpoch, &["D5"]),
        (Self::StepKeepsEpoch, &["D5", "D10"]),
        (Self::HintOnce, &["D12"]),
        (Self::NoSweeper, &["D12"]),
        (Self::ConflictIgnored, &["D13"]),
        (Self::HandBackCounts, &["D10"]),
        (Self::EffectBeforeCommit, &["D3"]),
        (Self::CommandsAfterInbox, &["D3", "D7"]),
        (Self::SleepKeepsDispatch, &["D9", "G12"]),
        (Self::LeaseEpochRestarts, &["D5"]),
        (Self::MessageReadOnce, &["D9", "D12"]),
        (Self::UnknownIsFailed, &["D1", "D2", "D5", "D6"]),
        (Self::CrashesUncounted, &["D10", "D12"]),
        (Self::UnbegunCounts, &["D10"]),
        (Self::MarkAtClaim, &["D10"]),
        (Self::BeginsUnmarked, &["D10"]),
        (Self::StepBeginsUnmarked, &["D10"]),
        (Self::ParkWithoutWake, &["D12"]),
        (Self::MarkAfterRows, &["D6"]),
        (Self::KeptForgotten, &["D7"]),
    ];
}
