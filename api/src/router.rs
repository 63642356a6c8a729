//! The table of all routes, and the layers around them.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, csrf::CsrfLayer};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        extensions::Extensions,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    assets,
    codes::CODES,
    config::given,
    error::{ApiError, GraphProblem},
    extract::BODY_LIMIT,
    request_id,
    routes::{
        approvals, auth, blobs, budgets, checkpoints, conflicts, deliveries, docs, events, health, hooks, node_types, reruns,
        runs, schedules, secrets, signals, steps, triggers, usage, versions, why, workflows, workspace,
    },
    security,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "FlowForge", description = "Durable workflows: save a graph, run it, watch it. Errors are RFC 9457 problems \
        with a stable `code`; lists are read with `limit` and `cursor`; times are RFC 3339 in UTC."),
    modifiers(&Bearer, &Problems),
    security(("bearer" = [])),
    components(schemas(GraphProblem, blobs::BlobReference, budgets::UsageTokens, runs::RunError)),
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// `/docs` explains the problems; OpenAPI has no place of its own for them.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let codes: Map<_, _> = CODES.iter().map(|(code, meaning)| ((*code).to_owned(), Value::from(*meaning))).collect();
        document.extensions = Some(Extensions::builder().add("x-problems", codes).build());
    }
}

/// Everything that speaks JSON.
fn table() -> OpenApiRouter<App> {
    let api = OpenApiRouter::new()
        .routes(routes!(auth::status))
        .routes(routes!(auth::setup))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::profile))
        .routes(routes!(workflows::list, workflows::create))
        .routes(routes!(workflows::validate))
        .routes(routes!(workflows::show, workflows::update, workflows::archive))
        .routes(routes!(workflows::publish))
        .routes(routes!(versions::list, versions::create))
        .routes(routes!(versions::show))
        .routes(routes!(runs::start))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::pause))
        .routes(routes!(runs::resume))
        .routes(routes!(reruns::rerun))
        .routes(routes!(reruns::plan))
        .routes(routes!(why::show))
        .routes(routes!(signals::send))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::decide))
        .routes(routes!(conflicts::list))
        .routes(routes!(conflicts::resolve))
        .routes(routes!(steps::list))
        .routes(routes!(steps::logs))
        .routes(routes!(blobs::show))
        .routes(routes!(checkpoints::list))
        .routes(routes!(checkpoints::diff))
        .routes(routes!(budgets::list, budgets::create))
        .routes(routes!(budgets::change, budgets::delete))
        .routes(routes!(budgets::top_ups, budgets::top_up))
        .routes(routes!(budgets::of_run, budgets::top_up_run))
        .routes(routes!(usage::show))
        .routes(routes!(events::stream))
        .routes(routes!(node_types::list))
        .routes(routes!(schedules::fires))
        .routes(routes!(schedules::preview))
        .routes(routes!(schedules::backfill))
        .routes(routes!(secrets::list, secrets::create))
        .routes(routes!(secrets::change, secrets::delete))
        .routes(routes!(triggers::list))
        .routes(routes!(triggers::show))
        .routes(routes!(triggers::pause))
        .routes(routes!(triggers::resume))
        .routes(routes!(triggers::rotate))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show))
        .routes(routes!(deliveries::replay))
        .routes(routes!(deliveries::release))
        .routes(routes!(deliveries::discard))
        .routes(routes!(workspace::show, workspace::update));
    OpenApiRouter::with_openapi(Document::openapi())
        .nest("/api/v1", api)
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// What the world calls: nobody is signed in there, and every page may send to it.
fn open_table() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(hooks::receive, hooks::receive_put))
        .routes(routes!(hooks::receive_test))
        .routes(routes!(hooks::receive_github))
}

/// The description of all routes.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    table().merge(open_table()).into_openapi()
}

/// The description of all routes, as it is served and kept in the repository.
pub(crate) fn document_json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| document().to_pretty_json().unwrap_or_default() + "\n");
    &JSON
}

