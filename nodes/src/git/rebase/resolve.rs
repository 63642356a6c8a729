//! One conflict: what was decided before, else the methods in their order, and every answer checked before it is taken.

use flowforge_core::{
    conflict::{Answer, Check, Conflict, Method, Resolution, Take},
    node::{LogSink, NodeError, Outcome, Stream},
};
use tokio::task::spawn_blocking;

use super::{
    checks::check_answer,
    hunks::{self, Part},
    merge::Entry,
    model::{self, Resolver, Unheard},
    rules,
    sides::is_shown,
    text,
    tried::Tried,
};
use crate::git::WorkTree;

/// What came of a conflict.
pub(super) enum Settled {
    /// It is resolved.
    Taken(Resolution),
    /// A person is asked.
    Open,
    /// Nobody is left to ask.
    Unresolved,
    /// A model cannot be asked yet.
    Waits(Box<Outcome>),
}

/// Who and what resolves conflicts.
pub(super) struct Resolving<'a> {
    pub(super) tree: &'a WorkTree,
    pub(super) methods: &'a [Method],
    pub(super) model: Option<&'a dyn Resolver>,
    pub(super) log: &'a dyn LogSink,
    pub(super) tried: Tried<'a>,
}

/// What a lock file was made into, or why it could not be made.
pub(super) type Made = Result<String, String>;

impl Resolving<'_> {
    /// What was decided before, checked once more where it came from outside.
    pub(super) async fn decided(&mut self, conflict: &Conflict) -> Result<Option<Resolution>, NodeError> {
        let Some(done) = self.tried.accepted(conflict).cloned() else {
            self.tried.record(conflict, None).await?;
            return Ok(None);
        };
        if done.method != Method::Person {
            return Ok(Some(done));
        }
        let again = self.checked(conflict, done.clone()).await?;
        if again.accepted {
            return Ok(Some(done));
        }
        self.tried.record(conflict, Some(again)).await?;
        Ok(None)
    }

    /// Asks each method in turn. `made` is what a lock file was made into, where there is one.
    pub(super) async fn settle(&mut self, conflict: &Conflict, subject: &str, made: Option<Made>) -> Result<Settled, NodeError> {
        for method in self.methods {
            let found = match method {
                Method::Person => return Ok(Settled::Open),
                Method::Auto if self.tried.refused(conflict, Method::Auto) > 0 => None,
                Method::Auto => self.by_rule(conflict, made.as_ref()).await?,
                Method::Model => match self.by_model(conflict, subject).await {
                    Ok(found) => found,
                    Err(Unheard::Waits(outcome)) => return Ok(Settled::Waits(outcome)),
                    Err(Unheard::Failed(fault)) => return Err(fault),
                },
            };
            let Some(resolution) = found else { continue };
            let resolution = self.checked(conflict, resolution).await?;
            self.tried.record(conflict, Some(resolution.clone())).await?;
            if resolution.accepted {
                return Ok(Settled::Taken(resolution));
            }
            let failed = resolution.checks.iter().find(|check| !check.passed);
            let why = failed.map(|check| format!("{}: {}", check.check, check.message)).unwrap_or_default();
            self.log.line(Stream::System, format!("`{}` by {} is not taken: {why}", conflict.path, resolution.by)).await;
        }
        Ok(Settled::Unresolved)
    }

    async fn by_rule(&self, conflict: &Conflict, made: Option<&Made>) -> Result<Option<Resolution>, NodeError> {
        let resolution = |answer, by: String| Resolution { answer, by, ..blank(Method::Auto) };
        if let Some((answer, rule)) = rules::whole(conflict) {
            return Ok(Some(resolution(Some(answer), rule.to_owned())));
        }
        match made {
            Some(Ok(text)) => return Ok(Some(resolution(Some(Answer::Content(text.clone())), "lock_file".to_owned()))),
            Some(Err(why)) => {
                let check = Check { check: "lock_file".to_owned(), passed: false, message: why.clone() };
                return Ok(Some(Resolution { checks: vec![check], ..resolution(None, "lock_file".to_owned()) }));
            }
            None => {}
        }
        let Some(Open { parts, ending }) = self.open(conflict, true).await? else { return Ok(None) };
        let Some(text) = hunks::joined(&parts) else { return Ok(None) };
        let mut rules: Vec<_> = ending.iter().map(|_| "line_endings").collect();
        rules.extend(parts.iter().filter_map(|part| match part {
            Part::Hunk(hunk) => hunk.resolved.as_ref().map(|(_, rule)| *rule),
            Part::Same(_) => None,
        }));
        rules.sort_unstable();
        rules.dedup();
        Ok(Some(resolution(Some(content(&text, ending)), rules.join(", "))))
    }

    /// A model is asked once, and once more when the project's tests fail with what came of it.
    async fn by_model(&self, conflict: &Conflict, subject: &str) -> Result<Option<Resolution>, Unheard> {
        let tests_said = self.tried.tests_said(conflict);
        let Some(model) = self.model.filter(|_| self.tried.refused(conflict, Method::Model) <= usize::from(tests_said.is_some()))
        else {
            return Ok(None);
        };
        // Rules whose work was refused have no further say.
        let with_rules = self.methods.contains(&Method::Auto) && self.tried.refused(conflict, Method::Auto) == 0;
        let Some(Open { mut parts, ending }) = self.open(conflict, with_rules).await? else { return Ok(None) };
        if hunks::joined(&parts).is_some() {
            return Ok(None);
        }
        let question = model::question(conflict, &parts, subject, tests_said);
        self.log.line(Stream::System, format!("asking {} about `{}`", model.name(), conflict.path)).await;
        let mut resolution =
            Resolution { by: model.name().to_owned(), prompt: Some(question.prompt.clone()), ..blank(Method::Model) };
        let fault = match model.ask(&question).await {
            Ok(answer) => model::fill(&mut parts, &answer).err(),
            // Another attempt may succeed; then it is another attempt of the step.
            Err(Unheard::Failed(fault)) if !fault.retryable => Some(fault.to_string()),
            Err(unheard) => return Err(unheard),
        };
        match fault {
            Some(message) => resolution.checks.push(Check { check: "answer".to_owned(), passed: false, message }),
            None => resolution.answer = hunks::joined(&parts).map(|text| content(&text, ending)),
        }
        Ok(Some(resolution))
    }

    /// The text with the hunks that no rule has resolved; nothing where there are no lines to merge.
    async fn open(&self, conflict: &Conflict, with_rules: bool) -> Result<Option<Open>, NodeError> {
        if !conflict.kind.is_text() || !is_shown(conflict) {
            return Ok(None);
        }
        let ([base, ours, theirs], ending) = rules::normal(conflict);
        let mut parts = hunks::merged(self.tree.folder(), &base, &ours, &theirs).await?;
        if with_rules {
            rules::hunks(&mut parts, &conflict.path);
        }
        Ok(Some(Open { parts, ending }))
    }

    /// Runs all checks and says whether the resolution may be taken.
    async fn checked(&self, conflict: &Conflict, mut resolution: Resolution) -> Result<Resolution, NodeError> {
        if let Some(answer) = resolution.answer.clone() {
            let conflict = conflict.clone();
            let checks = spawn_blocking(move || check_answer(&conflict, &answer)).await;
            resolution.checks = checks.map_err(|fault| NodeError::retry("REBASE_CHECK_FAILED", fault.to_string()))?;
        }
        resolution.accepted = resolution.answer.is_some() && resolution.checks.iter().all(|check| check.passed);
        Ok(resolution)
    }
}

