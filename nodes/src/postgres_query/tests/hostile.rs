//! What a value must never become: a name, a word or a statement.

use serde_json::{Value, json};

use super::{Place, bench};

const TABLE: &str = "CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'a'), (2, 'b')";

async fn is_whole(place: &Place) {
    assert_eq!(place.rows("SELECT count(*) FROM t").await, ["2"], "the table is as it was");
}

/// Q2: what is no name, or none that exists, is refused wherever a name may stand.
#[tokio::test]
async fn names_are_names() {
    let Some(place) = Place::with(TABLE).await else { return };
    let long = "x".repeat(200);
    for name in ["t\"; DROP TABLE t; --", "t\0", "", "a.b.c.d", "\"t", "id FROM t; --", "ｔ", "T", "pg_class\" --", &long] {
        for (statement, code) in [
            (json!({"mode": "select", "table": name}), "TABLE"),
            (json!({"mode": "select", "table": "t", "columns": [name]}), "COLUMN"),
            (json!({"mode": "insert", "table": "t", "values": {name: 1}}), "COLUMN"),
            (json!({"mode": "update", "table": "t", "values": {name: 1}, "all_rows": true}), "COLUMN"),
            (json!({"mode": "delete", "table": "t", "where": [{"column": name, "value": 1}]}), "COLUMN"),
        ] {
            let params = place.params(json!({"statement": statement}));
            let fault = bench().run(params).await.unwrap_err();
            let is_typed = fault.code == "INVALID_PARAMETER" || fault.code == format!("POSTGRES_UNKNOWN_{code}");
            assert!(is_typed && !fault.retryable, "{statement}: {fault}");
        }
    }
    is_whole(&place).await;
}

#[tokio::test]
async fn names_that_look_bad_and_exist_are_used() {
    let sql = r#"CREATE SCHEMA "s.""x"; CREATE TABLE "s.""x"."t; DROP TABLE t" ("Größe "" --" int, "select" int)"#;
    let Some(place) = Place::with(&format!("{TABLE}; {sql}")).await else { return };
    let table = r#""s.""x"."t; DROP TABLE t""#;
    let values = json!({"Größe \" --": 1, "select": 2});
    place.run(json!({"statement": {"mode": "insert", "table": table, "values": values}})).await;
    let found = place.run(json!({"statement": {"mode": "select", "table": table, "order": [{"column": "Größe \" --"}]}})).await;
    assert_eq!(found["rows"], json!([values]));
    is_whole(&place).await;
}

/// Q3: words come from lists, numbers are numbers.
#[tokio::test]
async fn words_and_numbers_are_what_they_are() {
    let Some(place) = Place::with(TABLE).await else { return };
    let with = |name: &str, value: Value| json!({"mode": "select", "table": "t", name: value});
    for statement in [
        with("limit", json!("1; DELETE FROM t")),
        with("limit", json!(-1)),
        with("limit", json!(1.5)),
        with("offset", json!("0; DROP TABLE t")),
        with("order", json!([{"column": "id", "direction": "asc; DROP TABLE t"}])),
        with("order", json!([{"column": "id; DROP TABLE t"}])),
        with("order", json!("id; DROP TABLE t")),
        with("where", json!([{"column": "id", "operator": "= 1 OR 1 = 1; --", "value": 1}])),
        with("where", json!([{"column": "id->>'a'", "operator": "eq", "value": 1}])),
        with("where", json!("1 = 1")),
        with("columns", json!(["count(*)"])),
        json!({"mode": "delete", "table": "t", "where": [{"column": "id", "value": 1}], "returning": ["pg_sleep(9)"]}),
        json!({"mode": "upsert", "table": "t", "values": {"id": 1}, "conflict": ["id) DO NOTHING; DROP TABLE t; --"]}),
        json!({"mode": "upsert", "table": "t", "values": {"id": 1}, "conflict": []}),
        json!({"mode": "drop", "table": "t"}),
        json!({"table": "t"}),
    ] {
        let fault = bench().run(place.params(json!({"statement": statement}))).await.unwrap_err();
        assert!(matches!(&*fault.code, "INVALID_PARAMETER" | "POSTGRES_UNKNOWN_COLUMN"), "{statement}: {fault}");
    }
    is_whole(&place).await;
}