/// Answers every request.
pub(crate) fn router(app: App) -> Router {
    let (table, _) = table().split_for_parts();
    let table =
        table.merge(docs::routes()).fallback(elsewhere).method_not_allowed_fallback(method_not_allowed).with_state(app.clone());
    guarded(table, given(&app.settings.public_url)).merge(open(app))
}

/// What lies around everything that people and programs call.
fn guarded(table: Router, public_url: Option<&str>) -> Router {
    let csrf = same_site(public_url).with_rejection_response(|_| cross_site());
    // One stack: a route is boxed, and cloned for each request, once and not once for each layer.
    table.layer(
        ServiceBuilder::new()
            .layer(from_fn(around))
            .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
            .layer(CompressionLayer::new())
            .layer(csrf)
            .layer(DefaultBodyLimit::max(BODY_LIMIT)),
    )
}

/// Answers whatever the world calls.
fn open(app: App) -> Router {
    let (table, _) = open_table().split_for_parts();
    exposed(table.method_not_allowed_fallback(method_not_allowed).with_state(app))
}

/// What lies around everything that the world calls.
fn exposed(table: Router) -> Router {
    let stack = ServiceBuilder::new()
        .layer(from_fn(around))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()));
    table.layer(from_fn(sandboxed)).layer(stack)
}

/// What a run answers may be a page; it is shown as one that belongs to nobody.
async fn sandboxed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    security::sandbox(&mut response);
    response
}

/// What every answer has, whatever made it.
async fn around(request: Request, next: Next) -> Response {
    let mut response = request_id::around(request, next).await;
    security::harden(&mut response);
    response
}

/// Pages and their files for everything that is not the API.
async fn elsewhere(State(_): State<App>, request: Request) -> Response {
    let path = request.uri().path();
    let api = ["/api", "/health", "/hooks", "/metrics"];
    if api.iter().any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))) {
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such route; /docs lists them").into_response();
    }
    assets::answer(request.method(), path, request.headers())
}

async fn method_not_allowed() -> ApiError {
    let detail = "the route does not know this method; /docs lists those it knows";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// A proxy may change the host, so pages from the public address are told from others by that address too.
fn same_site(public_url: Option<&str>) -> CsrfLayer {
    let public = public_url.map(|url| url.trim_end_matches('/'));
    match public.map(|url| CsrfLayer::new().add_trusted_origin(url)) {
        Some(Ok(layer)) => layer,
        Some(Err(fault)) => {
            tracing::warn!("--public-url is not the origin of pages, like https://forge.example.org: {fault}");
            CsrfLayer::new()
        }
        None => CsrfLayer::new(),
    }
}

/// Another site's page may not act in the name of whoever is signed in here.
fn cross_site() -> Response {
    ApiError::forbidden("cross_site_request", "the request comes from the page of another site").into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    /// L12: what a handler panics with may hold anything, and its caller is told where to look for it.
    #[tokio::test]
    async fn a_route_that_panics_tells_its_request_id_and_nothing_else() {
        let panicking = || {
            async fn breaks() -> &'static str {
                panic!("SELECT password FROM users WHERE email = '{}'", "ada@example.org")
            }
            let broken = get(breaks);
            Router::new().route("/broken", broken).route("/fine", get(|| async { "fine" }))
        };
        for router in [guarded(panicking(), None), exposed(panicking())] {
            let ask = |path: &str| Request::get(path).header(request_id::HEADER, "mine-42").body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(ask("/broken")).await.unwrap();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(answer.headers()[request_id::HEADER], "mine-42");
            let told = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            let told: Value = serde_json::from_slice(&told).unwrap();
            assert_eq!(told["code"], "internal");
            assert!(told["detail"].as_str().unwrap().contains("mine-42"), "{told}");
            for secret in ["SELECT", "ada@example.org", ".rs", "panicked at", "handler"] {
                assert!(!told.to_string().contains(secret), "{told}");
            }
            assert_eq!(router.oneshot(ask("/fine")).await.unwrap().status(), StatusCode::OK, "the next one is fine");
        }
    }
}