/// A text that is partly merged.
struct Open {
    parts: Vec<Part>,
    /// How its lines are to end; as they do when absent.
    ending: Option<text::Ending>,
}

fn blank(method: Method) -> Resolution {
    Resolution { method, by: String::new(), prompt: None, answer: None, checks: Vec::new(), accepted: false }
}

fn content(text: &str, ending: Option<text::Ending>) -> Answer {
    Answer::Content(ending.map_or_else(|| text.to_owned(), |ending| text::ended_like(text, ending)))
}

/// What stands in the tree when one side is taken whole.
pub(super) fn taken(conflict: &Conflict, take: Take) -> Option<Entry> {
    let side = match take {
        Take::Ours => conflict.ours.as_ref(),
        Take::Theirs => conflict.theirs.as_ref(),
        Take::Delete => None,
    };
    side.map(|side| Entry { mode: side.mode.clone(), oid: side.oid.clone() })
}

/// The mode of a file whose text is new: that of the side that changed it.
pub(super) fn mode(conflict: &Conflict) -> String {
    let mode = |side: &Option<flowforge_core::conflict::Side>| {
        side.as_ref().map(|side| side.mode.clone()).filter(|mode| mode.starts_with("100"))
    };
    let (base, ours, theirs) = (mode(&conflict.base), mode(&conflict.ours), mode(&conflict.theirs));
    let changed = if ours == base { theirs.or(ours) } else { ours.or(theirs) };
    changed.or(base).unwrap_or_else(|| "100644".to_owned())
}
