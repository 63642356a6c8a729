//! A look at the rows for what should have come by itself.

use flowforge_core::{Command, Input, NodeId, RunStatus, StepIx, StepState, node::Lane};

use super::Owner;
use crate::{
    error::Result,
    store::{inbox::Message, runs::ChildRow},
};

impl Owner {
    /// Makes good what should never be lost, and was.
    pub(super) async fn look(&mut self) -> Result<()> {
        self.look_at_children().await?;
        self.look_at_leases().await
    }

    /// Takes note of children that have ended and whose message was lost.
    async fn look_at_children(&mut self) -> Result<()> {
        if !self.run.awaits_children() {
            return Ok(());
        }
        for child in self.shared.store.children(self.id).await? {
            let ChildRow { node, attempt, index, status } = child;
            if let Some(step) = self.compiled.graph.find(&node).filter(|_| status.is_terminal()) {
                let failed = status != RunStatus::Completed;
                self.apply(Input::ChildEnded { step, attempt, index, failed }, None);
            }
        }
        Ok(())
    }

    /// Dispatches again what nobody can claim any more and nobody has reported.
    async fn look_at_leases(&mut self) -> Result<()> {
        // What is being written cannot be missed yet.
        if self.commit.is_some() {
            return Ok(());
        }
        let mut missed = self.dispatched();
        if missed.is_empty() {
            return Ok(());
        }
        // In this order: whoever ends a lease reports in the same moment.
        let leased = self.shared.store.leased(self.id).await?;
        missed.retain(|(_, node, attempt)| !leased.iter().any(|lease| lease.node == *node && lease.attempt == *attempt));
        if !missed.is_empty() {
            let messages = self.shared.store.messages(self.id).await?;
            let reports = messages.iter().filter_map(|(_, message)| match message {
                Message::Report(report) => Some((&report.node, report.attempt)),
                _ => None,
            });
            let reports: Vec<_> = reports.collect();
            missed.retain(|(_, node, attempt)| !reports.contains(&(node, *attempt)));
        }
        for (step, node, attempt) in missed {
            let run = self.id;
            tracing::error!(%run, %node, attempt, "a dispatched step has lost its lease, a fault of FlowForge; dispatching it again");
            self.obey(Command::Execute { step, attempt }, false);
        }
        Ok(())
    }

    /// The dispatched attempts that are under way.
    fn dispatched(&self) -> Vec<(StepIx, NodeId, u32)> {
        let steps = self.compiled.graph.steps().filter(|(_, spec)| spec.lane() == Lane::Dispatched);
        let under_way = steps.filter_map(|(step, spec)| match self.run.state(step) {
            // What gathers the outputs of children is executed here.
            StepState::Running { attempt, awaited: None, .. } => Some((step, spec.id.clone(), *attempt)),
            _ => None,
        });
        under_way.collect()
    }
}
