//! Values that are too large to stand where they belong: a reference is shown there, and the whole is read here.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use flowforge_core::RunId;
use futures::StreamExt;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::principal::Principal,
    error::{ProblemBody, Result},
    extract::Ids,
};

/// What stands in the place of a value of more than 256 KiB.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what the engine writes")]
pub(crate) struct BlobReference {
    /// What to ask for.
    #[schema(rename = "$blob")]
    blob: String,
    /// How many bytes the value has as JSON.
    size: u64,
    /// The hash of these bytes, in hex.
    sha256: String,
    /// How they begin.
    preview: String,
}

/// Which value of which run.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    id: RunId,
    key: String,
}

/// Shows a large value: the JSON that a reference stands for. The key is percent-encoded, its slashes too. What the value holds may
/// be references again.
#[utoipa::path(get, path = "/runs/{id}/blobs/{key}", operation_id = "get_blob", tag = "runs",
    params(("id" = String, Path), ("key" = String, Path, description = "`$blob` of the reference")),
    responses(
        (status = 200, description = "the whole value", body = Value, content_type = "application/json"),
        (status = 404, body = ProblemBody<'_>),
        (status = 410, description = "`run_expired`: the workspace no longer keeps runs of that time", body = ProblemBody<'_>),
    ))]
pub(crate) async fn show(State(app): State<App>, who: Principal, Ids(Place { id, key }): Ids<Place>) -> Result<Response> {
    let found = app.engine.blob(who.workspace, id, &key).await?;
    // A value that breaks off is told by its length.
    let tell = move |fault: &flowforge_engine::Error| tracing::warn!(key, "a value breaks off: {fault}");
    let mut response = Body::from_stream(found.bytes.map(move |bytes| bytes.inspect_err(&tell))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, found.size.into());
    Ok(response)
}
