//! Rows turned into columns, as `UNNEST` wants them.

use flowforge_core::{NodeId, RunId, RunStatus};
use sqlx::{Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use crate::committer::{Delta, Dispatch, Letter, LogWrite, NewRunRow, StepWrite};

type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// A Rust type and the SQL type of its column.
trait Column {
    const SQL: &'static str;
}

macro_rules! sql_types {
    ($($rust:ty => $sql:literal),*) => {$(
        impl Column for $rust {
            const SQL: &'static str = $sql;
        }
    )*};
}

sql_types! { Uuid => "uuid", String => "text", &'static str => "text", i16 => "smallint", i32 => "int", i64 => "bigint", bool => "bool" }

impl<T: Column> Column for Option<T> {
    const SQL: &'static str = T::SQL;
}

/// Declares a struct of columns: how they are read in the statement, and the order in which they are bound.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name { $($column: Vec<$type>),* }

        impl $name {
            /// The set as `d`, with its parameters numbered from `next` on.
            pub(super) fn unnest(next: &mut usize) -> String {
                unnest(&[$((stringify!($column), <$type as Column>::SQL)),*], next)
            }

            /// Binds every column, in the order of the statement.
            pub(super) fn bind(self, query: Bound<'_>) -> Bound<'_> {
                query$(.bind(self.$column))*
            }
        }
    };
}

fn unnest(columns: &[(&str, &str)], next: &mut usize) -> String {
    let first = *next;
    *next += columns.len();
    let arrays: Vec<String> = columns.iter().zip(first..).map(|((_, sql), at)| format!("${at}::{sql}[]")).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    format!("UNNEST({}) AS d ({})", arrays.join(", "), names.join(", "))
}

columns! {
    /// Runs to be created.
    NewRuns {
        id: Uuid, workspace: Uuid, workflow: Uuid, version: i32, status: &'static str, trigger: &'static str,
        trigger_node: Option<String>, input: String, output: Option<String>, error: Option<String>, epoch: i64, owner: Option<Uuid>,
        seqs: i64, dedupe_key: Option<String>, dedupe_hash: Option<String>, wake_at: Option<i64>, deadline_at: Option<i64>,
        started: Option<i64>, cancelled: Option<i64>, finished: Option<i64>, created_at: i64, started_at: Option<i64>,
        cancelled_at: Option<i64>, finished_at: Option<i64>, priority: i16, parent_run: Option<Uuid>, parent_node: Option<String>,
        parent_attempt: Option<i32>, parent_index: Option<i32>, body: Option<String>, depth: i32, origin: Option<Uuid>,
        limit_key: Option<String>, most: Option<i32>, paused_at: Option<i64>, signals: Option<String>, response: Option<String>,
    }
}

impl NewRuns {
    pub(super) fn push(&mut self, delta: &Delta, row: &NewRunRow) {
        let patch = &delta.patch;
        self.id.push(delta.run.uuid());
        self.workspace.push(row.workspace.uuid());
        self.workflow.push(row.workflow.uuid());
        self.version.push(row.version.cast_signed());
        self.status.push(patch.status.unwrap_or(RunStatus::Pending).as_str());
        self.trigger.push(row.trigger);
        self.trigger_node.push(row.trigger_node.as_ref().map(ToString::to_string));
        self.input.push(row.input.clone());
        self.output.push(patch.output.clone());
        self.error.push(patch.error.clone());
        self.epoch.push(row.epoch());
        self.owner.push(row.owner.filter(|_| !patch.release).map(|owner| owner.uuid()));
        self.seqs.push(delta.seqs);
        self.dedupe_key.push(row.dedupe_key.clone());
        self.dedupe_hash.push(row.dedupe_hash.clone());
        self.wake_at.push(patch.wake_at.map(|at| at.0));
        self.deadline_at.push(row.deadline_at.map(|at| at.0));
        self.started.push(patch.started.map(|(offset, _)| offset));
        self.cancelled.push(patch.cancelled.map(|(offset, _)| offset));
        self.finished.push(patch.finished.map(|(offset, _)| offset));
        self.created_at.push(row.created_at.0);
        self.started_at.push(patch.started.map(|(_, at)| at.0));
        self.cancelled_at.push(patch.cancelled.map(|(_, at)| at.0));
        self.finished_at.push(patch.finished.map(|(_, at)| at.0));
        self.priority.push(row.priority.rank());
        let parent = row.parent.as_ref();
        self.parent_run.push(parent.map(|parent| parent.run.uuid()));
        self.parent_node.push(parent.map(|parent| parent.node.to_string()));
        self.parent_attempt.push(parent.map(|parent| parent.attempt.cast_signed()));
        self.parent_index.push(parent.map(|parent| parent.index.cast_signed()));
        self.body.push(row.body.clone());
        self.depth.push(row.depth.cast_signed());
        self.origin.push(row.origin.map(|origin| origin.uuid()));
        self.limit_key.push(row.limit.as_ref().map(|limit| limit.key.clone()));
        self.most.push(row.limit.as_ref().map(|limit| limit.limit.cast_signed()));
        self.paused_at.push(patch.paused.flatten().map(|at| at.0));
        self.signals.push(patch.signals.clone());
        self.response.push(patch.response.clone());
    }
}

columns! {
    /// Runs whose owner goes on with them.
    RunUpdates {
        id: Uuid, epoch: i64, seqs: i64, status: Option<&'static str>, output: Option<String>, error: Option<String>, wake_at: Option<i64>,
        release: bool, progress: bool, begins: bool, started: Option<i64>, started_at: Option<i64>, cancelled: Option<i64>, cancelled_at: Option<i64>,
        finished: Option<i64>, finished_at: Option<i64>, pauses: bool, paused_at: Option<i64>, signals: Option<String>,
        response: Option<String>,
    }
}

impl RunUpdates {
    pub(super) fn push(&mut self, delta: &Delta, epoch: i64) {
        let patch = &delta.patch;
        self.id.push(delta.run.uuid());
        self.epoch.push(epoch);
        self.seqs.push(delta.seqs);
        self.status.push(patch.status.map(RunStatus::as_str));
        self.output.push(patch.output.clone());
        self.error.push(patch.error.clone());
        self.wake_at.push(patch.wake_at.map(|at| at.0));
        self.release.push(patch.release);
        self.progress.push(patch.progress);
        self.begins.push(patch.begins);
        self.started.push(patch.started.map(|(offset, _)| offset));
        self.started_at.push(patch.started.map(|(_, at)| at.0));
        self.cancelled.push(patch.cancelled.map(|(offset, _)| offset));
        self.cancelled_at.push(patch.cancelled.map(|(_, at)| at.0));
        self.finished.push(patch.finished.map(|(offset, _)| offset));
        self.finished_at.push(patch.finished.map(|(_, at)| at.0));
        self.pauses.push(patch.paused.is_some());
        self.paused_at.push(patch.paused.flatten().map(|at| at.0));
        self.signals.push(patch.signals.clone());
        self.response.push(patch.response.clone());
    }
}

columns! {
    /// Runs that a dispatched step adds log lines to.
    Extensions { id: Uuid, node: String, attempt: i32, epoch: i64, seqs: i64 }
}

impl Extensions {
    pub(super) fn push(&mut self, delta: &Delta, node: &NodeId, attempt: u32, epoch: i64) {
        self.id.push(delta.run.uuid());
        self.node.push(node.to_string());
        self.attempt.push(attempt.cast_signed());
        self.epoch.push(epoch);
        self.seqs.push(delta.seqs);
    }
}

columns! {
    /// Attempts that began, paused or ended.
    Steps {
        run: Uuid, node: String, attempt: i32, status: &'static str, input: Option<String>, output: Option<String>, error: Option<String>,
        port: Option<String>, started: Option<i64>, waiting: Option<i64>, finished: Option<i64>, started_at: Option<i64>,
        finished_at: Option<i64>, wake_at: Option<i64>, awaiting: Option<String>,
    }
}

impl Steps {
    pub(super) fn push(&mut self, run: RunId, step: &StepWrite) {
        self.run.push(run.uuid());
        self.node.push(step.node.to_string());
        self.attempt.push(step.attempt.cast_signed());
        self.status.push(step.status.as_str());
        self.input.push(step.input.clone());
        self.output.push(step.output.clone());
        self.error.push(step.error.clone());
        self.port.push(step.port.clone());
        self.started.push(step.started);
        self.waiting.push(step.waiting);
        self.finished.push(step.finished);
        self.started_at.push(step.started_at.map(|at| at.0));
        self.finished_at.push(step.finished_at.map(|at| at.0));
        self.wake_at.push(step.wake_at.map(|at| at.0));
        self.awaiting.push(step.awaiting.clone());
    }
}

columns! {
    /// Attempts that any worker may claim.
    Dispatches { run: Uuid, node: String, attempt: i32, limit_key: Option<String>, most: Option<i32> }
}

impl Dispatches {
    pub(super) fn push(&mut self, run: RunId, dispatch: &Dispatch) {
        let limit = dispatch.limit.as_ref();
        self.run.push(run.uuid());
        self.node.push(dispatch.node.to_string());
        self.attempt.push(dispatch.attempt.cast_signed());
        self.limit_key.push(limit.map(|limit| limit.key.clone()));
        self.most.push(limit.map(|limit| limit.limit.cast_signed()));
    }
}

columns! {
    /// Attempts by their key.
    StepKeys { run: Uuid, node: String, attempt: i32 }
}

impl StepKeys {
    pub(super) fn push(&mut self, run: RunId, node: &NodeId, attempt: u32) {
        self.run.push(run.uuid());
        self.node.push(node.to_string());
        self.attempt.push(attempt.cast_signed());
    }
}

columns! {
    /// Log lines.
    Logs { run: Uuid, seq: i64, node: String, attempt: i32, stream: &'static str, text: String, at: i64 }
}

impl Logs {
    pub(super) fn push(&mut self, run: RunId, log: &LogWrite) {
        self.run.push(run.uuid());
        self.seq.push(log.offset);
        self.node.push(log.node.to_string());
        self.attempt.push(log.attempt.cast_signed());
        self.stream.push(log.stream);
        self.text.push(log.text.clone());
        self.at.push(log.at.0);
    }
}

columns! {
    /// Inbox rows whose meaning is recorded.
    Consumed { run: Uuid, id: Uuid }
}

impl Consumed {
    pub(super) fn push(&mut self, run: RunId, id: Uuid) {
        self.run.push(run.uuid());
        self.id.push(id);
    }
}

columns! {
    /// Messages to other runs.
    Letters { run: Uuid, id: Uuid, target: Uuid, kind: &'static str, body: String, at: i64 }
}

impl Letters {
    pub(super) fn push(&mut self, run: RunId, letter: &Letter) {
        self.run.push(run.uuid());
        self.id.push(letter.id);
        self.target.push(letter.to.uuid());
        self.kind.push(letter.kind);
        self.body.push(letter.body.clone());
        self.at.push(letter.at.0);
    }
}
