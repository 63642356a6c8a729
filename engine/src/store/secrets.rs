//! The rows of secrets, as they are kept: encrypted. What opens them is `crate::secrets`.

use std::collections::BTreeSet;

use flowforge_core::{Timestamp, UserId, WorkspaceId, secret::HostPattern};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
    sea_query::{Expr, OnConflict},
};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, entity::secrets::secret};
use crate::error::{Error, Result};

/// The most secrets of one workspace.
pub const MOST_SECRETS: u64 = 1_000;

/// A secret, encrypted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SecretRow {
    pub(crate) id: Uuid,
    pub(crate) workspace: WorkspaceId,
    pub(crate) name: String,
    pub(crate) sealed: Sealed,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) created_by: Option<UserId>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A value that only the master key of this id opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) key_id: String,
}

/// A version of a workflow that speaks of secrets.
#[derive(Debug, FromQueryResult)]
pub(crate) struct MentioningGraph {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) is_newest: bool,
    pub(crate) is_published: bool,
    pub(crate) graph: Value,
}

impl Store {
    /// A workspace's secrets, in the order of their names.
    pub(crate) async fn secret_rows(&self, workspace: WorkspaceId) -> Result<Vec<SecretRow>> {
        let rows = of(workspace).order_by_asc(secret::Column::Name).all(&self.read).await?;
        rows.into_iter().map(record).collect()
    }

    /// Those of a workspace's secrets that have one of these names.
    pub(crate) async fn secret_rows_named(&self, workspace: WorkspaceId, names: &BTreeSet<String>) -> Result<Vec<SecretRow>> {
        let rows = of(workspace).filter(secret::Column::Name.is_in(names)).all(&self.read).await?;
        rows.into_iter().map(record).collect()
    }

    /// Every secret of every workspace.
    pub(crate) async fn all_secret_rows(&self) -> Result<Vec<SecretRow>> {
        let rows = secret::Entity::find().order_by_asc(secret::Column::Id).all(&self.read).await?;
        rows.into_iter().map(record).collect()
    }

