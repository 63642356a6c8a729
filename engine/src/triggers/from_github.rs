//! The one address that GitHub may be given for many triggers: an event goes to all whose secret has signed it.

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::{
    WorkspaceId,
    secret::SecretValue,
    trigger::{
        github,
        signature::{Auth, Claim, Proof, Refusal},
    },
};

use super::{
    Arrival, NotTaken, Receipt,
    door::{Ask, Door, is_rotating},
    inbox::{believed, refuse},
    off_thread,
};
use crate::{error::Error, shared::Shared};

/// The most triggers that one address serves.
const TRIGGERS: u64 = 1_000;
/// The most different secrets that a signature is compared with.
const SECRETS: usize = 100;

/// A secret by its workspace and name.
type Named = (WorkspaceId, String);

/// Takes an event for every trigger whose secret has signed it. What the filters of a trigger do not want is taken as well: its
/// rows say why no run began.
///
/// # Errors
/// When no secret has signed it, or when it is not known what became of it.
pub(crate) async fn receive(shared: &Arc<Shared>, arrival: Arrival) -> Result<Vec<Receipt>, NotTaken> {
    let doors = doors(shared).await?;
    let secrets = secrets(shared, &doors).await?;
    let signed = signed(shared, secrets, &arrival).await?;
    let mut receipts = Vec::new();
    let mut refused = None;
    for (door, names) in doors {
        let Some(proof) = names.iter().find_map(|name| signed.get(name)) else { continue };
        match Box::pin(believed(shared, &door, arrival.clone(), proof.once.clone())).await {
            Ok(receipt) => receipts.push(receipt),
            Err(fault @ NotTaken::Fault(_)) => return Err(fault),
            // One trigger's limit is not another's.
            Err(fault) => {
                refuse(shared, &door, &arrival, arrival.body.len() as u64, &fault).await;
                refused = Some(fault);
            }
        }
    }
    match refused {
        Some(fault) if receipts.is_empty() => Err(fault),
        _ => Ok(receipts),
    }
}

/// Refuses what comes while no trigger listens: no secret can have signed it.
pub(crate) async fn refuse_unless_heard(shared: &Shared) -> Result<(), NotTaken> {
    match shared.store.github_triggers(1).await?.is_empty() {
        true => Err(NotTaken::Unproven(Refusal::Wrong)),
        false => Ok(()),
    }
}

/// The triggers, each with the secrets that count for it.
async fn doors(shared: &Shared) -> Result<Vec<(Door, Vec<Named>)>, NotTaken> {
    let now = shared.clock.now();
    let triggers = shared.store.github_triggers(TRIGGERS + 1).await?;
    if triggers.len() as u64 > TRIGGERS {
        tracing::warn!(
            "more than {TRIGGERS} triggers listen to GitHub; the newest ones only hear of events at addresses of their own"
        );
    }
    let mut doors = Vec::new();
    for trigger in triggers.into_iter().take(TRIGGERS as usize) {
        match Ask::of(&trigger) {
            Ok(Some(Ask::Github(params))) => {
                let previous = params.previous_secret.clone().filter(|_| is_rotating(&trigger, now));
                let names = std::iter::once(params.secret.clone()).chain(previous);
                let names = names.map(|name| (trigger.workspace, name)).collect();
                doors.push((Door { trigger, ask: Ask::Github(params), is_test: false }, names));
            }
            Ok(_) => {}
            Err(fault) => tracing::error!(trigger = %trigger.id, %fault, "a trigger cannot be read and hears of nothing"),
        }
    }
    Ok(doors)
}

/// The values of all secrets that count, those of one value together.
async fn secrets(shared: &Shared, doors: &[(Door, Vec<Named>)]) -> Result<Vec<(SecretValue, Vec<Named>)>, NotTaken> {
    let mut names: Vec<&Named> = doors.iter().flat_map(|(_, names)| names).collect();
    names.sort_unstable();
    names.dedup();
    let mut values: Vec<(SecretValue, Vec<Named>)> = Vec::new();
    for (workspace, name) in names {
        match shared.executor.vault.value(*workspace, name).await {
            Ok(Some(secret)) if !secret.expose().is_empty() => {
                let named = (*workspace, name.clone());
                match values.iter_mut().find(|(known, _)| known.expose() == secret.expose()) {
                    Some((_, names)) => names.push(named),
                    None => values.push((secret, vec![named])),
                }
            }
            Ok(_) | Err(Error::Conflict { .. }) => {
                tracing::warn!(%workspace, name, "a trigger that listens to GitHub names a secret that is not there: it hears of nothing");
            }
            Err(fault) => return Err(fault.into()),
        }
        if values.len() >= SECRETS {
            tracing::warn!(
                "more than {SECRETS} secrets may have signed what GitHub sends; give the newest triggers addresses of their own"
            );
            break;
        }
    }
    Ok(values)
}

/// The secrets that have signed it, each value compared once.
async fn signed(
    shared: &Shared,
    secrets: Vec<(SecretValue, Vec<Named>)>,
    arrival: &Arrival,
) -> Result<BTreeMap<Named, Proof>, NotTaken> {
    let (headers, body, now) = (arrival.headers.clone(), arrival.body.clone(), shared.clock.now());
    let auth: Auth = github::Params::default().auth();
    let work = move || {
        let claim = Claim { headers: &headers, body: &body, now };
        let mut signed = BTreeMap::new();
        let mut why = Refusal::Wrong;
        for (secret, names) in secrets {
            match auth.verify(secret.expose().as_bytes(), claim) {
                Ok(proof) => signed.extend(names.into_iter().map(|name| (name, proof.clone()))),
                Err(fault) => why = fault,
            }
        }
        if signed.is_empty() { Err(NotTaken::Unproven(why)) } else { Ok(signed) }
    };
    off_thread(arrival.body.len(), work).await?
}
