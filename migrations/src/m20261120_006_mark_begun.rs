//! Whether an owner has begun anything: one that dies before it has is no reason to blame what it owned.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["runs", "step_leases"] {
            manager.alter_table(Table::alter().table(table).add_column(begun_epoch()).to_owned()).await?;
        }
        Ok(())
    }
}

/// The last epoch in which something was about to be executed. It is kept while there are `crashes`; without any, every death
/// counts.
fn begun_epoch() -> ColumnDef {
    big_integer_null("begun_epoch")
}
