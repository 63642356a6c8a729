//! People, their workspaces and their sessions.

use std::{fmt, str::FromStr};

use flowforge_core::{SessionId, Timestamp, UserId, WorkspaceId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};

use super::{
    Store,
    entity::accounts::{membership, session, user, workspace},
};
use crate::{
    clock,
    error::{Error, Result},
};

/// What a person may do in a workspace; each may do all that the ones below may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees.
    Viewer,
    /// Draws and runs.
    Editor,
    /// Decides who is in.
    Admin,
    /// Cannot be removed by the others.
    Owner,
}

impl Role {
    /// The word used in SQL and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Viewer, Self::Editor, Self::Admin, Self::Owner]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Error::Inconsistent { table: "memberships", column: "role", fault: format!("`{text}`") })
    }
}

/// The person who sets up the system, and the workspace that is made for them.
#[derive(Debug, Clone)]
pub struct NewOwner {
    /// Their e-mail address.
    pub email: String,
    /// The hash of their password.
    pub password_hash: String,
    /// The name of the workspace.
    pub workspace: String,
    /// The time.
    pub at: Timestamp,
}

/// What a sign-in is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The person.
    pub user: UserId,
    /// The hash of their password.
    pub password_hash: String,
    /// Whether they may not sign in.
    pub disabled: bool,
}

/// A person in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub user: UserId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// What they may do there.
    pub role: Role,
    /// Access tokens with another number than this are void.
    pub token_version: i32,
}

/// What a person is told about themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Their e-mail address.
    pub email: String,
    /// The name of the workspace.
    pub workspace: String,
}

/// What a workspace is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspaceSettings {
    /// How many days runs are kept after their end; for ever when absent.
    pub retention_days: Option<u32>,
}

/// A sign-in to be recorded.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Who signs in.
    pub user: UserId,
    /// To which workspace.
    pub workspace: WorkspaceId,
    /// The hash of the first refresh token.
    pub token_hash: String,
    /// The time.
    pub at: Timestamp,
    /// When it ends, however often it is refreshed.
    pub expires_at: Timestamp,
}

/// A refresh token to be exchanged for its successor.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The session that it belongs to.
    pub session: SessionId,
    /// The hash of the token.
    pub token_hash: String,
    /// The hash of the one token that may follow it.
    pub successor_hash: String,
    /// The time.
    pub at: Timestamp,
    /// For how long after an exchange the same one may be asked for again, in milliseconds.
    pub grace_ms: u64,
}

/// What became of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanged {
    /// The successor is the session's token now, or was a moment ago already: a browser may ask twice at once.
    Granted(Member),
    /// The token was exchanged before: somebody else may have it, so the session is revoked.
    Reused,
    /// The session is over, or was never there.
    Gone,
}

