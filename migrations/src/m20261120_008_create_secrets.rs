//! Secrets: what workflows know by name only.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(secrets()).await?;
        let by_name =
            Index::create().name("secrets_by_name").table("secrets").col("workspace_id").col("name").unique().to_owned();
        manager.create_index(by_name).await
    }
}

/// `ciphertext` begins with its nonce and can only be opened for this workspace and this id, with the master key that `key_id`
/// names. `hosts` are those that the value may be sent to; any when there are none.
fn secrets() -> TableCreateStatement {
    Table::create()
        .table("secrets")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(text("name"))
        .col(blob("ciphertext"))
        .col(text("key_id"))
        .col(json_binary("hosts"))
        .col(uuid_null("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .to_owned()
}
