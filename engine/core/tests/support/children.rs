//! The runs that steps have started for their items, as rows of a database that outlives the worker.

use std::collections::BTreeMap;

use flowforge_core::{Command, Event, Input, Run, StepIx, StepState};

/// Which step's, of which attempt, for which item.
pub(crate) type Key = (StepIx, u32, u32);

/// What is known of a child.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Child {
    Open { is_to_stop: bool },
    Ended { failed: bool },
}

#[derive(Debug, Default)]
pub(crate) struct Rows(BTreeMap<Key, Child>);

impl Rows {
    /// Does what a fact demands; doing it twice changes nothing.
    pub(crate) fn obey(&mut self, command: Command, most: u32) {
        match command {
            Command::StartChild { step, attempt, index } => {
                self.0.entry((step, attempt, index)).or_insert(Child::Open { is_to_stop: false });
                let open =
                    self.0.iter().filter(|((of, _, _), child)| *of == step && matches!(child, Child::Open { is_to_stop: false }));
                assert!(open.count() <= most as usize, "more than {most} children of {step:?} are open");
            }
            Command::CancelChildren { step, attempt } => {
                let own = self.0.iter_mut().filter(|((of, which, _), _)| (*of, *which) == (step, attempt));
                own.filter(|(_, child)| matches!(child, Child::Open { .. }))
                    .for_each(|(_, child)| *child = Child::Open { is_to_stop: true });
            }
            _ => {}
        }
    }

    /// What can happen to children of steps that wait for them: an open one ends, an end is told to whoever counts on it.
    pub(crate) fn moves(&self, run: &Run) -> Vec<(Key, Child)> {
        let counts = |(step, _, index): &Key| run.children(*step).is_some_and(|known| known.open().any(|open| open == *index));
        let moves =
            self.0.iter().filter(|(key, child)| is_awaited(run, key) && (matches!(child, Child::Open { .. }) || counts(key)));
        moves.map(|(key, child)| (*key, *child)).collect()
    }

    pub(crate) fn end(&mut self, key: Key, failed: bool) {
        self.0.insert(key, Child::Ended { failed });
    }

    /// The worker dies: children that it had called for may not have been written down.
    pub(crate) fn crash(&mut self, loses: impl Fn(u32) -> bool) {
        self.0.retain(|(_, _, index), child| !(matches!(child, Child::Open { is_to_stop: false }) && loses(*index)));
    }

    /// What the rows say to whoever reads them with the record.
    pub(crate) fn facts(&self, run: &Run) -> Vec<Event> {
        let awaited = self.0.iter().filter(|(key, _)| is_awaited(run, key));
        awaited
            .flat_map(|(&(step, attempt, index), child)| {
                let ended = match child {
                    Child::Ended { failed } => Some(Event::ChildEnded { step, index, failed: *failed }),
                    Child::Open { .. } => None,
                };
                std::iter::once(Event::ChildStarted { step, attempt, index }).chain(ended)
            })
            .collect()
    }
}

/// The message that tells an end.
pub(crate) fn told((step, attempt, index): Key, failed: bool) -> Input {
    Input::ChildEnded { step, attempt, index, failed }
}

fn is_awaited(run: &Run, (step, attempt, _): &Key) -> bool {
    run.children(*step).is_some() && matches!(run.state(*step), StepState::Waiting { attempt: now, .. } if now == attempt)
}
