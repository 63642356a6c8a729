//! What an attempt is given: its input, and what its expressions can see.

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::{
    Awaiting, NodeId, Run, StepIx, Timestamp,
    awaiting::Outer,
    graph::Reads,
    node::LogSink,
    template::{NoSecrets, Scope},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    blob::is_plain,
    compiled::Compiled,
    error::{Error, Result},
    executor::Task,
    queue::StepRef,
    record::RunRecord,
    shared::Shared,
    store::runs::RunRow,
};

/// Which attempt is to be made.
pub(crate) struct Attempt {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) woken: Option<Timestamp>,
    /// The lease under which it is made, if it is dispatched.
    pub(crate) lease: Option<(StepRef, i64)>,
    /// What it has waited for, when it is called again.
    pub(crate) awaited: Option<Arc<Awaiting>>,
}

/// Where in its parent's list a run stands that executes a graph within a node.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) index: u32,
    /// What expressions see of the graph around it.
    pub(crate) outer: Arc<Outer>,
}

impl Place {
    /// Reads what the parent had frozen; nothing for a run that executes a whole version.
    pub(crate) async fn read(shared: &Shared, row: &RunRow) -> Result<Option<Self>> {
        let (Some(_), Some(parent)) = (&row.body, &row.record.parent) else { return Ok(None) };
        let outer = shared.store.outer(parent.run, &parent.node, parent.attempt).await?;
        let outer = outer.map(Outer::deserialize).transpose();
        let outer =
            outer.map_err(|fault| Error::Inconsistent { table: "step_runs", column: "awaiting", fault: fault.to_string() })?;
        Ok(Some(Self { index: parent.index, outer: Arc::new(outer.unwrap_or_default()) }))
    }

    /// Whether everything in it is what users wrote: nothing lies elsewhere.
    pub(crate) fn is_plain(&self) -> bool {
        is_plain(&self.outer.trigger) && self.outer.steps.values().all(|value| is_plain(value))
    }
}

/// A run, as its attempts see it.
pub(crate) struct Surroundings<'r> {
    pub(crate) run: &'r Run,
    pub(crate) compiled: &'r Compiled,
    pub(crate) record: &'r RunRecord,
    /// What expressions see as `run`: see [`about`].
    pub(crate) about: &'r Arc<Value>,
    pub(crate) place: Option<&'r Place>,
    /// Whether everything in the run is what users wrote: nothing lies elsewhere.
    pub(crate) plain: bool,
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
            depth: self.record.depth,
            step: attempt.step,
            node: spec.id.clone(),
            kind: spec.kind.clone(),
            params: spec.params.clone(),
            secrets: self.compiled.secrets.clone(),
            timeout_s: spec.timeout_s,
            attempt: attempt.attempt,
            lease: attempt.lease,
            woken: attempt.woken,
            awaited: attempt.awaited,
            input: self.run.input(attempt.step).unwrap_or_else(|| self.record.input.clone()),
            scope: Arc::new(self.scope(&spec.reads)),
            plain: self.plain,
            kept_input: None,
            log,
        }
    }

    /// What expressions can see: of the steps, only those that they may read.
    fn scope(&self, reads: &Reads) -> Scope {
        let graph = &self.compiled.graph;
        let output = |step: StepIx| Some((graph.step(step).id.clone(), self.run.output(step)?));
        let around = self.place.iter().flat_map(|place| &place.outer.steps);
        let mut steps: BTreeMap<NodeId, Arc<Value>> = around.map(|(node, value)| (node.clone(), value.clone())).collect();
        match reads {
            Reads::Only(read) => steps.extend(read.iter().filter_map(|step| output(*step))),
            Reads::All => steps.extend(graph.steps().filter_map(|(step, _)| output(step))),
        }
        Scope {
            trigger: self.place.map_or_else(|| self.record.input.clone(), |place| place.outer.trigger.clone()),
            steps,
            run: self.about.clone(),
            workflow: self.compiled.about.clone(),
            item: self.place.map(|_| self.record.input.clone()),
            index: self.place.map(|place| place.index),
            secrets: Arc::new(NoSecrets),
        }
    }
}
