//! Values on their way in and out.

use serde_json::{Value, json};

use super::Place;

/// What is written into a column of this type is what is read.
async fn comes_back(place: &Place, kind: &str, written: Value, read: Value) {
    place.rows(&format!("DROP TABLE IF EXISTS v; CREATE TABLE v (v {kind})")).await;
    let insert = json!({"mode": "insert", "table": "v", "values": {"v": written}, "returning": ["v"]});
    let done = place.run(json!({"statement": insert})).await;
    assert_eq!(done["rows"][0]["v"], read, "{kind} {written}");
    let conditions = json!([{"column": "v", "value": written}]);
    if !matches!(kind, "json" | "point") && !written.is_null() {
        let found = place.run(json!({"statement": {"mode": "select", "table": "v", "where": conditions}})).await;
        assert_eq!(found["row_count"], 1, "{kind} {written} is found again");
    }
}

#[tokio::test]
async fn every_type_comes_back_as_it_went() {
    let Some(place) =
        Place::with("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN small AS int CHECK (value < 10)").await
    else {
        return;
    };
    for (kind, value) in [
        ("bool", json!(true)),
        ("smallint", json!(-32_768)),
        ("int", json!(2_147_483_647)),
        ("bigint", json!(9_007_199_254_740_991_i64)),
        ("bigint", json!("9007199254740992")),
        ("bigint", json!("-9223372036854775808")),
        ("real", json!(0.1)),
        ("double precision", json!(0.1)),
        ("double precision", json!("-Infinity")),
        ("numeric", json!("123456789012345678901234567890.000010")),
        ("numeric", json!("-0.0001")),
        ("numeric", json!("100000000")),
        ("numeric", json!("0")),
        ("numeric(12, 2)", json!("10000.50")),
        ("text", json!("Grüße, \"A\\d'a\" 🦀\n")),
        ("varchar(3)", json!("abc")),
        ("char(3)", json!("abc")),
        ("bit(4)", json!("1010")),
        ("uuid", json!("01912d68-783e-7a03-8467-5661c1243ad4")),
        ("bytea", json!("AAH/")),
        ("bytea", json!("")),
        ("jsonb", json!({"a": [1, null, "x"]})),
        ("jsonb", json!("a text")),
        ("json", json!([{"b": 1}])),
        ("date", json!("2027-01-31")),
        ("date", json!("infinity")),
        ("time", json!("23:59:59.5")),
        ("timetz", json!("12:30:00+02:00")),
        ("timestamp", json!("2027-01-31T09:00:00.123456")),
        ("timestamptz", json!("2027-01-31T09:00:00.000001Z")),
        ("timestamptz", json!("1969-12-31T23:59:59.500Z")),
        ("timestamptz", json!("-infinity")),
        ("interval", json!("P1Y2M-3DT4H5M6.5S")),
        ("interval", json!("PT0S")),
        ("interval", json!("PT-0.000001S")),
        ("inet", json!("10.1.2.3")),
        ("inet", json!("fe80::1/64")),
        ("cidr", json!("10.1.0.0/16")),
        ("mood", json!("sad")),
        ("small", json!(9)),
        ("int[]", json!([1, null, 3])),
        ("int[]", json!([])),
        ("int[][]", json!([[1, 2], [3, 4]])),
        ("text[]", json!(["a,b", "\"", "\\", "NULL", "", null, "{}"])),
        ("numeric[]", json!(["1.50"])),
        ("timestamptz[]", json!(["2027-01-31T09:00:00Z"])),
        ("jsonb[]", json!([[1], {"a": 1}])),
    ] {
        comes_back(&place, kind, value.clone(), value).await;
    }
}

