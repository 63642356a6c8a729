//! The rows of a sequence, as a database and as the model have them, in one form that can be compared.

use std::collections::BTreeMap;

use flowforge_core::WorkspaceId;
use sea_orm::{ColumnTrait, ConnectionTrait, Database, EntityTrait, FromQueryResult, QueryFilter, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::model::{Model, body};
use crate::{
    queue::StepRef,
    store::{
        Store,
        entity::engine::{inbox, log, run, step},
    },
};

/// Every row as JSON, by table and key. What only the database's clock decides is told as whether it is there.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rows(BTreeMap<String, Value>);

#[derive(FromQueryResult)]
struct LeaseRow {
    run_id: Uuid,
    node_id: String,
    attempt: i32,
    owner: Option<Uuid>,
    epoch: i64,
    crashes: i32,
    begun_epoch: Option<i64>,
    dispatched_at: i64,
    claimed_at: Option<i64>,
    concurrency_key: Option<String>,
    concurrency_limit: Option<i32>,
}

#[derive(FromQueryResult)]
struct Epoch {
    epoch: i64,
}

/// The epoch of a step's lease.
pub(super) async fn epoch(store: &Store, step: &StepRef) -> Option<i64> {
    let sql = "SELECT epoch FROM step_leases WHERE run_id = $1 AND node_id = $2 AND attempt = $3";
    let values = [step.run.uuid().into(), step.node.as_str().into(), step.attempt.cast_signed().into()];
    let statement = Statement::from_sql_and_values(store.backend(), sql, values);
    Epoch::find_by_statement(statement).one(&store.write).await.unwrap().map(|row| row.epoch)
}

/// A database of its own on a server, by the server's URL.
pub(in crate::store) async fn fresh_database(server: &str) -> String {
    let name = format!("ff_diff_{}", crate::clock::new_uuid().simple());
    Database::connect(server).await.unwrap().execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

fn parsed(text: Option<&String>) -> Value {
    text.map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default()
}

impl Rows {
    fn put(&mut self, key: String, value: Value) {
        // What has no key of its own is counted.
        let mut key = key;
        while self.0.contains_key(&key) {
            key.push('+');
        }
        self.0.insert(key, value);
    }

    pub(super) async fn read(store: &Store, workspace: WorkspaceId) -> Self {
        let mut rows = Self::default();
        let runs = run::Entity::find().filter(run::Column::WorkspaceId.eq(workspace.uuid())).all(&store.write).await.unwrap();
        let ids: Vec<Uuid> = runs.iter().map(|row| row.id).collect();
        runs.into_iter().for_each(|row| rows.run(row));
        let steps = step::Entity::find().filter(step::Column::RunId.is_in(ids.clone())).all(&store.write).await.unwrap();
        steps.into_iter().for_each(|row| rows.step(row));
        let logs = log::Entity::find().filter(log::Column::RunId.is_in(ids.clone())).all(&store.write).await.unwrap();
        for log in logs {
            let value = json!([log.node_id, log.attempt, log.stream, log.text, log.at]);
            rows.put(format!("log {} {}", log.run_id, log.seq), value);
        }
        // A letter may be for a run that was never created.
        for row in inbox::Entity::find().all(&store.write).await.unwrap() {
            if row.run_id.as_u64_pair().0 == workspace.uuid().as_u64_pair().0 {
                let at = if row.kind == "report" { 0 } else { row.created_at };
                rows.put(format!("inbox {} {}", row.run_id, row.kind), json!([row.body, at]));
            }
        }
        for lease in LeaseRow::find_by_statement(store.statement("SELECT * FROM step_leases")).all(&store.write).await.unwrap() {
            if ids.contains(&lease.run_id) {
                rows.lease(lease);
            }
        }
        rows.sorted()
    }

    fn run(&mut self, row: run::Model) {
        let value = json!({
            "status": row.status, "trigger_node": row.trigger_node, "input": row.input, "output": row.output, "error": row.error,
            "epoch": row.epoch, "owner": row.owner, "next_seq": row.next_seq, "crashes": row.crashes, "begun": row.begun_epoch,
            "dedupe": row.dedupe_key, "wake_at": row.wake_at, "deadline_at": row.deadline_at, "seqs": [row.started_seq, row.cancel_seq, row.finished_seq],
            "at": [row.started_at, row.cancel_requested_at, row.finished_at], "created_at": row.created_at, "priority": row.priority,
            "body": row.body, "depth": row.depth, "limit": [row.concurrency_key.map(Value::from), row.concurrency_limit.map(Value::from)],
            "admitted": row.admitted_at.is_some(), "paused_at": row.paused_at, "signals": row.signals, "response": row.response,
            "started_by": row.started_by,
        });
        self.put(format!("run {}", row.id), value);
    }

    fn step(&mut self, row: step::Model) {
        let value = json!({
            "status": row.status, "input": row.input, "output": row.output, "error": row.error, "port": row.port,
            "seqs": [row.started_seq, row.waiting_seq, row.finished_seq], "at": [row.started_at, row.finished_at, row.wake_at],
            "awaiting": row.awaiting,
        });
        self.put(format!("step {} {} {}", row.run_id, row.node_id, row.attempt), value);
    }

    fn lease(&mut self, row: LeaseRow) {
        let limit = [row.concurrency_key.map(Value::from), row.concurrency_limit.map(Value::from)];
        let changes = row.epoch - row.dispatched_at;
        let begun = row.begun_epoch.map(|epoch| epoch - row.dispatched_at);
        let value = json!([row.owner, changes, row.crashes, begun, row.claimed_at.is_some(), limit]);
        self.put(format!("lease {} {} {}", row.run_id, row.node_id, row.attempt), value);
    }

    /// What has no key of its own in an order that both have.
    fn sorted(self) -> Self {
        let mut rows: Vec<(String, Value)> =
            self.0.into_iter().map(|(key, value)| (key.trim_end_matches('+').to_owned(), value)).collect();
        rows.sort_by_key(|(key, value)| (key.clone(), value.to_string()));
        let mut sorted = Self::default();
        rows.into_iter().for_each(|(key, value)| sorted.put(key, value));
        sorted
    }

    pub(super) fn of_model(model: &Model) -> Self {
        let mut rows = Self::default();
        for (id, row) in &model.runs {
            let (new, patch) = (&row.new, &row.patch);
            let stamps = [patch.started, patch.cancelled, patch.finished];
            let value = json!({
                "status": row.status, "trigger_node": new.trigger_node, "input": parsed(Some(&new.input)),
                "output": patch.output.as_ref().map(|text| parsed(Some(text))), "error": patch.error.as_ref().map(|text| parsed(Some(text))),
                "epoch": row.epoch, "owner": row.owner.map(|owner| owner.uuid()), "next_seq": row.next_seq, "crashes": row.crashes,
                "begun": row.begun, "dedupe": new.dedupe_key, "wake_at": patch.wake_at, "deadline_at": new.deadline_at,
                "seqs": stamps.map(|stamp| stamp.map(|(seq, _)| seq)), "at": stamps.map(|stamp| stamp.map(|(_, at)| at)),
                "created_at": new.created_at, "priority": new.priority.rank(), "body": new.body, "depth": new.depth,
                "limit": [new.limit.as_ref().map(|limit| Value::from(limit.key.clone())), new.limit.as_ref().map(|limit| Value::from(limit.limit))],
                "admitted": row.is_admitted, "paused_at": patch.paused.flatten(), "signals": patch.signals.as_ref().map(|text| parsed(Some(text))),
                "response": patch.response.as_ref().map(|text| parsed(Some(text))), "started_by": new.started_by.map(|user| user.uuid()),
            });
            rows.put(format!("run {}", id.uuid()), value);
        }
        for ((run, node, attempt), row) in &model.steps {
            let value = json!({
                "status": row.status, "input": row.input.as_ref().map(|text| parsed(Some(text))),
                "output": row.output.as_ref().map(|text| parsed(Some(text))), "error": row.error.as_ref().map(|text| parsed(Some(text))),
                "port": row.port, "seqs": [row.started, row.waiting, row.finished], "at": [row.started_at, row.finished_at, row.wake_at],
                "awaiting": row.awaiting.as_ref().map(|text| parsed(Some(text))),
            });
            rows.put(format!("step {} {node} {attempt}", run.uuid()), value);
        }
        for ((run, seq), log) in &model.logs {
            rows.put(format!("log {} {seq}", run.uuid()), json!([log.node, log.attempt, log.stream, log.text, log.at]));
        }
        for letter in model.letters.values() {
            rows.put(format!("inbox {} {}", letter.to.uuid(), letter.kind), json!([parsed(Some(&letter.body)), letter.at]));
        }
        for (run, report) in &model.reports {
            rows.put(format!("inbox {} report", run.uuid()), json!([body(report), 0]));
        }
        for ((run, node, attempt), lease) in &model.leases {
            let limit = lease.limit.as_ref();
            let limit = [limit.map(|limit| Value::from(limit.key.clone())), limit.map(|limit| Value::from(limit.limit))];
            let value = json!([
                lease.owner.map(|owner| owner.uuid()),
                lease.changes,
                lease.crashes,
                lease.begun,
                lease.was_claimed,
                limit
            ]);
            rows.put(format!("lease {} {node} {attempt}", run.uuid()), value);
        }
        rows.sorted()
    }

    /// Compares row by row, so that what differs is told alone.
    pub(super) fn check(&self, expected: &Self, database: &str, seed: u64) {
        for (key, row) in &expected.0 {
            assert_eq!(self.0.get(key), Some(row), "seed {seed}, {database}: {key}");
        }
        let more: Vec<_> = self.0.iter().filter(|(key, _)| !expected.0.contains_key(*key)).collect();
        assert!(more.is_empty(), "seed {seed}, {database} has rows that the model has not: {more:#?}");
    }
}
