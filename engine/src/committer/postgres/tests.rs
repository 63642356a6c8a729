//! The plan that the one statement gets on a large table of which the server knows nothing yet.

use flowforge_migrations::{Migrator, MigratorTrait};
use sqlx::{Connection, PgConnection, Row};

use super::{
    SETTINGS,
    statement::{STATEMENT, parameters},
};

/// Enough that a scan would be felt at every commit.
const ROWS: i64 = 50_000;

async fn fresh_database(server: &str) -> String {
    let name = format!("ff_plan_{}", crate::clock::new_uuid().simple());
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let base = server.rsplit_once('/').unwrap().0;
    format!("{base}/{name}")
}

#[tokio::test]
async fn the_statement_never_scans_a_table() {
    let Ok(server) = std::env::var("FLOWFORGE_TEST_POSTGRES") else { return };
    let url = fresh_database(&server).await;
    let database = sea_orm::Database::connect(&url).await.unwrap();
    Migrator::up(&database, None).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("ALTER TABLE runs SET (autovacuum_enabled = off)").execute(&mut connection).await.unwrap();
    let fill = format!(
        "INSERT INTO runs (id, workspace_id, workflow_id, version, status, trigger, input, epoch, next_seq, crashes, created_at, finished_at) \
         SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 'completed', 'api', '{{}}', 1, 1, 0, 0, 0 FROM generate_series(1, {ROWS})"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PREPARE batch AS {}", *STATEMENT))).execute(&mut connection).await.unwrap();
    let nothing = vec!["NULL"; parameters()].join(", ");
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE batch ({nothing})"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut connection).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let scans: Vec<&String> = plan.iter().filter(|line| line.contains("Seq Scan on")).collect();
    assert!(scans.is_empty(), "{}", plan.join("\n"));
}
