//! The address of a trigger, and who may come in by it.

use std::time::Duration;

use flowforge_core::{
    Document, Timestamp,
    secret::SecretValue,
    trigger::{
        TriggerKind, github,
        headers::Headers,
        signature::{Auth, Claim, Proof, Refusal},
        triggers, webhook,
    },
};
use serde::Deserialize;

use super::{Arrival, NotTaken, off_thread};
use crate::{
    error::{Error, Result},
    shared::Shared,
    store::{
        triggers::{TriggerRecord, TriggerStatus},
        workflows::WorkflowStatus,
    },
};

/// How long the secret before counts after another one was published.
const ROTATION: Duration = Duration::from_secs(24 * 3_600);
/// How many characters a token has.
const TOKEN: usize = 64;

/// A trigger that answers at an address, and what its author asks for.
#[derive(Debug, Clone)]
pub struct Door {
    pub(super) trigger: TriggerRecord,
    pub(super) ask: Ask,
    pub(super) is_test: bool,
}

/// What the author of a trigger asks for.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Webhook(webhook::Params),
    Github(github::Params),
}

impl Ask {
    /// What a trigger's row says; nothing for one that nobody calls.
    pub(super) fn of(trigger: &TriggerRecord) -> Result<Option<Self>> {
        let fault =
            |fault: serde_json::Error| Error::Inconsistent { table: "triggers", column: "params", fault: fault.to_string() };
        match trigger.kind {
            TriggerKind::Webhook => webhook::Params::deserialize(&trigger.params).map(Self::Webhook).map(Some).map_err(fault),
            TriggerKind::Github => github::Params::deserialize(&trigger.params).map(Self::Github).map(Some).map_err(fault),
            TriggerKind::Schedule => Ok(None),
        }
    }

    pub(super) fn auth(&self) -> Auth {
        match self {
            Self::Webhook(params) => params.auth.clone(),
            Self::Github(params) => params.auth(),
        }
    }

    pub(super) fn max_body_bytes(&self) -> u64 {
        match self {
            Self::Webhook(params) => params.max_body_bytes(),
            Self::Github(params) => params.max_body_bytes(),
        }
    }

    pub(super) fn rate_per_minute(&self) -> u32 {
        match self {
            Self::Webhook(params) => params.rate_per_minute(),
            Self::Github(_) => webhook::Params::default().rate_per_minute(),
        }
    }
}

impl Door {
    /// The largest body that comes in, in bytes.
    pub fn max_body_bytes(&self) -> u64 {
        self.ask.max_body_bytes()
    }

    /// Whether a method is taken.
    pub fn takes(&self, method: webhook::Method) -> bool {
        match &self.ask {
            Ask::Webhook(params) => params.takes(method),
            Ask::Github(_) => method == webhook::Method::Post,
        }
    }

    /// How long the caller waits for the run's answer, in seconds, if its author wants that.
    pub fn wait_s(&self) -> Option<u32> {
        match &self.ask {
            Ask::Webhook(params) => params.wait_s(),
            Ask::Github(_) => None,
        }
    }

    /// What is kept of a request's headers.
    pub(super) fn kept(&self, headers: &Headers) -> serde_json::Value {
        let auth = self.ask.auth();
        headers.kept(&auth.header.as_deref().into_iter().collect::<Vec<_>>())
    }
}

/// The trigger behind an address: one that is active, or whatever was saved last for the address for tests.
pub(crate) async fn open(shared: &Shared, token: &str, is_test: bool) -> Result<Option<Door>> {
    // What cannot be a token is not looked up, and answered like one that nobody has.
    if token.len() != TOKEN || !token.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(None);
    }
    let Some(trigger) = shared.store.trigger_by_token(token).await? else { return Ok(None) };
    let trigger = match is_test {
        true => newest(shared, trigger).await?,
        false => Some(trigger).filter(|trigger| trigger.status == TriggerStatus::Active),
    };
    let Some(trigger) = trigger else { return Ok(None) };
    Ok(Ask::of(&trigger)?.map(|ask| Door { trigger, ask, is_test }))
}

/// The trigger as the version has it that was saved last.
pub(super) async fn newest(shared: &Shared, trigger: TriggerRecord) -> Result<Option<TriggerRecord>> {
    let (workspace, workflow) = (trigger.workspace, trigger.workflow);
    let record = shared.store.workflow(workspace, workflow).await?;
    if record.status == WorkflowStatus::Archived {
        return Ok(None);
    }
    in_version(shared, trigger, record.version).await
}

/// The trigger as a version has it, if that has it.
pub(super) async fn of_version(shared: &Shared, trigger: &TriggerRecord, version: u32) -> Result<Option<TriggerRecord>> {
    match version == trigger.version {
        true => Ok(Some(trigger.clone())),
        false => in_version(shared, trigger.clone(), version).await,
    }
}

async fn in_version(shared: &Shared, trigger: TriggerRecord, version: u32) -> Result<Option<TriggerRecord>> {
    let record = shared.store.version(trigger.workspace, trigger.workflow, version).await?;
    let document = Document::deserialize(&record.graph).map_err(|fault| Error::BadInput(fault.to_string()))?;
    let node = triggers(&document).into_iter().find(|node| node.node == trigger.node);
    Ok(node.map(|node| TriggerRecord { kind: node.kind, params: node.params.into(), version, ..trigger }))
}

/// Believes who sends, or does not: by the secret, or for a day by the one before it.
pub(super) async fn prove(shared: &Shared, door: &Door, arrival: &Arrival) -> Result<Proof, NotTaken> {
    let auth = door.ask.auth();
    let workspace = door.trigger.workspace;
    let now = shared.clock.now();
    let mut secrets = Vec::new();
    if auth.is_asked_for() {
        let name = auth.secret.clone().unwrap_or_default();
        let found = match shared.executor.vault.value(workspace, &name).await {
            Ok(found) => found.filter(|secret| !secret.expose().is_empty()),
            Err(Error::Conflict { .. }) => None,
            Err(fault) => return Err(fault.into()),
        };
        secrets.push(found.ok_or(NotTaken::NoSecret(name))?);
        if let Some(name) = auth.previous_secret.as_ref().filter(|_| is_rotating(&door.trigger, now)) {
            match shared.executor.vault.value(workspace, name).await {
                Ok(found) => secrets.extend(found),
                Err(Error::Conflict { .. }) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
    }
    let (headers, body) = (arrival.headers.clone(), arrival.body.clone());
    let verify = move || verify(&auth, &secrets, &headers, &body, now);
    off_thread(arrival.body.len(), verify).await?.map_err(NotTaken::Unproven)
}

/// Whether the secret before still counts.
pub(super) fn is_rotating(trigger: &TriggerRecord, now: Timestamp) -> bool {
    now.ms_since(trigger.auth_at) < ROTATION.as_millis() as u64
}

fn verify(auth: &Auth, secrets: &[SecretValue], headers: &Headers, body: &[u8], now: Timestamp) -> Result<Proof, Refusal> {
    let claim = Claim { headers, body, now };
    if !auth.is_asked_for() {
        return auth.verify(&[], claim);
    }
    let mut last = Err(Refusal::Wrong);
    for secret in secrets {
        last = auth.verify(secret.expose().as_bytes(), claim);
        if last != Err(Refusal::Wrong) {
            break;
        }
    }
    last
}
