//! A run under watch: after every input, what must always hold of it is looked at.

use std::{collections::BTreeSet, sync::Arc};

use flowforge_core::{
    Command, Event, Graph, Input, Rejected, Run, RunStatus, StepIx, StepState, Timestamp,
    audit::{Violation, audit},
};

/// A run, its record, and the executions that its facts have demanded and nobody has answered.
pub(crate) struct Watched {
    pub(crate) run: Run,
    pub(crate) facts: Vec<Event>,
    owed: BTreeSet<(StepIx, u32)>,
    seed: u64,
    /// How the run looked when its record had a certain length.
    past: Vec<(usize, Look)>,
}

/// All that can be seen of a run from outside.
#[derive(Debug, PartialEq)]
pub(crate) struct Look {
    states: Vec<StepState>,
    status: RunStatus,
    commands: Vec<Command>,
}

impl Look {
    pub(crate) fn at(run: &Run) -> Self {
        let states = run.graph().steps().map(|(step, _)| run.state(step).clone()).collect();
        Self { states, status: run.status(), commands: run.commands() }
    }
}

impl Watched {
    pub(crate) fn new(graph: Arc<Graph>, seed: u64) -> Self {
        Self { run: Run::new(graph, seed), facts: Vec::new(), owed: BTreeSet::new(), seed, past: Vec::new() }
    }

    /// Gives the run an input; a refused one must leave no trace.
    pub(crate) fn step(&mut self, input: Input, now: Timestamp) -> Result<Vec<Event>, Rejected> {
        let before = Look::at(&self.run);
        let was_paused = self.run.is_paused();
        let facts = match self.run.step(input, now) {
            Ok(facts) => facts,
            Err(rejected) => {
                assert_eq!(before, Look::at(&self.run), "a refused input changed the run");
                return Err(rejected);
            }
        };
        assert!(!(was_paused && self.run.is_paused() && facts.iter().any(begins)), "a paused run begins {facts:?}");
        facts.iter().for_each(|fact| self.owe(fact));
        self.facts.extend(facts.iter().cloned());
        self.past.push((self.facts.len(), Look::at(&self.run)));
        self.check();
        Ok(facts)
    }

    /// The worker dies: what comes back is what the record says, and what the rows of children say, if these are read.
    /// Beginnings of steps that nothing followed may be lost.
    pub(crate) fn crash(&mut self, loses: impl Fn(StepIx) -> bool, children: &[Event]) {
        let lost = |at: usize, fact: &Event| match fact {
            Event::StepStarted { step, .. } => loses(*step) && !self.facts[at + 1..].iter().any(|f| f.step() == Some(*step)),
            fact => !is_recorded(fact),
        };
        let kept = self.facts.iter().enumerate().filter(|(at, fact)| !lost(*at, fact)).map(|(_, fact)| fact.clone());
        self.facts = kept.chain(children.iter().cloned()).collect();
        self.past.clear();
        self.run = self.replay(&self.facts);
        self.owed = executions(&self.run.commands());
        self.check();
    }

    /// Every prefix of the record replays; where the run rested, the replayed run looks as the live one did.
    pub(crate) fn check_past(&self) {
        (0..=self.facts.len()).for_each(|length| drop(self.replay(&self.facts[..length])));
        for (length, look) in &self.past {
            assert_eq!(*look, Look::at(&self.replay(&self.facts[..*length])), "replay of {:#?}", &self.facts[..*length]);
        }
        let recorded: Vec<Event> = self.facts.iter().filter(|fact| is_recorded(fact)).cloned().collect();
        for record in [&self.facts, &recorded] {
            assert_eq!(audit(self.run.graph(), record), Vec::<Violation>::new(), "audit of {record:#?}");
        }
    }

    fn replay(&self, facts: &[Event]) -> Run {
        match Run::replay(self.run.graph().clone(), self.seed, facts) {
            Ok(run) => run,
            Err(illegal) => panic!("the record does not replay: {illegal}\n{facts:#?}"),
        }
    }

    fn owe(&mut self, fact: &Event) {
        self.owed.retain(|(step, _)| fact.step() != Some(*step));
        if let Some(Command::Execute { step, attempt }) = fact.command() {
            self.owed.insert((step, attempt));
        }
    }

    /// What the run says it still demands is what its facts have demanded, and it wakes for the first of its sleepers.
    fn check(&self) {
        let commands = self.run.commands();
        assert_eq!(executions(&commands), self.owed, "executions");
        let states = || self.run.graph().steps().map(|(step, _)| self.run.state(step));
        let due = states().filter_map(StepState::due).min().filter(|_| !self.run.is_paused());
        assert_eq!(self.run.next_wake(), due, "next wake");
        let wakes: Vec<Command> = commands.into_iter().filter(|command| matches!(command, Command::WakeAt(_))).collect();
        assert_eq!(wakes, due.map(Command::WakeAt).into_iter().collect::<Vec<_>>(), "wakes");
        let status = self.run.status();
        let paused = self.run.is_paused() && status != RunStatus::Pending && !status.is_terminal();
        let rests = states().any(StepState::is_idle) || paused;
        assert_eq!(status == RunStatus::Waiting, self.owed.is_empty() && rests, "{status} is no word for it");
    }
}

fn begins(fact: &Event) -> bool {
    matches!(fact, Event::StepStarted { .. } | Event::StepResumed { .. } | Event::ChildStarted { .. })
}

fn is_recorded(fact: &Event) -> bool {
    !matches!(
        fact,
        Event::StepResumed { .. } | Event::ChildStarted { .. } | Event::ChildEnded { .. } | Event::ChildrenCancelled { .. }
    )
}

fn executions(commands: &[Command]) -> BTreeSet<(StepIx, u32)> {
    let execution = |command: &Command| match command {
        Command::Execute { step, attempt } => Some((*step, *attempt)),
        _ => None,
    };
    commands.iter().filter_map(execution).collect()
}
