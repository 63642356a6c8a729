//! The schema of FlowForge: one file a change, the same on SQLite and PostgreSQL.
//!
//! Changes expand first and contract a release later, so that two versions can run side by side; a released file is
//! never edited. Times are milliseconds since 1970 in `bigint`, so that both databases compare them alike.

use sea_orm_migration::prelude::*;

pub use sea_orm_migration::MigratorTrait;

mod m20261120_001_create_accounts;
mod m20261120_002_create_workflows;
mod m20261120_003_create_runs;
mod m20261120_004_extend_runs;
mod m20261120_005_index_approvals;
mod m20261120_006_mark_begun;
mod m20261120_007_create_triggers;
mod m20261120_008_create_secrets;
mod m20261120_009_create_ledger;
mod m20261120_010_create_conflicts;
mod m20261120_011_create_checkpoints;
mod m20261120_012_remember_slots;

/// All changes, in the order in which they are applied.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_001_create_accounts::Migration),
            Box::new(m20261120_002_create_workflows::Migration),
            Box::new(m20261120_003_create_runs::Migration),
            Box::new(m20261120_004_extend_runs::Migration),
            Box::new(m20261120_005_index_approvals::Migration),
            Box::new(m20261120_006_mark_begun::Migration),
            Box::new(m20261120_007_create_triggers::Migration),
            Box::new(m20261120_008_create_secrets::Migration),
            Box::new(m20261120_009_create_ledger::Migration),
            Box::new(m20261120_010_create_conflicts::Migration),
            Box::new(m20261120_011_create_checkpoints::Migration),
            Box::new(m20261120_012_remember_slots::Migration),
        ]
    }
}
