//! The one statement that writes a batch: one round trip, one commit.
//!
//! Setting up its plan costs more than the rows of a small batch, so the statement has no more in it than its batch needs: sets
//! without rows and columns that no row has a value in are left out. A single row is a list of parameters, several are one
//! group of `UNNEST` arrays. `passed` holds the runs whose guard held, with their first record number, and everything else
//! is joined to it.
//!
//! Tables are only met by key (`= ANY` where a join might read all of one instead), so that a plan that was made while they
//! were empty is as good when they are not.

use std::{collections::HashMap, sync::Arc};

use super::columns::{Consumed, Dispatches, Extensions, Letters, Logs, NewRuns, RunUpdates, StepKeys, Steps};

/// The most texts that are kept. The connection keeps about as many plans.
const KEPT: usize = 100;

/// How many rows a set has, and the level up to which its columns have values: see the levels of [`super::columns`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Form {
    #[default]
    None,
    One(u8),
    Many(u8),
}

impl Form {
    pub(super) fn of(rows: usize, level: u8) -> Self {
        match rows {
            0 => Self::None,
            1 => Self::One(level),
            _ => Self::Many(level),
        }
    }

    /// Whether columns of a level are there.
    pub(super) fn has(self, level: u8) -> bool {
        match self {
            Self::None => false,
            Self::One(highest) | Self::Many(highest) => level <= highest,
        }
    }

    /// For sets that are written rarely: as if several rows and every column were there.
    pub(super) fn widened(self) -> Self {
        if self == Self::None { self } else { Self::Many(u8::MAX) }
    }
}

/// A column of a set.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) level: u8,
}

/// What a statement writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) new: Form,
    /// Whether runs are created that may exist.
    pub(super) may_exist: bool,
    pub(super) updates: Form,
    pub(super) extensions: Form,
    /// Attempts that have no row yet.
    pub(super) begun: Form,
    pub(super) steps: Form,
    pub(super) dispatches: Form,
    pub(super) recalls: Form,
    pub(super) logs: Form,
    pub(super) consumed: Form,
    pub(super) letters: Form,
}

/// The texts of statements, as far as they were needed.
#[derive(Debug, Default)]
pub(super) struct Statements(HashMap<Shape, Arc<str>>);

impl Statements {
    pub(super) fn get(&mut self, shape: Shape) -> Arc<str> {
        if self.0.len() >= KEPT && !self.0.contains_key(&shape) {
            self.0.clear();
        }
        self.0.entry(shape).or_insert_with(|| shape.text().into()).clone()
    }
}

impl Shape {
    /// The statement. Its parameters are numbered set by set, in the order of the sets, as they are bound.
    pub(super) fn text(&self) -> String {
        let mut next = 1;
        let mut set = |columns, form| Set::new(columns, form, &mut next);
        let guards = [
            set(NewRuns::COLUMNS, self.new).map(|set| self.inserted(&set)),
            set(RunUpdates::COLUMNS, self.updates).map(|set| updated(&set)),
            set(Extensions::COLUMNS, self.extensions).map(|set| set.within(EXTENDED)),
        ];
        let parts = [
            set(Steps::COLUMNS, self.begun).map(|set| inserted_steps(&set)),
            set(Steps::COLUMNS, self.steps).map(|set| inserted_steps(&set) + STEP_EXISTS),
            set(Dispatches::COLUMNS, self.dispatches).map(|set| set.within(DISPATCHED)),
            set(StepKeys::COLUMNS, self.recalls).map(|set| set.within(RECALLED)),
            set(Logs::COLUMNS, self.logs).map(|set| set.within(LOGGED)),
            set(Consumed::COLUMNS, self.consumed).map(|set| set.within(CONSUMED)),
            set(Letters::COLUMNS, self.letters).map(|set| set.within(SENT)),
        ];
        let (guards, parts) = (guards.into_iter().flatten(), parts.into_iter().flatten());
        let guards: Vec<String> = guards.enumerate().map(|(at, text)| format!("g{at} AS ({text})")).collect();
        let all: Vec<String> = (0..guards.len()).map(|at| format!("SELECT id, first FROM g{at}")).collect();
        let passed = format!("passed AS MATERIALIZED ({})", all.join(" UNION ALL "));
        let parts = parts.enumerate().map(|(at, text)| format!("w{at} AS ({text})"));
        let clauses: Vec<String> = guards.into_iter().chain([passed]).chain(parts).collect();
        format!("WITH {}\nSELECT id FROM passed", clauses.join(",\n"))
    }

    fn inserted(&self, set: &Set) -> String {
        let (names, values) = set.pairs(INSERTED);
        let conflict = if self.may_exist { "ON CONFLICT DO NOTHING " } else { "" };
        format!("INSERT INTO runs ({names}) SELECT {values} FROM {} {conflict}RETURNING id, 1::bigint AS first", set.rows())
    }
}

