//! Executes a plan in a random order: answers come late and twice, wakes and signals come early, workers die, and someone may
//! pause or cancel.

use std::sync::Arc;

use flowforge_core::{
    Awaiting, Command, Input, Rejected, StepIx, StepState, Timestamp, awaiting::Verdict, node::Outcome, run::Kept,
};

use crate::{
    answers::{items_of, report},
    children::{Child, Key, Rows, told},
    plan::{Awaits, Plan, id},
    reference::from_outside,
    watched::Watched,
};

/// What is to go wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// Decides every choice.
    pub(crate) seed: u64,
    /// How many turns in a hundred a worker dies in.
    pub(crate) crashes: u64,
    /// How many turns in a hundred someone pauses the run in.
    pub(crate) pauses: u64,
    /// The turn before which someone cancels.
    pub(crate) cancel: Option<u32>,
    /// The turn before which the time is up.
    pub(crate) expire: Option<u32>,
}

pub(crate) struct World<'p> {
    plan: &'p Plan,
    trouble: Trouble,
    pub(crate) watched: Watched,
    now: Timestamp,
    sent: Vec<(StepIx, u32)>,
    /// Nodes whose signals are still to be sent.
    signals: Vec<usize>,
    rows: Rows,
}

/// What can happen next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Obey(Command),
    Signal(usize),
    Decide(StepIx, u32),
    Child(Key, Child),
    Resume,
}

impl<'p> World<'p> {
    /// Runs the plan to its end.
    pub(crate) fn run(plan: &'p Plan, trouble: Trouble) -> Watched {
        Self::keeping(plan, trouble, vec![])
    }

    /// The same, with steps that count as completed from the beginning.
    pub(crate) fn keeping(plan: &'p Plan, trouble: Trouble, kept: Vec<Kept>) -> Watched {
        let watched = Watched::new(plan.graph(), 1);
        let awaits_signal = |node: &usize| plan.nodes[*node].awaits == Awaits::Signal;
        let signals = (0..plan.nodes.len()).filter(awaits_signal).collect();
        let mut world = Self { plan, trouble, watched, now: Timestamp(0), sent: Vec::new(), signals, rows: Rows::default() };
        if world.pick(4) == 0 {
            world.signal(0);
        }
        let trigger = plan.fired.map(|node| plan.step(world.watched.run.graph(), node));
        world.step(Input::Start { trigger, kept });
        for turn in 0.. {
            if world.watched.run.status().is_terminal() {
                break;
            }
            assert!(turn < 10_000, "the run does not end");
            world.turn(turn);
        }
        world.after_the_end();
        world.watched.check_past();
        world.watched
    }

    fn turn(&mut self, turn: u32) {
        if self.trouble.cancel == Some(turn) || self.trouble.expire == Some(turn) {
            self.step(if self.trouble.cancel == Some(turn) { Input::Cancel } else { Input::Expire });
            return assert!(self.watched.run.status().is_terminal(), "the run was to stop");
        }
        if self.pick(100) < self.trouble.crashes {
            return self.crash();
        }
        if self.pick(100) < self.trouble.pauses {
            return self.step(Input::Pause);
        }
        let turns = self.turns();
        assert!(!turns.is_empty(), "the run has not ended, and nothing is left to do");
        match turns[self.pick(turns.len() as u64) as usize] {
            Turn::Obey(Command::Execute { step, attempt }) => self.execute(step, attempt),
            Turn::Obey(Command::WakeAt(at)) => self.wake(at),
            Turn::Obey(other) => panic!("{other:?} is no standing command"),
            Turn::Signal(at) => self.signal(at),
            Turn::Decide(step, attempt) => self.decide(step, attempt),
            Turn::Child(key, child) => self.child(key, child),
            Turn::Resume => self.step(Input::Resume),
        }
    }

    fn turns(&self) -> Vec<Turn> {
        let run = &self.watched.run;
        let decisions = run.graph().steps().filter_map(|(step, _)| match run.state(step) {
            StepState::Waiting { attempt, awaiting: Some(what), .. } if matches!(**what, Awaiting::Approval(_)) => {
                Some(Turn::Decide(step, *attempt))
            }
            _ => None,
        });
        let children = self.rows.moves(run).into_iter().map(|(key, child)| Turn::Child(key, child));
        let signals = (0..self.signals.len()).map(Turn::Signal);
        let resume = run.is_paused().then_some(Turn::Resume);
        run.commands().into_iter().map(Turn::Obey).chain(decisions).chain(children).chain(signals).chain(resume).collect()
    }

