//! The engine on real databases: SQLite always, PostgreSQL when `FLOWFORGE_TEST_POSTGRES` names a server.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at once")]

mod adopted;
mod audit;
mod blobs;
mod bucket;
mod chaos;
mod children;
mod crash;
mod deep;
mod deliveries;
mod feed;
mod forge;
mod lists;
mod money;
mod nets;
mod nodes;
mod processes;
mod queue;
mod quota;
mod rerun;
mod retention;
mod runs;
mod secrets;
mod waits;
mod why;
