//! A person's decision on a step that asks for one: made once, by whoever may, for exactly what was shown.

use std::time::Duration;

use flowforge_core::{
    Awaiting, NodeId, Rejected, RunId, StepStatus, WorkspaceId,
    awaiting::{Approval, Verdict},
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Engine;
use crate::{
    clock,
    error::{Error, Result},
    record::AttemptRecord,
    store::{
        accounts::Role,
        inbox::{Decision, Message},
    },
};

/// How long the run's owner is waited for. A decision that was sent is not taken back after that.
const PATIENCE: Duration = Duration::from_secs(15);
/// The wait between two looks when no bell rings: the owner may be in another process.
const LOOK: Duration = Duration::from_millis(250);

/// What a person wants.
#[derive(Debug, Clone)]
pub struct NewDecision {
    /// Go on or not.
    pub verdict: Verdict,
    /// The digest of what was shown.
    pub digest: String,
    /// Who decides, by e-mail address.
    pub by: String,
    /// Their role in the workspace.
    pub role: String,
    /// What they say to it.
    pub comment: Option<String>,
}

/// What a step asks, with the digest by which a decision says what it is about.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The question.
    pub approval: Approval,
    /// A hash of the question, of the step and of its attempt, in hex.
    pub digest: String,
}

impl Asked {
    /// What an attempt asks; nothing when it asks for no decision.
    pub fn of(run: RunId, attempt: &AttemptRecord) -> Option<Self> {
        let approval = match Awaiting::deserialize(attempt.awaiting.as_ref()?) {
            Ok(Awaiting::Approval(approval)) => approval,
            _ => return None,
        };
        let shown = serde_json::json!([run, attempt.node, attempt.attempt, canonical(&serde_json::json!(approval))]);
        let digest = Sha256::digest(shown.to_string().as_bytes());
        Some(Self { approval, digest: digest.iter().map(|byte| format!("{byte:02x}")).collect() })
    }

    /// Whether a person may decide: anyone when nobody is named, else those named by address, and those whose role is one
    /// that is named or stands above it.
    fn may_decide(&self, decision: &NewDecision) -> bool {
        let role = decision.role.parse::<Role>().ok();
        let has_role = |who: &str| who.parse::<Role>().is_ok_and(|named| role.is_some_and(|role| role >= named));
        let named = |who: &String| who.eq_ignore_ascii_case(&decision.by) || has_role(who);
        self.approval.approvers.is_empty() || self.approval.approvers.iter().any(named)
    }
}

/// The same value with the keys of its objects in order: a database may give them back in another one.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, field)| (key.clone(), canonical(field))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

impl Engine {
    /// Decides what a step asks. Answers when the decision is on disk.
    ///
    /// # Errors
    /// `NotFound` when the step asks nothing, `Conflict` when something else was shown (`approval_changed`) or another decision
    /// came first (`approval_decided`), `Denied` when the person is not named, `Rejected` when the run has ended, and `Busy` when
    /// no worker has taken the decision yet: it will be.
    pub async fn decide(&self, workspace: WorkspaceId, run: RunId, node: &NodeId, new: NewDecision) -> Result<AttemptRecord> {
        let open = self.asked(workspace, run, node).await?;
        self.check(workspace, run, &open, &new).await?;
        let id = clock::new_uuid();
        let (node, attempt, at) = (node.clone(), open.attempt, self.shared.clock.now());
        let NewDecision { verdict, by, comment, .. } = new;
        let decision = Decision { id, node: node.clone(), attempt, verdict, by, comment, at };
        self.tell(workspace, run, Message::Decide(decision)).await?;
        let ended = self.decided(workspace, run, &node, attempt).await?;
        match ended.output.as_ref().and_then(|output| output["id"].as_str()) {
            Some(winner) if winner == id.to_string() => Ok(ended),
            _ => Err(decided(&ended)),
        }
    }

    /// Whether a decision is about what is asked now, and by someone who may make it.
    async fn check(&self, workspace: WorkspaceId, run: RunId, open: &AttemptRecord, new: &NewDecision) -> Result<()> {
        let asked = Asked::of(run, open).ok_or(Error::NotFound("approval"))?;
        if !asked.may_decide(new) {
            let message = format!("`{}` is not among those who may decide this", new.by);
            return Err(Error::Denied { code: "not_an_approver", message });
        }
        if has_verdict(open) {
            return Err(decided(open));
        }
        if self.shared.store.run(workspace, run).await?.status.is_terminal() {
            return Err(Error::Rejected(Rejected::Finished));
        }
        if open.status != StepStatus::Waiting {
            return Err(decided(open));
        }
        if asked.digest != new.digest {
            let message = "what the step asks is not what was shown; look at it again".to_owned();
            return Err(Error::Conflict { code: "approval_changed", message });
        }
        Ok(())
    }

    /// The newest attempt of a node that asks for a decision.
    async fn asked(&self, workspace: WorkspaceId, run: RunId, node: &NodeId) -> Result<AttemptRecord> {
        let attempts = self.shared.store.steps(workspace, run).await?;
        let asks = attempts.into_iter().filter(|attempt| attempt.node == *node && attempt.awaiting.is_some());
        asks.max_by_key(|attempt| attempt.attempt).ok_or(Error::NotFound("approval"))
    }

    /// Waits until the attempt has ended.
    async fn decided(&self, workspace: WorkspaceId, run: RunId, node: &NodeId, attempt: u32) -> Result<AttemptRecord> {
        let watch = self.shared.hints.watch(run);
        let until = clock::monotonic() + PATIENCE;
        loop {
            let rung = watch.rung();
            let found = self.asked(workspace, run, node).await?;
            if found.attempt > attempt || found.seqs.finished.is_some() {
                return Ok(found);
            }
            if clock::monotonic() >= until {
                return Err(Error::Busy);
            }
            let _ = tokio::time::timeout(LOOK, rung).await;
        }
    }
}

fn has_verdict(attempt: &AttemptRecord) -> bool {
    attempt.output.as_ref().is_some_and(|output| output["decision"].is_string())
}

fn decided(attempt: &AttemptRecord) -> Error {
    let said = |output: &Value| Some(format!("{} has {} it", output["by"].as_str()?, output["decision"].as_str()?));
    let how = attempt.output.as_ref().and_then(said).unwrap_or_else(|| format!("the step is {}", attempt.status));
    Error::Conflict { code: "approval_decided", message: format!("this was decided before: {how}") }
}
