//! Against a real server: the one that `FLOWFORGE_TEST_POSTGRES` names.

mod faults;
mod hostile;
mod limits;
mod once;
mod own_log;
mod reach;
mod structured;
mod values;

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::testing::{Bench, allowing};

/// How long anything may take that ends by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A database of a test's own.
struct Place {
    url: String,
    admin: Client,
}

impl Place {
    /// Without a server there is nothing to test on, which is said aloud.
    async fn open() -> Option<Self> {
        let Ok(server) = std::env::var("FLOWFORGE_TEST_POSTGRES") else {
            eprintln!("SKIPPED: FLOWFORGE_TEST_POSTGRES names no server; tests/setup/postgres.sh starts one");
            return None;
        };
        Some(Self::on(&server).await)
    }

    async fn on(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nodes_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(server).await;
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        Self { admin: connect(&url).await, url }
    }

    /// With these tables in it.
    async fn with(sql: &str) -> Option<Self> {
        let place = Self::open().await?;
        place.admin.batch_execute(sql).await.unwrap();
        Some(place)
    }

    /// The rows that `sql` answers, as text; columns are joined by `|`.
    async fn rows(&self, sql: &str) -> Vec<String> {
        let answered = self.admin.simple_query(sql).await.unwrap();
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).unwrap_or("null")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        answered.iter().filter_map(row).collect()
    }

    /// Waits until `sql` answers this one row.
    async fn until(&self, sql: &str, expected: &str) {
        let reached = async {
            while self.rows(sql).await != [expected] {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{sql} never was {expected}"));
    }

    /// Waits until so many of the node's statements run here.
    async fn until_running(&self, count: u32) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'flowforge'";
        self.until(sql, &count.to_string()).await;
    }

    /// Parameters with this place's connection.
    fn params(&self, params: Value) -> Value {
        let mut all = json!({"url": self.url});
        all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        all
    }

    async fn run(&self, params: Value) -> Value {
        (*bench().output(self.params(params)).await.value).clone()
    }

    async fn query(&self, sql: &str, parameters: Value) -> Value {
        self.run(json!({"statement": {"mode": "query", "sql": sql, "parameters": parameters}})).await
    }

    async fn fails(&self, params: Value, code: &str, words: &str) -> flowforge_core::node::NodeError {
        bench().fails(self.params(params), code, words).await
    }

    async fn refuses(&self, statement: Value, code: &str, words: &str) -> flowforge_core::node::NodeError {
        self.fails(json!({"statement": statement}), code, words).await
    }
}

fn bench() -> Bench {
    Bench::with("postgres.query", &allowing("127.0.0.0/8"))
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Within patience.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes far too long")
}

#[tokio::test]
async fn a_statement_is_run_and_its_rows_are_put_out() {
    let Some(place) = Place::with("CREATE TABLE a (id int, name text); INSERT INTO a VALUES (1, 'Ada'), (2, NULL)").await else {
        return;
    };
    let found = place.query("SELECT id, name FROM a WHERE id >= $1 ORDER BY id", json!([1])).await;
    let columns = json!([{"name": "id", "type": "int4"}, {"name": "name", "type": "text"}]);
    let rows = json!([{"id": 1, "name": "Ada"}, {"id": 2, "name": null}]);
    assert_eq!(found, json!({"columns": columns, "row_count": 2, "truncated": false, "rows": rows}));
    let changed = place.query("UPDATE a SET name = $1", json!(["Bo"])).await;
    assert_eq!(changed, json!({"columns": [], "row_count": 2, "truncated": false, "rows": []}));
    place.until_running(0).await;
}

#[tokio::test]
async fn several_statements_count_together_or_not_at_all() {
    let Some(place) = Place::with("CREATE TABLE a (id int PRIMARY KEY)").await else { return };
    let insert = |id: u32| json!({"mode": "insert", "table": "a", "values": {"id": id}});
    let count = json!({"mode": "query", "sql": "SELECT count(*)::int AS n FROM a"});
    let done = place.run(json!({"statements": [insert(1), insert(2), count]})).await;
    assert_eq!(done["results"][2]["rows"], json!([{"n": 2}]));
    let twice = json!({"statements": [insert(3), insert(3)]});
    place.fails(twice, "POSTGRES_CONSTRAINT", "`statements.1`").await;
    assert_eq!(place.rows("SELECT id FROM a ORDER BY id").await, ["1", "2"]);
}

#[tokio::test]
async fn a_connection_can_be_given_in_parts() {
    let Some(place) = Place::open().await else { return };
    let target = super::Target::from_url(&place.url).unwrap();
    let parts = json!({"host": target.host, "port": target.port, "database": target.database, "user": target.user});
    let mut params = json!({"statement": {"mode": "query", "sql": "SELECT current_database() AS name"}});
    params.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    let output = bench().output(params.clone()).await;
    assert_eq!(output.value["rows"][0]["name"], json!(target.database));
    params["url"] = place.url.clone().into();
    bench().fails(params, "INVALID_PARAMETER", "`host` cannot stand beside `url`").await;
}

#[tokio::test]
async fn a_session_says_who_it_is_and_has_limits() {
    let Some(place) = Place::open().await else { return };
    let names = ["application_name", "statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "TimeZone"];
    let sql = names.map(|name| format!("current_setting('{name}') AS \"{name}\"")).join(", ");
    let statement = json!({"mode": "query", "sql": format!("SELECT {sql}")});
    let found = place.run(json!({"statement": statement, "timeout_s": 7, "lock_timeout_s": 0.5})).await;
    let expected = ["flowforge", "7s", "7s", "500ms", "UTC"];
    assert_eq!(found["rows"][0], json!(names.into_iter().zip(expected).collect::<std::collections::BTreeMap<_, _>>()));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_dialled() {
    let nowhere = "postgres://u:pass-w0rd@db.invalid/x";
    let select = json!({"mode": "query", "sql": "SELECT 1"});
    for (params, words) in [
        (json!({"url": nowhere}), "1 to 100 statements"),
        (json!({"url": nowhere, "statement": select, "statements": [select]}), "cannot stand beside"),
        (json!({"url": nowhere, "statement": select, "once": true, "read_only": true}), "`once`"),
        (json!({"url": nowhere, "statement": select, "max_rows": 100_001}), "`max_rows`"),
        (json!({"url": nowhere, "statement": select, "max_bytes": 67_108_865}), "`max_bytes`"),
        (json!({"url": nowhere, "statement": select, "timeout_s": 0}), "`timeout_s`"),
        (json!({"statement": select}), "`host` or `url`"),
        (json!({"url": "mysql://u:pass-w0rd@db.invalid/x", "statement": select}), "postgres://"),
        (json!({"url": "postgres://u:pass-w0rd@db.invalid/x?options=-c", "statement": select}), "`options`"),
        (json!({"url": "postgres://u:pass-w0rd@db.invalid/x?sslmode=none", "statement": select}), "sslmode"),
        (json!({"url": "postgres:///x?sslmode=disable", "statement": select}), "names no host"),
    ] {
        let fault = bench().fails(params, "INVALID_PARAMETER", words).await;
        assert!(!fault.to_string().contains("pass-w0rd"), "{fault}");
    }
}
