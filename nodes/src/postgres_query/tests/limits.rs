//! Q7: how much comes back, how long it takes, and that nothing goes on afterwards.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{io::copy_bidirectional, net::TcpListener, net::TcpStream, task::JoinHandle};

use super::{PATIENCE, Place, bench, soon};

const MANY: &str = "SELECT g AS id, repeat('x', 1000) AS text FROM generate_series(1, 10000000) g";

/// Leaves nothing that could end a statement but a request to cancel it.
pub(super) const OFF: &str =
    "SELECT set_config(name, '0', true) FROM (VALUES ('statement_timeout'), ('client_connection_check_interval')) g (name)";

fn query(sql: &str) -> Value {
    json!({"mode": "query", "sql": sql})
}

#[tokio::test]
async fn ten_million_rows_are_an_error_and_not_read() {
    let Some(place) = Place::open().await else { return };
    soon(place.fails(json!({"statement": query(MANY)}), "POSTGRES_TOO_MANY_ROWS", "1000 rows")).await;
    place.until_running(0).await;
    let found = soon(place.run(json!({"statement": query(MANY), "max_rows": 3, "on_overflow": "truncate"}))).await;
    let ids: Vec<_> = found["rows"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!((ids, &found["truncated"], &found["row_count"]), (vec![json!(1), json!(2), json!(3)], &json!(true), &json!(3)));
    place.until_running(0).await;
}

#[tokio::test]
async fn exactly_as_many_as_allowed_are_no_overflow() {
    let Some(place) = Place::open().await else { return };
    for (rows, most) in [(1000, Value::Null), (200, json!(200)), (400, json!(400)), (399, json!(400)), (0, json!(1))] {
        let sql = format!("SELECT g AS id FROM generate_series(1, {rows}) g");
        let found = place.run(json!({"statement": query(&sql), "max_rows": most})).await;
        assert_eq!((&found["row_count"], &found["truncated"]), (&json!(rows), &json!(false)), "{rows}");
    }
    for (rows, most) in [(201, 200), (401, 400), (2, 1)] {
        let sql = format!("SELECT g AS id FROM generate_series(1, {rows}) g");
        place.fails(json!({"statement": query(&sql), "max_rows": most}), "POSTGRES_TOO_MANY_ROWS", "").await;
    }
}

#[tokio::test]
async fn bytes_are_counted_over_all_statements() {
    let Some(place) = Place::open().await else { return };
    let five = "SELECT repeat('x', 100) AS t FROM generate_series(1, 5) g";
    place.run(json!({"statement": query(five), "max_bytes": 600})).await;
    let twice = json!({"statements": [query(five), query(five)], "max_bytes": 600});
    place.fails(twice, "POSTGRES_RESULT_TOO_LARGE", "600 bytes").await;
    let found = place.run(json!({"statements": [query(five), query(five)], "max_bytes": 600, "on_overflow": "truncate"})).await;
    let counts: Vec<_> = found["results"].as_array().unwrap().iter().map(|one| one["row_count"].clone()).collect();
    assert_eq!(counts, [json!(5), json!(0)]);
}

#[tokio::test]
async fn one_row_cannot_take_all_the_memory() {
    let Some(place) = Place::open().await else { return };
    let huge = json!({"statement": query("SELECT repeat('x', 500000000) AS t"), "max_bytes": 1000});
    soon(place.fails(huge.clone(), "POSTGRES_RESULT_TOO_LARGE", "far more than")).await;
    let mut truncating = huge;
    truncating["on_overflow"] = "truncate".into();
    soon(place.fails(truncating, "POSTGRES_RESULT_TOO_LARGE", "far more than")).await;
    place.until_running(0).await;
}

#[tokio::test]
async fn what_overflows_has_changed_nothing() {
    let Some(place) = Place::with("CREATE TABLE a (id int)").await else { return };
    let insert = query("INSERT INTO a SELECT generate_series(1, 3) RETURNING id");
    place.fails(json!({"statement": insert, "max_rows": 2}), "POSTGRES_TOO_MANY_ROWS", "").await;
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["0"]);
    place.run(json!({"statement": insert, "max_rows": 2, "on_overflow": "truncate"})).await;
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["3"]);
}

