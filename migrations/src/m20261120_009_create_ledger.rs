//! The ledger: budgets, what is spent and set aside in each of them, and the turns that it was spent on.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [budgets(), budget_totals(), budget_top_ups(), agent_usage(), cached_answers()] {
            manager.create_table(table).await?;
        }
        let started_by = Table::alter().table("runs").add_column(uuid_null("started_by")).to_owned();
        manager.alter_table(started_by).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// What may be spent in each period: by all runs of a workspace, or by those of one workflow. `scope_id` is the one or the other.
fn budgets() -> TableCreateStatement {
    Table::create()
        .table("budgets")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(text("scope"))
        .col(uuid("scope_id"))
        .col(text("period"))
        .col(text("time_zone"))
        .col(big_integer("limit_micros"))
        .col(uuid_null("created_by"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .to_owned()
}

/// One row for each period of a budget, one for each run and one for each step that has paid for turns; `since` is when the period
/// began, and 0 where there are none. Whether a turn may be paid for is read here, and never from the turns themselves.
fn budget_totals() -> TableCreateStatement {
    Table::create()
        .table("budget_totals")
        .col(uuid("id"))
        .col(big_integer("since"))
        .col(uuid_null("run_id"))
        .col(big_integer("spent_micros"))
        .col(big_integer("reserved_micros"))
        .col(big_integer("open_turns"))
        .col(big_integer("topped_up_micros"))
        .primary_key(Index::create().col("id").col("since"))
        .to_owned()
}

/// Money that was added to one period of a budget, to a run or to a step.
fn budget_top_ups() -> TableCreateStatement {
    Table::create()
        .table("budget_top_ups")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(uuid("total_id"))
        .col(big_integer("since"))
        .col(uuid_null("run_id"))
        .col(text_null("node_id"))
        .col(big_integer("amount_micros"))
        .col(text("note"))
        .col(uuid_null("created_by"))
        .col(big_integer("created_at"))
        .col(text_null("dedupe_key"))
        .col(text_null("dedupe_hash"))
        .to_owned()
}

/// One row for each turn. `holder` is the execution of its step that has asked, `charged` are the totals that it counts in.
fn agent_usage() -> TableCreateStatement {
    Table::create()
        .table("agent_usage")
        .col(uuid("id").primary_key())
        .col(uuid("workspace_id"))
        .col(uuid("workflow_id"))
        .col(uuid("run_id"))
        .col(text("node_id"))
        .col(integer("attempt"))
        .col(text("turn_key"))
        .col(uuid("holder"))
        .col(uuid("worker_id"))
        .col(text("model"))
        .col(text("state"))
        .col(big_integer("most_micros"))
        .col(big_integer("cost_micros"))
        .col(big_integer("input_tokens"))
        .col(big_integer("output_tokens"))
        .col(big_integer("cache_read_tokens"))
        .col(big_integer("cache_write_tokens"))
        .col(uuid_null("started_by"))
        .col(big_integer("created_at"))
        .col(big_integer_null("settled_at"))
        .col(json_binary("charged"))
        .to_owned()
}

/// Answers of models that are given again to the same question. `size` is the answer's in bytes.
fn cached_answers() -> TableCreateStatement {
    Table::create()
        .table("cached_answers")
        .col(uuid("workspace_id"))
        .col(text("key"))
        .col(big_integer("size"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(json_binary("answer"))
        .primary_key(Index::create().col("workspace_id").col("key"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create().name(name).table(table).to_owned();
        columns.iter().for_each(|column| {
            index.col(*column);
        });
        index
    };
    let is_some = |column: &'static str| Expr::col(column).is_not_null();
    let reserved = || Expr::col("state").eq("reserved");
    vec![
        index("budgets_by_scope", "budgets", &["scope_id", "period"]).unique().to_owned(),
        index("budgets_by_workspace", "budgets", &["workspace_id", "id"]),
        index("budget_totals_by_run", "budget_totals", &["run_id"]).and_where(is_some("run_id")).to_owned(),
        index("budget_top_ups_by_total", "budget_top_ups", &["total_id", "id"]),
        index("budget_top_ups_by_run", "budget_top_ups", &["run_id"]).and_where(is_some("run_id")).to_owned(),
        index("budget_top_ups_by_key", "budget_top_ups", &["workspace_id", "dedupe_key"])
            .unique()
            .and_where(is_some("dedupe_key"))
            .to_owned(),
        index("agent_usage_by_time", "agent_usage", &["workspace_id", "created_at"]),
        index("agent_usage_by_run", "agent_usage", &["run_id", "node_id"]),
        // A turn is open once, whoever asks how often.
        index("agent_usage_open", "agent_usage", &["holder", "turn_key"]).unique().and_where(reserved()).to_owned(),
        index("agent_usage_reserved", "agent_usage", &["run_id", "node_id"]).and_where(reserved()).to_owned(),
        index("cached_answers_by_end", "cached_answers", &["expires_at"]),
        // Steps that wait for money are looked for whenever some has come.
        Index::create()
            .name("step_runs_funds")
            .table("step_runs")
            .col("run_id")
            .and_where(Expr::cust("awaiting ->> 'kind' = 'funds'").and(Expr::col("finished_at").is_null()))
            .to_owned(),
    ]
}
