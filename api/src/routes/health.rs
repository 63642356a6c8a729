//! How the process is, for whoever watches over it.

use axum::{Json, Router, extract::State, routing::get};
use flowforge_engine::Engine;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ProblemBody, Result};

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

/// The process can do its work: the database answers, and a worker has heard from it lately.
#[utoipa::path(get, path = "/health/ready", operation_id = "is_ready", tag = "health", security(()), responses(
    (status = 200, body = Health),
    (status = 500, description = "the database does not answer", body = ProblemBody<'_>),
    (status = 503, description = "the process cannot work on runs now, or is about to stop", body = ProblemBody<'_>),
))]
pub(crate) async fn ready(State(engine): State<Engine>) -> Result<Json<Health>> {
    engine.check_ready().await?;
    Ok(Json(Health { status: "ok" }))
}

/// The routes of a process that has no others.
pub(crate) fn routes() -> Router<Engine> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}
