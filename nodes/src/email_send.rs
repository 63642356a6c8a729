//! Sends an e-mail.
//!
//! One connection an attempt: no pool, and no second layer of attempts. What is sent carries the step's key as its `Message-ID`,
//! so that a receiver can drop the message of an attempt whose end was lost.

mod address;
mod faults;
mod message;
mod plain;
mod session;

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::{
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome},
    params::ParamsProblem,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::timeout};

use self::{message::compose, session::Session};
use crate::{
    egress::Egress,
    params::{Problems, Text, duration, invalid, optional, or_default},
    services::Services,
};

/// How long sending may take when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 60.0;

/// What to send, and by which server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The server that takes the message.
    server: Server,
    /// Who it is from: an address, or a name with one.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "Ada Lovelace <ada@example.org>"))]
    from: Text,
    /// Whom it is for: one address an entry.
    #[serde(default, deserialize_with = "several")]
    to: Vec<Text>,
    /// Who gets a copy, and is seen to.
    #[serde(default, deserialize_with = "several")]
    cc: Vec<Text>,
    /// Who gets a copy without being seen.
    #[serde(default, deserialize_with = "several")]
    bcc: Vec<Text>,
    /// Where answers go, when not to `from`.
    #[serde(default, deserialize_with = "several")]
    reply_to: Vec<Text>,
    /// What it is about, on one line.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "template"))]
    subject: Text,
    /// The message as plain text.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "textarea"))]
    text: Option<Text>,
    /// The message as HTML; with `text` as well, the reader chooses.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "textarea"))]
    html: Option<Text>,
    /// Further headers: `X-…`, `List-…`, and some others like `In-Reply-To`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    headers: BTreeMap<String, Text>,
    /// Files that go with it, 20 MiB in all.
    #[serde(default, deserialize_with = "or_default")]
    attachments: Vec<Attachment>,
    /// Whether to send nothing unless the server takes every recipient. Otherwise the message goes to those whom it takes, and
    /// the others are put out as `rejected`.
    #[serde(default, deserialize_with = "or_default")]
    all_or_none: bool,
    /// The longest that sending may take, in seconds; 60 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 3600))]
    timeout_s: Option<f64>,
}

/// A mail server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Server {
    /// Its name, like smtp.example.org.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "smtp.example.org"))]
    host: Text,
    /// Its port; 587 for `starttls`, 465 for `tls` and 25 for `none` when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 65535))]
    port: Option<u16>,
    /// How the connection is kept secret. `none` is for networks that the operator has allowed.
    #[serde(default, deserialize_with = "or_default")]
    security: Security,
    /// Who signs in; nobody when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "template"))]
    user: Option<Text>,
    /// The password, best as `{{ secrets.NAME }}`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    password: Option<Text>,
    /// A certificate authority to trust beside the usual ones, in PEM: for a server of your own.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "textarea"))]
    ca_certificate: Option<Text>,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Security {
    /// After the first words, and nothing is sent before.
    #[default]
    #[schemars(title = "STARTTLS")]
    Starttls,
    /// At once.
    #[schemars(title = "TLS from the beginning")]
    Tls,
    /// Never.
    #[schemars(title = "None")]
    None,
}

/// A file that goes with a message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attachment {
    /// The file's name.
    name: Text,
    /// What is in it: a text, or anything else, which is written as JSON.
    #[schemars(extend("x-widget" = "json"))]
    content: Value,
    /// `base64` when the content is written like that, as `http.request` puts out what is no text.
    #[serde(default, deserialize_with = "optional")]
    encoding: Option<Encoding>,
    /// What kind of file it is, like application/pdf.
    #[serde(default, deserialize_with = "optional")]
    content_type: Option<Text>,
}

/// How bytes are written in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    /// As they are: a text.
    #[default]
    #[schemars(title = "A text")]
    Text,
    /// As base64.
    #[schemars(title = "Base64")]
    Base64,
}

/// Reads a list of texts; a single one may stand for a list.
fn several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Text(text)]),
        list => serde_json::from_value(list).map_err(D::Error::custom),
    }
}

/// A text that is to stand on one line of a message: with a line break in it, it could say what it likes there.
fn one_line<'t>(field: &str, text: &'t str, longest: usize) -> Result<&'t str, NodeError> {
    if text.chars().any(char::is_control) {
        let shown: String = text.escape_debug().take(200).collect();
        return Err(invalid(format!("`{field}` holds a line break or another control character: `{shown}`")));
    }
    if text.len() > longest {
        return Err(invalid(format!("`{field}` has {} bytes, and at most {longest} are taken", text.len())));
    }
    Ok(text)
}

/// The node.
pub(crate) struct EmailSend {
    egress: Arc<Egress>,
}

impl EmailSend {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress() }
    }
}

impl Node for EmailSend {
    const SPEC: NodeSpec = NodeSpec {
        kind: "email.send",
        title: "Send e-mail",
        description: "Hands a message to a mail server and puts out whom it takes it for.",
        group: Group::Effects,
        icon: "mail",
        timeout_s: 300,
        ..NodeSpec::BASE
    };
    type Params = Params;

    fn check(params: &Params) -> Vec<ParamsProblem> {
        let mut problems = Problems::default();
        session::check(&params.server, &mut problems);
        message::check(params, &mut problems);
        problems.all()
    }

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let seconds = params.timeout_s.unwrap_or(USUAL_TIMEOUT_S);
        let limit = duration("timeout_s", seconds)?;
        let (effect_key, all_or_none) = (cx.effect_key.clone(), params.all_or_none);
        let prepare = move || {
            let session = Session::prepare(&params.server)?;
            compose(params, &effect_key).map(|mail| (session, mail))
        };
        let prepared = spawn_blocking(prepare).await;
        let (session, mail) =
            prepared.map_err(|fault| NodeError::fatal("INTERNAL", format!("no message was made: {fault}")))??;
        cx.check_secret_host(session.host())?;
        let shown = session.shown();
        let late = |_| NodeError::retry("SMTP_TIMEOUT", format!("{shown} did not take the message within {seconds} seconds"));
        let delivered = timeout(limit, Box::pin(session.deliver(&self.egress, &mail, all_or_none)));
        delivered.await.map_err(late)?.map(Outcome::done)
    }

    fn output_schema() -> Value {
        let rejected = json!({"type": "object", "properties": {
            "address": {"type": "string"}, "reply_code": {"type": "integer"}, "reply": {"type": "string"}}});
        json!({"type": "object", "properties": {
            "message_id": {"type": "string"},
            "accepted": {"type": "array", "items": {"type": "string"}},
            "rejected": {"type": "array", "items": rejected},
            "response": {"type": "string", "description": "What the server said when it took the message."}}})
    }
}

#[cfg(test)]
mod tests;
