//! What a workspace is set to.

use axum::{Json, extract::State};
use flowforge_engine::store::accounts::WorkspaceSettings;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::principal::{Owner, Principal},
    error::{ApiError, ProblemBody, Result},
    extract::Body,
};

/// The longest that runs are kept for a time: ten years.
const LONGEST_DAYS: u32 = 3_650;

/// A workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workspace {
    /// How many days runs are kept after their end; null: for ever.
    #[schema(required = true)]
    retention_days: Option<u32>,
}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeWorkspace {
    /// How many days runs are kept after their end, 1 to 3650; null: for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3650)]
    retention_days: Option<Option<u32>>,
}

/// Tells a null from a field that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Shows what the workspace is set to.
#[utoipa::path(get, path = "/workspace", operation_id = "get_workspace", tag = "workspace", responses((status = 200, body = Workspace)))]
pub(crate) async fn show(State(app): State<App>, who: Principal) -> Result<Json<Workspace>> {
    let WorkspaceSettings { retention_days } = app.store().workspace_settings(who.workspace).await?;
    Ok(Json(Workspace { retention_days }))
}

/// Changes what the workspace is set to; an owner may.
#[utoipa::path(patch, path = "/workspace", operation_id = "change_workspace", tag = "workspace", request_body = ChangeWorkspace, responses(
    (status = 200, body = Workspace),
    (status = 400, description = "not a number of days", body = ProblemBody<'_>),
    (status = 403, description = "not an owner", body = ProblemBody<'_>),
))]
pub(crate) async fn update(
    State(app): State<App>,
    Owner(who): Owner,
    Body(change): Body<ChangeWorkspace>,
) -> Result<Json<Workspace>> {
    if let Some(retention_days) = change.retention_days {
        if retention_days.is_some_and(|days| !(1..=LONGEST_DAYS).contains(&days)) {
            let detail = format!("`retention_days` must be between 1 and {LONGEST_DAYS}, or null to keep runs for ever");
            return Err(ApiError::bad_request("invalid_input", detail));
        }
        app.store().set_workspace_settings(who.workspace, WorkspaceSettings { retention_days }).await?;
    }
    show(State(app), who).await
}