    /// The ids of the master keys that secrets are encrypted under.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn secret_key_ids(&self) -> Result<BTreeSet<String>> {
        let ids = secret::Entity::find().select_only().column(secret::Column::KeyId).distinct();
        Ok(ids.into_tuple().all(&self.read).await?.into_iter().collect())
    }

    /// Adds a secret.
    ///
    /// # Errors
    /// `Conflict` when its name is taken, the workspace has as many as it may, or others are encrypted under another key.
    pub(crate) async fn add_secret(&self, row: &SecretRow) -> Result<()> {
        let tx = self.begin().await?;
        one_key(&tx, &row.sealed.key_id).await?;
        if of(row.workspace).count(&tx).await? >= MOST_SECRETS {
            let message = format!("the workspace has {MOST_SECRETS} secrets, which is the most; delete some first");
            return Err(Error::Conflict { code: "too_many_secrets", message });
        }
        let taken = OnConflict::columns([secret::Column::WorkspaceId, secret::Column::Name]).do_nothing().to_owned();
        let added = secret::Entity::insert(secret::ActiveModel::from(model(row)?)).on_conflict(taken);
        let added = added.exec_without_returning(&tx).await;
        tx.commit().await?;
        match added {
            Ok(1) => Ok(()),
            Ok(_) | Err(sea_orm::DbErr::RecordNotInserted) => {
                let message = format!("there is a secret `{}` already; change that one, or choose another name", row.name);
                Err(Error::Conflict { code: "secret_exists", message })
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Writes a secret anew that was read as `before`.
    ///
    /// # Errors
    /// `Conflict` when it was changed or deleted meanwhile, or others are encrypted under another key.
    pub(crate) async fn change_secret(&self, before: &SecretRow, after: &SecretRow) -> Result<()> {
        let tx = self.begin().await?;
        one_key(&tx, &after.sealed.key_id).await?;
        let changed = secret::Entity::update_many()
            .col_expr(secret::Column::Ciphertext, Expr::value(after.sealed.ciphertext.clone()))
            .col_expr(secret::Column::KeyId, Expr::value(after.sealed.key_id.clone()))
            .col_expr(secret::Column::Hosts, Expr::value(hosts_json(&after.hosts)?))
            .col_expr(secret::Column::UpdatedAt, Expr::value(after.updated_at.0))
            .filter(secret::Column::Id.eq(before.id))
            .filter(secret::Column::WorkspaceId.eq(before.workspace.uuid()))
            .filter(secret::Column::Ciphertext.eq(before.sealed.ciphertext.clone()))
            .filter(secret::Column::UpdatedAt.eq(before.updated_at.0))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        if changed.rows_affected == 1 {
            return Ok(());
        }
        let message = format!("the secret `{}` was changed by somebody else meanwhile; look again", before.name);
        Err(Error::Conflict { code: "secret_changed", message })
    }

    /// Deletes a secret.
    ///
    /// # Errors
    /// `NotFound` when this workspace has none of that name.
    pub(crate) async fn remove_secret(&self, workspace: WorkspaceId, name: &str) -> Result<()> {
        let gone = secret::Entity::delete_many()
            .filter(secret::Column::WorkspaceId.eq(workspace.uuid()))
            .filter(secret::Column::Name.eq(name))
            .exec(&self.write)
            .await?;
        if gone.rows_affected == 1 { Ok(()) } else { Err(Error::NotFound("secret")) }
    }

    /// Encrypts every secret anew, all of them or none.
    ///
    /// # Errors
    /// What `seal` says of the first that it cannot do.
    pub(crate) async fn reseal_secrets(&self, seal: impl Fn(&SecretRow) -> Result<Sealed>) -> Result<usize> {
        let tx = self.begin().await?;
        let rows = secret::Entity::find().order_by_asc(secret::Column::Id).lock_exclusive().all(&tx).await?;
        let count = rows.len();
        for row in rows {
            let row = record(row)?;
            let sealed = seal(&row)?;
            secret::Entity::update_many()
                .col_expr(secret::Column::Ciphertext, Expr::value(sealed.ciphertext))
                .col_expr(secret::Column::KeyId, Expr::value(sealed.key_id))
                .filter(secret::Column::Id.eq(row.id))
                .exec(&tx)
                .await?;
        }
        tx.commit().await?;
        Ok(count)
    }

    /// The newest and the published versions of a workspace's workflows that speak of secrets, without archived workflows.
    pub(crate) async fn graphs_with_secrets(&self, workspace: WorkspaceId) -> Result<Vec<MentioningGraph>> {
        let sql = "SELECT w.id, w.name, v.version = w.version AS is_newest, \
                     w.published_version IS NOT NULL AND v.version = w.published_version AS is_published, v.graph \
                   FROM workflows w JOIN workflow_versions v \
                     ON v.workflow_id = w.id AND (v.version = w.version OR v.version = w.published_version) \
                   WHERE w.workspace_id = $1 AND w.status <> 'archived' AND CAST(v.graph AS text) LIKE '%secret%' \
                   ORDER BY w.name, w.id";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [workspace.uuid().into()]);
        Ok(MentioningGraph::find_by_statement(statement).all(&self.read).await?)
    }
}

/// Two processes with different master keys would each write what the other cannot read.
async fn one_key(tx: &DatabaseTransaction, key_id: &str) -> Result<()> {
    let other = secret::Entity::find().filter(secret::Column::KeyId.ne(key_id)).one(tx).await?;
    match other {
        None => Ok(()),
        Some(other) => {
            let message = format!(
                "the secrets in the database are encrypted under the master key {}, and this process has {key_id}; give all processes the \
                 same FLOWFORGE_MASTER_KEY",
                other.key_id
            );
            Err(Error::Conflict { code: "other_master_key", message })
        }
    }
}

fn of(workspace: WorkspaceId) -> sea_orm::Select<secret::Entity> {
    secret::Entity::find().filter(secret::Column::WorkspaceId.eq(workspace.uuid()))
}

fn record(row: secret::Model) -> Result<SecretRow> {
    let unreadable =
        |fault: serde_json::Error| Error::Inconsistent { table: "secrets", column: "hosts", fault: fault.to_string() };
    Ok(SecretRow {
        id: row.id,
        workspace: WorkspaceId::new(row.workspace_id),
        name: row.name,
        sealed: Sealed { ciphertext: row.ciphertext, key_id: row.key_id },
        hosts: serde_json::from_value(row.hosts).map_err(unreadable)?,
        created_by: row.created_by.map(UserId::new),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

fn hosts_json(hosts: &[HostPattern]) -> Result<Value> {
    serde_json::to_value(hosts).map_err(|fault| Error::Storage(format!("hosts cannot be written: {fault}")))
}

fn model(row: &SecretRow) -> Result<secret::Model> {
    Ok(secret::Model {
        id: row.id,
        workspace_id: row.workspace.uuid(),
        name: row.name.clone(),
        ciphertext: row.sealed.ciphertext.clone(),
        key_id: row.sealed.key_id.clone(),
        hosts: hosts_json(&row.hosts)?,
        created_by: row.created_by.map(|user| user.uuid()),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
    })
}
