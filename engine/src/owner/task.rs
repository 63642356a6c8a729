//! What an attempt is given: its input, and what its expressions can see.

use std::sync::Arc;

use flowforge_core::{
    Run, StepIx, Timestamp,
    graph::Reads,
    node::LogSink,
    template::{Scope, Secrets},
};
use serde_json::{Value, json};

use crate::{compiled::Compiled, executor::Task, record::RunRecord};

/// Which attempt is to be made.
pub(crate) struct Attempt {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) woken: Option<Timestamp>,
}

/// A run, as its attempts see it.
pub(crate) struct Surroundings<'r> {
    pub(crate) run: &'r Run,
    pub(crate) compiled: &'r Compiled,
    pub(crate) record: &'r RunRecord,
    /// What expressions see as `run`: see [`about`].
    pub(crate) about: &'r Arc<Value>,
    pub(crate) secrets: &'r Arc<dyn Secrets>,
}

/// What expressions see as `run`.
pub(crate) fn about(record: &RunRecord) -> Arc<Value> {
    let RunRecord { id, workflow, version, trigger, .. } = record;
    Arc::new(json!({ "id": id, "workflow_id": workflow, "version": version, "trigger": trigger }))
}

impl Surroundings<'_> {
    /// Gathers what an attempt is given.
    pub(crate) fn task(&self, attempt: Attempt, log: Arc<dyn LogSink>) -> Task {
        let spec = self.compiled.graph.step(attempt.step);
        Task {
            workspace: self.compiled.workspace,
            workflow: self.compiled.workflow,
            run: self.record.id,
            step: attempt.step,
            node: spec.id.clone(),
            kind: spec.kind.clone(),
            params: spec.params.clone(),
            timeout_s: spec.timeout_s,
            attempt: attempt.attempt,
            woken: attempt.woken,
            input: self.run.input(attempt.step).unwrap_or_else(|| self.record.input.clone()),
            scope: Arc::new(self.scope(&spec.reads)),
            log,
        }
    }

    /// What expressions can see: of the steps, only those that they may read.
    fn scope(&self, reads: &Reads) -> Scope {
        let graph = &self.compiled.graph;
        let output = |step: StepIx| Some((graph.step(step).id.clone(), self.run.output(step)?));
        let steps = match reads {
            Reads::Only(steps) => steps.iter().filter_map(|step| output(*step)).collect(),
            Reads::All => graph.steps().filter_map(|(step, _)| output(step)).collect(),
        };
        Scope {
            trigger: self.record.input.clone(),
            steps,
            run: self.about.clone(),
            workflow: self.compiled.about.clone(),
            item: None,
            index: None,
            secrets: self.secrets.clone(),
        }
    }
}
