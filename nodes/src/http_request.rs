//! Calls a web address.

mod answer;
mod auth;
mod links;
mod pagination;
mod payload;
mod places;
mod request;
mod statuses;
mod tokens;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flowforge_core::{
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome},
    params::ParamsProblem,
};
use reqwest::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

pub(crate) use self::request::header;
use self::{
    answer::{Answered, Form, Reading},
    auth::Auth,
    pagination::Pagination,
    payload::Payload,
    request::{Texts, Verb},
    statuses::StatusPattern,
    tokens::{Grant, Tokens},
};
use crate::{
    egress::{Call, Egress, shown},
    params::{Text, duration, optional, or_default},
    services::Services,
};

/// How long a call may take when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 30.0;
/// The largest answer that is read when its author does not say: 10 MiB.
const USUAL_BYTES: usize = 10 << 20;
/// The largest answer that can be asked for: 32 MiB, so that it can be recorded in base64.
const MOST_BYTES: usize = 32 << 20;

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
    /// Added to the address, percent-encoded. A list of texts is added once for each.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    query: BTreeMap<String, Texts>,
    /// Sent along. `Idempotency-Key` is set to the step's key unless you set it.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    headers: BTreeMap<String, Text>,
    /// A text is sent as it is, anything else as JSON. For forms and files use `payload`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "json"))]
    body: Option<Value>,
    /// What to send instead of `body`: a form, files, bytes, or a text of a certain type.
    #[serde(default, deserialize_with = "optional")]
    payload: Option<Payload>,
    /// How to sign in there. It is not sent on when the answer redirects to another host.
    #[serde(default, deserialize_with = "optional")]
    auth: Option<Auth>,
    /// Goes through the pages of a list; the output's `body` is then the list of all items.
    #[serde(default, deserialize_with = "optional")]
    pagination: Option<Pagination>,
    /// How the answer is read; by its type when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(title = "Read the answer as")]
    response_as: Option<Form>,
    /// The largest answer that is accepted, in bytes after decompression, all pages together; 10485760 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = MOST_BYTES), extend("x-placeholder" = "10485760"))]
    max_bytes: Option<usize>,
    /// Statuses that are no failure, such as `200`, `2xx` or `200-299`; everything below 400 when absent.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(title = "OK statuses", extend("x-widget" = "tags"))]
    ok_statuses: Vec<StatusPattern>,
    /// Statuses after which the step's retries make another attempt, no sooner than `Retry-After` asks for (one hour at most);
    /// 408, 425, 429 and 5xx when absent. One that is named here is a failure unless `ok_statuses` names it too.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "tags"))]
    retry_statuses: Vec<StatusPattern>,
    /// Whether redirects are followed; yes when absent. An answer that redirects is the answer otherwise.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("default" = true))]
    follow_redirects: Option<bool>,
    /// How many redirects are followed; 10 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 20), extend("x-placeholder" = "10"))]
    max_redirects: Option<u32>,
    /// The longest a call may take, its redirects and its whole answer included, in seconds; 30 when absent. Each page is a call.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 3600))]
    timeout_s: Option<f64>,
    /// The longest until a connection stands, in seconds; 10 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 60))]
    connect_timeout_s: Option<f64>,
    /// The longest that the other side may be silent before and between the bytes of its answer, in seconds; as long as the call
    /// may take when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 3600))]
    idle_timeout_s: Option<f64>,
}

/// The node.
pub(crate) struct HttpRequest {
    egress: Arc<Egress>,
    tokens: Tokens,
}

impl HttpRequest {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress(), tokens: Tokens::default() }
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

    fn check(params: &Params) -> Vec<ParamsProblem> {
        request::problems(params)
    }

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let (limit, reading) = (duration("timeout_s", seconds)?, reading(&params)?);
        let call = request::call(&params, cx)?;
        let grant = params.auth.as_ref().and_then(|auth| auth.grant()).map(|grant| Grant::new(grant, &call, cx)).transpose()?;
        let exchange = Exchange { node: self, reading, grant, seconds, limit };
        let output = match &params.pagination {
            None => exchange.make(&call, exchange.reading.most).await?.output(),
            Some(pages) => pages.gather(&exchange, call).await?,
        };
        Ok(Outcome::done(output))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "status": {"type": "integer"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"description": "JSON when the answer is JSON, else text, else base64 with `encoding` saying so; the list of all items with `pagination`."},
            "encoding": {"const": "base64"},
            "pages": {"type": "integer", "description": "With `pagination`: how many pages were read."},
            "truncated": {"type": "boolean", "description": "With `pagination`: whether a limit ended the list before its last page."}}})
    }
}

/// How the calls of an attempt are made.
struct Exchange<'p> {
    node: &'p HttpRequest,
    reading: Reading,
    /// Where a token comes from.
    grant: Option<Grant>,
    seconds: f64,
    limit: Duration,
}

impl Exchange<'_> {
    /// Makes one call and reads its whole answer, of so many bytes at most. The total time limit is held to.
    async fn make(&self, call: &Call, most: usize) -> Result<Answered, NodeError> {
        let late = |_| {
            let message = format!("{} did not answer within {} seconds", shown(&call.url), self.seconds);
            NodeError::retry("HTTP_TIMEOUT", message)
        };
        // It holds the whole of an exchange, which is too large for the stack of whoever waits for it.
        timeout(self.limit, Box::pin(self.signed(call, most))).await.map_err(late)?
    }

    async fn signed(&self, call: &Call, most: usize) -> Result<Answered, NodeError> {
        let egress = &self.node.egress;
        let Some(grant) = &self.grant else {
            return self.reading.read(egress.call(call.clone()).await?, most).await;
        };
        let token = self.node.tokens.get(egress, grant).await?;
        let answer = egress.call(token.sign(call)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return self.reading.read(answer, most).await;
        }
        // It may have been revoked before its time.
        self.node.tokens.forget(grant, &token).await;
        let token = self.node.tokens.get(egress, grant).await?;
        self.reading.read(egress.call(token.sign(call)).await?, most).await
    }
}

fn reading(params: &Params) -> Result<Reading, NodeError> {
    Ok(Reading {
        form: params.response_as.unwrap_or_default(),
        most: params.max_bytes.unwrap_or(USUAL_BYTES).min(MOST_BYTES),
        ok: params.ok_statuses.clone(),
        retry: params.retry_statuses.clone(),
        idle: params.idle_timeout_s.map(|seconds| duration("idle_timeout_s", seconds)).transpose()?,
    })
}

#[cfg(test)]
mod tests;
