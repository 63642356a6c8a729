//! An index of the decisions that are waited for: they are listed for a whole workspace, and often.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let waiting_decisions = Index::create()
            .name("step_runs_approvals")
            .table("step_runs")
            .col("run_id")
            .and_where(Expr::cust("awaiting ->> 'kind' = 'approval'").and(Expr::col("finished_at").is_null()))
            .to_owned();
        manager.create_index(waiting_decisions).await
    }
}
