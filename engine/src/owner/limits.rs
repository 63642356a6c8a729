//! What the steps of a run are counted under.

use super::Owner;
use crate::{blob::is_plain, start::step_limit};

impl Owner {
    /// Finds out what the steps are counted under whose key is in an input that lies elsewhere.
    pub(super) async fn see_limits(&mut self) {
        let graph = &self.compiled.graph;
        let keyed =
            graph.steps().filter_map(|(step, spec)| Some((step, spec.concurrency.as_ref().filter(|it| it.key.is_some())?)));
        let keyed: Vec<_> = keyed.collect();
        if keyed.is_empty() || is_plain(&self.record.input) {
            return;
        }
        match self.shared.blobs.read(self.record.workspace, vec![self.record.input.clone()]).await {
            Ok(opened) => {
                let input = opened.values.first().cloned().unwrap_or_default();
                let limit = |(step, limit)| (step, step_limit(limit, &self.compiled, step, &input));
                self.limits = keyed.into_iter().map(limit).collect();
            }
            // Its steps will fail for the same reason, or do not read it.
            Err(fault) => tracing::warn!(run = %self.id, %fault, "what steps are counted under cannot be read"),
        }
    }
}
