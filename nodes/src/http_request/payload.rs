//! What is sent when it is neither a plain text nor JSON: forms, files, bytes.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flowforge_core::node::NodeError;
use reqwest::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::request::Texts;
use crate::params::{Text, invalid, optional, or_default};

/// What to send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Payload {
    /// JSON, a text too.
    Json {
        /// The value.
        #[serde(default)]
        #[schemars(extend("x-widget" = "json"))]
        value: Value,
    },
    /// A form, as a web page sends it.
    Form {
        /// The form's fields. A list of texts is sent once for each.
        #[serde(default, deserialize_with = "or_default")]
        #[schemars(extend("x-widget" = "key_value"))]
        fields: BTreeMap<String, Texts>,
    },
    /// A form with files.
    Multipart {
        /// Its fields and files, in their order.
        parts: Vec<Part>,
    },
    /// A text of a certain type.
    Text {
        /// The text.
        #[serde(default)]
        #[schemars(extend("x-widget" = "textarea"))]
        text: Text,
        /// Its type; `text/plain; charset=utf-8` when absent.
        #[serde(default, deserialize_with = "optional")]
        #[schemars(extend("x-placeholder" = "application/xml"))]
        content_type: Option<Text>,
    },
    /// Bytes.
    Binary {
        /// The bytes in base64, for example `{{ steps.fetch.output.body }}`.
        base64: Text,
        /// Their type; `application/octet-stream` when absent.
        #[serde(default, deserialize_with = "optional")]
        #[schemars(extend("x-placeholder" = "image/png"))]
        content_type: Option<Text>,
    },
}

/// A field or a file of a form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["text"]}, {"required": ["base64"]}]))]
pub(super) struct Part {
    /// The field's name.
    name: Text,
    /// What is in it.
    #[serde(default)]
    #[schemars(extend("x-widget" = "textarea"))]
    text: Option<Text>,
    /// Or what is in it in base64, for example `{{ steps.fetch.output.body }}`.
    #[serde(default, deserialize_with = "optional")]
    base64: Option<Text>,
    /// The file's name; a part with one is a file.
    #[serde(default, deserialize_with = "optional")]
    filename: Option<Text>,
    /// The file's type.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "text/csv"))]
    content_type: Option<Text>,
}

/// What is sent, and how it is called.
pub(super) struct Encoded {
    pub(super) kind: HeaderValue,
    pub(super) bytes: Bytes,
    /// Whether only this type fits, whatever the headers say.
    pub(super) is_fixed: bool,
}

impl Payload {
    /// The same bytes in each attempt, since whoever knows the `Idempotency-Key` may compare them.
    pub(super) fn encode(&self, effect_key: &str) -> Result<Encoded, NodeError> {
        let (kind, bytes) = match self {
            Self::Json { value } => ("application/json", value.to_string().into()),
            Self::Form { fields } => ("application/x-www-form-urlencoded", form(fields).into()),
            Self::Multipart { parts } => return multipart(parts, effect_key),
            Self::Text { text, content_type } => {
                (content_type.as_deref().unwrap_or("text/plain; charset=utf-8"), text.0.clone().into())
            }
            Self::Binary { base64, content_type } => {
                (content_type.as_deref().unwrap_or("application/octet-stream"), decode("base64", base64)?.into())
            }
        };
        Ok(Encoded { kind: media_type(kind)?, bytes, is_fixed: false })
    }
}

fn form(fields: &BTreeMap<String, Texts>) -> String {
    let pairs = fields.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn multipart(parts: &[Part], effect_key: &str) -> Result<Encoded, NodeError> {
    let contents = parts.iter().map(Part::content).collect::<Result<Vec<_>, _>>()?;
    let boundary = boundary(effect_key, &contents);
    let mut bytes = Vec::new();
    for (part, content) in parts.iter().zip(&contents) {
        bytes.extend_from_slice(format!("--{boundary}\r\n{}\r\n", part.head()?).as_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind = media_type(&format!("multipart/form-data; boundary={boundary}"))?;
    Ok(Encoded { kind, bytes: bytes.into(), is_fixed: true })
}

/// A line that is in none of the parts.
fn boundary(effect_key: &str, contents: &[Vec<u8>]) -> String {
    let is_in = |boundary: &str| {
        contents.iter().any(|content| content.windows(boundary.len()).any(|window| window == boundary.as_bytes()))
    };
    let mut boundary = effect_key.to_owned();
    while is_in(&boundary) {
        boundary.push('-');
        boundary.push('x');
    }
    boundary
}

impl Part {
    fn content(&self) -> Result<Vec<u8>, NodeError> {
        match (&self.text, &self.base64) {
            (Some(text), None) => Ok(text.0.clone().into_bytes()),
            (None, Some(base64)) => decode(&self.name, base64),
            // A form sends an empty text along with what was filled in.
            (Some(text), Some(base64)) if text.is_empty() => decode(&self.name, base64),
            (None, None) => Err(invalid(format!("the part `{}` needs `text` or `base64`", self.name))),
            (Some(_), Some(_)) => Err(invalid(format!("the part `{}` has both `text` and `base64`; remove one", self.name))),
        }
    }

    fn head(&self) -> Result<String, NodeError> {
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(&self.name));
        if let Some(filename) = &self.filename {
            head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
        }
        head.push_str("\r\n");
        let usual = self.filename.as_ref().map(|_| "application/octet-stream");
        if let Some(kind) = self.content_type.as_deref().or(usual) {
            media_type(kind)?;
            head.push_str(&format!("Content-Type: {kind}\r\n"));
        }
        Ok(head)
    }
}

/// As browsers write names: what would end the line or the quotes is percent-encoded.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn decode(name: &str, text: &str) -> Result<Vec<u8>, NodeError> {
    let text: String = text.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(text).map_err(|fault| invalid(format!("`{}` is not base64: {fault}", name.escape_debug())))
}

fn media_type(kind: &str) -> Result<HeaderValue, NodeError> {
    let shown = kind.escape_debug();
    let value = HeaderValue::from_str(kind).ok().filter(|_| kind.is_ascii() && kind.contains('/'));
    value.ok_or_else(|| invalid(format!("`{shown}` is not a media type such as text/csv")))
}
