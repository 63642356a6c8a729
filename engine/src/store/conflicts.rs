//! The rows of conflicts, and of what was tried to resolve them.

use std::collections::BTreeMap;

use flowforge_core::{
    Awaiting, NodeId, RunId, Timestamp, WorkspaceId,
    conflict::{Conflict, ConflictKind, Recorded, Resolution, Side},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Store,
    entity::conflicts::{conflict, resolution},
    inbox::{self, Message},
};
use crate::{
    clock,
    error::{Error, Result},
};

/// A conflict, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictRecord {
    /// Its id.
    pub id: Uuid,
    /// The step that met it.
    pub node: NodeId,
    /// What collides, and what was tried.
    pub recorded: Recorded,
    /// When each of the attempts was written down.
    pub times: Vec<Timestamp>,
    /// When it was met.
    pub created_at: Timestamp,
}

impl ConflictRecord {
    /// Whether the last word is a resolution that was accepted.
    pub fn is_resolved(&self) -> bool {
        self.recorded.resolutions.last().is_some_and(|resolution| resolution.accepted)
    }
}

#[derive(Serialize, Deserialize)]
struct Sides {
    base: Option<Side>,
    ours: Option<Side>,
    theirs: Option<Side>,
}

#[derive(FromQueryResult)]
struct Waiting {
    attempt: i32,
    awaiting: Option<Value>,
}

