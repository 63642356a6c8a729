//! The model that resolves conflicts: one question a file, metered like every other turn. An answer is kept, so that a crash between
//! it and its row does not ask, or pay, twice.

use flowforge_core::node::{BoxFuture, Context};
use serde_json::{Value, json};

use crate::{
    agent::{self, Messages},
    git::rebase::{Question, Resolver, Unheard},
};

/// Which model is asked when the author does not say.
pub(super) const USUAL_MODEL: &str = "claude-sonnet-5-5";

/// A model, for one attempt.
pub(super) struct Model<'a> {
    pub(super) messages: &'a Messages,
    pub(super) name: &'a str,
    pub(super) api_key: Option<&'a str>,
    pub(super) cx: &'a Context,
}

impl Resolver for Model<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<String, Unheard>> {
        Box::pin(async move {
            let asked = agent::Question {
                model: self.name.to_owned(),
                system: Some(question.system.to_owned()),
                messages: vec![json!({"role": "user", "content": question.prompt})],
                max_tokens: u64::from(question.max_tokens),
                schema: Some(question.schema.clone()),
                is_kept: true,
                ..agent::Question::default()
            };
            match Box::pin(self.messages.ask(&asked, self.api_key, self.cx)).await {
                Ok(answer) => Ok(match answer.result {
                    Value::String(text) => text,
                    json => json.to_string(),
                }),
                Err(unanswered) => match unanswered.outcome(self.cx) {
                    Ok(outcome) => Err(Unheard::Waits(Box::new(outcome))),
                    Err(fault) => Err(Unheard::Failed(fault)),
                },
            }
        })
    }
}
