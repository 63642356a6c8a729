//! What failures are called, and what they do not tell.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Place, bench, soon};

const SECRET: &str = "s3cret-value";

#[tokio::test]
async fn a_constraint_is_named_and_the_value_is_not() {
    let sql = "CREATE TABLE a (id text CONSTRAINT a_key PRIMARY KEY, n int NOT NULL DEFAULT 1 CONSTRAINT a_small CHECK (n < 5)); \
        CREATE TABLE b (a text CONSTRAINT b_a REFERENCES a)";
    let Some(place) = Place::with(&format!("{sql}; INSERT INTO a VALUES ('{SECRET}')")).await else { return };
    for (table, values, constraint, column, state) in [
        ("a", json!({"id": SECRET}), json!("a_key"), Value::Null, "23505"),
        ("a", json!({"id": "x", "n": 9}), json!("a_small"), Value::Null, "23514"),
        ("a", json!({"id": SECRET, "n": null}), Value::Null, json!("n"), "23502"),
        ("b", json!({"a": format!("{SECRET}2")}), json!("b_a"), Value::Null, "23503"),
    ] {
        let statement = json!({"mode": "insert", "table": table, "values": values});
        let fault = place.refuses(statement, "POSTGRES_CONSTRAINT", constraint.as_str().unwrap_or("\"n\"")).await;
        assert_eq!((&fault.details["constraint"], &fault.details["column"]), (&constraint, &column), "{fault:?}");
        assert_eq!((&fault.details["sqlstate"], &fault.details["table"]), (&json!(state), &json!(table)));
        assert!(!format!("{fault:?}").contains(SECRET) && !fault.retryable, "{fault:?}");
    }
}

#[tokio::test]
async fn no_message_quotes_a_value() {
    let Some(place) = Place::with("CREATE TABLE a (at inet, k text)").await else { return };
    let raise = "CREATE FUNCTION raise(v text) RETURNS int LANGUAGE plpgsql AS \
        $$ BEGIN RAISE NOTICE 'saw %', v; RAISE EXCEPTION 'no % today', v USING DETAIL = v, HINT = v; END $$";
    place.rows(raise).await;
    for (statement, code) in [
        (json!({"mode": "insert", "table": "a", "values": {"k": "x", "at": SECRET}}), "POSTGRES_VALUE"),
        (json!({"mode": "query", "sql": "SELECT $1::text::int", "parameters": [SECRET]}), "POSTGRES_VALUE"),
        (json!({"mode": "query", "sql": "SELECT $1::int", "parameters": [SECRET]}), "POSTGRES_VALUE"),
        (json!({"mode": "query", "sql": "SELECT $1::text::json", "parameters": [SECRET]}), "POSTGRES_VALUE"),
        (json!({"mode": "query", "sql": "SELECT $1::text::xml", "parameters": [format!("<{SECRET}")]}), "POSTGRES_VALUE"),
        (json!({"mode": "query", "sql": "SELECT raise($1)", "parameters": [SECRET]}), "POSTGRES_RAISED"),
        (json!({"mode": "query", "sql": "SELECT raise(($1::text[])[1])", "parameters": [[SECRET]]}), "POSTGRES_RAISED"),
        (json!({"mode": "query", "sql": "SELECT raise($1::json ->> 'a')", "parameters": [{"a": SECRET}]}), "POSTGRES_RAISED"),
    ] {
        let fault = bench().run(place.params(json!({"statement": statement}))).await.unwrap_err();
        assert!(!format!("{fault:?}").contains(SECRET), "{statement}: {fault:?}");
        assert_eq!(fault.code, code, "{fault:?}");
    }
    let fault =
        place.refuses(json!({"mode": "insert", "table": "a", "values": {"at": "x"}}), "POSTGRES_VALUE", "`values.at`").await;
    assert_eq!(fault.details["parameter"], "values.at");
}

