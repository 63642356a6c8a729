//! Which steps come before which.

use crate::graph::{Graph, StepIx};

/// For every step the steps before it, a bit each: 12 MB for the largest graph, and an edge costs a pass over one row.
#[derive(Debug)]
pub(super) struct Before {
    /// The length of a row.
    words: usize,
    rows: Vec<u64>,
}

impl Before {
    pub(super) fn of(graph: &Graph) -> Self {
        let words = graph.len().div_ceil(64);
        let mut rows = vec![0; words * graph.len()];
        for (ix, step) in graph.steps() {
            let (earlier, row) = rows.split_at_mut(ix.index() * words);
            for source in step.incoming.iter().map(|link| link.step.index()) {
                // Steps are numbered in topological order, so the rest of a source's row is empty.
                row.iter_mut().zip(&earlier[source * words..=source * words + source / 64]).for_each(|(to, from)| *to |= from);
                row[source / 64] |= 1 << (source % 64);
            }
        }
        Self { words, rows }
    }

    pub(super) fn contains(&self, earlier: StepIx, step: StepIx) -> bool {
        self.rows[step.index() * self.words + earlier.index() / 64] >> (earlier.index() % 64) & 1 == 1
    }
}
