//! Making a run again: whole, from what failed, or from any step; on the same version or another one; with its input or another
//! one.

use std::sync::Arc;

use flowforge_core::{
    NodeId, RunId, StepIx, UserId, WorkspaceId,
    rerun::{Ask, Begin, Decision, Past, Plan, plan},
};
use serde_json::Value;

use super::{Dedupe, Engine, Started};
use crate::{
    blob::is_kept_as,
    compiled::Compiled,
    error::{Error, Result},
    executor::{storable, storable_input},
    owner::{HANDLER, Loaded},
    record::RunRecord,
    start::Accept,
};

/// The word for beginning at what did not complete.
const FAILED: &str = "failed";

/// What can begin a run, in the database's words. A run that repeats another one was begun by what has begun that one.
const TRIGGERS: &[&str] = &["manual", "api", "webhook", "github", "schedule", HANDLER];

/// A run to be made again.
#[derive(Debug, Clone)]
pub struct Rerun {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The run, which has ended.
    pub run: RunId,
    /// Where to begin: a node of the version that is executed, or `failed` for everything that did not complete; at the start when
    /// absent.
    pub from: Option<String>,
    /// Which version; that of the run when absent.
    pub version: Option<u32>,
    /// What it is given; what the run was given when absent.
    pub input: Option<Value>,
    /// What tells a repetition of the same request.
    pub dedupe: Option<Dedupe>,
    /// The person who makes it again, if it is one.
    pub started_by: Option<UserId>,
}

/// What making a run again would do.
#[derive(Debug, Clone)]
pub struct RerunPlan {
    /// The version that would be executed.
    pub version: u32,
    /// Its steps, in topological order.
    pub steps: Vec<RerunStep>,
}

/// What would become of a step.
#[derive(Debug, Clone)]
pub struct RerunStep {
    /// The node.
    pub node: NodeId,
    /// Whether its output is taken over.
    pub decision: Decision,
    /// Why, for a person.
    pub reason: String,
    /// Whether it acts on the world, has done so before, and may do so again.
    pub repeats_effect: bool,
}

/// A run to be made again, with all that is known of it.
struct Prepared {
    record: RunRecord,
    compiled: Arc<Compiled>,
    trigger: Option<StepIx>,
    plan: Plan,
}

impl Engine {
    /// Makes a run again. Answers when the new run is on disk, with everything that it keeps.
    ///
    /// # Errors
    /// `NotFound` for the run or the version, `Conflict` when the run has not ended, belongs to another run's step, cannot be
    /// read, or the dedupe key was used for something else, `BadInput` when there is no such step or nothing has failed, and
    /// those of a start.
    pub async fn rerun(&self, new: Rerun) -> Result<Started> {
        let Prepared { record, compiled, trigger, plan } = self.prepare_rerun(&new).await?;
        let word = TRIGGERS.iter().find(|word| **word == record.trigger).copied().unwrap_or("api");
        let other = new.input.map(storable_input).transpose()?;
        let input = other.map_or_else(|| record.input.clone(), Arc::new);
        let (origin, priority) = (Some(record.id), Some(record.priority));
        let accept = Accept { trigger_step: trigger, ..Accept::new(new.workspace, compiled, input, word) };
        let (dedupe, started_by) = (new.dedupe, new.started_by);
        self.accept(Accept { origin, priority, kept: plan.kept, dedupe, started_by, ..accept }).await
    }

    /// Says what [`Self::rerun`] would do.
    ///
    /// # Errors
    /// As for making the run again.
    pub async fn plan_rerun(&self, new: &Rerun) -> Result<RerunPlan> {
        let Prepared { compiled, plan, .. } = self.prepare_rerun(new).await?;
        let node = |step| compiled.graph.step(step).id.clone();
        let steps = plan.steps.into_iter().map(|planned| RerunStep {
            node: node(planned.step),
            decision: planned.decision,
            reason: planned.reason,
            repeats_effect: planned.repeats_effect,
        });
        Ok(RerunPlan { version: compiled.version, steps: steps.collect() })
    }

