//! Rows turned into columns, as the statement wants them: one value each for a single row, arrays for several.

use flowforge_core::{NodeId, RunId, RunStatus};
use sqlx::{Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::statement::{Column, Form};
use crate::committer::{Delta, Dispatch, Letter, LogWrite, NewRunRow, StepWrite};

type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// What stands in a column of one row.
trait Cell: Sized {
    /// The same without its absence.
    type Value;
    /// The SQL type of the column.
    const SQL: &'static str;
    /// Whether it says what a column that is not there says as well.
    fn is_blank(&self) -> bool;
    fn value(self) -> Option<Self::Value>;
}

macro_rules! cells {
    ($($rust:ty => $sql:literal),*) => {$(
        impl Cell for $rust {
            type Value = Self;
            const SQL: &'static str = $sql;
            fn is_blank(&self) -> bool {
                false
            }
            fn value(self) -> Option<Self> {
                Some(self)
            }
        }
    )*};
}

cells! { Uuid => "uuid", String => "text", &'static str => "text", i16 => "smallint", i32 => "int", i64 => "bigint" }

impl Cell for bool {
    type Value = Self;
    const SQL: &'static str = "bool";
    fn is_blank(&self) -> bool {
        !self
    }
    fn value(self) -> Option<Self> {
        Some(self)
    }
}

impl<T: Cell> Cell for Option<T> {
    type Value = T;
    const SQL: &'static str = T::SQL;
    fn is_blank(&self) -> bool {
        self.is_none()
    }
    fn value(self) -> Option<T> {
        self
    }
}

/// The level of a column, if something stands in it.
fn level_of<T: Cell>(column: &[T], level: u8) -> u8 {
    let is_told = level > 0 && column.iter().any(|cell| !cell.is_blank());
    if is_told { level } else { 0 }
}

/// Declares a set of rows by its columns, in the order in which they are bound. What stands at a level is there if, in some
/// row, something stands in a column of this level or a later one.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($level:literal { $($column:ident: $type:ty),* $(,)? })* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name { $($($column: Vec<$type>,)*)* }

        impl $name {
            /// Its columns, in the order in which they are bound.
            pub(super) const COLUMNS: &[Column] =
                &[$($(Column { name: stringify!($column), sql: <$type as Cell>::SQL, level: $level }),*),*];

            /// How many rows there are, and which columns have something in them.
            pub(super) fn form(&self) -> Form {
                let rows = [$($(self.$column.len()),*),*];
                let levels = [$($(level_of(&self.$column, $level)),*),*];
                Form::of(rows[0], levels.into_iter().max().unwrap_or_default())
            }

            /// Binds every column that there is in this form.
            pub(super) fn bind(self, form: Form, query: Bound<'_>) -> Bound<'_> {
                $($(let query = match form {
                    _ if !form.has($level) => query,
                    Form::One(_) => query.bind(self.$column.into_iter().next().and_then(Cell::value)),
                    _ => query.bind(self.$column),
                };)*)*
                query
            }
        }
    };
}

columns! {
    /// Runs to be created.
    NewRuns {
        0 {
            id: Uuid, workspace: Uuid, workflow: Uuid, version: i32, status: &'static str, trigger: &'static str,
            trigger_node: Option<String>, input: String, epoch: i64, owner: Option<Uuid>, seqs: i64, created_at: i64, priority: i16,
            depth: i32,
        }
        1 {
            output: Option<String>, started: Option<i64>, finished: Option<i64>, started_at: Option<i64>, finished_at: Option<i64>,
        }
        2 {
            error: Option<String>, dedupe_key: Option<String>, dedupe_hash: Option<String>, wake_at: Option<i64>,
            deadline_at: Option<i64>, cancelled: Option<i64>, cancelled_at: Option<i64>, parent_run: Option<Uuid>,
            parent_node: Option<String>, parent_attempt: Option<i32>, parent_index: Option<i32>, body: Option<String>,
            origin: Option<Uuid>, limit_key: Option<String>, most: Option<i32>, paused_at: Option<i64>, signals: Option<String>,
            response: Option<String>, started_by: Option<Uuid>,
        }
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
        self.started_by.push(row.started_by.map(|user| user.uuid()));
    }
}

columns! {
    /// Runs whose owner goes on with them.
    RunUpdates {
        0 { id: Uuid, epoch: i64, seqs: i64, wake_at: Option<i64>, progress: bool }
        1 { status: Option<&'static str>, output: Option<String>, release: bool, finished: Option<i64>, finished_at: Option<i64> }
        2 {
            error: Option<String>, begins: bool, started: Option<i64>, started_at: Option<i64>, cancelled: Option<i64>,
            cancelled_at: Option<i64>, pauses: bool, paused_at: Option<i64>, signals: Option<String>, response: Option<String>,
        }
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
    Extensions { 0 { id: Uuid, node: String, attempt: i32, epoch: i64, seqs: i64 } }
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
        0 {
            run: Uuid, node: String, attempt: i32, status: &'static str, output: Option<String>, port: Option<String>,
            started: Option<i64>, finished: Option<i64>, started_at: Option<i64>, finished_at: Option<i64>,
        }
        1 { input: Option<String>, error: Option<String>, waiting: Option<i64>, wake_at: Option<i64>, awaiting: Option<String> }
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
    Dispatches { 0 { run: Uuid, node: String, attempt: i32, limit_key: Option<String>, most: Option<i32> } }
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
    StepKeys { 0 { run: Uuid, node: String, attempt: i32 } }
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
    Logs { 0 { run: Uuid, seq: i64, node: String, attempt: i32, stream: &'static str, text: String, at: i64 } }
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
    Consumed { 0 { id: Uuid, run: Uuid } }
}

impl Consumed {
    pub(super) fn push(&mut self, run: RunId, id: Uuid) {
        self.run.push(run.uuid());
        self.id.push(id);
    }
}

columns! {
    /// Messages to other runs.
    Letters { 0 { run: Uuid, id: Uuid, target: Uuid, kind: &'static str, body: String, at: i64 } }
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
