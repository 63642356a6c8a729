//! How the process is, for whoever watches over it.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    error::{ProblemBody, Result},
};

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// The process lives.
#[utoipa::path(get, path = "/health/live", operation_id = "is_live", tag = "health", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The process can do its work: the database answers.
#[utoipa::path(get, path = "/health/ready", operation_id = "is_ready", tag = "health", security(()), responses(
    (status = 200, body = Health),
    (status = 500, description = "the database does not answer", body = ProblemBody<'_>),
))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Health>> {
    app.store().now().await?;
    Ok(Json(Health { status: "ok" }))
}
