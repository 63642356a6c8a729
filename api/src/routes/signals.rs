//! Signals: what a run is told from outside.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use flowforge_core::RunId;
use serde_json::Value;

use crate::{
    app::App,
    auth::principal::Editor,
    error::{ApiError, ProblemBody, Result},
    extract::{Ids, Raw, parse},
    routes::runs::{Run, with_name},
};

/// The largest payload.
const PAYLOAD_MAX: usize = 256 << 10;
/// The longest name.
const NAME_MAX: usize = 64;

/// Sends a signal to a run. The first step that waits for its name takes it; until one does, it is kept.
///
/// The body is the payload: any JSON, or nothing for null. Each call sends one signal.
#[utoipa::path(post, path = "/runs/{id}/signals/{name}", operation_id = "send_signal", tag = "runs",
    params(("id" = String, Path), ("name" = String, Path, description = "1 to 64 letters, digits, `.`, `_` or `-`")),
    request_body = Option<Value>,
    responses(
        (status = 202, description = "the signal is on disk", body = Run),
        (status = 400, description = "not a name", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
        (status = 409, description = "the run has ended (`run_finished`), or keeps 100 signals already (`too_many_signals`)",
            body = ProblemBody<'_>),
        (status = 413, description = "the payload is larger than 256 KiB", body = ProblemBody<'_>),
    ))]
pub(crate) async fn send(
    State(app): State<App>,
    Editor(who): Editor,
    Ids((id, name)): Ids<(RunId, String)>,
    Raw(body): Raw,
) -> Result<Response> {
    check_name(&name)?;
    if body.len() > PAYLOAD_MAX {
        let detail = format!("the payload is larger than {} KiB", PAYLOAD_MAX >> 10);
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
    }
    let payload: Value = if body.is_empty() { Value::Null } else { parse(&body)? };
    let record = app.engine.signal(who.workspace, id, &name, payload).await?;
    Ok((StatusCode::ACCEPTED, with_name(&app, record).await?).into_response())
}

fn check_name(name: &str) -> Result<()> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_allowed) {
        return Ok(());
    }
    let detail = format!("the name of a signal is 1 to {NAME_MAX} letters, digits, `.`, `_` or `-`");
    Err(ApiError::bad_request("invalid_name", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        let longest = "x".repeat(NAME_MAX);
        for name in ["go", "payment.received", "a_b-c.9", &longest] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "a\0", &format!("{longest}x")] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
