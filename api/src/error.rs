//! Errors as callers see them: RFC 9457 problems. One match turns the engine's errors into status codes.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flowforge_core::{Problem, Rejected};
use flowforge_engine::Error;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{codes, request_id};

/// The answers of handlers.
pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// A call that was not answered as asked.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    problems: Vec<Problem>,
    retry_after_s: Option<u64>,
}

impl ApiError {
    /// A problem with a stable code and a sentence for people: what happened, where, what to do.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(codes::is_explained(code), "`{code}` is not in codes.rs");
        Self { status, code, detail: detail.into(), problems: Vec::new(), retry_after_s: None }
    }

    /// The request is not acceptable.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Nobody has said who they are, or not convincingly.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "sign in, and send the access token as `Authorization: Bearer …`")
    }

    /// The person may not do this.
    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// There is no such thing, or it is another workspace's: the two look the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// The caller has asked too often.
    pub(crate) fn too_many(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail) }
    }

    /// The graph cannot be run, for these reasons.
    pub(crate) fn invalid_graph(problems: Vec<Problem>) -> Self {
        let first = problems.first().map(|problem| problem.message.as_str()).unwrap_or_default();
        let detail = match problems.len() {
            1 => format!("the graph has a problem: {first}"),
            count => format!("the graph has {count} problems; the first: {first}"),
        };
        Self { problems, ..Self::bad_request("invalid_graph", detail) }
    }

    /// Something failed here. The cause goes to the log; the caller gets the id to quote.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        let id = request_id::current();
        tracing::error!(request_id = id, "a request failed: {cause}");
        let detail = format!("something failed in the server; its log has the cause under the request id {id}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// What the status code is.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

impl From<Error> for ApiError {
    fn from(fault: Error) -> Self {
        match fault {
            Error::NotFound(what) => Self::not_found(what),
            Error::Expired { .. } => Self::new(StatusCode::GONE, "run_expired", fault.to_string()),
            Error::Conflict { code, message } => Self::new(StatusCode::CONFLICT, code, message),
            Error::Invalid(problems) => Self::invalid_graph(problems),
            Error::BadInput(detail) => Self::bad_request("invalid_input", detail),
            Error::Rejected(Rejected::Finished) => {
                Self::new(StatusCode::CONFLICT, "run_finished", Rejected::Finished.to_string())
            }
            Error::Rejected(reason @ Rejected::TooManySignals) => {
                Self::new(StatusCode::CONFLICT, "too_many_signals", reason.to_string())
            }
            Error::Rejected(reason) => Self::new(StatusCode::CONFLICT, "run_state", reason.to_string()),
            Error::Denied { code, message } => Self::new(StatusCode::FORBIDDEN, code, message),
            Error::Busy => Self {
                retry_after_s: Some(1),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too much is waiting already; try again in a second")
            },
            Error::Fenced | Error::Storage(_) | Error::Inconsistent { .. } => Self::internal(fault),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: format!("/docs#problem-{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            problems: &self.problems,
        };
        let mut response = (self.status, serde_json::to_vec(&body).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What went wrong, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where the kind of problem is explained.
    r#type: String,
    /// The status code in words.
    title: &'a str,
    /// The status code.
    status: u16,
    /// What happened, where, and what to do.
    detail: &'a str,
    /// A stable word for programs.
    code: &'a str,
    /// All that is wrong with a graph.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<GraphProblem>, required = false)]
    problems: &'a [Problem],
}

/// One thing that keeps a graph from being run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes `flowforge_core::Problem`, which knows nothing of OpenAPI")]
pub(crate) struct GraphProblem {
    /// A stable word, for example `cycle`.
    code: String,
    /// What is wrong, where, and what to do.
    message: String,
    /// The node it is about.
    node_id: Option<String>,
    /// The edge it is about, by its place in the document.
    edge: Option<usize>,
    /// The field of the node, for example `params.url`.
    field: Option<String>,
}
