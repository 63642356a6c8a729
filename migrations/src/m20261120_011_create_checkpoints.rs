//! Checkpoints: the work trees of runs as their steps have left them.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(checkpoints()).await?;
        let by_step =
            Index::create().name("checkpoints_by_step").table("checkpoints").col("run_id").col("effect_key").unique().to_owned();
        manager.create_index(by_step).await?;
        // Whoever removes a run asks whether another one goes on with its files.
        let repeated = "CREATE INDEX runs_by_origin ON runs (origin_run_id) WHERE origin_run_id IS NOT NULL";
        manager.get_connection().execute_unprepared(repeated).await.map(drop)
    }
}

/// `number` counts the steps of a run that have left its tree, in their order. `body` says where the bundles lie and what the step
/// has changed.
fn checkpoints() -> TableCreateStatement {
    Table::create()
        .table("checkpoints")
        .col(uuid("run_id"))
        .col(integer("number"))
        .col(text("node_id"))
        .col(integer("attempt"))
        .col(text("effect_key"))
        .col(json_binary("body"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("run_id").col("number"))
        .to_owned()
}