fn updated(set: &Set) -> String {
    let assignments = set.assignments(UPDATED);
    set.within(&format!(
        "UPDATE runs r SET {assignments} FROM {{rows}} WHERE r.id = d.id AND r.epoch = d.epoch{{r.id any}} \
         RETURNING r.id, r.next_seq - d.seqs AS first"
    ))
}

fn inserted_steps(set: &Set) -> String {
    let (names, values) = set.pairs(STEPS);
    format!("INSERT INTO step_runs AS s ({names}) SELECT {values} FROM {} JOIN passed p ON p.id = d.run", set.rows())
}

/// A set as it stands in a statement.
struct Set {
    columns: &'static [Column],
    form: Form,
    /// The number of its first parameter.
    first: usize,
}

impl Set {
    /// The set, if it has rows, with its parameters numbered from `next` on.
    fn new(columns: &'static [Column], form: Form, next: &mut usize) -> Option<Self> {
        let set = Self { columns, form, first: *next };
        *next += set.present().count();
        (form != Form::None).then_some(set)
    }

    fn present(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| self.form.has(column.level))
    }

    /// The rows as `d`.
    fn rows(&self) -> String {
        let join = |cells: Vec<String>| cells.join(", ");
        let numbered = || self.present().zip(self.first..);
        match self.form {
            Form::One(_) => {
                let cells = numbered().map(|(Column { name, sql, .. }, at)| format!("${at}::{sql} AS {name}")).collect();
                format!("(SELECT {}) AS d", join(cells))
            }
            _ => {
                let arrays = numbered().map(|(Column { sql, .. }, at)| format!("${at}::{sql}[]")).collect();
                let names = self.present().map(|column| column.name.to_owned()).collect();
                format!("UNNEST({}) AS d ({})", join(arrays), join(names))
            }
        }
    }

    /// A text with its rows in the place of `{rows}`, and, in the place of `{… any}`, a condition that a column is in the
    /// first column of the set, where the rows' own does not come to the same.
    fn within(&self, text: &str) -> String {
        let mut text = text.replace("{rows}", &self.rows());
        while let Some((before, (column, after))) =
            text.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once(" any}")?)))
        {
            let condition = match self.form {
                Form::One(_) => String::new(),
                _ => format!(" AND {column} = ANY(${}::uuid[])", self.first),
            };
            text = format!("{before}{condition}{after}");
        }
        text
    }

    /// Whether an expression names a column that is not there.
    fn lacks(&self, expression: &str) -> bool {
        let names = |name: &str| {
            let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
            expression.split(&format!("d.{name}")).skip(1).any(is_end)
        };
        self.columns.iter().filter(|column| !self.form.has(column.level)).any(|column| names(column.name))
    }

    fn told<'t>(&self, pairs: &'t [(&'t str, &'t str)]) -> impl Iterator<Item = (&'t str, &'t str)> {
        pairs.iter().copied().filter(|(_, expression)| !self.lacks(expression))
    }

    fn pairs(&self, pairs: &[(&str, &str)]) -> (String, String) {
        let (names, values): (Vec<_>, Vec<_>) = self.told(pairs).unzip();
        (names.join(", "), values.join(", "))
    }

    fn assignments(&self, pairs: &[(&str, &str)]) -> String {
        let all: Vec<String> = self.told(pairs).map(|(name, value)| format!("{name} = {value}")).collect();
        all.join(", ")
    }
}

const INSERTED: &[(&str, &str)] = &[
    ("id", "d.id"),
    ("workspace_id", "d.workspace"),
    ("workflow_id", "d.workflow"),
    ("version", "d.version"),
    ("status", "d.status"),
    ("trigger", "d.trigger"),
    ("trigger_node", "d.trigger_node"),
    ("input", "d.input::jsonb"),
    ("output", "d.output::jsonb"),
    ("error", "d.error::jsonb"),
    ("epoch", "d.epoch"),
    ("owner", "d.owner"),
    ("next_seq", "1 + d.seqs"),
    ("crashes", "0"),
    ("dedupe_key", "d.dedupe_key"),
    ("dedupe_hash", "d.dedupe_hash"),
    ("wake_at", "d.wake_at"),
    ("deadline_at", "d.deadline_at"),
    ("started_seq", "1 + d.started"),
    ("cancel_seq", "1 + d.cancelled"),
    ("finished_seq", "1 + d.finished"),
    ("created_at", "d.created_at"),
    ("started_at", "d.started_at"),
    ("cancel_requested_at", "d.cancelled_at"),
    ("finished_at", "d.finished_at"),
    ("priority", "d.priority"),
    ("parent_run_id", "d.parent_run"),
    ("parent_node", "d.parent_node"),
    ("parent_attempt", "d.parent_attempt"),
    ("parent_index", "d.parent_index"),
    ("body", "d.body"),
    ("depth", "d.depth"),
    ("origin_run_id", "d.origin"),
    ("concurrency_key", "d.limit_key"),
    ("concurrency_limit", "d.most"),
    ("paused_at", "d.paused_at"),
    ("signals", "d.signals::jsonb"),
    ("response", "d.response::jsonb"),
    ("started_by", "d.started_by"),
];

