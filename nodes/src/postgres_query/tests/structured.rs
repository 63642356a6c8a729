//! Statements that are made of parts.

use serde_json::{Value, json};

use super::Place;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, name text, n int DEFAULT 7); \
    INSERT INTO t SELECT g, 'n' || g, g * 10 FROM generate_series(1, 5) g";

async fn ids(place: &Place, select: Value) -> Vec<i64> {
    let mut statement = json!({"mode": "select", "table": "t", "columns": ["id"], "order": [{"column": "id"}]});
    statement.as_object_mut().unwrap().extend(select.as_object().unwrap().clone());
    let found = place.run(json!({"statement": statement})).await;
    found["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn every_operator_compares() {
    let Some(place) = Place::with(&format!("{TABLE}; INSERT INTO t VALUES (6, NULL, NULL)")).await else { return };
    for (operator, column, value, expected) in [
        ("eq", "id", json!(2), vec![2]),
        ("ne", "id", json!(2), vec![1, 3, 4, 5, 6]),
        ("lt", "id", json!(2), vec![1]),
        ("le", "id", json!(2), vec![1, 2]),
        ("gt", "id", json!(4), vec![5, 6]),
        ("ge", "id", json!("4"), vec![4, 5, 6]),
        ("like", "name", json!("n_"), vec![1, 2, 3, 4, 5]),
        ("like", "name", json!("N1"), vec![]),
        ("ilike", "name", json!("N1"), vec![1]),
        ("in", "id", json!([1, 3, 99]), vec![1, 3]),
        ("in", "name", json!([]), vec![]),
        ("not_in", "id", json!([1, 3]), vec![2, 4, 5, 6]),
        ("is_null", "name", json!(null), vec![6]),
        ("is_not_null", "name", json!(null), vec![1, 2, 3, 4, 5]),
    ] {
        let found = ids(&place, json!({"where": [{"column": column, "operator": operator, "value": value}]})).await;
        assert_eq!(found, expected, "{operator} {value}");
    }
    let both = json!([{"column": "id", "operator": "gt", "value": 1}, {"column": "n", "operator": "lt", "value": 40}]);
    assert_eq!(ids(&place, json!({"where": both})).await, [2, 3], "every condition holds");
}

#[tokio::test]
async fn order_limit_and_offset_are_what_they_say() {
    let Some(place) = Place::with(TABLE).await else { return };
    let descending = json!({"order": [{"column": "id", "direction": "desc"}], "limit": 2, "offset": 1});
    assert_eq!(ids(&place, descending).await, [4, 3]);
    assert_eq!(ids(&place, json!({"limit": 0})).await, [] as [i64; 0]);
    let all = place.run(json!({"statement": {"mode": "select", "table": "public.t", "limit": 1}})).await;
    assert_eq!(all["rows"], json!([{"id": 1, "name": "n1", "n": 10}]), "all columns, in their order");
}

#[tokio::test]
async fn rows_are_added_one_or_many() {
    let Some(place) = Place::with(TABLE).await else { return };
    let one = json!({"mode": "insert", "table": "t", "values": {"id": 10, "name": "x"}, "returning": ["n", "id"]});
    let done = place.run(json!({"statement": one})).await;
    assert_eq!((&done["rows"], &done["row_count"]), (&json!([{"n": 7, "id": 10}]), &json!(1)));
    let rows = json!([{"id": 11, "n": null}, {"id": 12, "name": "z"}]);
    let done = place.run(json!({"statement": {"mode": "insert", "table": "t", "values": rows}})).await;
    assert_eq!((&done["rows"], &done["row_count"]), (&json!([]), &json!(2)));
    assert_eq!(place.rows("SELECT * FROM t WHERE id > 10 ORDER BY id").await, ["11|null|null", "12|z|7"]);
    for empty in [json!({}), json!([])] {
        place.refuses(json!({"mode": "insert", "table": "t", "values": empty}), "INVALID_PARAMETER", "no column").await;
    }
}

#[tokio::test]
async fn an_upsert_adds_or_changes() {
    let Some(place) = Place::with(TABLE).await else { return };
    let upsert = |values: Value, update: Value| {
        let statement = json!({"mode": "upsert", "table": "t", "values": values, "conflict": ["id"], "update": update});
        place.run(json!({"statement": statement}))
    };
    assert_eq!(upsert(json!([{"id": 1, "name": "A"}, {"id": 9, "name": "I"}]), Value::Null).await["row_count"], 2);
    upsert(json!({"id": 2, "name": "B", "n": 0}), json!(["n"])).await;
    assert_eq!(upsert(json!({"id": 3, "name": "C"}), json!([])).await["row_count"], 0);
    let rows = place.rows("SELECT * FROM t WHERE id IN (1, 2, 3, 9) ORDER BY id").await;
    assert_eq!(rows, ["1|A|10", "2|n2|0", "3|n3|30", "9|I|7"]);
    let unknown = json!({"mode": "upsert", "table": "t", "values": {"id": 1}, "conflict": ["name"]});
    place.refuses(unknown, "POSTGRES_STATEMENT", "ON CONFLICT").await;
}

#[tokio::test]
async fn rows_are_changed_and_removed_where_conditions_hold() {
    let Some(place) = Place::with(TABLE).await else { return };
    let conditions = json!([{"column": "id", "operator": "le", "value": 2}]);
    let update =
        json!({"mode": "update", "table": "t", "values": {"name": "x", "n": null}, "where": conditions, "returning": ["id"]});
    let done = place.run(json!({"statement": update})).await;
    assert_eq!((&done["row_count"], &done["rows"]), (&json!(2), &json!([{"id": 1}, {"id": 2}])));
    let done = place.run(json!({"statement": {"mode": "delete", "table": "t", "where": conditions}})).await;
    assert_eq!(done["row_count"], 2);
    assert_eq!(place.rows("SELECT id FROM t ORDER BY id").await, ["3", "4", "5"]);
}

#[tokio::test]
async fn no_condition_is_no_permission_for_every_row() {
    let Some(place) = Place::with(TABLE).await else { return };
    for nothing in [json!(null), json!([]), json!("")] {
        let delete = json!({"mode": "delete", "table": "t", "where": nothing});
        place.refuses(delete, "INVALID_PARAMETER", "`all_rows`").await;
        let update = json!({"mode": "update", "table": "t", "values": {"n": 0}, "where": nothing});
        place.refuses(update, "INVALID_PARAMETER", "`all_rows`").await;
    }
    let null = json!({"mode": "delete", "table": "t", "where": [{"column": "id", "value": null}]});
    place.refuses(null, "INVALID_PARAMETER", "is_null").await;
    assert_eq!(place.rows("SELECT count(*) FROM t").await, ["5"]);
    let all = json!({"mode": "delete", "table": "t", "all_rows": true});
    assert_eq!(place.run(json!({"statement": all})).await["row_count"], 5);
}

#[tokio::test]
async fn what_does_not_exist_is_answered_with_what_does() {
    let Some(place) = Place::with(&format!("{TABLE}; CREATE SCHEMA s; CREATE TABLE s.other (a int)")).await else { return };
    let unknown = json!({"mode": "select", "table": "orders"});
    place.refuses(unknown, "POSTGRES_UNKNOWN_TABLE", "there are: public.t, s.other").await;
    place.refuses(json!({"mode": "select", "table": "public.other"}), "POSTGRES_UNKNOWN_TABLE", "`public.other`").await;
    let column = json!({"mode": "select", "table": "t", "columns": ["id", "price"]});
    place
        .refuses(column, "POSTGRES_UNKNOWN_COLUMN", "`columns.1`: the table public.t has no column `price`; it has: id, name, n")
        .await;
    place.run(json!({"statement": {"mode": "select", "table": "s.other"}})).await;
}
