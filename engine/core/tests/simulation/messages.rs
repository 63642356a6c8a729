//! What processes ask of the database, and what it answers. An answer of `Err(())` leaves it unknown what was done.

use flowforge_core::{Run, StepIx};

use crate::{
    client::Try,
    delta::Delta,
    plan::Call,
    store::{Body, ChildResult, Claimed, Found, Message, Parent, StepKey},
};

/// A delta on its way to the database.
pub(crate) struct Order {
    pub(crate) delta: Delta,
    pub(crate) to: To,
    /// The number that its facts would have in one sequence of all runs.
    pub(crate) shared_id: u64,
}

/// Who is told what became of a delta.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To {
    Owner { run: u32, token: u64 },
    Start { of: Try, run: u32 },
    Child { run: u32, token: u64, child: Parent },
    Nobody,
}

/// What became of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Written,
    Fenced,
    /// Not known.
    Failed,
}

pub(crate) enum Op {
    Beat {
        sent: u64,
    },
    Sweep,
    ClaimRun {
        run: u32,
        token: u64,
        crashed: bool,
        lapses: u32,
    },
    LoadRun {
        run: u32,
        token: u64,
        given: Given,
    },
    ReadInbox {
        run: u32,
        token: u64,
    },
    LookAfterPark {
        run: u32,
    },
    Commit(Vec<Order>),
    ClaimStep {
        key: StepKey,
        token: u64,
    },
    LoadStep {
        key: StepKey,
        token: u64,
        epoch: i64,
        /// Whether to say that it is about to be executed.
        begins: bool,
    },
    Report {
        key: StepKey,
        token: u64,
        epoch: i64,
        claim: u64,
        body: Box<Body>,
    },
    Release {
        key: StepKey,
        token: u64,
        epoch: i64,
        claim: u64,
    },
    EndLease {
        key: StepKey,
        token: u64,
        epoch: i64,
        claim: u64,
    },
    Holds(Vec<(StepKey, u64, i64)>),
    Lookup {
        of: Try,
        key: u32,
    },
    LookBefore {
        of: Try,
        run: u32,
        body: Body,
    },
    /// Puts a message of a client into a run's inbox.
    Send {
        of: Try,
        run: u32,
        body: Body,
    },
    Gather {
        run: u32,
        token: u64,
        call: Call,
    },
    Forget,
}

/// A claim of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    pub(crate) epoch: i64,
    pub(crate) claim: u64,
    /// The worker's lapses before it asked.
    pub(crate) lapses: u32,
    /// Whether something was in the run's inbox: else that is not read until the bell rings.
    pub(crate) called: bool,
}

/// A run that was read.
pub(crate) struct Loaded {
    pub(crate) run: Run,
    pub(crate) crashes: u32,
    pub(crate) deadline_at: Option<i64>,
    pub(crate) waits: bool,
    pub(crate) open: Vec<(StepIx, u32, bool)>,
    pub(crate) messages: Vec<Message>,
}

pub(crate) enum Answer {
    Beat {
        sent: u64,
        now: Result<u64, ()>,
    },
    Sweep(Result<Found, ()>),
    ClaimRun {
        run: u32,
        token: u64,
        lapses: u32,
        given: Result<Option<(Claimed, u64)>, ()>,
    },
    LoadRun {
        run: u32,
        token: u64,
        given: Given,
        loaded: Result<Option<Box<Loaded>>, ()>,
    },
    ReadInbox {
        run: u32,
        token: u64,
        messages: Result<Vec<Message>, ()>,
    },
    LookAfterPark {
        run: u32,
        called: bool,
    },
    Commit(Vec<(To, Fate)>),
    /// What a planted bug writes once more.
    CommitAgain(Vec<Order>),
    ClaimStep {
        key: StepKey,
        token: u64,
        given: Result<Option<(Claimed, u64)>, ()>,
    },
    LoadStep {
        key: StepKey,
        token: u64,
        loaded: Result<Option<Box<Run>>, ()>,
    },
    Report {
        key: StepKey,
        token: u64,
        reported: Result<bool, ()>,
        body: Box<Body>,
    },
    /// A lease was ended or handed back, or will run out.
    LetGo {
        key: StepKey,
        token: u64,
    },
    Holds(Vec<(StepKey, u64)>),
    Lookup {
        of: Try,
        found: Result<Option<u32>, ()>,
    },
    LookBefore {
        of: Try,
        run: u32,
        body: Body,
        open: Result<bool, ()>,
    },
    Sent {
        of: Try,
        run: u32,
        sent: Result<(), ()>,
    },
    Gather {
        run: u32,
        token: u64,
        call: Call,
        results: Result<Vec<ChildResult>, ()>,
    },
}

