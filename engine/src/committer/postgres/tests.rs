//! The plans that the statements get on tables of which the server knows nothing yet: large ones, and empty ones that will grow.

use flowforge_migrations::{Migrator, MigratorTrait};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{
    SETTINGS,
    statement::{Form, Shape},
};

/// Enough that a scan would be felt at every commit.
const ROWS: i64 = 50_000;

async fn fresh_database(server: &str) -> String {
    let name = format!("ff_plan_{}", crate::clock::new_uuid().simple());
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let base = server.rsplit_once('/').unwrap().0;
    let url = format!("{base}/{name}");
    let database = sea_orm::Database::connect(&url).await.unwrap();
    Migrator::up(&database, None).await.unwrap();
    url
}

/// Everything at once, and what is written most.
fn shapes() -> Vec<Shape> {
    let all = |form: Form| Shape {
        new: form,
        may_exist: true,
        updates: form,
        extensions: form.widened(),
        begun: form,
        steps: form,
        dispatches: form.widened(),
        recalls: form.widened(),
        logs: form.widened(),
        consumed: form.widened(),
        letters: form.widened(),
    };
    let usual = |form: Form| {
        [
            Shape { new: form, begun: form, ..Shape::default() },
            Shape { updates: form, begun: form, ..Shape::default() },
            Shape { updates: form, steps: form, recalls: form.widened(), consumed: form.widened(), ..Shape::default() },
            Shape { extensions: form.widened(), logs: form.widened(), ..Shape::default() },
        ]
    };
    let forms = (0..3).flat_map(|level| [Form::One(level), Form::Many(level)]);
    forms.flat_map(|form| usual(form).into_iter().chain([all(form)])).collect()
}

/// How many parameters a statement has.
fn parameters(text: &str) -> usize {
    let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    text.split('$').skip(1).filter_map(number).max().unwrap_or(0)
}

async fn plan(connection: &mut PgConnection, shape: Shape) -> Vec<String> {
    let text = shape.text();
    sqlx::raw_sql(AssertSqlSafe(format!("PREPARE batch AS {text}"))).execute(&mut *connection).await.unwrap();
    let nothing = vec!["NULL"; parameters(&text)].join(", ");
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE batch ({nothing})"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE batch").execute(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What reads a table by anything but a key that names a run, or a message.
fn scans(plan: &[String]) -> Vec<&String> {
    let next = plan.iter().skip(1).map(String::as_str).chain([""]);
    let reads = |line: &str| ["Seq Scan on", "Index Scan", "Index Only Scan"].iter().any(|word| line.contains(word));
    let is_by_key = |next: &str| next.contains("Index Cond: ") && next.contains("id = ");
    plan.iter().zip(next).filter(|(line, next)| reads(line) && !is_by_key(next)).map(|(line, _)| line).collect()
}

async fn assert_no_scans(connection: &mut PgConnection) {
    for shape in shapes() {
        let plan = plan(connection, shape).await;
        assert!(scans(&plan).is_empty(), "{shape:?}\n{}", plan.join("\n"));
    }
}

#[tokio::test]
async fn no_statement_ever_scans_a_table() {
    let Ok(server) = std::env::var("FLOWFORGE_TEST_POSTGRES") else { return };
    let mut connection = PgConnection::connect(&fresh_database(&server).await).await.unwrap();
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await.unwrap();
    for table in ["runs", "step_runs", "step_leases", "run_inbox"] {
        let setting = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        sqlx::raw_sql(AssertSqlSafe(setting)).execute(&mut connection).await.unwrap();
    }
    assert_no_scans(&mut connection).await;
    for rows in [20, 300, ROWS] {
        let fill = format!(
            "INSERT INTO runs (id, workspace_id, workflow_id, version, status, trigger, input, epoch, next_seq, crashes, created_at, \
             finished_at) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 'completed', 'api', '{{}}', 1, 1, 0, 0, 0 \
             FROM generate_series(1, {rows}); \
             INSERT INTO step_leases (run_id, node_id, item, attempt, epoch, crashes, dispatched_at) \
             SELECT gen_random_uuid(), 'n', '', 1, 1, 0, 0 FROM generate_series(1, {rows}); \
             INSERT INTO run_inbox (id, run_id, kind, body, created_at) \
             SELECT gen_random_uuid(), gen_random_uuid(), 'signal', '{{}}', 0 FROM generate_series(1, {rows})"
        );
        sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut connection).await.unwrap();
        assert_no_scans(&mut connection).await;
    }
    // What the server knows of tables that were nearly empty when it looked.
    for statement in ["TRUNCATE runs, step_leases, run_inbox", "VACUUM ANALYZE runs, step_leases, run_inbox"] {
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
    assert_no_scans(&mut connection).await;
}
