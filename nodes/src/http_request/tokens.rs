//! Tokens of OAuth 2.0 client credentials (RFC 6749, 4.4): fetched once, used by all steps until they expire.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use flowforge_core::{
    WorkspaceId,
    node::{Context, NodeError},
};
use futures::FutureExt;
use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderValue},
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Sleep;

use super::{
    answer::wait_asked_for,
    auth::{ClientCredentials, CredentialsIn, basic},
    request::{add, address},
};
use crate::egress::{Call, Egress, body, shown};

/// The largest answer that is read for a token.
const LARGEST_ANSWER: usize = 64 << 10;
/// How long a token is used when its server does not say.
const USUAL_LIFE: Duration = Duration::from_secs(300);
/// The longest a token is used.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);
/// A token is not used any more so long before its end, or for the last tenth of a short life: calls take time.
const MARGIN: Duration = Duration::from_secs(30);
/// How many tokens are kept.
const MOST: usize = 256;

/// What a token belongs to. The secret is part of it: a token is for those who know the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    workspace: WorkspaceId,
    token_url: String,
    client_id: String,
    scope: Option<String>,
    audience: Option<String>,
    secret: [u8; 32],
    credentials_in: CredentialsIn,
}

/// A way to a token.
pub(super) struct Grant {
    key: Key,
    ask: Call,
}

impl Grant {
    /// From what an author gave. Asking for a token is a call of the same step: the same limits hold.
    pub(super) fn new(credentials: &ClientCredentials, call: &Call, cx: &Context) -> Result<Self, NodeError> {
        let ClientCredentials { token_url, client_id, client_secret, scope, audience, credentials_in } = credentials;
        let url = address("token_url", token_url)?;
        // Also where a token is at hand already.
        cx.check_secret_host(url.host_str().unwrap_or_default())?;
        let key = Key {
            workspace: cx.workspace,
            token_url: url.to_string(),
            client_id: client_id.0.clone(),
            scope: scope.as_ref().map(|scope| scope.0.clone()),
            audience: audience.as_ref().map(|audience| audience.0.clone()),
            secret: Sha256::digest(client_secret.as_bytes()).into(),
            credentials_in: *credentials_in,
        };
        Ok(Self { ask: ask(url, credentials, call, cx)?, key })
    }
}

fn ask(url: Url, credentials: &ClientCredentials, call: &Call, cx: &Context) -> Result<Call, NodeError> {
    let ClientCredentials { client_id, client_secret, scope, audience, credentials_in, .. } = credentials;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    for (name, value) in [("scope", scope), ("audience", audience)] {
        if let Some(value) = value {
            form.append_pair(name, value);
        }
    }
    let mut ask = Call::new(cx, Method::POST, url);
    match credentials_in {
        CredentialsIn::Header => add(&mut ask.headers, "authorization", &basic(&encoded(client_id), &encoded(client_secret)))?,
        CredentialsIn::Body => {
            form.append_pair("client_id", client_id).append_pair("client_secret", client_secret);
        }
    }
    ask.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    ask.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    ask.body = form.finish().into();
    // What a redirect would lead to is nobody that the author has named.
    ask.redirects = 0;
    (ask.connect, ask.idle) = (call.connect, call.idle);
    Ok(ask)
}

/// RFC 6749, 2.3.1: both parts are written as in a form before they are joined.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A token as it is sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(HeaderValue);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// The call with this token.
    pub(super) fn sign(&self, call: &Call) -> Call {
        let mut call = call.clone();
        call.headers.insert(header::AUTHORIZATION, self.0.clone());
        call
    }
}

/// A token and the time at which it is over.
#[derive(Debug)]
struct Kept {
    token: Token,
    over: Pin<Box<Sleep>>,
}

impl Kept {
    fn new(token: Token, life: Duration) -> Self {
        let mut kept = Self { token, over: Box::pin(tokio::time::sleep(life)) };
        // A timer runs from the first look at it.
        kept.is_over();
        kept
    }

    fn is_over(&mut self) -> bool {
        self.over.as_mut().now_or_never().is_some()
    }
}

/// Whoever holds it fetches the token; others wait for what comes.
type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// The tokens of this process.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<Key, Place>>);

impl Tokens {
    /// A token that is not over, fetched when there is none.
    pub(super) async fn get(&self, egress: &Egress, grant: &Grant) -> Result<Token, NodeError> {
        let place = self.place(&grant.key);
        let mut place = place.lock().await;
        if let Some(kept) = &mut *place
            && !kept.is_over()
        {
            return Ok(kept.token.clone());
        }
        *place = None;
        let (token, life) = fetch(egress, grant).await?;
        *place = Some(Kept::new(token.clone(), life)).filter(|_| !life.is_zero());
        Ok(token)
    }

    /// Forgets a token that was refused, unless another one has taken its place.
    pub(super) async fn forget(&self, grant: &Grant, token: &Token) {
        let place = self.place(&grant.key);
        let mut place = place.lock().await;
        if place.as_ref().is_some_and(|kept| kept.token == *token) {
            *place = None;
        }
    }

    fn place(&self, key: &Key) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST && !places.contains_key(key) {
            // All are fetched again sooner or later; those that are in use stay with who uses them.
            places.clear();
        }
        places.entry(key.clone()).or_default().clone()
    }
}

/// What a token's server answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
}

async fn fetch(egress: &Egress, grant: &Grant) -> Result<(Token, Duration), NodeError> {
    let at = shown(&grant.ask.url);
    let answer = egress.call(grant.ask.clone()).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = body(answer, LARGEST_ANSWER, grant.ask.idle).await?;
    if !status.is_success() {
        let fault = refused(&at, status, &bytes);
        return Err(match wait_asked_for(&headers) {
            Some(wait) if fault.retryable => fault.after(wait),
            _ => fault,
        });
    }
    let odd = |why: &str| NodeError::fatal("OAUTH2_FAILED", format!("{at} answered no token that can be used: {why}"));
    // What it answered may hold a token, so it is not shown.
    let granted: Granted = serde_json::from_slice(&bytes).map_err(|_| odd("it is not JSON with an `access_token`"))?;
    if granted.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(odd("its type is not `Bearer`"));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", granted.access_token)).map_err(|_| odd("it is no text"))?;
    value.set_sensitive(true);
    Ok((Token(value), life(granted.expires_in)))
}

fn life(expires_in: Option<f64>) -> Duration {
    let told = expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let life = told.unwrap_or(USUAL_LIFE).min(LONGEST_LIFE);
    life.saturating_sub(MARGIN.min(life / 10))
}

fn refused(at: &str, status: StatusCode, bytes: &[u8]) -> NodeError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        error: Option<String>,
        error_description: Option<String>,
    }
    let Refusal { error, error_description } = serde_json::from_slice(bytes).unwrap_or_default();
    let why = [error.clone(), error_description].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let message = format!("{at} answered {status} when it was asked for a token{}{why}", if why.is_empty() { "" } else { ": " });
    let passes = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    let fault = if passes { NodeError::retry("OAUTH2_FAILED", message) } else { NodeError::fatal("OAUTH2_FAILED", message) };
    fault.with_details(json!({"status": status.as_u16(), "error": error}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_up_before_its_end() {
        for (told, seconds) in [(Some(3600.0), 3570), (Some(100.0), 90), (None, 270), (Some(1e300), 270), (Some(1e9), 86_370)] {
            assert_eq!(life(told), Duration::from_secs(seconds), "{told:?}");
        }
        assert_eq!((life(Some(0.0)), life(Some(-5.0))), (Duration::ZERO, Duration::from_secs(270)));
    }
}
