//! Who is asking, as handlers take it: a handler's arguments say what its caller must be.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use flowforge_core::{SessionId, UserId, WorkspaceId};
use flowforge_engine::store::accounts::Role;

use crate::{
    app::App,
    error::{ApiError, Result},
};

/// A person who is signed in to a workspace: enough to see what is in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Principal {
    /// Their session.
    pub session: SessionId,
    /// The person.
    pub user: UserId,
    /// The workspace, which every query is limited to.
    pub workspace: WorkspaceId,
    /// What they may do there.
    pub role: Role,
}

impl FromRequestParts<App> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let line = parts.headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
        let token = line.and_then(|line| line.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or_else(ApiError::unauthenticated)?;
        app.auth.authenticate(token.trim()).await
    }
}

/// A person who may draw and run workflows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Editor(pub Principal);

impl FromRequestParts<App> for Editor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let principal = Principal::from_request_parts(parts, app).await?;
        if principal.role >= Role::Editor {
            return Ok(Self(principal));
        }
        let detail = format!("the role {} may only look; ask an owner for the role editor", principal.role);
        Err(ApiError::forbidden("forbidden", detail))
    }
}

/// A person to whom the workspace belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner(pub Principal);

impl FromRequestParts<App> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let principal = Principal::from_request_parts(parts, app).await?;
        if principal.role == Role::Owner {
            return Ok(Self(principal));
        }
        Err(ApiError::forbidden("forbidden", format!("only an owner may change this; your role is {}", principal.role)))
    }
}
