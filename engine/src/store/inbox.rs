//! The inbox: whatever comes to a run from outside its owner. A row is deleted by the commit that records its meaning.

use flowforge_core::{
    Awaiting, NodeId, RunId, Timestamp, WorkspaceId,
    awaiting::Verdict,
    node::{Await, NodeError, Outcome, Output, Wake},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Store,
    entity::engine::inbox::{self, Column},
    leases::RunKey,
};
use crate::{
    clock,
    committer::Letter,
    error::{Error, Result},
    failpoint::{Point, reached},
    queue::StepRef,
};

/// A message to a run's owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Message {
    /// Someone wants the run to stop.
    Cancel,
    /// Someone wants it to begin nothing more.
    Pause,
    /// Someone wants it to go on.
    Resume,
    /// A signal.
    Signal { name: String, payload: std::sync::Arc<Value> },
    /// A person has decided.
    Decide(Decision),
    /// A run that a step had started has ended.
    ChildEnded { node: NodeId, attempt: u32, index: u32, failed: bool },
    /// What a step waits for outside may be there.
    Recall { node: NodeId, attempt: u32 },
    /// Something may have changed that only a look at the rows can tell.
    Look,
    /// The run is to be created: it is what another run's failure has called for.
    Start(Box<Handler>),
    /// A dispatched step has answered.
    Report(Box<Report>),
}

/// A person's decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Decision {
    /// Tells this decision from another one of the same person.
    pub(crate) id: Uuid,
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
    pub(crate) verdict: Verdict,
    /// Who has decided.
    pub(crate) by: String,
    pub(crate) comment: Option<String>,
    pub(crate) at: Timestamp,
}

/// A run that is to be started because another one has failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Handler {
    pub(crate) workspace: WorkspaceId,
    /// By id or name.
    pub(crate) workflow: String,
    pub(crate) input: Value,
}

impl Message {
    /// The word in the database.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Signal { .. } => "signal",
            Self::Decide(_) => "decide",
            Self::ChildEnded { .. } => "child_ended",
            Self::Recall { .. } => "recall",
            Self::Look => "look",
            Self::Start(_) => "start",
            Self::Report(_) => "report",
        }
    }

    /// As a message that is sent with a commit of another run.
    pub(crate) fn letter(&self, to: RunId, at: Timestamp) -> Letter {
        Letter { id: clock::new_uuid(), to, kind: self.kind(), body: serde_json::json!(self).to_string(), at }
    }
}

/// What came of an attempt that was executed elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) node: NodeId,
    pub(crate) attempt: u32,
    pub(crate) answer: Answer,
    /// The resolved parameters, secrets masked.
    pub(crate) input: Option<Value>,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Timestamp,
}

/// An attempt's answer, as it is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Done { output: std::sync::Arc<Value>, port: Option<String> },
    Sleep { until: Timestamp },
    Await { what: Box<Awaiting>, until: Option<Timestamp> },
    Failed(NodeError),
}

impl Answer {
    /// What the planner is told.
    pub(crate) fn into_result(self) -> std::result::Result<Outcome, NodeError> {
        match self {
            Self::Done { output, port } => Ok(Outcome::Done(Output { value: output, port: port.map(Into::into) })),
            Self::Sleep { until } => Ok(Outcome::Sleep(Wake::At(until))),
            Self::Await { what, until } => Ok(Outcome::Await(Await { what: *what, until: until.map(Wake::At) })),
            Self::Failed(error) => Err(error),
        }
    }

    /// Writes down what a node answered.
    pub(crate) fn of(result: std::result::Result<Outcome, NodeError>, now: Timestamp) -> Self {
        let at = |wake: Wake| match wake {
            Wake::At(until) => until,
            Wake::After(wait) => now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        };
        match result {
            Ok(Outcome::Done(Output { value, port })) => Self::Done { output: value, port: port.map(Into::into) },
            Ok(Outcome::Sleep(wake)) => Self::Sleep { until: at(wake) },
            Ok(Outcome::Await(Await { what, until })) => Self::Await { what: Box::new(what), until: until.map(at) },
            Err(error) => Self::Failed(error),
        }
    }
}

impl Store {
    /// Puts a message into a run's inbox.
    pub(crate) async fn send(&self, run: RunId, message: &Message) -> Result<()> {
        reached(Point::Send);
        inbox::Entity::insert(row(run, message)?).exec_without_returning(&self.write).await?;
        reached(Point::Sent);
        Ok(())
    }