    fn signal(&mut self, at: usize) {
        if at < self.signals.len() {
            let node = self.signals.swap_remove(at);
            self.step(Input::Signal { name: id(node), payload: Arc::new(from_outside(node)) });
        }
    }

    fn decide(&mut self, step: StepIx, attempt: u32) {
        let node = self.plan.node_of(self.watched.run.graph(), step);
        let verdict = if self.plan.nodes[node].port == "approved" { Verdict::Approved } else { Verdict::Rejected };
        let output = Arc::new(from_outside(node));
        let decision = |attempt| Input::Decide { step, attempt, verdict, output: output.clone() };
        self.refused(decision(attempt + 1));
        self.step(decision(attempt));
        self.refused(decision(attempt));
    }

    /// An open child ends, as planned or because it was told to stop; or its end is told.
    fn child(&mut self, key: Key, child: Child) {
        let (step, _, index) = key;
        let failed = match (child, items_of(self.plan, &self.watched.run, step)) {
            (Child::Ended { failed }, _) => failed,
            (Child::Open { is_to_stop }, items) => items.bad.contains(&index) || is_to_stop && self.pick(2) == 0,
        };
        self.rows.end(key, failed);
        if self.pick(3) > 0 {
            self.step(told(key, failed));
            self.refused(told(key, !failed));
        }
    }

    fn execute(&mut self, step: StepIx, attempt: u32) {
        self.step(report(self.plan, &self.watched.run, (step, attempt), self.now));
        self.sent.push((step, attempt));
        let old = self.pick(self.sent.len() as u64) as usize;
        let (step, attempt) = self.sent[old];
        self.disturb(step, attempt);
        self.disturb(step, attempt + 1);
        self.disturb(step, 0);
    }

    /// A report of an attempt that is not under way.
    fn disturb(&mut self, step: StepIx, attempt: u32) {
        if !self.watched.run.commands().contains(&Command::Execute { step, attempt }) {
            self.refused(Input::Report { step, attempt, result: Ok(Outcome::done("late")) });
        }
    }

    fn refused(&mut self, input: Input) {
        let ended = self.watched.run.status().is_terminal();
        let expected = if ended { Rejected::Finished } else { Rejected::StaleAttempt };
        assert_eq!(self.watched.step(input, self.now), Err(expected));
    }

    fn wake(&mut self, at: Timestamp) {
        if at > self.now && self.pick(4) == 0 {
            self.now = Timestamp(at.0 - 1);
            assert_eq!(self.watched.step(Input::Wake, self.now), Ok(vec![]), "a wake came too early");
        }
        self.now = self.now.max(at);
        self.step(Input::Wake);
    }

    /// The record may lack the beginnings of attempts that nothing followed.
    fn crash(&mut self) {
        let (lost, unwritten) = (self.pick(u64::MAX), self.pick(u64::MAX));
        self.rows.crash(|index| unwritten >> (index % 8 * 2) & 3 == 3);
        // Children whose rows nobody reads are called for anew, and their ends are told again.
        let children = if self.pick(4) == 0 { vec![] } else { self.rows.facts(&self.watched.run) };
        self.watched.crash(|step| lost >> (step.0 % 64) & 1 == 1, &children);
        self.step(Input::TakenOver { crashes: 1 });
    }

    fn after_the_end(&mut self) {
        assert_eq!(self.watched.run.commands(), [], "an ended run demands something");
        for input in [
            Input::Start { trigger: None, kept: vec![] },
            Input::Wake,
            Input::Cancel,
            Input::Expire,
            Input::TakenOver { crashes: 9 },
            Input::Pause,
            Input::Resume,
            Input::Signal { name: "late".to_owned(), payload: Arc::default() },
        ] {
            assert_eq!(self.watched.step(input, self.now), Err(Rejected::Finished));
        }
    }

    fn step(&mut self, input: Input) {
        let facts = match self.watched.step(input.clone(), self.now) {
            Ok(facts) => facts,
            Err(rejected) => panic!("{input:?}: {rejected}"),
        };
        for command in facts.iter().filter_map(|fact| fact.command()) {
            let most = match command {
                Command::StartChild { step, .. } => items_of(self.plan, &self.watched.run, step).max_parallel,
                _ => 0,
            };
            self.rows.obey(command, most);
        }
    }

    /// A number below `end` (SplitMix64).
    fn pick(&mut self, end: u64) -> u64 {
        self.trouble.seed = self.trouble.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.trouble.seed;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
