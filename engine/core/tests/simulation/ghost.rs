//! What the simulator itself knows of a run, kept beside the rows and never read from them: an assertion that compares the
//! implementation's epoch with itself sees nothing.

mod written;

pub(crate) use self::written::ended;
use flowforge_core::{RunStatus, StepIx, run::CRASH_LIMIT};

use crate::{
    plan::{Call, Compiled},
    store::{Parent, WorkerId},
};

/// How far an honest clock may be ahead of the database's when nobody has told it the time for long, in milliseconds.
const EARLY: i64 = 10_000;

/// A broken promise: which, and how.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) text: String,
}

/// Nothing, or a broken promise.
pub(crate) type Checked = Result<(), Violation>;

pub(crate) fn broken<T>(rule: &'static str, text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { rule, text: text.into() })
}

/// What happened at a record number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RunStarted,
    RunCancelling,
    RunFinished,
    StepStarted,
    StepWaiting,
    StepSkipped,
    StepCompleted,
    StepRetrying,
    StepFailed,
    StepCancelled,
    RunPaused,
    RunResumed,
    Log,
}

/// A committed fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) seq: i64,
    pub(crate) kind: Kind,
    pub(crate) step: u32,
    pub(crate) attempt: u32,
}

/// Where a step stands on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Idle,
    Open { attempt: u32, waits: bool },
    Between { attempt: u32 },
    Ended,
}

/// A call of a node that was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) call: Call,
    /// Under which claim: of the run, or of the step's lease.
    pub(crate) claim: u64,
    pub(crate) key: u64,
}

/// Who holds a dispatched step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) claim: u64,
    pub(crate) holder: Option<WorkerId>,
    pub(crate) deaths: u32,
    /// Whether the holder has said that it is about to execute it.
    pub(crate) is_marked: bool,
}

pub(crate) struct Ghost {
    pub(crate) compiled: &'static Compiled,
    pub(crate) exists: bool,
    /// The item that it was started for, under which claim of the parent, and when.
    pub(crate) parent: Option<Parent>,
    pub(crate) created_by: u64,
    pub(crate) created_at: u64,
    /// When it was claimed last.
    pub(crate) claimed_at: u64,
    /// The number of the claim that holds now; 0 when nobody does.
    pub(crate) claim: u64,
    pub(crate) holder: Option<WorkerId>,
    /// How often the run changed hands.
    pub(crate) claims: u32,
    /// How many owners were lost since a step last ended: the first, and those after it that had something under way.
    pub(crate) deaths: u32,
    /// Whether the owner has said that it is about to execute something.
    pub(crate) is_marked: bool,
    /// Whether it has begun something.
    pub(crate) is_busy: bool,
    pub(crate) record: Vec<Entry>,
    /// Whether the run had not begun when it was claimed: then nothing can be given up yet.
    unbegun: bool,
    /// For each entry its number in the one sequence that all runs would share.
    pub(crate) shared_ids: Vec<u64>,
    pub(crate) steps: Vec<Standing>,
    /// Steps of an earlier run that it was created with.
    pub(crate) kept: Vec<StepIx>,
    pub(crate) finished: Option<RunStatus>,
    pub(crate) acked: bool,
    /// Whether someone asked for it, answered or not.
    pub(crate) was_cancelled: bool,
    pub(crate) calls: Vec<Begun>,
    pub(crate) held: Vec<Held>,
    /// How often a dispatched step changed hands.
    pub(crate) step_claims: u32,
    /// Steps that failed for the death of their workers.
    pub(crate) crashed: Vec<(StepIx, u32)>,
    /// Dispatched steps that were reported as given up, after enough deaths.
    pub(crate) lane_given_up: Vec<(StepIx, u32)>,
}

