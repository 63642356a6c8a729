//! What comes to the run from outside its owner.

use std::sync::Arc;

use flowforge_core::{
    Input,
    node::{NodeError, Outcome},
};

use futures::FutureExt;
use serde_json::json;

use super::Owner;
use crate::{
    clock::iso,
    error::Result,
    executor::{Executed, json_text},
    store::inbox::{Decision, Message, Report},
};

impl Owner {
    pub(super) async fn read_inbox(&mut self) -> Result<()> {
        for (id, message) in self.shared.store.messages(self.id).boxed().await? {
            if !self.read.insert(id) {
                continue;
            }
            self.draft.consume(id);
            match message {
                Message::Cancel => self.apply(Input::Cancel, None),
                Message::Pause => self.apply(Input::Pause, None),
                Message::Resume => {
                    self.apply(Input::Resume, None);
                    self.apply(Input::Wake, None);
                }
                Message::Signal { name, payload } => self.apply(Input::Signal { name, payload }, None),
                Message::Decide(decision) => self.take_decision(decision),
                Message::ChildEnded { node, attempt, index, failed } => {
                    if let Some(step) = self.compiled.graph.find(&node) {
                        self.apply(Input::ChildEnded { step, attempt, index, failed }, None);
                    }
                }
                Message::Recall { node, attempt } => {
                    if let Some(step) = self.compiled.graph.find(&node) {
                        self.apply(Input::Recall { step, attempt }, None);
                    }
                }
                Message::Look => self.look().await?,
                Message::Start(_) => {}
                Message::Report(report) => self.take_report(*report),
            }
        }
        Ok(())
    }

    fn take_decision(&mut self, decision: Decision) {
        let Decision { id, node, attempt, verdict, by, comment, at } = decision;
        let Some(step) = self.compiled.graph.find(&node) else { return };
        let output = json!({ "decision": verdict, "by": by, "comment": comment, "at": iso(at), "id": id });
        self.apply(Input::Decide { step, attempt, verdict, output: Arc::new(output) }, None);
    }

    fn take_report(&mut self, report: Report) {
        let Some(step) = self.compiled.graph.find(&report.node) else { return };
        let mut result = report.answer.into_result();
        if let Ok(outcome) = &mut result {
            self.freeze(step, outcome);
        }
        let output_json = match &result {
            Ok(Outcome::Done(output)) => Some(json_text(&output.value)),
            _ => None,
        };
        let executed = Executed {
            step,
            attempt: report.attempt,
            started_at: report.started_at,
            finished_at: report.finished_at,
            input: report.input,
            result: Err(NodeError::fatal("TAKEN", "")),
            output_json,
        };
        self.apply(Input::Report { step, attempt: report.attempt, result }, Some(&executed));
    }
}