#[tokio::test]
async fn values_are_values() {
    let Some(place) = Place::with(TABLE).await else { return };
    let bad = "'); DELETE FROM t; --";
    let conditions = json!([{"column": "name", "value": bad}]);
    assert_eq!(place.run(json!({"statement": {"mode": "select", "table": "t", "where": conditions}})).await["row_count"], 0);
    place.run(json!({"statement": {"mode": "update", "table": "t", "values": {"name": bad}, "all_rows": true}})).await;
    assert_eq!(place.rows("SELECT DISTINCT name FROM t").await, [bad]);
    let found = place.query("SELECT $1::text AS v", json!([bad])).await;
    assert_eq!(found["rows"], json!([{"v": bad}]));
    is_whole(&place).await;
}

/// Q4: there is no door to channels and replication slots, whatever they are called.
#[tokio::test]
async fn channels_and_slots_have_no_door() {
    let Some(place) = Place::with(TABLE).await else { return };
    for sql in
        ["LISTEN \"x\"", "UNLISTEN *", "NOTIFY x", "CREATE_REPLICATION_SLOT x LOGICAL y", "START_REPLICATION SLOT x LOGICAL 0/0"]
    {
        let fault = bench().run(place.params(json!({"statement": {"mode": "query", "sql": sql}}))).await.unwrap_err();
        assert_eq!(fault.code, "POSTGRES_STATEMENT_REFUSED", "{sql}: {fault}");
    }
}

/// Q6: one statement at a time, chosen on purpose, under a role that may do little.
#[tokio::test]
async fn a_statement_of_ones_own_is_one_statement() {
    let Some(place) = Place::with(TABLE).await else { return };
    for sql in ["SELECT 1; DELETE FROM t", "DELETE FROM t; COMMIT", "SELECT 1; SELECT 2"] {
        place.refuses(json!({"mode": "query", "sql": sql}), "POSTGRES_STATEMENT", "multiple commands").await;
    }
    for sql in
        ["COMMIT", "; ROLLBACK", "/* x */ SET ROLE postgres", "COPY t FROM PROGRAM 'id'", "COPY t TO STDOUT", "DO 'BEGIN END'"]
    {
        place.refuses(json!({"mode": "query", "sql": sql}), "POSTGRES_STATEMENT_REFUSED", "begins with").await;
    }
    let without = place.params(json!({"statement": {"sql": "SELECT 1"}}));
    bench().fails(without, "INVALID_PARAMETER", "mode").await;
    let twin = place.query("SELECT ';' AS semicolon, 'DELETE FROM t' AS sql -- ; COMMIT\n;", json!([])).await;
    assert_eq!(twin["row_count"], 1);
    is_whole(&place).await;
}

#[tokio::test]
async fn a_role_that_may_do_little_cannot_reach_files_and_programs() {
    let Some(place) = Place::with(TABLE).await else { return };
    let role = format!("little_{}", place.url.rsplit_once('/').unwrap().1);
    place.rows(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; GRANT SELECT ON t TO {role}")).await;
    let url = place.url.replace("postgres@", &format!("{role}@"));
    let params = |sql: &str| json!({"url": url, "statement": {"mode": "query", "sql": sql}});
    for sql in [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT set_config('role', 'postgres', true)",
        "SELECT pg_create_physical_replication_slot('x')::text",
        "ALTER ROLE postgres PASSWORD 'x'",
        "DELETE FROM t",
    ] {
        let fault = bench().run(params(sql)).await.unwrap_err();
        assert_eq!((&*fault.code, fault.retryable), ("POSTGRES_PERMISSION", false), "{sql}: {fault}");
    }
    let twin = bench().output(params("SELECT id FROM t")).await;
    assert_eq!(twin.value["row_count"], 2);
    is_whole(&place).await;
    place.rows(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn read_only_stays_read_only() {
    let Some(place) = Place::with(TABLE).await else { return };
    let read_only = |statements: Value| json!({"read_only": true, "statements": statements});
    let delete = json!({"mode": "delete", "table": "t", "all_rows": true});
    place.fails(read_only(json!([delete])), "POSTGRES_READ_ONLY", "DELETE").await;
    let unlock = json!({"mode": "query", "sql": "SELECT set_config('transaction_read_only', 'off', false)"});
    let fault = bench().run(place.params(read_only(json!([unlock, delete])))).await.unwrap_err();
    assert!(!fault.retryable, "{fault}");
    is_whole(&place).await;
    let twin = place.run(read_only(json!([{"mode": "select", "table": "t"}]))).await;
    assert_eq!(twin["results"][0]["row_count"], 2);
}