impl Ghost {
    pub(crate) fn new(compiled: &'static Compiled) -> Self {
        Self {
            compiled,
            exists: false,
            parent: None,
            created_by: 0,
            created_at: 0,
            claimed_at: 0,
            claim: 0,
            holder: None,
            claims: 0,
            deaths: 0,
            is_marked: false,
            is_busy: false,
            record: Vec::new(),
            unbegun: true,
            shared_ids: Vec::new(),
            steps: vec![Standing::Idle; compiled.graph.len()],
            kept: Vec::new(),
            finished: None,
            acked: false,
            was_cancelled: false,
            calls: Vec::new(),
            held: Vec::new(),
            step_claims: 0,
            crashed: Vec::new(),
            lane_given_up: Vec::new(),
        }
    }

    /// A worker was given the run and told of so many deaths. `living` says whether the one that had it could still be at it.
    pub(crate) fn claimed(&mut self, claim: u64, worker: WorkerId, told: u32, living: impl Fn(WorkerId) -> bool) -> Checked {
        if let Some(status) = self.finished {
            return broken("D1", format!("a run that has {status} was claimed"));
        }
        if let Some(before) = self.holder.filter(|before| *before != worker) {
            if living(before) {
                return broken("D11", format!("the run was taken from worker {before}, which lives"));
            }
            self.deaths += u32::from(self.deaths == 0 || self.is_marked);
        }
        if told != self.deaths {
            return broken("D10", format!("{} owners were lost with something begun, and {told} are counted", self.deaths));
        }
        (self.is_marked, self.is_busy) = (false, false);
        self.unbegun = self.record.is_empty();
        (self.claim, self.holder, self.claims) = (claim, Some(worker), self.claims + 1);
        Ok(())
    }

    /// A worker was given a dispatched step.
    pub(crate) fn step_claimed(
        &mut self,
        (step, attempt): (StepIx, u32),
        claim: u64,
        (worker, told): (WorkerId, u32),
        living: impl Fn(WorkerId) -> bool,
    ) -> Checked {
        if let Some(status) = self.finished {
            return broken("D8", format!("a step of a run that has {status} was claimed"));
        }
        self.step_claims += 1;
        let Some(held) = self.held.iter_mut().find(|held| held.step == step && held.attempt == attempt) else {
            self.held.push(Held { step, attempt, claim, holder: Some(worker), deaths: 0, is_marked: false });
            return Ok(());
        };
        if let Some(before) = held.holder.filter(|before| *before != worker) {
            if living(before) {
                return broken("D11", format!("step {} was taken from worker {before}, which lives", step.0));
            }
            held.deaths += u32::from(held.deaths == 0 || held.is_marked);
        }
        (held.claim, held.holder, held.is_marked) = (claim, Some(worker), false);
        if told != held.deaths {
            return broken("D10", format!("{} workers died with step {}, and {told} are counted", held.deaths, step.0));
        }
        Ok(())
    }

    pub(crate) fn held(&self, step: StepIx, attempt: u32) -> Option<&Held> {
        self.held.iter().find(|held| held.step == step && held.attempt == attempt)
    }

    /// The worker of a dispatched step has said that it is about to execute it.
    pub(crate) fn step_begins(&mut self, step: StepIx, attempt: u32) {
        if let Some(held) = self.held.iter_mut().find(|held| held.step == step && held.attempt == attempt) {
            held.is_marked = true;
        }
    }

    /// A dispatched step was handed back.
    pub(crate) fn step_released(&mut self, step: StepIx, attempt: u32) {
        if let Some(held) = self.held.iter_mut().find(|held| held.step == step && held.attempt == attempt) {
            (held.claim, held.holder) = (0, None);
        }
    }

    /// The lease of a dispatched step ended: by a report, or because it was recalled.
    pub(crate) fn step_let_go(&mut self, step: StepIx, attempt: u32) {
        self.held.retain(|held| held.step != step || held.attempt != attempt);
    }