impl Store {
    /// Writes down a conflict under an id that says which one it is; again it changes nothing.
    pub(crate) async fn add_conflict(
        &self,
        (workspace, run, node): (WorkspaceId, RunId, &NodeId),
        id: Uuid,
        conflict: &Conflict,
    ) -> Result<()> {
        let Conflict { commit, path, kind, base, ours, theirs } = conflict.clone();
        let row = conflict::ActiveModel {
            id: Set(id),
            workspace_id: Set(workspace.uuid()),
            run_id: Set(run.uuid()),
            node_id: Set(node.to_string()),
            commit_id: Set(commit),
            path: Set(path),
            kind: Set(kind.as_str().to_owned()),
            sides: Set(json!(Sides { base, ours, theirs })),
            created_at: Set(crate::Clock::default().now().0),
        };
        let known = OnConflict::column(conflict::Column::Id).do_nothing().to_owned();
        match conflict::Entity::insert(row).on_conflict(known).exec_without_returning(&self.write).await {
            Ok(_) | Err(sea_orm::DbErr::RecordNotInserted) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Adds an attempt to resolve a conflict.
    pub(crate) async fn add_resolution(&self, run: RunId, conflict: Uuid, resolution: &Resolution) -> Result<()> {
        resolution::Entity::insert(row(run, conflict, resolution)).exec_without_returning(&self.write).await?;
        Ok(())
    }

    /// What was written down for a step.
    pub(crate) async fn conflicts_of_step(&self, run: RunId, node: &NodeId) -> Result<Vec<ConflictRecord>> {
        let rows = conflict::Entity::find().filter(conflict::Column::RunId.eq(run.uuid()));
        let rows = rows.filter(conflict::Column::NodeId.eq(node.as_str())).order_by_asc(conflict::Column::CreatedAt);
        // Read where it is written: a step looks for the answer that it was called for.
        self.with_resolutions(run, rows.order_by_asc(conflict::Column::Path).all(&self.write).await?).await
    }

    /// The conflicts of a run, in the order in which they were met.
    ///
    /// # Errors
    /// `NotFound` when the workspace has no such run.
    pub async fn conflicts(&self, workspace: WorkspaceId, run: RunId) -> Result<Vec<ConflictRecord>> {
        self.run(workspace, run).await?;
        let rows = conflict::Entity::find().filter(conflict::Column::RunId.eq(run.uuid()));
        let rows = rows.filter(conflict::Column::WorkspaceId.eq(workspace.uuid())).order_by_asc(conflict::Column::CreatedAt);
        self.with_resolutions(run, rows.order_by_asc(conflict::Column::Path).all(&self.read).await?).await
    }

    async fn with_resolutions(&self, run: RunId, rows: Vec<conflict::Model>) -> Result<Vec<ConflictRecord>> {
        let mut tried: BTreeMap<Uuid, Vec<resolution::Model>> = BTreeMap::new();
        if !rows.is_empty() {
            let all = resolution::Entity::find().filter(resolution::Column::RunId.eq(run.uuid()));
            for row in all.order_by_asc(resolution::Column::Id).all(&self.write).await? {
                tried.entry(row.conflict_id).or_default().push(row);
            }
        }
        rows.into_iter().map(|row| record(tried.remove(&row.id).unwrap_or_default(), row)).collect()
    }

    /// Writes down a person's answer and calls the step, in one transaction, if the step waits and nobody has answered before.
    ///
    /// # Errors
    /// `NotFound` when the run has no such conflict; `Conflict` when it is resolved (`conflict_resolved`), or the step does not wait
    /// for answers now (`conflict_not_asked`).
    pub(crate) async fn answer_conflict(&self, workspace: WorkspaceId, run: RunId, id: Uuid, answer: &Resolution) -> Result<()> {
        let tx = self.begin().await?;
        let found = conflict::Entity::find_by_id(id).filter(conflict::Column::RunId.eq(run.uuid()));
        // Of two answers at once the second one waits for the first.
        let found = found.filter(conflict::Column::WorkspaceId.eq(workspace.uuid())).lock_exclusive().one(&tx).await?;
        let node = NodeId::new(found.ok_or(Error::NotFound("conflict"))?.node_id);
        let attempt = self.asking(&tx, run, &node).await?;
        let last = resolution::Entity::find().filter(resolution::Column::ConflictId.eq(id));
        if last.order_by_desc(resolution::Column::Id).one(&tx).await?.is_some_and(|last| last.accepted) {
            let message = "this conflict is resolved; look at it again".to_owned();
            return Err(Error::Conflict { code: "conflict_resolved", message });
        }
        resolution::Entity::insert(row(run, id, answer)).exec_without_returning(&tx).await?;
        inbox::insert(&tx, run, &Message::Recall { node, attempt }).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The attempt that waits for answers. Its row is held, so that it is not called before the answer is on disk: a step that is
    /// called afterwards sees it.
    async fn asking(&self, tx: &DatabaseTransaction, run: RunId, node: &NodeId) -> Result<u32> {
        let lock = if self.backend() == DbBackend::Postgres { "FOR SHARE" } else { "" };
        let sql = format!(
            "SELECT attempt, awaiting FROM step_runs WHERE run_id = $1 AND node_id = $2 AND status = 'waiting' \
             AND finished_seq IS NULL ORDER BY attempt DESC LIMIT 1 {lock}"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [run.uuid().into(), node.as_str().into()]);
        let waiting = Waiting::find_by_statement(statement).one(tx).await?;
        let asks = |row: &Waiting| {
            let awaiting = row.awaiting.as_ref().map(Awaiting::deserialize);
            matches!(awaiting, Some(Ok(Awaiting::Resolutions { .. })))
        };
        let not_asked = || {
            let message =
                format!("`{node}` does not wait for answers now; if it is looking at the last one, try again in a moment");
            Error::Conflict { code: "conflict_not_asked", message }
        };
        waiting.filter(asks).map(|row| row.attempt.cast_unsigned()).ok_or_else(not_asked)
    }
}

fn row(run: RunId, conflict: Uuid, resolution: &Resolution) -> resolution::ActiveModel {
    let Resolution { method, by, prompt, answer, checks, accepted } = resolution.clone();
    resolution::ActiveModel {
        id: Set(clock::new_uuid()),
        conflict_id: Set(conflict),
        run_id: Set(run.uuid()),
        method: Set(method.as_str().to_owned()),
        by: Set(by),
        prompt: Set(prompt),
        answer: Set(answer.map(|answer| json!(answer))),
        checks: Set(json!(checks)),
        accepted: Set(accepted),
        created_at: Set(crate::Clock::default().now().0),
    }
}

fn record(tried: Vec<resolution::Model>, row: conflict::Model) -> Result<ConflictRecord> {
    let Sides { base, ours, theirs } = read(row.sides, "conflicts", "sides")?;
    let kind: ConflictKind = read(Value::String(row.kind), "conflicts", "kind")?;
    let conflict = Conflict { commit: row.commit_id, path: row.path, kind, base, ours, theirs };
    let times = tried.iter().map(|row| Timestamp(row.created_at)).collect();
    let resolutions = tried.into_iter().map(resolved).collect::<Result<_>>()?;
    Ok(ConflictRecord {
        id: row.id,
        node: NodeId::new(row.node_id),
        recorded: Recorded { conflict, resolutions },
        times,
        created_at: Timestamp(row.created_at),
    })
}

fn resolved(row: resolution::Model) -> Result<Resolution> {
    let table = "conflict_resolutions";
    Ok(Resolution {
        method: read(Value::String(row.method), table, "method")?,
        by: row.by,
        prompt: row.prompt,
        answer: row.answer.map(|answer| read(answer, table, "answer")).transpose()?,
        checks: read(row.checks, table, "checks")?,
        accepted: row.accepted,
    })
}

fn read<T: DeserializeOwned>(value: Value, table: &'static str, column: &'static str) -> Result<T> {
    serde_json::from_value(value).map_err(|fault| Error::Inconsistent { table, column, fault: fault.to_string() })
}