    /// Reports a dispatched step: ends its lease and puts the report into the inbox, or does neither when the lease is no
    /// longer held under this epoch.
    pub(crate) async fn report(&self, step: &StepRef, epoch: i64, report: Report) -> Result<()> {
        reached(Point::Report);
        let row = row(step.run, &Message::Report(Box::new(report)))?;
        let transaction = self.begin().await?;
        let sql = "DELETE FROM step_leases WHERE run_id = $1 AND node_id = $2 AND item = $3 AND attempt = $4 AND epoch = $5";
        let values: [sea_orm::Value; 5] = [
            step.run.uuid().into(),
            step.node.as_str().into(),
            step.item.as_str().into(),
            step.attempt.cast_signed().into(),
            epoch.into(),
        ];
        let ended = transaction.execute_raw(Statement::from_sql_and_values(self.backend(), sql, values)).await?;
        if ended.rows_affected() == 0 {
            return Err(Error::Fenced);
        }
        inbox::Entity::insert(row).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        reached(Point::Reported);
        Ok(())
    }

    /// Throws away what came to runs that had ended, or, after a day, to none: a run may be told to stop before it exists.
    pub(crate) async fn forget_late_messages(&self) -> Result<()> {
        let a_day_ago = format!("{} - {}", self.now_sql(), 24 * 3_600 * 1_000);
        let sql = format!(
            "DELETE FROM run_inbox WHERE EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND finished_at IS NOT NULL) \
             OR kind <> 'start' AND created_at < {a_day_ago} AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id)"
        );
        self.execute(sql, []).await?;
        Ok(())
    }

    /// Runs that a failure has called for and that nobody has created yet.
    pub(crate) async fn called_for(&self, limit: u64) -> Result<Vec<(RunId, Uuid, Handler)>> {
        let select = inbox::Entity::find().filter(Column::Kind.eq("start")).order_by_asc(Column::Id).limit(limit);
        let rows = select.all(&self.read).await?;
        let handler = |row: inbox::Model| match serde_json::from_value(row.body) {
            Ok(Message::Start(handler)) => Some((RunId::new(row.run_id), row.id, *handler)),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(handler).collect())
    }

    /// How many signals wait for a run's steps, or are on their way to it: in one look, since they move from the one to the other.
    pub(crate) async fn signals_waiting(&self, run: RunId) -> Result<usize> {
        let sql = "SELECT signals, (SELECT count(*) FROM run_inbox i WHERE i.run_id = runs.id AND i.kind = 'signal') AS sent \
             FROM runs WHERE id = $1";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into()]);
        let row = Signals::find_by_statement(statement).one(&self.read).await?.ok_or(Error::NotFound("run"))?;
        let kept = row.signals.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
        Ok(kept + usize::try_from(row.sent).unwrap_or_default())
    }

    /// Throws a message away that nobody can obey.
    pub(crate) async fn forget_message(&self, id: Uuid) -> Result<()> {
        self.execute("DELETE FROM run_inbox WHERE id = $1".to_owned(), [id.into()]).await?;
        Ok(())
    }

    /// Asks runs to stop whose parent has ended without them: a worker that had lost its run may have started one too many.
    pub(crate) async fn cancel_orphans(&self) -> Result<()> {
        let sql = "SELECT id FROM runs WHERE finished_at IS NULL AND parent_run_id IS NOT NULL AND cancel_requested_at IS NULL \
             AND EXISTS (SELECT 1 FROM runs p WHERE p.id = runs.parent_run_id AND p.finished_at IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM run_inbox i WHERE i.run_id = runs.id) LIMIT 200";
        for row in RunKey::find_by_statement(self.statement(sql)).all(&self.read).await? {
            self.send(RunId::new(row.id), &Message::Cancel).await?;
        }
        Ok(())
    }

    /// A run's messages, oldest first. One that this version cannot read is left to another that can.
    pub(crate) async fn messages(&self, run: RunId) -> Result<Vec<(Uuid, Message)>> {
        let rows = inbox::Entity::find().filter(Column::RunId.eq(run.uuid())).order_by_asc(Column::Id).all(&self.write).await?;
        let message = |row: inbox::Model| match serde_json::from_value(row.body) {
            Ok(message) => Some((row.id, message)),
            Err(fault) => {
                tracing::error!(%run, message = %row.id, %fault, "a message cannot be read by this version of FlowForge");
                None
            }
        };
        Ok(rows.into_iter().filter_map(message).collect())
    }
}

/// Puts a message into a run's inbox as a part of a transaction.
pub(super) async fn insert(tx: &impl ConnectionTrait, run: RunId, message: &Message) -> Result<()> {
    inbox::Entity::insert(row(run, message)?).exec_without_returning(tx).await?;
    Ok(())
}

fn row(run: RunId, message: &Message) -> Result<inbox::ActiveModel> {
    let body = serde_json::to_value(message).map_err(|fault| Error::BadInput(fault.to_string()))?;
    Ok(inbox::ActiveModel {
        id: Set(clock::new_uuid()),
        run_id: Set(run.uuid()),
        kind: Set(message.kind().to_owned()),
        body: Set(body),
        created_at: Set(crate::Clock::default().now().0),
    })
}

#[derive(FromQueryResult)]
struct Signals {
    signals: Option<Value>,
    sent: i64,
}
