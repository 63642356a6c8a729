//! Workflows and their immutable versions.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(workflows()).await?;
        manager.create_table(workflow_versions()).await?;
        let by_workspace =
            Index::create().name("workflows_by_workspace").table("workflows").col("workspace_id").col("id").to_owned();
        manager.create_index(by_workspace).await
    }
}

fn workflows() -> TableCreateStatement {
    Table::create()
        .table("workflows")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(text("name"))
        .col(text("description"))
        .col(text("status"))
        .col(integer("version"))
        .col(integer_null("published_version"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .to_owned()
}

/// Rows are inserted and never changed: a run keeps the graph that it was started with.
fn workflow_versions() -> TableCreateStatement {
    Table::create()
        .table("workflow_versions")
        .col(uuid("workflow_id"))
        .col(integer("version"))
        .col(uuid("workspace_id"))
        .col(json_binary("graph"))
        .col(text("content_hash"))
        .col(text("note"))
        .col(uuid_null("created_by"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("workflow_id").col("version"))
        .to_owned()
}
