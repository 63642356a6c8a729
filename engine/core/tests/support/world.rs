//! Executes a plan in a random order: answers come late and twice, wakes come early, workers die, and someone may cancel.

use std::{borrow::Cow, sync::Arc};

use flowforge_core::{
    Command, Input, Rejected, StepIx, StepState, Timestamp,
    node::{NodeError, Outcome, Output, Wake},
};

use crate::{
    plan::Plan,
    reference::{answer, run_input},
    watched::Watched,
};

/// What is to go wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// Decides every choice.
    pub(crate) seed: u64,
    /// How many turns in a hundred a worker dies in.
    pub(crate) crashes: u64,
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
}

impl<'p> World<'p> {
    /// Runs the plan to its end.
    pub(crate) fn run(plan: &'p Plan, trouble: Trouble) -> Watched {
        let watched = Watched::new(plan.graph(), 1);
        let mut world = Self { plan, trouble, watched, now: Timestamp(0), sent: Vec::new() };
        let trigger = plan.fired.map(|node| plan.step(world.watched.run.graph(), node));
        world.step(Input::Start { trigger, kept: vec![] });
        for turn in 0.. {
            if world.watched.run.status().is_terminal() {
                break;
            }
            assert!(turn < 1_000, "the run does not end");
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
        let commands = self.watched.run.commands();
        assert!(!commands.is_empty(), "the run has not ended, and nothing is left to do");
        match commands[self.pick(commands.len() as u64) as usize] {
            Command::Execute { step, attempt } => self.execute(step, attempt),
            Command::WakeAt(at) => self.wake(at),
            other => panic!("{other:?} is no standing command"),
        }
    }

    fn execute(&mut self, step: StepIx, attempt: u32) {
        self.step(self.answer(step, attempt));
        self.sent.push((step, attempt));
        let old = self.pick(self.sent.len() as u64) as usize;
        let (step, attempt) = self.sent[old];
        self.disturb(step, attempt);
        self.disturb(step, attempt + 1);
        self.disturb(step, 0);
    }

    /// A report of an attempt that is not under way.
    fn disturb(&mut self, step: StepIx, attempt: u32) {
        let run = &self.watched.run;
        if !run.commands().contains(&Command::Execute { step, attempt }) {
            let expected = if run.status().is_terminal() { Rejected::Finished } else { Rejected::StaleAttempt };
            let late = Input::Report { step, attempt, result: Ok(Outcome::done("late")) };
            assert_eq!(self.watched.step(late, self.now), Err(expected));
        }
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
        let lost = self.pick(u64::MAX);
        self.watched.crash(|step| lost >> (step.0 % 64) & 1 == 1);
        self.step(Input::TakenOver { crashes: 1 });
    }

    /// What the plan answers for an attempt. The last digit of a sleep's end counts the sleeps, so that a new owner knows them.
    fn answer(&self, step: StepIx, attempt: u32) -> Input {
        let run = &self.watched.run;
        let node = self.plan.node_of(run.graph(), step);
        let scripted = &self.plan.nodes[node];
        let slept = match run.state(step) {
            StepState::Running { woken, .. } => woken.map_or(0, |until| until.0 % 10),
            _ => 0,
        };
        let result = match scripted.failures.get(attempt as usize - 1) {
            _ if slept < scripted.sleeps => Ok(Outcome::Sleep(Wake::At(Timestamp((self.now.0 / 10 + 20) * 10 + slept + 1)))),
            Some((code, true)) => Err(NodeError::retry(code, "as planned")),
            Some((code, false)) => Err(NodeError::fatal(code, "as planned")),
            None => {
                let input = run.input(step).unwrap_or_else(|| Arc::new(run_input()));
                let port = (scripted.port != scripted.ports()[0]).then_some(Cow::Borrowed(scripted.port));
                Ok(Outcome::Done(Output { value: Arc::new(answer(node, attempt, &input)), port }))
            }
        };
        Input::Report { step, attempt, result }
    }

    fn after_the_end(&mut self) {
        assert_eq!(self.watched.run.commands(), [], "an ended run demands something");
        for input in [
            Input::Start { trigger: None, kept: vec![] },
            Input::Wake,
            Input::Cancel,
            Input::Expire,
            Input::TakenOver { crashes: 9 },
        ] {
            assert_eq!(self.watched.step(input, self.now), Err(Rejected::Finished));
        }
    }

    fn step(&mut self, input: Input) {
        if let Err(rejected) = self.watched.step(input.clone(), self.now) {
            panic!("{input:?}: {rejected}");
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
