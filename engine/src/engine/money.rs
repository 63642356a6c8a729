//! Budgets, as HTTP uses them. Whatever may make room calls the steps that wait for it.

use flowforge_core::{BudgetId, NodeId, Rejected, RunId, WorkspaceId, money::Micros};

use super::Engine;
use crate::{
    error::{Error, Result},
    money::call_waiters,
    store::{
        money::{BudgetChange, BudgetRecord, NewBudget, NewTopUp, RunBudget, TotalKey},
        runs::RunRow,
    },
};

/// The most that one budget may allow, and one top-up may add.
pub const LARGEST_BUDGET: Micros = Micros(1_000_000_000_000);
/// The longest note of a top-up, in characters.
const LONGEST_NOTE: usize = 500;

impl Engine {
    /// Makes a budget.
    ///
    /// # Errors
    /// `NotFound` for the workflow, `BadInput` for a limit that cannot be, `Conflict` when there is one for the same period, or there are
    /// as many as may be.
    pub async fn create_budget(&self, new: NewBudget) -> Result<BudgetRecord> {
        check_limit(new.limit)?;
        let id = self.shared.store.create_budget(&new).await?;
        self.shared.store.budget(new.workspace, id).await
    }

    /// Changes a budget. Steps that wait for it are called.
    ///
    /// # Errors
    /// `NotFound`, or `BadInput` for a limit that cannot be.
    pub async fn change_budget(&self, workspace: WorkspaceId, id: BudgetId, change: BudgetChange) -> Result<BudgetRecord> {
        change.limit.map_or(Ok(()), check_limit)?;
        self.shared.store.change_budget(workspace, id, change).await?;
        self.make_room(TotalKey::of_budget(id)).await;
        self.shared.store.budget(workspace, id).await
    }

    /// Deletes a budget. Steps that wait for it are called.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_budget(&self, workspace: WorkspaceId, id: BudgetId) -> Result<()> {
        self.shared.store.delete_budget(workspace, id).await?;
        self.make_room(TotalKey::of_budget(id)).await;
        Ok(())
    }

    /// Adds money to the current period of a budget. Steps that wait for it are called. Whether it was new.
    ///
    /// # Errors
    /// `NotFound`, `BadInput` for an amount that cannot be, or `Conflict` when the dedupe key was used for something else.
    pub async fn top_up_budget(&self, workspace: WorkspaceId, id: BudgetId, new: NewTopUp) -> Result<(BudgetRecord, bool)> {
        check_top_up(&new)?;
        let is_new = self.shared.store.top_up_budget(workspace, id, &new).await?;
        self.make_room(TotalKey::of_budget(id)).await;
        Ok((self.shared.store.budget(workspace, id).await?, is_new))
    }

    /// What a run has spent, and how much more it may.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn run_budget(&self, workspace: WorkspaceId, run: RunId) -> Result<RunBudget> {
        self.shared.store.run_budget(workspace, run).await
    }

    /// Adds money to what a run may spend, or one of its steps. Steps that wait for it are called. Whether it was new.
    ///
    /// # Errors
    /// `NotFound`, `BadInput` for an amount that cannot be, `Rejected` when the run has ended, or `Conflict` when it has no cap, or the
    /// dedupe key was used for something else.
    pub async fn top_up_run(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        node: Option<&NodeId>,
        new: NewTopUp,
    ) -> Result<(RunBudget, bool)> {
        check_top_up(&new)?;
        let store = &self.shared.store;
        let RunRow { record, body, .. } = store.run_row(Some(workspace), run).await?;
        if record.status.is_terminal() {
            return Err(Error::Rejected(Rejected::Finished));
        }
        if let Some(node) = node {
            let (workflow, version) = (record.workflow, record.version);
            let compiled = self.shared.versions.of_run(store, workspace, workflow, version, body.as_deref()).await?;
            compiled.graph.find(node).ok_or(Error::NotFound("node of the run"))?;
        }
        let is_new = store.top_up_run(workspace, run, node.map(NodeId::as_str), &new).await?;
        self.make_room(TotalKey::of_run(run)).await;
        Ok((store.run_budget(workspace, run).await?, is_new))
    }

    /// The change is on disk already: who is not called now looks again within a minute.
    async fn make_room(&self, total: TotalKey) {
        if let Err(fault) = call_waiters(&self.shared, &[total]).await {
            tracing::warn!(%fault, "steps that wait for money were not called; they look again within a minute");
        }
    }
}

fn check_limit(limit: Micros) -> Result<()> {
    match limit {
        limit if (Micros::ZERO..=LARGEST_BUDGET).contains(&limit) => Ok(()),
        _ => Err(Error::BadInput(format!("a limit is 0 to {} dollars", LARGEST_BUDGET.usd()))),
    }
}

fn check_top_up(new: &NewTopUp) -> Result<()> {
    if !(Micros(1)..=LARGEST_BUDGET).contains(&new.amount) {
        return Err(Error::BadInput(format!("what is added is more than 0 and at most {} dollars", LARGEST_BUDGET.usd())));
    }
    match new.note.chars().count() {
        0..=LONGEST_NOTE => Ok(()),
        _ => Err(Error::BadInput(format!("a note has at most {LONGEST_NOTE} characters"))),
    }
}
