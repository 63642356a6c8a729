//! Why a model has not answered, and what a step does about it.

use std::time::Duration;

use flowforge_core::{
    Awaiting, Timestamp,
    money::{Refused, Shortage},
    node::{Await, Context, NodeError, Outcome, Wake},
};
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use super::{Quota, heard::error_of, quota};

/// How long a step waits for a quota in all, in milliseconds: one day.
const LONGEST_QUOTA_MS: u64 = 86_400_000;
/// How often a step that waits for money looks whether there is some.
const POLL: Duration = Duration::from_secs(60);
/// The longest wait that is honoured between attempts: one hour.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unanswered {
    /// A budget is used up.
    Short(Box<Shortage>),
    /// The provider takes no more for now, and says until when.
    Quota(Quota),
    /// Anything else.
    Failed(NodeError),
}

impl From<NodeError> for Unanswered {
    fn from(fault: NodeError) -> Self {
        Self::Failed(fault)
    }
}

impl From<Refused> for Unanswered {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Short(shortage) => Self::Short(shortage),
            Refused::Failed(fault) => Self::Failed(fault),
        }
    }
}

impl Unanswered {
    /// What a step does that has no answer: it waits for money or for the quota, or fails.
    ///
    /// # Errors
    /// `BUDGET_EXCEEDED` when what the author allows the step is used up; `RATE_LIMIT` when the quota takes longer than a day; else
    /// what has failed.
    pub(crate) fn outcome(self, cx: &Context) -> Result<Outcome, NodeError> {
        match self {
            Self::Short(shortage) if shortage.budget == "step" => {
                let message = format!("{shortage}; raise the step's `budget_usd`");
                Err(NodeError::fatal("BUDGET_EXCEEDED", message).with_details(json!({"limit_usd": shortage.limit.usd()})))
            }
            Self::Short(shortage) => {
                Ok(Outcome::Await(Await { what: Awaiting::Funds(*shortage), until: Some(Wake::After(POLL)) }))
            }
            Self::Quota(quota) => wait_for(quota, cx),
            Self::Failed(fault) => Err(fault),
        }
    }
}

fn waiting_since(cx: &Context) -> Option<Timestamp> {
    match cx.awaited.as_deref() {
        Some(Awaiting::Quota { since }) => Some(*since),
        _ => None,
    }
}

/// How long an attempt that was called again has waited for a quota, in milliseconds.
pub(crate) fn waited_ms(cx: &Context) -> Option<u64> {
    Some(cx.woken?.ms_since(waiting_since(cx)?))
}

/// Waits until the provider takes requests again, in the same attempt, for a day in all.
fn wait_for(quota: Quota, cx: &Context) -> Result<Outcome, NodeError> {
    let since = waiting_since(cx).or(quota.asked_at).or(cx.woken);
    let (Some(resets_at), Some(since)) = (quota.resets_at, since) else { return Err(limited(&quota)) };
    if resets_at.ms_since(since) > LONGEST_QUOTA_MS {
        let message = "the provider takes no requests for more than a day; ask it for a larger quota";
        return Err(NodeError::fatal("RATE_LIMIT", message).with_details(json!({"status": quota.status})));
    }
    // A second more, because the provider rounds.
    let until = Some(Wake::At(resets_at.plus_ms(1000)));
    Ok(Outcome::Await(Await { what: Awaiting::Quota { since }, until }))
}

fn limited(quota: &Quota) -> NodeError {
    let fault = match quota.status {
        529 => NodeError::retry("MODEL_OVERLOADED", "the provider has too much to do"),
        _ => NodeError::retry("RATE_LIMIT", "the model was asked too often, or for too much at once"),
    };
    let fault = fault.with_details(json!({"status": quota.status}));
    match quota.after {
        Some(wait) => fault.after(wait.min(LONGEST_WAIT)),
        None => fault,
    }
}

/// What an answer means that is none.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &Value) -> Unanswered {
    match Quota::of(status, headers) {
        Some(quota) if status == StatusCode::TOO_MANY_REQUESTS && quota.resets_at.is_some() => return Unanswered::Quota(quota),
        Some(quota) => return Unanswered::Failed(limited(&quota)),
        None => {}
    }
    let (kind, said) = error_of(body);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let fault = match status.as_u16() {
        300..=399 => {
            let message =
                "the model's server sends on to another address, which would get the key; correct FLOWFORGE_ANTHROPIC_BASE_URL";
            NodeError::fatal("INVALID_REDIRECT", message)
        }
        401 => NodeError::fatal("API_KEY_INVALID", format!("the model's provider does not take the key{said}")),
        403 => NodeError::fatal("MODEL_FORBIDDEN", format!("the key may not ask this model{said}")),
        404 => NodeError::fatal("MODEL_NOT_FOUND", format!("the provider has no such model{said}")),
        408 => NodeError::retry("MODEL_UNAVAILABLE", format!("the model's provider answered {status}{said}")),
        400..=499 => NodeError::fatal("MODEL_REQUEST_INVALID", format!("the model's provider answered {status}{said}")),
        _ => NodeError::retry("MODEL_UNAVAILABLE", format!("the model's provider answered {status}{said}")),
    };
    let fault = fault.with_details(json!({"status": status.as_u16(), "type": kind}));
    match quota::wait(headers) {
        Some(wait) if fault.retryable => Unanswered::Failed(fault.after(wait.min(LONGEST_WAIT))),
        _ => Unanswered::Failed(fault),
    }
}

/// What an error means that comes in the middle of an answer.
pub(super) fn broken_off(kind: &str, said: &str) -> NodeError {
    let code = match kind {
        "overloaded_error" => "MODEL_OVERLOADED",
        "rate_limit_error" => "RATE_LIMIT",
        _ => "MODEL_UNAVAILABLE",
    };
    NodeError::retry(code, format!("the model broke off with {kind}: {said}")).with_details(json!({"type": kind}))
}