impl Store {
    /// Whether somebody owns this installation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_owner(&self) -> Result<bool> {
        Ok(user::Entity::find().count(&self.read).await? > 0)
    }

    /// Makes the first person and their workspace; however many ask at once, one succeeds.
    ///
    /// # Errors
    /// `Conflict` with the code `already_set_up` when there is a person already.
    pub async fn create_first_owner(&self, owner: NewOwner) -> Result<Member> {
        let tx = self.begin().await?;
        lock_users(&tx).await?;
        if user::Entity::find().count(&tx).await? > 0 {
            let message = "somebody owns this installation already; sign in instead".to_owned();
            return Err(Error::Conflict { code: "already_set_up", message });
        }
        let workspace = insert_workspace(&tx, owner.workspace, owner.at).await?;
        let user = insert_user(&tx, owner.email, owner.password_hash, owner.at).await?;
        insert_membership(&tx, workspace, user, Role::Owner).await?;
        tx.commit().await?;
        Ok(Member { user, workspace, role: Role::Owner, token_version: 0 })
    }

    /// The oldest workspace, made now when there is none: where a command without a user works.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn local_workspace(&self, at: Timestamp) -> Result<WorkspaceId> {
        let tx = self.begin().await?;
        let oldest = workspace::Entity::find().order_by_asc(workspace::Column::Id).one(&tx).await?;
        let workspace = match oldest {
            Some(row) => WorkspaceId::new(row.id),
            None => insert_workspace(&tx, "Local".to_owned(), at).await?,
        };
        tx.commit().await?;
        Ok(workspace)
    }

    /// The person with this e-mail address, however it is capitalised.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account(&self, email: &str) -> Result<Option<Account>> {
        let row = user::Entity::find().filter(user::Column::Email.eq(email.to_lowercase())).one(&self.read).await?;
        Ok(row.map(|row| Account {
            user: UserId::new(row.id),
            password_hash: row.password_hash,
            disabled: row.disabled_at.is_some(),
        }))
    }

    /// The person in the workspace that they joined first; nobody when they are disabled.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn home(&self, user: UserId) -> Result<Option<Member>> {
        let first = membership::Entity::find()
            .filter(membership::Column::UserId.eq(user.uuid()))
            .order_by_asc(membership::Column::WorkspaceId)
            .one(&self.read)
            .await?;
        match first {
            Some(row) => member(&self.read, user, WorkspaceId::new(row.workspace_id)).await,
            None => Ok(None),
        }
    }

    /// What a person is told about themselves.
    ///
    /// # Errors
    /// `NotFound` when the person or the workspace is gone.
    pub async fn profile(&self, user: UserId, workspace: WorkspaceId) -> Result<Profile> {
        let user = user::Entity::find_by_id(user.uuid()).one(&self.read).await?.ok_or(Error::NotFound("user"))?;
        let workspace = workspace::Entity::find_by_id(workspace.uuid()).one(&self.read).await?;
        Ok(Profile { email: user.email, workspace: workspace.ok_or(Error::NotFound("workspace"))?.name })
    }

    /// What a workspace is set to.
    ///
    /// # Errors
    /// `NotFound` when there is no such workspace.
    pub async fn workspace_settings(&self, workspace: WorkspaceId) -> Result<WorkspaceSettings> {
        let row = workspace::Entity::find_by_id(workspace.uuid()).one(&self.write).await?.ok_or(Error::NotFound("workspace"))?;
        Ok(WorkspaceSettings { retention_days: row.retention_days.map(i32::cast_unsigned) })
    }

    /// Changes what a workspace is set to.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_workspace_settings(&self, workspace: WorkspaceId, settings: WorkspaceSettings) -> Result<()> {
        let days = settings.retention_days.map(u32::cast_signed);
        let update = workspace::Entity::update_many().col_expr(workspace::Column::RetentionDays, Expr::value(days));
        update.filter(workspace::Column::Id.eq(workspace.uuid())).exec(&self.write).await?;
        Ok(())
    }

    /// Records a sign-in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_session(&self, new: NewSession) -> Result<()> {
        let row = session::Model {
            id: new.id.uuid(),
            user_id: new.user.uuid(),
            workspace_id: new.workspace.uuid(),
            token_hash: new.token_hash,
            previous_hash: None,
            rotated_at: new.at.0,
            created_at: new.at.0,
            expires_at: new.expires_at.0,
            revoked_at: None,
        };
        session::Entity::insert(session::ActiveModel::from(row)).exec_without_returning(&self.write).await?;
        Ok(())
    }

    /// Exchanges a refresh token, which works once. Only tokens that this system has issued may be passed here, as an
    /// old one ends its session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn exchange(&self, ask: &Exchange) -> Result<Exchanged> {
        let granted = self.rotate(ask).await? || self.was_just_rotated(ask).await?;
        if granted {
            return Ok(self.session_member(ask.session, ask.at).await?.map_or(Exchanged::Gone, Exchanged::Granted));
        }
        let revoked = self.revoke_session(ask.session, ask.at).await?;
        Ok(if revoked { Exchanged::Reused } else { Exchanged::Gone })
    }

    async fn rotate(&self, ask: &Exchange) -> Result<bool> {
        let moved = session::Entity::update_many()
            .col_expr(session::Column::TokenHash, Expr::value(ask.successor_hash.clone()))
            .col_expr(session::Column::PreviousHash, Expr::value(ask.token_hash.clone()))
            .col_expr(session::Column::RotatedAt, Expr::value(ask.at.0))
            .filter(session::Column::Id.eq(ask.session.uuid()))
            .filter(session::Column::TokenHash.eq(ask.token_hash.as_str()))
            .filter(session::Column::RevokedAt.is_null())
            .filter(session::Column::ExpiresAt.gt(ask.at.0))
            .exec(&self.write)
            .await?;
        Ok(moved.rows_affected == 1)
    }

    async fn was_just_rotated(&self, ask: &Exchange) -> Result<bool> {
        let row = live_session(&self.write, ask.session, ask.at).await?;
        Ok(row.is_some_and(|row| {
            row.previous_hash.as_ref() == Some(&ask.token_hash)
                && row.token_hash == ask.successor_hash
                && ask.at.ms_since(Timestamp(row.rotated_at)) <= ask.grace_ms
        }))
    }

    /// Ends a session. Returns whether it was alive until now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_session(&self, id: SessionId, at: Timestamp) -> Result<bool> {
        let ended = session::Entity::update_many()
            .col_expr(session::Column::RevokedAt, Expr::value(at.0))
            .filter(session::Column::Id.eq(id.uuid()))
            .filter(session::Column::RevokedAt.is_null())
            .filter(session::Column::ExpiresAt.gt(at.0))
            .exec(&self.write)
            .await?;
        Ok(ended.rows_affected == 1)
    }

    /// Whose session it is, with the rights that they have now; nobody when it is over or they may not sign in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_member(&self, id: SessionId, at: Timestamp) -> Result<Option<Member>> {
        match live_session(&self.read, id, at).await? {
            Some(row) => member(&self.read, UserId::new(row.user_id), WorkspaceId::new(row.workspace_id)).await,
            None => Ok(None),
        }
    }
}

