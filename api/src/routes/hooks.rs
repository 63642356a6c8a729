//! Where the world calls: webhooks at addresses of their own, and GitHub. No session and no cookie means anything here.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use flowforge_core::trigger::{
    headers::Headers,
    webhook::{LARGEST_BODY, LONGEST_WAIT_S, Method as Taken},
};
use flowforge_engine::{Arrival, Door, NotTaken, Receipt};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    error::{ApiError, ProblemBody, Result},
    hooks::announced,
    routes::auth::ClientAddress,
};

/// What an answer of a run may not say: it is the server's to say, or would act on whoever is signed in here.
const NOT_ANSWERED: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_SECURITY_POLICY,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
];

/// What became of a delivery.
#[derive(Serialize, ToSchema)]
pub(crate) struct TakenDelivery {
    /// `dlv_…`: the first one when the same came before.
    delivery_id: String,
    /// `received`, `started`, `filtered`, `held`, …
    status: &'static str,
    /// The run that it starts, if it does.
    #[schema(required = true)]
    run_id: Option<String>,
}

/// What became of an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct TakenEvents {
    /// One for each trigger whose secret has signed it.
    deliveries: Vec<TakenDelivery>,
}

/// Takes what is sent to a trigger. It is on disk when this answers.
///
/// Any body is taken. A delivery that is sent again, as told by its id, gets the answer of the first one.
#[utoipa::path(post, path = "/hooks/{token}", operation_id = "receive_hook", tag = "hooks", security(()),
    params(("token" = String, Path), ("wait" = Option<u64>, Query, description = "answer as the run does, after so many seconds at the most")),
    request_body(content = Value, description = "anything; JSON, forms and texts are read", content_type = "application/json"),
    responses(
        (status = 202, description = "on disk; with an answer of the run, that instead", body = TakenDelivery),
        (status = 400, description = "the body is not what it is said to be", body = ProblemBody<'_>),
        (status = 401, description = "the signature or password is not right, or too old", body = ProblemBody<'_>),
        (status = 404, description = "no active trigger has this address", body = ProblemBody<'_>),
        (status = 408, body = ProblemBody<'_>),
        (status = 409, description = "the id came before with another body", body = ProblemBody<'_>),
        (status = 413, body = ProblemBody<'_>),
        (status = 415, description = "packed in a way that is not taken", body = ProblemBody<'_>),
        (status = 429, description = "more than the trigger takes in a minute, or too much is held back", body = ProblemBody<'_>),
        (status = 503, description = "the trigger's secret is missing, or too much is waiting", body = ProblemBody<'_>),
        (status = 508, description = "the workflow calls itself", body = ProblemBody<'_>),
    ))]
pub(crate) async fn receive(
    State(app): State<App>,
    Path(token): Path<String>,
    address: ClientAddress,
    request: Request,
) -> Result<Response> {
    take(&app, &token, false, address, request).await
}

/// The same with `PUT`, for triggers that take it.
#[utoipa::path(put, path = "/hooks/{token}", operation_id = "receive_hook_put", tag = "hooks", security(()),
    params(("token" = String, Path)), request_body(content = Value, content_type = "application/json"),
    responses((status = 202, body = TakenDelivery), (status = 404, body = ProblemBody<'_>), (status = 405, body = ProblemBody<'_>)))]
pub(crate) async fn receive_put(
    State(app): State<App>,
    Path(token): Path<String>,
    address: ClientAddress,
    request: Request,
) -> Result<Response> {
    take(&app, &token, false, address, request).await
}

/// Takes what is sent to a trigger of the version that was saved last, published or not.
#[utoipa::path(post, path = "/hooks/{token}/test", operation_id = "receive_test_hook", tag = "hooks", security(()),
    params(("token" = String, Path)), request_body(content = Value, content_type = "application/json"),
    responses((status = 202, body = TakenDelivery), (status = 404, body = ProblemBody<'_>)))]
pub(crate) async fn receive_test(
    State(app): State<App>,
    Path(token): Path<String>,
    address: ClientAddress,
    request: Request,
) -> Result<Response> {
    take(&app, &token, true, address, request).await
}

/// Takes an event of GitHub for every active `trigger.github` whose secret has signed it.
#[utoipa::path(post, path = "/api/v1/webhooks/github", operation_id = "receive_github", tag = "hooks", security(()),
    params(("X-GitHub-Event" = String, Header), ("X-GitHub-Delivery" = String, Header), ("X-Hub-Signature-256" = String, Header)),
    request_body(content = Value, content_type = "application/json"),
    responses(
        (status = 202, body = TakenEvents),
        (status = 200, description = "a ping", body = TakenEvents),
        (status = 401, description = "no trigger's secret has signed it", body = ProblemBody<'_>),
        (status = 429, description = "too much came from this address that no secret has signed", body = ProblemBody<'_>),
    ))]
pub(crate) async fn receive_github(State(app): State<App>, address: ClientAddress, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let head = head(&parts, address);
    app.engine.refuse_unless_github_is_heard(&head).await?;
    let (body, _room) = app.hooks.read(&parts.headers, body, LARGEST_BODY).await?;
    let is_ping = head.headers.get("x-github-event") == Some("ping");
    let receipts = app.engine.receive_from_github(Arrival { body, ..head }).await?;
    let deliveries = receipts.iter().map(taken).collect();
    let status = if is_ping { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(TakenEvents { deliveries })).into_response())
}

async fn take(app: &App, token: &str, is_test: bool, address: ClientAddress, request: Request) -> Result<Response> {
    let door = app.engine.door(token, is_test).await?;
    let door = door.ok_or_else(|| ApiError::not_found("trigger, or it does not answer"))?;
    let (parts, body) = request.into_parts();
    let head = head(&parts, address);
    match read(app, &door, &parts, body, head.method).await {
        Ok((body, room)) => {
            let receipt = Box::pin(app.engine.receive(&door, Arrival { body, ..head })).await?;
            drop(room);
            answer(app, receipt, wait(&door, parts.uri.query())).await
        }
        Err(why) => {
            let size = announced(&parts.headers).ok().flatten().unwrap_or_default();
            app.engine.refuse(&door, &head, size, &why).await;
            Err(why.into())
        }
    }
}

async fn read<'a>(
    app: &'a App,
    door: &Door,
    parts: &Parts,
    body: Body,
    method: Taken,
) -> Result<(bytes::Bytes, tokio::sync::SemaphorePermit<'a>), NotTaken> {
    if !door.takes(method) {
        return Err(NotTaken::Method);
    }
    app.hooks.read(&parts.headers, body, door.max_body_bytes()).await
}

/// What is known before the body has come.
fn head(parts: &Parts, ClientAddress(address): ClientAddress) -> Arrival {
    Arrival {
        method: if parts.method == Method::PUT { Taken::Put } else { Taken::Post },
        headers: headers(&parts.headers),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: bytes::Bytes::new(),
        remote_addr: Some(address.to_string()),
    }
}

fn headers(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// How long the caller waits for the run's own answer: as the trigger's author says, or as it asks itself.
fn wait(door: &Door, query: Option<&str>) -> Duration {
    let asked = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("wait=")?.parse::<u32>().ok());
    let seconds = asked.or_else(|| door.wait_s()).unwrap_or_default();
    Duration::from_secs(seconds.min(LONGEST_WAIT_S).into())
}

async fn answer(app: &App, mut receipt: Receipt, wait: Duration) -> Result<Response> {
    if let Some(challenge) = receipt.challenge.take() {
        return Ok(Json(serde_json::json!({ "challenge": challenge })).into_response());
    }
    let taken = taken(&receipt);
    let (delivery, run) = (taken.delivery_id.clone(), taken.run_id.clone());
    let place = (!wait.is_zero() && run.is_some()).then(|| app.hooks.place()).flatten();
    let answered = match place {
        Some(_place) => tokio::select! {
            answered = app.engine.response(receipt, wait) => answered?,
            () = app.closing.cancelled() => None,
        },
        None => None,
    };
    let mut response = match answered {
        Some(answered) => of_run(&answered),
        None => (StatusCode::ACCEPTED, Json(taken)).into_response(),
    };
    for (name, value) in [("flowforge-delivery", Some(delivery)), ("flowforge-run", run)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

fn taken(receipt: &Receipt) -> TakenDelivery {
    TakenDelivery {
        delivery_id: receipt.delivery.to_string(),
        status: receipt.status.as_str(),
        run_id: receipt.run.map(|run| run.to_string()),
    }
}

/// What a `respond` node has said.
fn of_run(answered: &Value) -> Response {
    let status = answered["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status =
        status.filter(|status| *status >= 200).and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut response = match &answered["body"] {
        Value::Null => status.into_response(),
        Value::String(text) => (status, text.clone()).into_response(),
        body => (status, Json(body)).into_response(),
    };
    for (name, value) in answered["headers"].as_object().into_iter().flatten() {
        let (name, value) =
            (HeaderName::try_from(name.as_str()), value.as_str().and_then(|value| HeaderValue::try_from(value).ok()));
        if let (Ok(name), Some(value)) = (name, value)
            && !NOT_ANSWERED.contains(&name)
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl From<NotTaken> for ApiError {
    fn from(why: NotTaken) -> Self {
        let of = |status: StatusCode, code| Self::new(status, code, why.to_string());
        match why {
            NotTaken::Unproven(_) => of(StatusCode::UNAUTHORIZED, "invalid_signature"),
            // The name of a secret is nothing for strangers.
            NotTaken::NoSecret(_) => {
                let detail = "the trigger is not set up to its end; its deliveries say what is missing";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "trigger_unready", detail)
            }
            NotTaken::Method => of(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            NotTaken::TooLarge { .. } => of(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            NotTaken::TooSlow { .. } => of(StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            NotTaken::Coding(_) => of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
            NotTaken::Unreadable(_) | NotTaken::NoId(_) => of(StatusCode::BAD_REQUEST, "invalid_delivery"),
            NotTaken::OtherBody { .. } => of(StatusCode::CONFLICT, "delivery_conflict"),
            NotTaken::Full { .. } => of(StatusCode::TOO_MANY_REQUESTS, "too_many_held"),
            NotTaken::TooMany { retry_after_s } | NotTaken::Guessing { retry_after_s } => {
                Self::too_many(why.to_string(), retry_after_s)
            }
            NotTaken::Loop => of(StatusCode::LOOP_DETECTED, "loop"),
            NotTaken::Fault(fault) => fault.into(),
        }
    }
}
