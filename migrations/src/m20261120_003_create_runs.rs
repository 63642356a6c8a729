//! Workers, runs, their attempts, logs, leases and inbox: everything that the engine writes.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let storage = Storage::of(manager.get_database_backend());
        for table in [workers(), runs(&storage), step_runs(&storage), step_logs(&storage), step_leases(&storage), run_inbox()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

// The large columns come last in their tables: SQLite reads a row from its beginning and stops at the last column it needs.

/// How rows that are updated several times, and rows that are found by a random key, are best laid out.
struct Storage {
    updated: &'static str,
    keyed: &'static str,
}

impl Storage {
    fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => Self { updated: "WITH (fillfactor = 70)", keyed: "" },
            _ => Self { updated: "WITHOUT ROWID", keyed: "WITHOUT ROWID" },
        }
    }
}

fn workers() -> TableCreateStatement {
    Table::create()
        .table("workers")
        .col(uuid("id").primary_key())
        .col(text("name"))
        .col(big_integer("started_at"))
        .col(big_integer("heartbeat_at"))
        .to_owned()
}

/// `epoch` is the fencing token: every write names the one it was given. `next_seq` is the next free number of the run's
/// record. `crashes` counts owners that died since a step last ended.
fn runs(storage: &Storage) -> TableCreateStatement {
    Table::create()
        .table("runs")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(uuid("workflow_id"))
        .col(integer("version"))
        .col(text("status"))
        .col(text("trigger"))
        .col(text_null("trigger_node"))
        .col(big_integer("epoch"))
        .col(uuid_null("owner"))
        .col(big_integer("next_seq"))
        .col(integer("crashes"))
        .col(text_null("dedupe_key"))
        .col(text_null("dedupe_hash"))
        .col(big_integer_null("wake_at"))
        .col(big_integer_null("deadline_at"))
        .col(big_integer_null("started_seq"))
        .col(big_integer_null("cancel_seq"))
        .col(big_integer_null("finished_seq"))
        .col(big_integer("created_at"))
        .col(big_integer_null("started_at"))
        .col(big_integer_null("cancel_requested_at"))
        .col(big_integer_null("finished_at"))
        .col(json_binary("input"))
        .col(json_binary_null("output"))
        .col(json_binary_null("error"))
        .extra(storage.updated)
        .to_owned()
}

/// The log of a run: one row an attempt. The `…_seq` columns say where in the run's record each transition stands.
fn step_runs(storage: &Storage) -> TableCreateStatement {
    step("step_runs")
        .col(text("status"))
        .col(text_null("port"))
        .col(big_integer_null("started_seq"))
        .col(big_integer_null("waiting_seq"))
        .col(big_integer_null("finished_seq"))
        .col(big_integer_null("started_at"))
        .col(big_integer_null("finished_at"))
        .col(big_integer_null("wake_at"))
        .col(json_binary_null("input"))
        .col(json_binary_null("output"))
        .col(json_binary_null("error"))
        .extra(storage.updated)
        .to_owned()
}

/// Who executes a dispatched attempt now. The row exists from dispatch to report.
fn step_leases(storage: &Storage) -> TableCreateStatement {
    step("step_leases")
        .col(uuid_null("owner"))
        .col(big_integer("epoch"))
        .col(integer("crashes"))
        .col(big_integer("dispatched_at"))
        .col(big_integer_null("claimed_at"))
        .extra(storage.updated)
        .to_owned()
}

fn step(table: &'static str) -> TableCreateStatement {
    Table::create()
        .table(table)
        .col(uuid("run_id"))
        .col(text("node_id"))
        .col(text("item"))
        .col(integer("attempt"))
        .primary_key(Index::create().col("run_id").col("node_id").col("item").col("attempt"))
        .to_owned()
}

fn step_logs(storage: &Storage) -> TableCreateStatement {
    Table::create()
        .table("step_logs")
        .col(uuid("run_id"))
        .col(big_integer("seq"))
        .col(text("node_id"))
        .col(text("item"))
        .col(integer("attempt"))
        .col(text("stream"))
        .col(text("text"))
        .col(big_integer("at"))
        .primary_key(Index::create().col("run_id").col("seq"))
        .extra(storage.keyed)
        .to_owned()
}

/// What comes to a run from outside: reports, cancels, signals. A row is deleted by the commit that records its meaning.
fn run_inbox() -> TableCreateStatement {
    Table::create()
        .table("run_inbox")
        .col(uuid("id").primary_key())
        .col(uuid("run_id"))
        .col(text("kind"))
        .col(json_binary("body"))
        .col(big_integer("created_at"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let unfinished = || Expr::col("finished_at").is_null();
    vec![
        Index::create().name("runs_by_workspace").table("runs").col("workspace_id").col("id").to_owned(),
        Index::create().name("runs_by_workflow").table("runs").col("workflow_id").col("id").to_owned(),
        Index::create().name("runs_unfinished").table("runs").col("owner").col("wake_at").and_where(unfinished()).to_owned(),
        Index::create()
            .name("runs_by_dedupe_key")
            .table("runs")
            .col("workspace_id")
            .col("dedupe_key")
            .unique()
            .and_where(Expr::col("dedupe_key").is_not_null())
            .to_owned(),
        Index::create().name("run_inbox_by_run").table("run_inbox").col("run_id").to_owned(),
        Index::create().name("step_leases_by_owner").table("step_leases").col("owner").to_owned(),
    ]
}
