//! What comes to the run from outside its owner, as in `engine/src/owner/inbox.rs`.

use flowforge_core::Input;

use super::Owner;
use crate::{
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
            Body::Pause => self.apply(world, Input::Pause),
            Body::Resume => {
                self.apply(world, Input::Resume);
                self.apply(world, Input::Wake);
            }
            Body::Signal { name, payload } => self.apply(world, Input::Signal { name, payload }),
            Body::Decide { step, attempt, verdict, output } => {
                self.apply(world, Input::Decide { step, attempt, verdict, output });
            }
            Body::ChildEnded { step, attempt, index, failed } => {
                self.apply(world, Input::ChildEnded { step, attempt, index, failed });
            }
            Body::Report { call, result } => {
                self.apply(world, Input::Report { step: call.step, attempt: call.attempt, result });
            }
        }
    }
}
