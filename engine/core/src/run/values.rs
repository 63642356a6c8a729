//! Which edges were taken, and which values went along them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Run;
use crate::{
    document::OnError,
    graph::{Link, StepIx},
    node::ERROR_PORT,
    state::StepState,
};

impl Run {
    /// What successors see of a step: its output, or its error when an edge handles it.
    pub fn output(&self, step: StepIx) -> Option<Arc<Value>> {
        match self.state(step) {
            StepState::Completed { output, .. } => Some(output.clone()),
            StepState::Failed { error } if self.graph.step(step).handles_errors() => Some(Arc::new(json!({ "error": **error }))),
            StepState::Failed { .. } => Some(Arc::new(Value::Null)),
            _ => None,
        }
    }

    /// What a step is given: its predecessor's output, or an object by node id when there are several. Only edges that
    /// were taken count. `None` for a step that nothing comes before: it is given the run's input.
    pub fn input(&self, step: StepIx) -> Option<Arc<Value>> {
        let incoming = &self.graph.step(step).incoming;
        let mut sources: Vec<StepIx> = incoming.iter().filter(|link| self.is_taken(link)).map(|link| link.step).collect();
        sources.dedup();
        (!sources.is_empty()).then(|| self.outputs(&sources))
    }

    /// What the run puts out: the output of the step at its end, or an object by node id when it has several ends. An end
    /// is a step from which no edge is drawn; when none of these was reached, one that left by a port without an edge.
    pub(super) fn result(&self) -> Arc<Value> {
        let went_on = |step: &StepIx| self.port(*step).is_some();
        let is_last = |step: &StepIx| self.graph.step(*step).outgoing.is_empty();
        let leads_nowhere = |step: &StepIx| !self.graph.step(*step).outgoing.iter().any(|link| self.leaves_by(*step, &link.port));
        let ends = |is_end: &dyn Fn(&StepIx) -> bool| -> Vec<StepIx> {
            self.graph.steps().map(|(ix, _)| ix).filter(went_on).filter(|step| is_end(step)).collect()
        };
        let last = ends(&is_last);
        self.outputs(&if last.is_empty() { ends(&leads_nowhere) } else { last })
    }

    /// One step's output, or an object by node id when there are several.
    fn outputs(&self, steps: &[StepIx]) -> Arc<Value> {
        match steps {
            [] => Arc::new(Value::Null),
            [one] => self.output(*one).unwrap_or_default(),
            several => {
                let field = |step: &StepIx| Some((self.graph.step(*step).id.to_string(), (*self.output(*step)?).clone()));
                Arc::new(Value::Object(several.iter().filter_map(field).collect::<Map<_, _>>()))
            }
        }
    }

    /// Whether an edge, seen from its target, was taken.
    fn is_taken(&self, link: &Link) -> bool {
        self.leaves_by(link.step, &link.port)
    }

    fn leaves_by(&self, step: StepIx, port: &str) -> bool {
        self.port(step).is_some_and(|taken| taken == port)
    }

    /// The port by which a step that has ended left; none for a skipped one.
    pub(super) fn port(&self, step: StepIx) -> Option<&str> {
        let spec = self.graph.step(step);
        match self.state(step) {
            StepState::Completed { port, .. } => Some(port),
            StepState::Failed { .. } if spec.handles_errors() => Some(ERROR_PORT),
            StepState::Failed { .. } if spec.on_error == OnError::Continue => Some(spec.first_port()),
            _ => None,
        }
    }
}