#[tokio::test]
async fn a_wrong_statement_says_where() {
    let Some(place) = Place::open().await else { return };
    let fault = place.refuses(json!({"mode": "query", "sql": "SELECT 1 FORM x"}), "POSTGRES_STATEMENT", "syntax error").await;
    assert_eq!((&fault.details["sqlstate"], &fault.details["position"]), (&json!("42601"), &json!(15)));
    place.refuses(json!({"mode": "query", "sql": "SELECT nothing"}), "POSTGRES_STATEMENT", "\"nothing\" does not exist").await;
    let few = json!({"mode": "query", "sql": "SELECT $1::int, $2::int", "parameters": [1]});
    place.refuses(few, "INVALID_PARAMETER", "holds 1 values, but the statement has 2 places").await;
}

#[tokio::test]
async fn a_collision_may_be_tried_again() {
    let Some(place) = Place::with("CREATE TABLE a (id int, n int); INSERT INTO a VALUES (1, 0), (2, 0)").await else { return };
    let read = json!({"mode": "select", "table": "a"});
    let wait = json!({"mode": "query", "sql": "SELECT pg_advisory_xact_lock(1)"});
    let change = json!({"mode": "update", "table": "a", "values": {"n": 1}, "where": [{"column": "id", "value": 1}]});
    place.rows("SELECT pg_advisory_lock(1)").await;
    let step = |isolation: &str| {
        let params = place.params(json!({"isolation": isolation, "statements": [read, wait, change]}));
        tokio::spawn(async move { bench().run(params).await })
    };
    let (strict, usual) = (step("repeatable_read"), step("read_committed"));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    place.until(waiting, "2").await;
    place.rows("UPDATE a SET n = 5; SELECT pg_advisory_unlock(1)").await;
    let fault = soon(strict).await.unwrap().unwrap_err();
    assert_eq!((&*fault.code, fault.retryable), ("POSTGRES_SERIALIZATION", true), "{fault}");
    soon(usual).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_goes_away_may_be_tried_again() {
    let Some(place) = Place::open().await else { return };
    let params = place.params(json!({"statement": {"mode": "query", "sql": "SELECT pg_sleep(1000)"}, "timeout_s": 600}));
    let step = tokio::spawn(async move { bench().run(params).await });
    place.until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()", "1").await;
    place.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()").await;
    let fault = soon(step).await.unwrap().unwrap_err();
    assert_eq!((&*fault.code, fault.retryable), ("POSTGRES_UNAVAILABLE", true), "{fault}");
}

#[tokio::test]
async fn who_and_what_is_not_known_there_is_told() {
    let Some(place) = Place::open().await else { return };
    let (server, _) = place.url.rsplit_once('/').unwrap();
    let statement = json!({"mode": "query", "sql": "SELECT 1"});
    let nowhere = json!({"url": format!("{server}/no_such_database"), "statement": statement});
    bench().fails(nowhere, "POSTGRES_UNKNOWN_DATABASE", "no_such_database").await;
    let nobody = place.url.replace("postgres@", "nobody:s3cret-value@");
    let fault = bench().fails(json!({"url": nobody, "statement": statement}), "POSTGRES_AUTHENTICATION", "nobody").await;
    assert!(!format!("{fault:?}").contains(SECRET));
}

#[tokio::test]
async fn what_is_no_postgresql_is_no_riddle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let params =
        json!({"url": format!("postgres://u:{SECRET}@127.0.0.1:{port}/d"), "statement": {"mode": "query", "sql": "SELECT 1"}});
    let talks = tokio::spawn(async move {
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"S", b"N"] {
            let (stream, _) = listener.accept().await.unwrap();
            stream.writable().await.unwrap();
            stream.try_write(answer).unwrap();
        }
    });
    for code in ["POSTGRES_CONNECTION", "POSTGRES_TLS", "POSTGRES_CONNECTION"] {
        let fault = soon(bench().run(params.clone())).await.unwrap_err();
        assert_eq!(fault.code, code, "{fault}");
        assert!(!format!("{fault:?}").contains(SECRET), "{fault:?}");
    }
    talks.await.unwrap();
    let fault = soon(bench().run(params)).await.unwrap_err();
    assert_eq!((&*fault.code, fault.retryable), ("NETWORK_ERROR", true), "nobody listens any more: {fault}");
}
