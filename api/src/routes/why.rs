//! Why a run stands where it stands.

use axum::{Json, extract::State};
use flowforge_core::RunId;
use flowforge_engine::Reason;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::principal::Principal,
    error::{ProblemBody, Result},
    extract::Ids,
    time::iso,
};

/// Where a run stands, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct Why {
    /// `pending`, `running`, `waiting`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    /// Why.
    reason: RunReason,
}

/// Why a run stands where it stands, in words and in fields. Positions count from 1.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunReason {
    /// For a person.
    message: String,
    #[serde(flatten)]
    fields: ReasonFields,
}

/// The reason by its kind. `none` is a fault of FlowForge: nothing moves the run.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ReasonFields {
    Owned {
        worker: String,
        heartbeat_age_ms: u64,
    },
    Queued {
        position: u64,
    },
    Blocked {
        key: String,
        limit: u32,
        position: u64,
    },
    Timer {
        until: String,
    },
    Approval {
        node_id: String,
        approvers: Vec<String>,
    },
    Signal {
        node_id: String,
        name: String,
    },
    Children {
        node_id: String,
        open: u64,
        total: u64,
    },
    Funds {
        node_id: String,
        /// `step`, `run`, or the id of a budget.
        budget: String,
        /// Whose money it is, in words.
        scope: String,
        limit_usd: f64,
        spent_usd: f64,
        reserved_usd: f64,
        #[schema(required = true)]
        resets_at: Option<String>,
    },
    Resolutions {
        node_id: String,
        open: u64,
    },
    Paused {
        since: String,
    },
    StepLease {
        node_id: String,
        #[schema(required = true)]
        worker: Option<String>,
    },
    StepBlocked {
        node_id: String,
        key: String,
        limit: u32,
        position: u64,
    },
    Inbox,
    Recovering,
    Finished,
    None,
}

/// Says why a run stands where it stands.
#[utoipa::path(get, path = "/runs/{id}/why", operation_id = "get_run_reason", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, body = Why),
    (status = 404, body = ProblemBody<'_>),
))]
pub(crate) async fn show(State(app): State<App>, who: Principal, Ids(id): Ids<RunId>) -> Result<Json<Why>> {
    let (status, reason) = app.engine.why(who.workspace, id).await?;
    let message = reason.to_string();
    Ok(Json(Why { status: status.as_str(), reason: RunReason { message, fields: fields(reason) } }))
}

fn fields(reason: Reason) -> ReasonFields {
    match reason {
        Reason::Owned { worker, heartbeat_age_ms } => ReasonFields::Owned { worker, heartbeat_age_ms },
        Reason::Queued { position } => ReasonFields::Queued { position },
        Reason::Blocked { key, limit, position } => ReasonFields::Blocked { key, limit, position },
        Reason::Timer { until } => ReasonFields::Timer { until: iso(until) },
        Reason::Approval { node, approvers } => ReasonFields::Approval { node_id: node.to_string(), approvers },
        Reason::Signal { node, name } => ReasonFields::Signal { node_id: node.to_string(), name },
        Reason::Children { node, open, total } => ReasonFields::Children { node_id: node.to_string(), open, total },
        Reason::Funds { node, shortage } => ReasonFields::Funds {
            node_id: node.to_string(),
            budget: shortage.budget,
            scope: shortage.scope,
            limit_usd: shortage.limit.usd(),
            spent_usd: shortage.spent.usd(),
            reserved_usd: shortage.reserved.usd(),
            resets_at: shortage.resets_at.map(iso),
        },
        Reason::Resolutions { node, open } => ReasonFields::Resolutions { node_id: node.to_string(), open },
        Reason::Paused { since } => ReasonFields::Paused { since: iso(since) },
        Reason::StepLease { node, worker } => ReasonFields::StepLease { node_id: node.to_string(), worker },
        Reason::StepBlocked { node, key, limit, position } => {
            ReasonFields::StepBlocked { node_id: node.to_string(), key, limit, position }
        }
        Reason::Inbox => ReasonFields::Inbox,
        Reason::Recovering => ReasonFields::Recovering,
        Reason::Finished => ReasonFields::Finished,
        Reason::None => ReasonFields::None,
    }
}
