//! What comes to the run from outside its owner.

use flowforge_core::{
    Input, StepState,
    node::{NodeError, Outcome},
};

use super::Owner;
use crate::{
    error::Result,
    executor::Executed,
    store::inbox::{Message, Report},
};

impl Owner {
    pub(super) async fn read_inbox(&mut self) -> Result<()> {
        for (id, message) in self.shared.store.messages(self.id).await? {
            if !self.read.insert(id) {
                continue;
            }
            self.draft.consume(id);
            match message {
                Message::Cancel => self.apply(Input::Cancel, None),
                Message::Report(report) => self.take_report(*report),
            }
        }
        Ok(())
    }

    fn take_report(&mut self, report: Report) {
        let Some(step) = self.compiled.graph.find(&report.node) else { return };
        // A step that slept in its lane is called again by its timer; its report comes from the call.
        if matches!(self.run.state(step), StepState::Waiting { .. }) {
            self.apply(Input::Wake, None);
        }
        let result = report.answer.into_result();
        let output_json = match &result {
            Ok(Outcome::Done(output)) => Some(output.value.to_string()),
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