impl Answer {
    /// What is heard of a request that was not done.
    pub(crate) fn failed(op: Op) -> Self {
        match op {
            Op::Beat { sent } => Self::Beat { sent, now: Err(()) },
            Op::Sweep => Self::Sweep(Err(())),
            Op::ClaimRun { run, token, lapses, .. } => Self::ClaimRun { run, token, lapses, given: Err(()) },
            Op::LoadRun { run, token, given } => Self::LoadRun { run, token, given, loaded: Err(()) },
            Op::ReadInbox { run, token } => Self::ReadInbox { run, token, messages: Err(()) },
            Op::LookAfterPark { run } => Self::LookAfterPark { run, called: false },
            Op::ClaimStep { key, token } => Self::ClaimStep { key, token, given: Err(()) },
            Op::LoadStep { key, token, .. } => Self::LoadStep { key, token, loaded: Err(()) },
            Op::Report { key, token, body, .. } => Self::Report { key, token, reported: Err(()), body },
            Op::Release { key, token, .. } | Op::EndLease { key, token, .. } => Self::LetGo { key, token },
            Op::Holds(_) => Self::Holds(Vec::new()),
            Op::Lookup { of, .. } => Self::Lookup { of, found: Err(()) },
            Op::LookBefore { of, run, body } => Self::LookBefore { of, run, body, open: Err(()) },
            Op::Send { of, run, .. } => Self::Sent { of, run, sent: Err(()) },
            Op::Gather { run, token, call } => Self::Gather { run, token, call, results: Err(()) },
            Op::Commit(batch) => Self::Commit(batch.iter().map(|order| (order.to, Fate::Failed)).collect()),
            Op::Forget => Self::Holds(Vec::new()),
        }
    }

    /// The same, when it was lost on its way: whoever waits for it is told that it is not known.
    pub(crate) fn lost(self) -> Self {
        match self {
            Self::Beat { sent, .. } => Self::Beat { sent, now: Err(()) },
            Self::Sweep(_) => Self::Sweep(Err(())),
            Self::ClaimRun { run, token, lapses, .. } => Self::ClaimRun { run, token, lapses, given: Err(()) },
            Self::LoadRun { run, token, given, .. } => Self::LoadRun { run, token, given, loaded: Err(()) },
            Self::ReadInbox { run, token, .. } => Self::ReadInbox { run, token, messages: Err(()) },
            Self::LookAfterPark { run, .. } => Self::LookAfterPark { run, called: false },
            Self::ClaimStep { key, token, .. } => Self::ClaimStep { key, token, given: Err(()) },
            Self::LoadStep { key, token, .. } => Self::LoadStep { key, token, loaded: Err(()) },
            Self::Report { key, token, body, .. } => Self::Report { key, token, reported: Err(()), body },
            Self::Holds(_) => Self::Holds(Vec::new()),
            Self::Lookup { of, .. } => Self::Lookup { of, found: Err(()) },
            Self::LookBefore { of, run, body, .. } => Self::LookBefore { of, run, body, open: Err(()) },
            Self::Sent { of, run, .. } => Self::Sent { of, run, sent: Err(()) },
            Self::Gather { run, token, call, .. } => Self::Gather { run, token, call, results: Err(()) },
            answer => answer,
        }
    }
}
