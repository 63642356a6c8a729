//! Answers of models that a workspace has kept: the same question is paid for once.

use flowforge_core::{
    WorkspaceId,
    cache::Answers,
    node::{BoxFuture, NodeError},
};
use serde_json::Value;

use crate::{shared::on_its_own, store::Store};

/// The answers of one workspace. A database that does not do its part costs a turn, and never the step.
pub(crate) struct KeptAnswers {
    pub(crate) store: Store,
    pub(crate) workspace: WorkspaceId,
}

impl Answers for KeptAnswers {
    fn get<'a>(&'a self, question: &'a str) -> BoxFuture<'a, Result<Option<Value>, NodeError>> {
        let (store, workspace, question) = (self.store.clone(), self.workspace, question.to_owned());
        let found = on_its_own(async move { store.answer(workspace, &question).await });
        Box::pin(async move {
            match found.await {
                Some(Ok(answer)) => Ok(answer),
                Some(Err(fault)) => {
                    tracing::warn!(%workspace, %fault, "a kept answer could not be read; the model is asked again");
                    Ok(None)
                }
                None => Ok(None),
            }
        })
    }

    fn put<'a>(&'a self, question: &'a str, answer: &'a Value) -> BoxFuture<'a, Result<(), NodeError>> {
        let (store, workspace, question, answer) = (self.store.clone(), self.workspace, question.to_owned(), answer.clone());
        let kept = on_its_own(async move { store.keep_answer(workspace, &question, &answer).await });
        Box::pin(async move {
            if let Some(Err(fault)) = kept.await {
                tracing::warn!(%workspace, %fault, "an answer was not kept; the same question will be paid for again");
            }
            Ok(())
        })
    }
}
