//! The slots of schedules that have fired, for when nothing else is left of them, and what triggers are called.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(fired_slots()).await?;
        manager.alter_table(Table::alter().table("triggers").add_column(text_null("node_name")).to_owned()).await
    }
}

/// A slot goes in here when its delivery is removed, so that a backfill never fires it again. A row is never changed or removed.
fn fired_slots() -> TableCreateStatement {
    Table::create()
        .table("fired_slots")
        .col(uuid("trigger_id"))
        .col(big_integer("slot"))
        .primary_key(Index::create().col("trigger_id").col("slot"))
        .to_owned()
}
