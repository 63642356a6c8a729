//! What was tried for each conflict, in this call and in those before it.

use std::collections::BTreeMap;

use flowforge_core::{
    conflict::{Check, Conflict, Conflicts, Method, Resolution},
    node::NodeError,
};

/// The history of a step's conflicts.
pub(super) struct Tried<'a> {
    rows: &'a dyn Conflicts,
    known: BTreeMap<String, Vec<Resolution>>,
}

impl<'a> Tried<'a> {
    pub(super) async fn load(rows: &'a dyn Conflicts) -> Result<Self, NodeError> {
        let known = rows.recorded().await?.into_iter().map(|recorded| (recorded.conflict.key(), recorded.resolutions)).collect();
        Ok(Self { rows, known })
    }

    /// What counts: the last word, if it was taken.
    pub(super) fn accepted(&self, conflict: &Conflict) -> Option<&Resolution> {
        self.of(conflict).last().filter(|resolution| resolution.accepted)
    }

    /// How often a way was tried in vain.
    pub(super) fn refused(&self, conflict: &Conflict, method: Method) -> usize {
        self.of(conflict).iter().filter(|resolution| resolution.method == method && !resolution.accepted).count()
    }

    /// What the project's tests said of the last resolution, if they refused it.
    pub(super) fn tests_said(&self, conflict: &Conflict) -> Option<&str> {
        let last = self.of(conflict).last().filter(|resolution| !resolution.accepted)?;
        last.checks.iter().find(|check| check.check == TESTS && !check.passed).map(|check| check.message.as_str())
    }

    fn of(&self, conflict: &Conflict) -> &[Resolution] {
        self.known.get(&conflict.key()).map_or(&[], Vec::as_slice)
    }

    /// Writes down that there is a conflict and, if so, what was tried.
    pub(super) async fn record(&mut self, conflict: &Conflict, resolution: Option<Resolution>) -> Result<(), NodeError> {
        self.rows.record(conflict.clone(), resolution.clone()).await?;
        self.known.entry(conflict.key()).or_default().extend(resolution);
        Ok(())
    }

    /// Takes a resolution back, since the project's tests fail with it.
    pub(super) async fn refuse(&mut self, conflict: &Conflict, said: &str) -> Result<(), NodeError> {
        let Some(mut resolution) = self.accepted(conflict).cloned() else { return Ok(()) };
        resolution.accepted = false;
        resolution.checks.push(Check { check: TESTS.to_owned(), passed: false, message: said.to_owned() });
        self.record(conflict, Some(resolution)).await
    }
}

/// The check that the project's own tests are.
const TESTS: &str = "tests";
