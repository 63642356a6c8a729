//! What handlers take from a request, each refusal a clear problem.

use std::time::Duration;

use axum::{
    RequestExt,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
};
use flowforge_engine::PageRequest;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use uuid::Uuid;

use crate::error::{ApiError, Result};

/// The largest body that is read.
pub(crate) const BODY_LIMIT: usize = 25 << 20;

/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(60);

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let bytes = Raw::from_request(request, &()).await?.0;
        refuse_zero(&bytes)?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body as it came, for handlers that hash it; empty when there was none.
#[derive(Debug)]
pub(crate) struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        refuse_announced_size(&request)?;
        let is_json = is_json(&request);
        let bytes: Bytes = timeout(BODY_TIME, request.extract()).await.map_err(|_| too_slow())?.map_err(unreadable)?;
        if is_json || bytes.is_empty() {
            return Ok(Self(bytes));
        }
        let detail = "send the body as JSON, with `Content-Type: application/json`";
        Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
    }
}

/// Before a byte is read: who says that too much will come is believed.
fn refuse_announced_size(request: &Request) -> Result<()> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_LIMIT as u64) { Err(too_large()) } else { Ok(()) }
}

fn is_json(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
}

fn unreadable(fault: BytesRejection) -> ApiError {
    if fault.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    ApiError::bad_request("unreadable_body", "the body broke off before its end")
}

fn too_slow() -> ApiError {
    let detail = format!("the body did not come within {} s", BODY_TIME.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}

fn too_large() -> ApiError {
    let detail = format!("the body is larger than {} MB", BODY_LIMIT >> 20);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// Reads JSON. Nesting deeper than 128 and numbers that no JSON number type holds are refused by the parser.
///
/// # Errors
/// When the text is not JSON or not of the expected shape.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|fault| match fault.classify() {
        serde_json::error::Category::Data => ApiError::bad_request("invalid_body", format!("the body does not fit: {fault}")),
        _ => ApiError::bad_request("invalid_json", format!("the body is not JSON that can be read: {fault}")),
    })
}

/// PostgreSQL keeps no U+0000 in a text; it is refused for everything but the input of a run, which may be any JSON.
fn refuse_zero(json: &[u8]) -> Result<()> {
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate() {
        if escaped && json[at..].starts_with(b"u0000") {
            return Err(ApiError::bad_request("invalid_character", r"the body holds the character U+0000 (`\u0000`); remove it"));
        }
        escaped = *byte == b'\\' && !escaped;
    }
    Ok(())
}

/// The ids in a path. What is not an id is not found, like an id that nobody has.
#[derive(Debug)]
pub(crate) struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Ids<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(ids)| Self(ids)).map_err(|_| ApiError::not_found("thing; the id in the path is not well formed"))
    }
}

/// The parameters after the `?`.
#[derive(Debug)]
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|fault| ApiError::bad_request("invalid_parameter", fault.body_text()))
    }
}

/// The part of a list that `?limit=&cursor=` asks for.
///
/// # Errors
/// When the limit is out of bounds or the cursor is none that a list has given out.
pub(crate) fn page(limit: Option<u64>, cursor: Option<&str>) -> Result<PageRequest> {
    let limit = limit_up_to(limit, PageRequest::DEFAULT, PageRequest::MAX)?;
    let before = cursor.map(Uuid::try_parse).transpose();
    let before = before.map_err(|_| ApiError::bad_request("invalid_parameter", "`cursor` is not the `next_cursor` of a list"))?;
    Ok(PageRequest { limit, before })
}

/// A `?limit=`, or its default.
///
/// # Errors
/// When it is 0 or too large.
pub(crate) fn limit_up_to(limit: Option<u64>, default: u64, max: u64) -> Result<u64> {
    match limit.unwrap_or(default) {
        limit if (1..=max).contains(&limit) => Ok(limit),
        _ => Err(ApiError::bad_request("invalid_parameter", format!("`limit` must be between 1 and {max}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, code: Option<&str>) {
        let parsed = refuse_zero(json.as_bytes()).and_then(|()| parse::<serde_json::Value>(json.as_bytes()));
        assert_eq!(parsed.as_ref().err().map(ApiError::code), code, "{json:.60}");
    }

    #[test]
    fn json_that_cannot_be_kept_is_refused() {
        check(r#"{"a": "b\u0000c"}"#, Some("invalid_character"));
        check(r#"{"a": "b\\\u0000c"}"#, Some("invalid_character"));
        check(r#"{"a": "\ud800"}"#, Some("invalid_json"));
        check(r#"{"a": 1e999}"#, Some("invalid_json"));
        check(&"[".repeat(100_000), Some("invalid_json"));
        check("{", Some("invalid_json"));
    }

    #[test]
    fn json_that_looks_like_it_is_accepted() {
        check(r#"{"a": "b\\u0000c", "u0000": "\u00000x"}"#, Some("invalid_character"));
        check(r#"{"a": "b\\u0000c", "u0000": "\u0001"}"#, None);
        check(&format!("{}{}", "[".repeat(100), "]".repeat(100)), None);
    }

    #[test]
    fn pages_have_bounds() {
        assert!(page(Some(0), None).is_err());
        assert!(page(Some(201), None).is_err());
        assert!(page(None, Some("nonsense")).is_err());
        assert_eq!(page(None, None).ok(), Some(PageRequest::default()));
    }
}
