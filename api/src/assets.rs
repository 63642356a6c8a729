//! The web app, which is inside the program.

use std::fmt::Write;

use axum::{
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../frontend/dist"]
#[allow_missing = true]
struct WebApp;

const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>FlowForge</title>\
    <p>This server was built without its web app. Build both with <code>make build</code>; the API is described in \
    <a href=\"/docs\">/docs</a>.</p></html>";

/// Files whose names change with their content: browsers need not ask again.
const HASHED: &str = "assets/";

/// The file at a path; the page itself for every path that is the web app's own.
pub(crate) fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let detail = "pages are only read";
        return ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response();
    }
    let path = path.trim_start_matches('/');
    match WebApp::get(path) {
        Some(found) if path.starts_with(HASHED) => file(found, "public, max-age=31536000, immutable", headers),
        Some(found) => file(found, "no-cache", headers),
        None if path.starts_with(HASHED) => ApiError::not_found("file").into_response(),
        None => page(headers),
    }
}

fn page(headers: &HeaderMap) -> Response {
    match WebApp::get("index.html") {
        Some(found) => file(found, "no-cache", headers),
        None => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], MISSING).into_response(),
    }
}

fn file(found: EmbeddedFile, cache: &'static str, headers: &HeaderMap) -> Response {
    let hash = found.metadata.sha256_hash().iter().take(16).fold(String::new(), |mut hash, byte| {
        // Writing to a string does not fail.
        write!(hash, "{byte:02x}").ok();
        hash
    });
    let tag = format!("\"{hash}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| tags.contains(&tag));
    let about =
        [(header::CONTENT_TYPE, kind(found.metadata.mimetype())), (header::CACHE_CONTROL, cache.to_owned()), (header::ETAG, tag)];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, found.data).into_response()
}

/// Our texts are all UTF-8; browsers guess otherwise when they are not told.
fn kind(mime: &str) -> String {
    let text = mime.starts_with("text/") || mime.ends_with("javascript") || mime.ends_with("json");
    if text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}
