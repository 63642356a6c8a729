//! Waiting without holding a process: for money, and for the limits of the model's service.

use std::time::Duration;

use flowforge_core::{
    Awaiting, Timestamp,
    money::{Micros, Refused, Shortage, Spent, Tokens, Turn},
    node::{Await, Context, NodeError, Outcome, Stream, Wake},
};

use crate::agent::session::Record;

/// How often money is looked for, beside being told of it.
const LOOK: Duration = Duration::from_secs(60);
/// The first wait for a limit of which nobody says when it is lifted; the next is twice as long.
const FIRST: Duration = Duration::from_secs(30);
/// The longest such wait.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How often a step waits for limits before it counts as failed.
const MOST: u32 = 100;

/// A budget is used up: waits until it is raised or begins anew. The step's own never does.
pub(super) async fn for_money(shortage: Shortage, cx: &Context) -> Result<Outcome, NodeError> {
    if shortage.budget == "step" {
        let message = format!("{shortage}; raise `budget_usd`, and another attempt goes on from here");
        return Err(NodeError::fatal("AGENT_BUDGET", message));
    }
    cx.log.line(Stream::System, format!("{shortage}; the session goes on when there is more")).await;
    Ok(Outcome::Await(Await { what: Awaiting::Funds(shortage), until: Some(Wake::After(LOOK)) }))
}

/// Whether there is still no money, for a step that has waited for it. Asked before anything is started, so that a session does not
/// grow while it waits.
pub(super) async fn still_short(record: &mut Record, cx: &Context) -> Result<Option<Shortage>, NodeError> {
    record.looks += 1;
    let turn =
        Turn { key: format!("{}/funds/{}", cx.effect_key, record.looks), model: String::new(), most: Micros(1), step_cap: None };
    match cx.purse.reserve(turn).await {
        Ok(reservation) => {
            let nothing = Spent { tokens: Tokens::default(), cost: Micros::ZERO, estimated: false };
            cx.purse.settle(reservation, nothing).await.map(|()| None)
        }
        Err(Refused::Short(shortage)) => Ok(Some(*shortage)),
        Err(Refused::Failed(fault)) => Err(fault),
    }
}

/// The limit of the model's service is reached: waits until it is lifted. This costs no attempt.
pub(super) async fn for_limit(limit: Limit, record: &mut Record, cx: &Context) -> Result<Outcome, NodeError> {
    record.waits += 1;
    if record.waits > MOST {
        let message = format!("the model's service has refused to answer {MOST} times for its limits; try again much later");
        return Err(NodeError::retry("AGENT_LIMITED", message));
    }
    cx.log
        .line(Stream::System, "the limit of the model's service is reached; the session goes on when it is lifted".to_owned())
        .await;
    // What was waited for already has not helped.
    let told = limit.resets_at.filter(|at| record.waited_until.is_none_or(|before| *at > before));
    record.waited_until = told.or(record.waited_until);
    let since = match cx.awaited.as_deref() {
        Some(Awaiting::Quota { since }) => Some(*since),
        _ => limit.asked_at.or(cx.woken),
    };
    Ok(match (told, since) {
        (Some(at), Some(since)) => Outcome::Await(Await { what: Awaiting::Quota { since }, until: Some(Wake::At(at)) }),
        (Some(at), None) => Outcome::Sleep(Wake::At(at)),
        (None, _) => Outcome::Sleep(Wake::After(limit.after.unwrap_or_default().max(backoff(record.waits)))),
    })
}

/// What is known of a limit that is reached.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limit {
    /// When it was reached.
    pub(super) asked_at: Option<Timestamp>,
    /// When it is lifted.
    pub(super) resets_at: Option<Timestamp>,
    /// The wait that was asked for.
    pub(super) after: Option<Duration>,
}

fn backoff(waits: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(waits.saturating_sub(1).min(16))).min(LONGEST)
}
