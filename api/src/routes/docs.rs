//! The documentation for people, drawn by the browser from the OpenAPI document. Nothing comes from elsewhere.

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{app::App, router};

/// The page and what it loads.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/docs", get(|| file("text/html; charset=utf-8", include_str!("../docs/index.html"))))
        .route("/docs/docs.js", get(|| file("text/javascript; charset=utf-8", include_str!("../docs/docs.js"))))
        .route("/docs/docs.css", get(|| file("text/css; charset=utf-8", include_str!("../docs/docs.css"))))
        .route("/api/v1/openapi.json", get(|| file("application/json", router::document_json())))
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
