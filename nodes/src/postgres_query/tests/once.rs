//! Exactly once, though an attempt may be made again.

use serde_json::{Value, json};

use super::{Place, bench, soon};

const TABLE: &str = "CREATE TABLE a (id serial, at timestamptz DEFAULT clock_timestamp())";

fn add() -> Value {
    json!({"mode": "insert", "table": "a", "values": {"id": 7}, "returning": ["id", "at"]})
}

/// The server committed, and the process died before it could say so: the step is called again.
#[tokio::test]
async fn a_second_attempt_changes_nothing_and_puts_out_the_same() {
    let Some(place) = Place::with(TABLE).await else { return };
    let params = json!({"statement": add(), "once": true});
    let first = place.run(params.clone()).await;
    let second = place.run(params.clone()).await;
    assert_eq!(first, second, "also the time that the first attempt read");
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["1"]);
    let kept = place.rows("SELECT key, at IS NOT NULL, result -> 'row_count' FROM flowforge_effects").await;
    assert_eq!(kept, [format!("{}|t|1", bench().cx.effect_key)]);

    let mut another = bench();
    another.cx.effect_key = "ff-another".into();
    another.output(place.params(params)).await;
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["2"], "another step has a key of its own");
}

#[tokio::test]
async fn without_it_every_attempt_counts() {
    let Some(place) = Place::with(TABLE).await else { return };
    place.run(json!({"statement": add()})).await;
    place.run(json!({"statement": add()})).await;
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["2"]);
    assert_eq!(place.rows("SELECT to_regclass('flowforge_effects')").await, ["null"]);
}

#[tokio::test]
async fn an_attempt_that_fails_leaves_no_key() {
    let Some(place) = Place::with(TABLE).await else { return };
    let fail = json!({"mode": "query", "sql": "SELECT 1 / 0 AS x"});
    place.fails(json!({"statements": [add(), fail], "once": true}), "POSTGRES_VALUE", "division by zero").await;
    assert_eq!(place.rows("SELECT count(*) FROM flowforge_effects").await, ["0"]);
    place.run(json!({"statements": [add()], "once": true})).await;
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["1"]);
}

/// Two processes believe that the step is theirs.
#[tokio::test]
async fn attempts_at_the_same_time_change_once() {
    let Some(place) = Place::with(TABLE).await else { return };
    let slow = json!({"mode": "query", "sql": "SELECT pg_sleep(0.3)"});
    let params = place.params(json!({"statements": [add(), slow], "once": true}));
    let attempts = (0..4).map(|_| {
        let params = params.clone();
        async move { (*bench().output(params).await.value).clone() }
    });
    let all = soon(futures::future::join_all(attempts)).await;
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["1"]);
}

/// The process dies while the transaction is open: nothing has happened, and the next attempt does it.
#[tokio::test]
async fn an_attempt_that_dies_before_the_commit_is_made_good() {
    let Some(place) = Place::with(TABLE).await else { return };
    let sleep = json!({"mode": "query", "sql": "SELECT pg_sleep(1000)"});
    let params = place.params(json!({"statements": [add(), sleep], "once": true, "timeout_s": 600}));
    let dies = tokio::spawn(async move { bench().run(params).await });
    place.until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()", "1").await;
    dies.abort();
    // The next attempt waits for the key if the first still holds it.
    soon(place.run(json!({"statement": add(), "once": true}))).await;
    assert_eq!(place.rows("SELECT count(*) FROM a").await, ["1"]);
}

#[tokio::test]
async fn a_role_that_may_make_no_table_is_told_what_to_make() {
    let Some(place) = Place::with(TABLE).await else { return };
    let role = format!("maker_{}", place.url.rsplit_once('/').unwrap().1);
    let grants = format!("GRANT ALL ON a, a_id_seq TO {role}; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    place.rows(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; {grants}")).await;
    let params = json!({"url": place.url.replace("postgres@", &format!("{role}@")), "statement": add(), "once": true});
    let fault = bench().fails(params.clone(), "POSTGRES_PERMISSION", "CREATE TABLE IF NOT EXISTS flowforge_effects").await;
    let (_, made) = fault.message.split_once("run: ").unwrap();
    place.rows(&format!("{made}; GRANT ALL ON flowforge_effects TO {role}")).await;
    bench().output(params).await;
    place.rows(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