#[tokio::test]
async fn other_forms_are_understood() {
    let Some(place) = Place::open().await else { return };
    for (kind, written, read) in [
        ("int", json!("5"), json!(5)),
        ("int", json!(5.0), json!(5)),
        ("text", json!(5), json!("5")),
        ("bool", json!("true"), json!(true)),
        ("numeric", json!(1.5), json!("1.5")),
        ("bytea", json!("\\x00ff"), json!("AP8=")),
        ("timestamp", json!("2027-01-31T09:00:00+02:00"), json!("2027-01-31T07:00:00")),
        ("timestamptz", json!("2027-01-31T09:00:00+02:00"), json!("2027-01-31T07:00:00Z")),
        ("timestamptz", json!("2027-01-31 09:00:00"), json!("2027-01-31T09:00:00Z")),
        ("char(4)", json!("ab"), json!("ab  ")),
        ("point", json!("(1,2)"), json!("(1,2)")),
        ("money", json!("12.50"), json!("$12.50")),
        ("double precision", json!("1e300"), json!(1e300)),
    ] {
        comes_back(&place, kind, written, read).await;
    }
    comes_back(&place, "int", Value::Null, Value::Null).await;
}

#[tokio::test]
async fn what_has_no_form_is_refused_before_it_runs() {
    let Some(place) = Place::with("CREATE TABLE a (id int)").await else { return };
    let sql = "INSERT INTO a VALUES (1) RETURNING 'a'::tsvector AS v";
    place.refuses(json!({"mode": "query", "sql": sql}), "POSTGRES_UNREADABLE", "`v` is of the type tsvector").await;
    let twice = json!({"mode": "query", "sql": "INSERT INTO a VALUES (1) RETURNING 1 AS v, 2 AS v"});
    place.refuses(twice, "POSTGRES_DUPLICATE_COLUMN", "`v`").await;
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["0"]);
    let cast = place.query("SELECT 'a'::tsvector::text AS v, row(1, 2)::text AS r", json!([])).await;
    assert_eq!(cast["rows"], json!([{"v": "'a'", "r": "(1,2)"}]));
}

/// Q10: what JSON or PostgreSQL cannot hold is an error with a name, and never stuck.
#[tokio::test]
async fn what_cannot_be_held_is_named() {
    let Some(place) = Place::with("CREATE TABLE a (t text, j jsonb, f float8, n numeric, s varchar(3))").await else { return };
    for (column, value) in [
        ("t", json!("a\0b")),
        ("j", json!({"a\0": 1})),
        ("j", json!(["\0"])),
        ("f", json!("1e400")),
        ("n", json!("1e400000")),
        ("n", json!("12abc")),
        ("s", json!("abcd")),
    ] {
        let fault = place.refuses(json!({"mode": "insert", "table": "a", "values": {column: value}}), "POSTGRES_VALUE", "").await;
        assert!(!fault.retryable && !fault.message.contains("12abc"), "{fault}");
    }
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["0"]);
    for sql in ["SELECT '1e400'::jsonb AS v", r#"SELECT '"\ud800"'::json AS v"#] {
        place.refuses(json!({"mode": "query", "sql": sql}), "POSTGRES_UNREADABLE", "`v`").await;
    }
    let twin = json!({"t": "a\\0b", "j": {"a": 1}, "f": "1e300", "n": "1e400", "s": "abc"});
    place.run(json!({"statement": {"mode": "insert", "table": "a", "values": twin}})).await;
    let found = place.query("SELECT n = 1e400 AS same FROM a", json!([])).await;
    assert_eq!(found["rows"], json!([{"same": true}]));
}

/// A value that is too long is refused and never cut off.
#[tokio::test]
async fn nothing_is_cut_off() {
    let Some(place) = Place::with("CREATE TABLE a (v varchar(3), c char(3), b bit(4), n numeric(4, 2), t time(0))").await else {
        return;
    };
    for (column, value) in [("v", "abcd"), ("c", "abcd"), ("b", "10101"), ("n", "123.45")] {
        place.refuses(json!({"mode": "insert", "table": "a", "values": {column: value}}), "POSTGRES_VALUE", "").await;
        place
            .refuses(json!({"mode": "update", "table": "a", "values": {column: value}, "all_rows": true}), "POSTGRES_VALUE", "")
            .await;
    }
}