    async fn prepare_rerun(&self, new: &Rerun) -> Result<Prepared> {
        let store = &self.shared.store;
        let row = store.run_row(Some(new.workspace), new.run).await;
        let row = row.map_err(|fault| unreadable(new.run, fault, "start its workflow with an input of your own"))?;
        let record = row.record;
        refuse_unless_repeatable(&record)?;
        let version = Some(new.version.unwrap_or(record.version));
        let compiled = self.shared.versions.to_start(store, new.workspace, record.workflow, version).await?;
        let begin = begin(new.from.as_deref(), &compiled)?;
        let (old, past) = match self.past(new.run).await {
            // What cannot be read can still be made again as a whole.
            Err(Error::Invalid(_) | Error::Inconsistent { .. }) if begin == Begin::Start => (compiled.clone(), Vec::new()),
            past => past.map_err(|fault| unreadable(new.run, fault, "make it again as a whole, without naming a step"))?,
        };
        refuse_if_nothing_failed(begin, &past)?;
        let trigger = row.trigger_node.as_deref().and_then(|node| compiled.graph.find(&node.into()));
        let trigger = trigger.filter(|step| compiled.graph.step(*step).kind.spec.is_trigger());
        let trigger = trigger.or_else(|| compiled.graph.manual_trigger());
        let has_other_input = new.input.as_ref().is_some_and(|input| !is_kept_as(&record.input, storable(input.clone())));
        let files = store.files_left(new.run).await?;
        let ask = Ask { old: &old.graph, past: &past, new: &compiled.graph, trigger, begin, has_other_input, files: &files };
        let plan = plan(&ask);
        Ok(Prepared { record, compiled, trigger, plan })
    }

    /// What became of the steps of a run.
    async fn past(&self, run: RunId) -> Result<(Arc<Compiled>, Vec<Past>)> {
        let Loaded { compiled, run, lost, .. } = Loaded::read(&self.shared, run).await?;
        let past = |step: StepIx| match Past::from(run.state(step)) {
            Past::Completed { port, .. } if lost.contains(&step) => Past::Completed { output: None, port },
            past => past,
        };
        let past = compiled.graph.steps().map(|(step, _)| past(step)).collect();
        Ok((compiled, past))
    }
}

/// What is wrong with the rows of a run is its own state, and no fault of the database.
fn unreadable(run: RunId, fault: Error, advice: &str) -> Error {
    match fault {
        Error::Invalid(_) | Error::Inconsistent { .. } => {
            let message = format!("what is kept of the run {run} cannot be read: {fault}; {advice}");
            Error::Conflict { code: "run_unreadable", message }
        }
        fault => fault,
    }
}

fn refuse_unless_repeatable(record: &RunRecord) -> Result<()> {
    let conflict = |message| Err(Error::Conflict { code: "run_state", message });
    match &record.parent {
        _ if !record.status.is_terminal() => {
            conflict(format!("the run {} has not ended; wait for its end or cancel it, then make it again", record.id))
        }
        Some(parent) => {
            let message = format!("the run {} was started by a step of {}; make that one again", record.id, parent.run);
            conflict(message)
        }
        None => Ok(()),
    }
}

fn begin(from: Option<&str>, compiled: &Compiled) -> Result<Begin> {
    match from {
        None => Ok(Begin::Start),
        Some(FAILED) => Ok(Begin::Failed),
        Some(node) => {
            let message = || format!("version {} has no node `{node}`; name one of its nodes, or `{FAILED}`", compiled.version);
            compiled.graph.find(&node.into()).map(Begin::Step).ok_or_else(|| Error::BadInput(message()))
        }
    }
}

fn refuse_if_nothing_failed(begin: Begin, past: &[Past]) -> Result<()> {
    let has_ended_well = |past: &Past| matches!(past, Past::Completed { .. } | Past::Skipped);
    if begin == Begin::Failed && past.iter().all(has_ended_well) {
        return Err(Error::BadInput("no step of the run has failed; name the step to begin from".to_owned()));
    }
    Ok(())
}
