//! What a server's refusals and broken connections mean: another attempt, or the end.

use std::{error::Error as _, io};

use flowforge_core::node::NodeError;
use lettre::transport::smtp::Error;
use serde_json::{Value, json};

/// How much of a reply is kept, in characters.
const SHOWN: usize = 500;

/// What a server said when it refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Reply {
    /// The reply that this error is about, if the server gave one.
    pub(super) fn of(fault: &Error) -> Option<Self> {
        let code = u16::from(fault.status()?);
        Some(Self { code, text: fault.source().map(|text| shown(&text.to_string())).unwrap_or_default() })
    }

    /// Whether the server expects to be asked again.
    pub(super) fn is_passing(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Whether it ends the connection, whatever it was asked.
    pub(super) fn is_farewell(&self) -> bool {
        self.code == 421
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"reply_code": self.code, "reply": self.text})
    }

    /// The error of a server that gave this reply to what is named.
    pub(super) fn into_error(self, code: &'static str, what: &str) -> NodeError {
        let message = format!("{what} was refused: {} {}", self.code, self.text);
        let fault = if self.is_passing() { NodeError::retry(code, message) } else { NodeError::fatal(code, message) };
        fault.with_details(self.to_json())
    }

    /// The reply without what was said in secret: some servers repeat what they did not understand.
    pub(super) fn without(mut self, secrets: &[String]) -> Self {
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            self.text = self.text.replace(secret.as_str(), "***");
        }
        self
    }
}

/// A reply fit to be kept.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(SHOWN).collect()
}

/// What it means that something did not come about: `what` names it, and whose fault it is.
pub(super) fn explain(what: &str, fault: &Error) -> NodeError {
    match Reply::of(fault) {
        Some(reply) => reply.into_error("SMTP_REJECTED", what),
        None if is_tls(fault) => NodeError::fatal("TLS_FAILED", format!("{what} failed: {}", shown(&words(fault)))),
        None => NodeError::retry("NETWORK_ERROR", format!("{what} failed: {}", shown(&words(fault)))),
    }
}

/// Whether the two sides did not agree on TLS: a certificate of somebody else, or no TLS at all.
fn is_tls(fault: &Error) -> bool {
    let mut cause = fault.source();
    let mut found = fault.is_tls();
    while let Some(inner) = cause {
        let wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        found |= inner.is::<rustls::Error>() || wrapped.is_some_and(|inner| inner.is::<rustls::Error>());
        cause = inner.source();
    }
    found
}

/// The causes, each said once.
fn words(fault: &Error) -> String {
    let mut said = vec![fault.to_string()];
    let mut cause = fault.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
        cause = inner.source();
    }
    said.join(": ")
}
