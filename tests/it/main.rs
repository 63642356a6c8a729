//! Every black-box test of FlowForge, in one binary.

/// Makes each named `async fn(Forge)` a test on SQLite and a test on PostgreSQL.
macro_rules! on_each_database {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                super::$name(flowforge_tests::Forge::start(flowforge_tests::Database::Sqlite).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                super::$name(flowforge_tests::Forge::start(flowforge_tests::Database::Postgres).await).await;
            })*
        }
    };
}

mod api;
mod bad_input;
mod command_line;
mod crash;
mod failpoints;
mod git_job;
mod harness;
mod hooks;
mod job;
mod messages_api;
mod models;
mod rebase;
mod scale;
mod schedules;
mod secrets;
mod setup;
mod sse;
mod tidy;
mod workflows;
