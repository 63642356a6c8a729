//! What runs gained: priorities, parents, limits on what is under way at once, pauses, answers, and what a step waits for.
//! Columns and indexes are only added.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("runs", run_columns()),
            ("step_runs", step_columns()),
            ("step_leases", limit_columns()),
            ("workspaces", workspace_columns()),
        ];
        for (table, columns) in columns {
            for column in columns {
                // SQLite adds one column a statement.
                manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
            }
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// `parent_…` name the step that started the run, and the item of its list. `body` is the way down to the graph within the
/// version's graph that is executed: node ids joined by `/`. `admitted_at` says since when a run with a limit counts.
fn run_columns() -> Vec<ColumnDef> {
    let mut columns = vec![
        small_integer("priority").default(1).to_owned(),
        uuid_null("parent_run_id"),
        text_null("parent_node"),
        integer_null("parent_attempt"),
        integer_null("parent_index"),
        text_null("body"),
        integer("depth").default(0).to_owned(),
        uuid_null("origin_run_id"),
    ];
    columns.extend(limit_columns());
    columns.extend([
        big_integer_null("admitted_at"),
        big_integer_null("paused_at"),
        json_binary_null("signals"),
        json_binary_null("response"),
    ]);
    columns
}

/// What a waiting attempt waits for.
fn step_columns() -> Vec<ColumnDef> {
    vec![json_binary_null("awaiting")]
}

/// At most `concurrency_limit` of one key are under way at once.
fn limit_columns() -> Vec<ColumnDef> {
    vec![text_null("concurrency_key"), integer_null("concurrency_limit")]
}

/// Finished runs are kept so many days; for ever when absent.
fn workspace_columns() -> Vec<ColumnDef> {
    vec![integer_null("retention_days")]
}

fn indexes() -> Vec<IndexCreateStatement> {
    let is_some = |column: &'static str| Expr::col(column).is_not_null();
    vec![
        Index::create()
            .name("runs_by_parent")
            .table("runs")
            .col("parent_run_id")
            .col("parent_node")
            .col("parent_index")
            .and_where(is_some("parent_run_id"))
            .to_owned(),
        Index::create()
            .name("runs_by_concurrency_key")
            .table("runs")
            .col("concurrency_key")
            .col("id")
            .and_where(is_some("concurrency_key").and(Expr::col("finished_at").is_null()))
            .to_owned(),
        Index::create()
            .name("runs_by_end")
            .table("runs")
            .col("workspace_id")
            .col("finished_at")
            .and_where(is_some("finished_at"))
            .to_owned(),
        Index::create()
            .name("step_runs_awaiting")
            .table("step_runs")
            .col("run_id")
            .and_where(is_some("awaiting").and(Expr::col("finished_at").is_null()))
            .to_owned(),
        Index::create().name("run_inbox_starts").table("run_inbox").col("id").and_where(Expr::col("kind").eq("start")).to_owned(),
        Index::create()
            .name("step_leases_by_concurrency_key")
            .table("step_leases")
            .col("concurrency_key")
            .and_where(is_some("concurrency_key"))
            .to_owned(),
    ]
}
