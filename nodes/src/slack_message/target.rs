//! Where a message is posted: at Slack, unless the author names another server.

use flowforge_core::node::NodeError;
use reqwest::{Url, header::HeaderValue};

use super::Params;
use crate::params::{Problems, invalid, is_template, known};

/// Where incoming webhooks lie.
const WEBHOOKS: &str = "https://hooks.slack.com/";
/// Where methods like `chat.postMessage` lie.
const API: &str = "https://slack.com/api/";

/// Where to post.
pub(super) enum Target {
    /// An incoming webhook.
    Webhook {
        /// Its address, which is a secret.
        url: Url,
    },
    /// `chat.postMessage`.
    Api { url: Url, token: HeaderValue, channel: String },
}

impl Target {
    pub(super) fn url(&self) -> &Url {
        match self {
            Self::Webhook { url } | Self::Api { url, .. } => url,
        }
    }

    /// An error without the path of a webhook, by which anybody could post.
    pub(super) fn without_path(&self, mut fault: NodeError) -> NodeError {
        if let Self::Webhook { url } = self {
            fault.message = fault.message.replace(url.path(), "/…");
        }
        fault
    }
}

pub(super) fn of(params: &Params) -> Result<Target, NodeError> {
    let base = params.api_url.as_deref().map(base).transpose()?;
    match (&params.webhook_url, &params.token) {
        (Some(text), None) => {
            no_channel(params)?;
            webhook(text, base.as_ref()).map(|url| Target::Webhook { url })
        }
        (None, Some(token)) => {
            let base = base.map_or_else(|| parsed("api_url", API), Ok)?;
            let url = base.join("chat.postMessage").map_err(|_| invalid("`api_url` is no address"))?;
            let channel = channel(params.channel.as_deref())?;
            Ok(Target::Api { url, token: bearer(token)?, channel })
        }
        _ => Err(invalid("either `webhook_url` or `token` is required")),
    }
}

fn no_channel(params: &Params) -> Result<(), NodeError> {
    match params.channel {
        Some(_) => Err(invalid("`channel` cannot stand beside `webhook_url`: a webhook has a channel of its own")),
        None => Ok(()),
    }
}

fn channel(text: Option<&str>) -> Result<String, NodeError> {
    let channel = text.map(str::trim).unwrap_or_default();
    if channel.is_empty() || channel.len() > 255 || channel.chars().any(char::is_control) {
        return Err(invalid("`channel` must name a channel, like #deployments or C0123456789"));
    }
    Ok(channel.to_owned())
}

/// Notes what can be said of where to post before any template is resolved.
pub(super) fn check(params: &Params, problems: &mut Problems) {
    let base = match params.api_url.as_ref() {
        // What it will be is not known yet, and neither is where a webhook has to lie.
        Some(text) if is_template(text) => None,
        other => Some(other.map(|text| base(text)).transpose()),
    };
    if params.webhook_url.is_some() {
        problems.note("channel", no_channel(params));
        if let (Some(text), Some(Ok(base))) = (known(params.webhook_url.as_ref()), &base) {
            problems.note("webhook_url", webhook(text, base.as_ref()));
        }
    }
    if let Some(token) = &params.token {
        if !params.channel.as_deref().is_some_and(is_template) {
            problems.note("channel", channel(params.channel.as_deref()));
        }
        if !is_template(token) {
            problems.note("token", bearer(token));
        }
    }
    if let Some(base) = base {
        problems.note("api_url", base);
    }
}

/// Hosts are compared whole, with scheme and port: `hooks.slack.com.evil.example`, `evilslack.com` and `slack.com.` are others.
fn webhook(text: &str, base: Option<&Url>) -> Result<Url, NodeError> {
    let url = parsed("webhook_url", text)?;
    let home = base.map_or_else(|| parsed("webhook_url", WEBHOOKS), |base| Ok(base.clone()))?;
    if url.origin() != home.origin() || url.path() == "/" || url.query().is_some() {
        let home = home.origin().ascii_serialization();
        return Err(invalid(format!("`webhook_url` must be the address of an incoming webhook, which begins with {home}/")));
    }
    Ok(url)
}

fn base(text: &str) -> Result<Url, NodeError> {
    let mut url = parsed("api_url", text)?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// An address without credentials. It is not shown: it may be a secret.
fn parsed(field: &str, text: &str) -> Result<Url, NodeError> {
    let url = Url::parse(text.trim()).map_err(|fault| invalid(format!("`{field}` is no address: {fault}")))?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() || !is_plain {
        return Err(invalid(format!("`{field}` must be of the form https://host/path")));
    }
    Ok(url)
}

fn bearer(token: &str) -> Result<HeaderValue, NodeError> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut value = value.map_err(|_| invalid("`token` holds a sign that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}
