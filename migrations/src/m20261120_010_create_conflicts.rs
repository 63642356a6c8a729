//! Conflicts of rebases, and what was tried to resolve them.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(conflicts()).await?;
        manager.create_table(resolutions()).await?;
        let of_run = |name: &str, table: &'static str| Index::create().name(name).table(table).col("run_id").to_owned();
        manager.create_index(of_run("conflicts_by_run", "conflicts")).await?;
        manager.create_index(of_run("conflict_resolutions_by_run", "conflict_resolutions")).await
    }
}

/// One row for each path of each commit that a step could not bring together by itself. Its id is made from the step and from what
/// collides. `sides` holds the base and both sides, as far as they are text.
fn conflicts() -> TableCreateStatement {
    Table::create()
        .table("conflicts")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(uuid("run_id"))
        .col(text("node_id"))
        .col(text("commit_id"))
        .col(text("path"))
        .col(text("kind"))
        .col(json_binary("sides"))
        .col(big_integer("created_at"))
        .to_owned()
}

/// One row for each attempt to resolve a conflict, in the order of their ids; the last one counts, if it was accepted.
fn resolutions() -> TableCreateStatement {
    Table::create()
        .table("conflict_resolutions")
        .col(uuid("id").primary_key())
        .col(uuid("conflict_id"))
        .col(uuid("run_id"))
        .col(text("method"))
        .col(text("by"))
        .col(text_null("prompt"))
        .col(json_binary_null("answer"))
        .col(json_binary("checks"))
        .col(boolean("accepted"))
        .col(big_integer("created_at"))
        .to_owned()
}
