//! Calls a web address.

mod answer;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome};
use reqwest::{
    Method, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    egress::{Call, Egress},
    params::{Text, invalid, optional, or_default},
    services::Services,
};

/// How long a call may take when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 30.0;
/// What the connection decides by itself.
const NOT_YOURS: [HeaderName; 5] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];

/// What to call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// What to do there.
    #[serde(default, deserialize_with = "or_default")]
    method: Verb,
    /// The address, with `https://` or `http://`.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "https://example.org/api/orders"))]
    url: String,
    /// Added to the address, percent-encoded.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    query: BTreeMap<String, Text>,
    /// Sent along. `Idempotency-Key` is set to the step's key unless you set it.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    headers: BTreeMap<String, Text>,
    /// A text is sent as it is, anything else as JSON.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "json"))]
    body: Option<Value>,
    /// How to sign in there. It is not sent on when the answer redirects to another host.
    #[serde(default, deserialize_with = "optional")]
    auth: Option<Auth>,
    /// The longest the call may take, its redirects and its whole answer included, in seconds; 30 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 3600))]
    timeout_s: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

/// How to sign in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "scheme", rename_all = "lowercase", deny_unknown_fields)]
enum Auth {
    /// User and password.
    Basic {
        /// The user.
        user: Text,
        /// The password, best as `{{ secrets.NAME }}`.
        #[schemars(extend("x-widget" = "secret"))]
        password: Text,
    },
    /// A token in `Authorization`.
    Bearer {
        /// The token, best as `{{ secrets.NAME }}`.
        #[schemars(extend("x-widget" = "secret"))]
        token: Text,
    },
    /// A header of your choice.
    Header {
        /// The header's name.
        name: Text,
        /// Its value, best as `{{ secrets.NAME }}`.
        #[schemars(extend("x-widget" = "secret"))]
        value: Text,
    },
}

/// The node.
pub(crate) struct HttpRequest {
    egress: Arc<Egress>,
}

impl HttpRequest {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress() }
    }
}

impl Node for HttpRequest {
    const SPEC: NodeSpec = NodeSpec {
        kind: "http.request",
        title: "HTTP request",
        description: "Calls a web address and puts out what it answers.",
        group: Group::Effects,
        icon: "world",
        timeout_s: 300,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let limit = Duration::try_from_secs_f64(seconds).map_err(|_| invalid(format!("`timeout_s` cannot be {seconds}")))?;
        let call = call(params, cx)?;
        let shown = crate::egress::shown(&call.url);
        let exchange = async { answer::read(self.egress.call(call).await?).await };
        let late = |_| NodeError::retry("HTTP_TIMEOUT", format!("{shown} did not answer within {seconds} seconds"));
        timeout(limit, exchange).await.map_err(late)?.map(Outcome::done)
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "status": {"type": "integer"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"description": "JSON when the answer is JSON, else text, else base64 with `encoding` saying so."},
            "encoding": {"const": "base64"}}})
    }
}

fn call(params: Params, cx: &Context) -> Result<Call, NodeError> {
    let mut url = Url::parse(&params.url).map_err(|fault| invalid(format!("`url` is not an address: {fault}")))?;
    if !params.query.is_empty() {
        url.query_pairs_mut().extend_pairs(params.query.iter().map(|(name, value)| (name, &**value)));
    }
    let mut headers = HeaderMap::new();
    add(&mut headers, "idempotency-key", &cx.effect_key)?;
    let body = body(params.body, &mut headers);
    for (name, value) in &params.headers {
        add(&mut headers, name, value)?;
    }
    sign_in(&mut headers, params.auth.as_ref())?;
    Ok(Call { method: method(params.method), url, headers, body })
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
        Verb::Head => Method::HEAD,
        Verb::Options => Method::OPTIONS,
    }
}

fn body(body: Option<Value>, headers: &mut HeaderMap) -> Bytes {
    match body {
        None => Bytes::new(),
        Some(Value::String(text)) => text.into(),
        Some(json) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            json.to_string().into()
        }
    }
}

fn sign_in(headers: &mut HeaderMap, auth: Option<&Auth>) -> Result<(), NodeError> {
    match auth {
        None => Ok(()),
        Some(Auth::Basic { user, password }) => {
            let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
            add(headers, "authorization", &format!("Basic {encoded}"))
        }
        Some(Auth::Bearer { token }) => add(headers, "authorization", &format!("Bearer {token}")),
        Some(Auth::Header { name, value }) => add(headers, name, value),
    }
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), NodeError> {
    let (name, value) = header(name, value)?;
    headers.insert(name, value);
    Ok(())
}

/// A header that an author may set.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), NodeError> {
    let name: HeaderName = name.parse().map_err(|_| invalid(format!("`{}` is not a header's name", name.escape_debug())))?;
    if NOT_YOURS.contains(&name) {
        return Err(invalid(format!("the header `{name}` is set by the connection; remove it")));
    }
    // The value may be a secret, so it is not shown.
    let value = HeaderValue::from_str(value)
        .map_err(|_| invalid(format!("the value of the header `{name}` holds a control character")))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests;