async fn live_session(db: &impl ConnectionTrait, id: SessionId, at: Timestamp) -> Result<Option<session::Model>> {
    let query = session::Entity::find_by_id(id.uuid())
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(at.0));
    Ok(query.one(db).await?)
}

async fn member(db: &impl ConnectionTrait, user: UserId, workspace: WorkspaceId) -> Result<Option<Member>> {
    let person = user::Entity::find_by_id(user.uuid()).filter(user::Column::DisabledAt.is_null()).one(db).await?;
    let place = membership::Entity::find_by_id((workspace.uuid(), user.uuid())).one(db).await?;
    let (Some(person), Some(place)) = (person, place) else {
        return Ok(None);
    };
    Ok(Some(Member { user, workspace, role: place.role.parse()?, token_version: person.token_version }))
}

/// Keeps other transactions from adding a person until this one ends. SQLite has one writer, so it needs no lock.
async fn lock_users(tx: &DatabaseTransaction) -> Result<()> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE").await?;
    }
    Ok(())
}

async fn insert_workspace(tx: &DatabaseTransaction, name: String, at: Timestamp) -> Result<WorkspaceId> {
    let row = workspace::Model { id: clock::new_uuid(), name, created_at: at.0, retention_days: None };
    let id = WorkspaceId::new(row.id);
    workspace::Entity::insert(workspace::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(id)
}

async fn insert_user(tx: &DatabaseTransaction, email: String, password_hash: String, at: Timestamp) -> Result<UserId> {
    let id = clock::new_uuid();
    let email = email.to_lowercase();
    let row = user::Model { id, email, password_hash, token_version: 0, created_at: at.0, disabled_at: None };
    user::Entity::insert(user::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(UserId::new(id))
}

async fn insert_membership(tx: &DatabaseTransaction, workspace: WorkspaceId, user: UserId, role: Role) -> Result<()> {
    let row = membership::Model { workspace_id: workspace.uuid(), user_id: user.uuid(), role: role.to_string() };
    membership::Entity::insert(membership::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(())
}