/// What names a column that is not there changes nothing.
const UPDATED: &[(&str, &str)] = &[
    ("next_seq", "r.next_seq + d.seqs"),
    ("status", "coalesce(d.status, r.status)"),
    ("output", "coalesce(d.output::jsonb, r.output)"),
    ("error", "coalesce(d.error::jsonb, r.error)"),
    ("wake_at", "d.wake_at"),
    ("owner", "CASE WHEN d.release THEN NULL ELSE r.owner END"),
    ("crashes", "CASE WHEN d.progress THEN 0 ELSE r.crashes END"),
    ("begun_epoch", "CASE WHEN d.begins THEN r.epoch ELSE r.begun_epoch END"),
    ("started_seq", "coalesce(r.next_seq + d.started, r.started_seq)"),
    ("started_at", "coalesce(d.started_at, r.started_at)"),
    ("cancel_seq", "coalesce(r.next_seq + d.cancelled, r.cancel_seq)"),
    ("cancel_requested_at", "coalesce(d.cancelled_at, r.cancel_requested_at)"),
    ("finished_seq", "coalesce(r.next_seq + d.finished, r.finished_seq)"),
    ("finished_at", "coalesce(d.finished_at, r.finished_at)"),
    ("paused_at", "CASE WHEN d.pauses THEN d.paused_at ELSE r.paused_at END"),
    ("signals", "coalesce(d.signals::jsonb, r.signals)"),
    ("response", "coalesce(r.response, d.response::jsonb)"),
];

const EXTENDED: &str = "UPDATE runs r SET next_seq = r.next_seq + d.seqs FROM {rows}
  WHERE r.id = d.id{r.id any} AND coalesce(r.finished_at, 0) = 0 AND EXISTS (SELECT 1 FROM step_leases l WHERE l.run_id = d.id{l.run_id any}
    AND l.node_id = d.node AND l.item = '' AND l.attempt = d.attempt AND l.epoch = d.epoch)
  RETURNING r.id, r.next_seq - d.seqs AS first";

const STEPS: &[(&str, &str)] = &[
    ("run_id", "d.run"),
    ("node_id", "d.node"),
    ("item", "''"),
    ("attempt", "d.attempt"),
    ("status", "d.status"),
    ("input", "d.input::jsonb"),
    ("output", "d.output::jsonb"),
    ("error", "d.error::jsonb"),
    ("port", "d.port"),
    ("started_seq", "p.first + d.started"),
    ("waiting_seq", "p.first + d.waiting"),
    ("finished_seq", "p.first + d.finished"),
    ("started_at", "d.started_at"),
    ("finished_at", "d.finished_at"),
    ("wake_at", "d.wake_at"),
    ("awaiting", "d.awaiting::jsonb"),
];

const STEP_EXISTS: &str = " ON CONFLICT (run_id, node_id, item, attempt) DO UPDATE SET status = excluded.status,
    input = coalesce(excluded.input, s.input), output = excluded.output, error = excluded.error, port = excluded.port,
    started_seq = coalesce(s.started_seq, excluded.started_seq), waiting_seq = coalesce(s.waiting_seq, excluded.waiting_seq),
    finished_seq = excluded.finished_seq, started_at = coalesce(s.started_at, excluded.started_at), finished_at = excluded.finished_at,
    wake_at = CASE WHEN excluded.status = 'failed' THEN excluded.wake_at ELSE coalesce(excluded.wake_at, s.wake_at) END,
    awaiting = coalesce(excluded.awaiting, s.awaiting)";

const DISPATCHED: &str =
    "INSERT INTO step_leases (run_id, node_id, item, attempt, owner, epoch, crashes, dispatched_at, claimed_at,
    concurrency_key, concurrency_limit)
  SELECT d.run, d.node, '', d.attempt, NULL, d.now, 0, d.now, NULL, d.limit_key, d.most
  FROM (SELECT *, (extract(epoch from clock_timestamp()) * 1000)::bigint AS now FROM {rows}) d JOIN passed p ON p.id = d.run
  ON CONFLICT DO NOTHING";

const RECALLED: &str = "DELETE FROM step_leases l USING {rows}, passed p
  WHERE p.id = d.run AND l.run_id = d.run{l.run_id any} AND l.node_id = d.node AND l.item = '' AND l.attempt = d.attempt";

const LOGGED: &str = "INSERT INTO step_logs (run_id, seq, node_id, item, attempt, stream, text, at)
  SELECT d.run, p.first + d.seq, d.node, '', d.attempt, d.stream, d.text, d.at FROM {rows} JOIN passed p ON p.id = d.run";

const CONSUMED: &str = "DELETE FROM run_inbox i USING {rows}, passed p WHERE p.id = d.run AND i.id = d.id{i.id any}";

const SENT: &str = "INSERT INTO run_inbox (id, run_id, kind, body, created_at)
  SELECT d.id, d.target, d.kind, d.body::jsonb, d.at FROM {rows} JOIN passed p ON p.id = d.run";
