//! What begins runs by itself: triggers, and the inbox of what came to them.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(triggers()).await?;
        manager.create_table(deliveries()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// One row for a trigger node of a workflow, through all its versions: its address stays. `version` and `params` are those of
/// the version that answers. A schedule is looked at when `next_fire_at` has come; slots up to `last_slot` have been decided.
/// `revision` grows when the slots themselves change; `auth_at` is when what its callers have to prove became what it is.
fn triggers() -> TableCreateStatement {
    Table::create()
        .table("triggers")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(uuid("workflow_id"))
        .col(text("node_id"))
        .col(text("kind"))
        .col(text("status"))
        .col(integer("version"))
        .col(json_binary("params"))
        .col(text("token"))
        .col(big_integer_null("paused_at"))
        .col(integer("revision"))
        .col(big_integer("auth_at"))
        .col(big_integer_null("next_fire_at"))
        .col(big_integer_null("last_slot"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .to_owned()
}

/// One row for whatever came: a request, an event, a slot of a schedule. `dedupe_key` tells a repetition, `signed_hash` tells
/// that signed bytes are sent again under another name, `run_id` is given out with the row, and `started_at` says that the run is
/// known to exist.
fn deliveries() -> TableCreateStatement {
    Table::create()
        .table("deliveries")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(uuid("trigger_id"))
        .col(text("status"))
        .col(text_null("reason"))
        .col(text_null("dedupe_key"))
        .col(text_null("signed_hash"))
        .col(text_null("delivery_id"))
        .col(big_integer_null("slot"))
        .col(uuid_null("duplicate_of"))
        .col(uuid_null("replay_of"))
        .col(boolean("is_test").default(false))
        .col(integer_null("version"))
        .col(uuid_null("run_id"))
        .col(integer("depth").default(0))
        .col(big_integer("received_at"))
        .col(big_integer_null("decided_at"))
        .col(big_integer_null("started_at"))
        .col(text_null("remote_addr"))
        .col(text_null("body_hash"))
        .col(big_integer("body_size").default(0))
        .col(json_binary("headers"))
        .col(json_binary_null("query"))
        .col(blob_null("body"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let is_some = |column: &'static str| Expr::col(column).is_not_null();
    let stands_at = |status: &'static str| Expr::col("status").eq(status);
    let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create().name(name).table(table).to_owned();
        columns.iter().for_each(|column| {
            index.col(*column);
        });
        index
    };
    vec![
        index("triggers_by_node", "triggers", &["workflow_id", "node_id"]).unique().to_owned(),
        index("triggers_by_token", "triggers", &["token"]).unique().to_owned(),
        index("triggers_by_workspace", "triggers", &["workspace_id", "id"]),
        index("triggers_of_github", "triggers", &["kind"])
            .and_where(Expr::col("kind").eq("github").and(Expr::col("status").eq("active")))
            .to_owned(),
        index("triggers_due", "triggers", &["next_fire_at"]).and_where(is_some("next_fire_at")).to_owned(),
        index("deliveries_by_key", "deliveries", &["trigger_id", "dedupe_key"])
            .unique()
            .and_where(is_some("dedupe_key"))
            .to_owned(),
        index("deliveries_by_signature", "deliveries", &["trigger_id", "signed_hash"])
            .unique()
            .and_where(is_some("signed_hash"))
            .to_owned(),
        index("deliveries_by_trigger", "deliveries", &["trigger_id", "id"]),
        index("deliveries_by_workspace", "deliveries", &["workspace_id", "id"]),
        index("deliveries_by_run", "deliveries", &["run_id"]).and_where(is_some("run_id")).to_owned(),
        index("deliveries_by_status", "deliveries", &["workspace_id", "status", "id"]),
        index("deliveries_with_run", "deliveries", &["trigger_id", "id"]).and_where(is_some("run_id")).to_owned(),
        // SQLite uses a partial index only for the very condition that it was made with, written out in the statement.
        index("deliveries_received", "deliveries", &["received_at", "id"]).and_where(stands_at("received")).to_owned(),
        index("deliveries_queued", "deliveries", &["trigger_id", "slot"]).and_where(stands_at("queued")).to_owned(),
    ]
}
