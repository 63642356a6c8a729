//! The inbox: whatever comes to a run from outside its owner. A row is deleted by the commit that records its meaning.

use flowforge_core::{
    NodeId, RunId, Timestamp,
    node::{NodeError, Outcome, Output, Wake},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Store,
    entity::engine::inbox::{self, Column},
};
use crate::{
    clock,
    error::{Error, Result},
    queue::StepRef,
};

/// A message to a run's owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Message {
    /// Someone wants the run to stop.
    Cancel,
    /// A dispatched step has answered.
    Report(Box<Report>),
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
    Failed(NodeError),
}

impl Answer {
    /// What the planner is told.
    pub(crate) fn into_result(self) -> std::result::Result<Outcome, NodeError> {
        match self {
            Self::Done { output, port } => Ok(Outcome::Done(Output { value: output, port: port.map(Into::into) })),
            Self::Sleep { until } => Ok(Outcome::Sleep(Wake::At(until))),
            Self::Failed(error) => Err(error),
        }
    }

    /// Writes down what a node answered.
    pub(crate) fn of(result: std::result::Result<Outcome, NodeError>, now: Timestamp) -> Self {
        match result {
            Ok(Outcome::Done(Output { value, port })) => Self::Done { output: value, port: port.map(Into::into) },
            Ok(Outcome::Sleep(Wake::At(until))) => Self::Sleep { until },
            Ok(Outcome::Sleep(Wake::After(wait))) => {
                Self::Sleep { until: now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)) }
            }
            Ok(Outcome::Await(_)) => {
                Self::Failed(NodeError::fatal("NOT_IN_LANE", "a dispatched step cannot wait for others yet"))
            }
            Err(error) => Self::Failed(error),
        }
    }
}

impl Store {
    /// Puts a message into a run's inbox.
    pub(crate) async fn send(&self, run: RunId, message: &Message) -> Result<()> {
        inbox::Entity::insert(row(run, message)?).exec_without_returning(&self.write).await?;
        Ok(())
    }

    /// Reports a dispatched step: ends its lease and puts the report into the inbox, or does neither when the lease is no
    /// longer held under this epoch.
    pub(crate) async fn report(&self, step: &StepRef, epoch: i64, report: Report) -> Result<()> {
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
        Ok(())
    }

    /// Throws away what came to runs that had ended.
    pub(crate) async fn forget_late_messages(&self) -> Result<()> {
        let sql = "DELETE FROM run_inbox WHERE EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND finished_at IS NOT NULL)";
        self.execute(sql.to_owned(), []).await?;
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

fn row(run: RunId, message: &Message) -> Result<inbox::ActiveModel> {
    let body = serde_json::to_value(message).map_err(|fault| Error::BadInput(fault.to_string()))?;
    let kind = match message {
        Message::Cancel => "cancel",
        Message::Report(_) => "report",
    };
    Ok(inbox::ActiveModel {
        id: Set(clock::new_uuid()),
        run_id: Set(run.uuid()),
        kind: Set(kind.to_owned()),
        body: Set(body),
        created_at: Set(crate::Clock::default().now().0),
    })
}
