//! A call, made from what its author gave.

use std::borrow::Cow;

use flowforge_core::{
    node::{Context, NodeError},
    params::ParamsProblem,
};
use reqwest::{
    Method, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Params, duration, pagination::Pagination, payload::Encoded};
use crate::{
    egress::{Call, DEPTH},
    params::{Text, invalid},
};

/// What the connection, or FlowForge, decides by itself.
const NOT_YOURS: [HeaderName; 6] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE, DEPTH];

const BOTH: &str = "`payload` cannot stand beside `body`; remove one of them";

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Verb {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::GET,
            Verb::Post => Self::POST,
            Verb::Put => Self::PUT,
            Verb::Patch => Self::PATCH,
            Verb::Delete => Self::DELETE,
            Verb::Head => Self::HEAD,
            Verb::Options => Self::OPTIONS,
        }
    }
}

/// One text or several, as the values of a query and the fields of a form are.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts(Vec<Text>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |value| serde_json::from_value(value).map_err(serde::de::Error::custom);
        match Value::deserialize(deserializer)? {
            Value::Array(values) => values.into_iter().map(read).collect::<Result<_, _>>().map(Self),
            value => Ok(Self(vec![read(value)?])),
        }
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "array"], "items": {"type": "string"}})
    }
}

impl Texts {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|text| &**text)
    }
}

/// The call, unpaged, without a token that is yet to be fetched.
pub(super) fn call(params: &Params, cx: &Context) -> Result<Call, NodeError> {
    let mut url = address("url", &params.url)?;
    if !params.query.is_empty() {
        let pairs = params.query.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        url.query_pairs_mut().extend_pairs(pairs);
    }
    let mut call = Call::new(cx, params.method.into(), url);
    add(&mut call.headers, "idempotency-key", &cx.effect_key)?;
    let (kind, is_fixed) = match (&params.body, &params.payload) {
        (Some(_), Some(_)) => return Err(invalid(BOTH)),
        (body, None) => (plain(body.as_ref(), &mut call), false),
        (None, Some(payload)) => {
            let Encoded { kind, bytes, is_fixed } = payload.encode(&cx.effect_key)?;
            call.body = bytes;
            (Some(kind), is_fixed)
        }
    };
    if let Some(kind) = &kind {
        call.headers.insert(header::CONTENT_TYPE, kind.clone());
    }
    for (name, value) in &params.headers {
        add(&mut call.headers, name, value)?;
    }
    if let Some(kind) = kind.filter(|_| is_fixed) {
        call.headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Some(auth) = &params.auth {
        auth.sign(&mut call.headers)?;
    }
    limits(&mut call, params)?;
    Ok(call)
}

/// What is wrong with a call that can be told before it is made.
pub(super) fn problems(params: &Params) -> Vec<ParamsProblem> {
    let problem = |field: &str, message| ParamsProblem { code: "invalid_parameter", field: field.to_owned(), message };
    let mut problems = Vec::new();
    match address("url", &params.url) {
        // What it will be is not known yet.
        _ if params.url.contains("{{") => {}
        Err(fault) => problems.push(problem("url", fault.message)),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            problems.push(problem("url", "`url` must begin with https:// or http://".to_owned()));
        }
        Ok(_) => {}
    }
    if params.body.is_some() && params.payload.is_some() {
        problems.push(problem("payload", BOTH.to_owned()));
    }
    if let Some(Err(fault)) = params.pagination.as_ref().map(Pagination::check) {
        problems.push(problem("pagination", fault.message));
    }
    problems
}

fn plain(body: Option<&Value>, call: &mut Call) -> Option<HeaderValue> {
    match body {
        None => None,
        Some(Value::String(text)) => {
            call.body = text.clone().into();
            None
        }
        Some(json) => {
            call.body = json.to_string().into();
            Some(HeaderValue::from_static("application/json"))
        }
    }
}

fn limits(call: &mut Call, params: &Params) -> Result<(), NodeError> {
    match (params.follow_redirects, params.max_redirects) {
        (Some(false), _) => call.redirects = 0,
        (_, Some(most)) => call.redirects = most,
        _ => {}
    }
    if let Some(seconds) = params.connect_timeout_s {
        call.connect = duration("connect_timeout_s", seconds)?;
    }
    call.idle = params.idle_timeout_s.map(|seconds| duration("idle_timeout_s", seconds)).transpose()?;
    Ok(())
}

/// An address, which may hold secrets and is not shown when it cannot be read.
pub(super) fn address(name: &str, text: &str) -> Result<Url, NodeError> {
    // A URL's reader would leave line feeds out in silence, so that something else is called than what was written.
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("`{name}` holds a control character, such as a line feed; remove it")));
    }
    Url::parse(text).map_err(|fault| invalid(format!("`{name}` is not an address: {fault}")))
}

pub(super) fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), NodeError> {
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