    /// An owner begins a call inside its process. `honest` says whether its clock runs within bounds.
    pub(crate) fn begin_inline(&mut self, begun: Begun, honest: bool, now: Option<u64>) -> Checked {
        on_time(begun.call, now)?;
        let step = begun.call.step;
        let is_pure = self.compiled.graph.step(step).is_pure();
        if !self.exists && !is_pure {
            return broken("D3", format!("step {} began before its run was written", step.0));
        }
        if self.claim != begun.claim {
            let text = || format!("step {} began under claim {}, and {} holds", step.0, begun.claim, self.claim);
            return if honest && !is_pure { broken("D5", text()) } else { self.note(begun) };
        }
        self.is_busy = true;
        if let Some(status) = self.finished {
            return broken("D8", format!("step {} began in a run that has {status}", step.0));
        }
        if self.deaths > 0 && !self.is_marked {
            return broken("D10", format!("step {} began, and if it kills its worker nobody will know", step.0));
        }
        // Whether a sleeper was under way is not written: liveness holds that it is given up in the end.
        let is_fresh = begun.call.woken.is_none() && begun.call.attempt == 1;
        if self.deaths >= CRASH_LIMIT && is_fresh && !self.unbegun {
            return broken("D10", format!("step {} began after {} owners had died", step.0, self.deaths));
        }
        self.causes_are_written(begun.call, is_pure && self.deaths == 0)?;
        self.note(begun)
    }

    /// A worker begins a call of a dispatched step.
    pub(crate) fn begin_dispatched(&mut self, begun: Begun, honest: bool, now: Option<u64>) -> Checked {
        on_time(begun.call, now)?;
        let Call { step, attempt, .. } = begun.call;
        match self.held(step, attempt) {
            // It was recalled a moment ago.
            None => return self.note(begun),
            Some(held) if held.claim != begun.claim => {
                let text = || format!("step {} began under claim {}, and {} holds", step.0, begun.claim, held.claim);
                return if honest { broken("D5", text()) } else { self.note(begun) };
            }
            Some(held) if held.deaths >= CRASH_LIMIT => {
                return broken("D10", format!("step {} began after {} workers had died with it", step.0, held.deaths));
            }
            Some(held) if held.deaths > 0 && !held.is_marked => {
                return broken("D10", format!("step {} began, and if it kills its worker nobody will know", step.0));
            }
            Some(_) => {}
        }
        self.causes_are_written(begun.call, false)?;
        self.note(begun)
    }

    /// What made a step begin is on disk, or at least the part of it that running again would not bring back.
    fn causes_are_written(&self, call: Call, only_effects: bool) -> Checked {
        let graph = &self.compiled.graph;
        for link in &graph.step(call.step).incoming {
            let was_called = || self.calls.iter().any(|begun| begun.call.step == link.step);
            let matters = !only_effects || (!graph.step(link.step).is_pure() && was_called());
            if matters && self.steps[link.step.index()] != Standing::Ended {
                return broken("D3", format!("step {} began before the end of step {} was written", call.step.0, link.step.0));
            }
        }
        match self.steps[call.step.index()] {
            _ if only_effects => Ok(()),
            Standing::Open { attempt, .. } if attempt == call.attempt => Ok(()),
            Standing::Idle if call.attempt == 1 => Ok(()),
            Standing::Between { attempt } if attempt + 1 == call.attempt => Ok(()),
            standing => broken("D3", format!("attempt {} of step {} began: {standing:?}", call.attempt, call.step.0)),
        }
    }

    fn note(&mut self, begun: Begun) -> Checked {
        for other in self.calls.iter().filter(|other| other.call.step == begun.call.step) {
            if other.key != begun.key {
                return broken("D7", format!("step {} was sent with two effect keys", begun.call.step.0));
            }
            if other.call == begun.call && other.claim == begun.claim {
                return broken("D7", format!("attempt {} of step {} began twice", begun.call.attempt, begun.call.step.0));
            }
        }
        self.calls.push(begun);
        Ok(())
    }

    /// Whether such a call was begun before, by anybody.
    pub(crate) fn was_begun(&self, call: Call) -> bool {
        self.calls.iter().any(|begun| begun.call == call)
    }
}

/// A sleeper is not called before its time, give or take what clocks may be off that do not drift. `now` is absent where they do.
fn on_time(call: Call, now: Option<u64>) -> Checked {
    match (call.woken, now) {
        (Some(until), Some(now)) if until.0 > now as i64 + EARLY => {
            broken("G12", format!("step {} was to sleep until {} and was called at {now}", call.step.0, until.0))
        }
        _ => Ok(()),
    }
}