#[tokio::test]
async fn what_takes_too_long_is_ended_over_there() {
    let Some(place) = Place::open().await else { return };
    let sleep = json!({"statement": query("SELECT pg_sleep(1000000)"), "timeout_s": 0.5});
    assert!(soon(place.fails(sleep, "POSTGRES_TIMEOUT", "")).await.retryable);
    place.until_running(0).await;
    place.run(json!({"statement": query("SELECT pg_sleep(0.01)"), "timeout_s": 20})).await;
}

/// A statement that turns its own limit off is cancelled all the same.
#[tokio::test]
async fn the_limit_does_not_depend_on_the_server() {
    let Some(place) = Place::open().await else { return };
    let slow = json!({"statements": [query(OFF), query("SELECT pg_sleep(1000)")], "timeout_s": 0.5});
    assert!(soon(place.fails(slow, "POSTGRES_TIMEOUT", "longer than 0.5 seconds")).await.retryable);
    place.until_running(0).await;
}

/// Runs a step that holds a row and sleeps, until it does.
async fn sleeping(place: &Place, url: &str, first: &str) -> JoinHandle<()> {
    let change = json!({"mode": "update", "table": "a", "values": {"n": 1}, "all_rows": true});
    let params = json!({"url": url, "timeout_s": 600, "statements": [query(first), change, query("SELECT pg_sleep(1000)")]});
    let step = tokio::spawn(async move {
        let ended = bench().run(params).await;
        panic!("it was to sleep: {ended:?}");
    });
    place.until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()", "1").await;
    step
}

#[tokio::test]
async fn a_step_that_is_cancelled_leaves_nothing_running() {
    let Some(place) = Place::with("CREATE TABLE a (n int); INSERT INTO a VALUES (0)").await else { return };
    let step = sleeping(&place, &place.url, OFF).await;
    step.abort();
    place.until_running(0).await;
    assert_eq!(place.rows("UPDATE a SET n = n RETURNING n").await, ["0"], "the row is free and unchanged");
}

/// Passes bytes on, to be cut.
async fn proxy(to: String) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let pass = async move {
        let (mut from, _) = listener.accept().await.unwrap();
        // Nobody else is let in: a request to cancel finds no way.
        drop(listener);
        let mut to = TcpStream::connect(to).await.unwrap();
        copy_bidirectional(&mut from, &mut to).await.ok();
    };
    (format!("127.0.0.1:{port}"), tokio::spawn(pass))
}

/// A process that dies cancels nothing: the server notices by itself.
#[tokio::test]
async fn a_process_that_dies_leaves_nothing_running() {
    let Some(place) = Place::with("CREATE TABLE a (n int); INSERT INTO a VALUES (0)").await else { return };
    let host = place.url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let (through, cut) = proxy(host.clone()).await;
    let step = sleeping(&place, &place.url.replace(&host, &through), "SELECT 1").await;
    cut.abort();
    place.until_running(0).await;
    assert!(soon(step).await.unwrap_err().to_string().contains("POSTGRES_CONNECTION"));
    assert_eq!(place.rows("UPDATE a SET n = n RETURNING n").await, ["0"]);
}

#[tokio::test]
async fn a_lock_is_waited_for_as_long_as_was_said() {
    let Some(place) = Place::with("CREATE TABLE a (n int); INSERT INTO a VALUES (0)").await else { return };
    place.rows("BEGIN; UPDATE a SET n = 1").await;
    let update = json!({"mode": "update", "table": "a", "values": {"n": 2}, "all_rows": true});
    let params = json!({"statement": update, "lock_timeout_s": 0.1});
    assert!(soon(place.fails(params.clone(), "POSTGRES_LOCKED", "lock timeout")).await.retryable);
    let waiting = tokio::spawn({
        let params = place.params(json!({"statement": update, "lock_timeout_s": PATIENCE.as_secs()}));
        async move { bench().output(params).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    place.rows("COMMIT").await;
    soon(waiting).await.unwrap();
    assert_eq!(place.rows("SELECT n FROM a").await, ["2"]);
}
