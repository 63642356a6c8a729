//! What comes to the run from outside its owner, as in `engine/src/owner/inbox.rs`.

use flowforge_core::{Input, StepState, Timestamp};

use super::Owner;
use crate::{
    bug::Bug,
    cover::Rare,
    store::{Body, Message},
    world::World,
};

impl Owner {
    pub(crate) fn read(&mut self, world: &mut World, messages: Vec<Message>) {
        if self.lets_go() {
            return;
        }
        let is_cancel = |message: &Message| matches!(message.body, Body::Cancel);
        let cancels = messages.iter().filter(|message| is_cancel(message)).count();
        if cancels > 0 && cancels < messages.len() {
            world.cover.sometimes(Rare::CancelMeetsReport);
        }
        for message in messages {
            if self.read.contains(&message.id) {
                continue;
            }
            self.read.push(message.id);
            self.draft.consume(message.id);
            self.take(world, message.body);
        }
    }

    fn take(&mut self, world: &mut World, body: Body) {
        match body {
            Body::Cancel => self.apply(world, Input::Cancel),
            Body::Report { call, result } => {
                // A step that slept in its lane is called again by its timer; its report proves that the time had come.
                if let StepState::Waiting { until: Some(until), awaiting: None, .. } = *self.run.state(call.step) {
                    let now = Timestamp(world.guess(self.at.worker));
                    let late = if world.bug == Bug::ReportBeforeTimer { now } else { now.max(until) };
                    self.apply_at(world, Input::Wake, late);
                }
                self.apply(world, Input::Report { step: call.step, attempt: call.attempt, result });
            }
        }
    }
}
