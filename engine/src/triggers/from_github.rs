//! The one address that GitHub may be given for many triggers: an event goes to all whose secret has signed it.
//!
//! Nobody is known before a signature was compared with everybody's secrets, so what that may cost is bounded: what cannot be a
//! signature is refused unread, whoever sends too much that nobody has signed has to wait, few bodies are compared at once, and
//! where there are too many secrets to compare with, every workspace gets its turn before any gets a second one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flowforge_core::{
    TriggerId, WorkspaceId,
    secret::SecretValue,
    trigger::{
        github,
        signature::{Auth, Claim, Proof, Refusal},
    },
};
use serde::Deserialize;

use super::{
    Arrival, NotTaken, Receipt,
    door::{Ask, Door, is_rotating},
    inbox::{believed, refuse},
    limits::Sender,
    off_thread,
};
use crate::shared::Shared;

/// The most triggers that one address serves.
const TRIGGERS: usize = 1_000;
/// The most triggers that are chosen from.
const KNOWN: u64 = 20_000;
/// The most different secrets that a signature is compared with.
const SECRETS: usize = 100;
/// The longest name of a repository at GitHub, with its owner's, in characters.
const LONGEST_REPOSITORY: usize = 140;

/// A secret by its workspace and name.
type Named = (WorkspaceId, String);

/// Takes an event for every trigger whose secret has signed it. What the filters of a trigger do not want is taken as well: its
/// rows say why no run began.
///
/// # Errors
/// When no secret has signed it, too much of that kind came, or when it is not known what became of it.
pub(crate) async fn receive(shared: &Arc<Shared>, arrival: Arrival) -> Result<Vec<Receipt>, NotTaken> {
    let sender = sender(&arrival).await?;
    shared.limits.guess(&sender).map_err(|wait| NotTaken::Guessing { retry_after_s: wait.as_secs() + 1 })?;
    let turn = shared.limits.turn(arrival.body.len()).await?;
    let doors = doors(shared).await?;
    let secrets = secrets(shared, &doors).await?;
    let signed = signed(shared, secrets, &arrival).await?;
    drop(turn);
    shared.limits.was_no_guess(&sender);
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

/// Refuses what no secret can have signed: it is not signed as GitHub signs, or no trigger listens.
pub(crate) async fn refuse_unless_heard(shared: &Shared, head: &Arrival) -> Result<(), NotTaken> {
    Auth::check_github(&head.headers).map_err(NotTaken::Unproven)?;
    match shared.store.is_github_heard().await? {
        false => Err(NotTaken::Unproven(Refusal::Wrong)),
        true => Ok(()),
    }
}

/// Who sends, as far as that can be told before it is proven. Whoever makes GitHub send does so for repositories of their own, and
/// whoever lies about the repository does so from an address of their own: neither gets in the way of anybody else.
async fn sender(arrival: &Arrival) -> Result<Sender, NotTaken> {
    #[derive(Deserialize)]
    struct Claimed {
        repository: Repository,
    }
    #[derive(Deserialize)]
    struct Repository {
        full_name: String,
    }
    let body = arrival.body.clone();
    let read = move || serde_json::from_slice::<Claimed>(&body).ok();
    let claimed = off_thread(arrival.body.len(), read).await?;
    let name = claimed.map(|claimed| claimed.repository.full_name.to_lowercase());
    let name = name.filter(|name| name.chars().count() <= LONGEST_REPOSITORY);
    Ok((arrival.remote_addr.clone().unwrap_or_default(), name))
}

/// Of too many, the first of each workspace, then the second of each, until there are enough.
fn fairly<T>(all: impl IntoIterator<Item = (WorkspaceId, T)>, most: usize) -> Vec<(WorkspaceId, T)> {
    let mut of_each = BTreeMap::<WorkspaceId, usize>::new();
    let rank = |(workspace, one): (WorkspaceId, T)| {
        let rank = of_each.entry(workspace).or_default();
        *rank += 1;
        (*rank, workspace, one)
    };
    let mut ranked: Vec<_> = all.into_iter().map(rank).collect();
    ranked.sort_by_key(|(rank, ..)| *rank);
    ranked.into_iter().take(most).map(|(_, workspace, one)| (workspace, one)).collect()
}

/// The triggers, each with the secrets that count for it.
async fn doors(shared: &Shared) -> Result<Vec<(Door, Vec<Named>)>, NotTaken> {
    let now = shared.clock.now();
    let all = shared.store.github_triggers(KNOWN).await?;
    if all.len() > TRIGGERS {
        tracing::warn!(
            "more than {TRIGGERS} triggers listen to GitHub at the address that all share; the newest ones of the workspaces with the \
             most only hear of events at addresses of their own"
        );
    }
    let chosen: Vec<TriggerId> = fairly(all, TRIGGERS).into_iter().map(|(_, id)| id).collect();
    let mut doors = Vec::new();
    for trigger in shared.store.triggers_of(&chosen).await? {
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
    let mut of_each = BTreeMap::<WorkspaceId, BTreeSet<String>>::new();
    for (workspace, name) in doors.iter().flat_map(|(_, names)| names) {
        of_each.entry(*workspace).or_default().insert(name.clone());
    }
    let all = of_each.iter().flat_map(|(workspace, names)| names.iter().map(|name| (*workspace, name.clone())));
    let count = of_each.values().map(BTreeSet::len).sum::<usize>();
    if count > SECRETS {
        tracing::warn!(
            "{count} secrets may have signed what GitHub sends to the address that all share, and {SECRETS} are compared; give triggers \
             of the workspaces with the most addresses of their own"
        );
    }
    let mut chosen = BTreeMap::<WorkspaceId, BTreeSet<String>>::new();
    for (workspace, name) in fairly(all, SECRETS) {
        chosen.entry(workspace).or_default().insert(name);
    }
    let mut values: Vec<(SecretValue, Vec<Named>)> = Vec::new();
    for (workspace, names) in chosen {
        let mut found = shared.executor.vault.values(workspace, &names).await?;
        found.retain(|_, value| !value.expose().is_empty());
        for name in names.iter().filter(|name| !found.contains_key(*name)) {
            tracing::warn!(%workspace, name, "a trigger that listens to GitHub names a secret that is not there: it hears of nothing");
        }
        for (name, secret) in found {
            match values.iter_mut().find(|(known, _)| known.expose() == secret.expose()) {
                Some((_, names)) => names.push((workspace, name)),
                None => values.push((secret, vec![(workspace, name)])),
            }
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_workspace_gets_its_turn_before_any_gets_a_second_one() {
        let workspace = |at: u128| WorkspaceId::new(Uuid::from_u128(at));
        let many = (0..500).map(|at| (workspace(1), at)).chain((0..3).map(|at| (workspace(2), 1_000 + at)));
        let all: Vec<_> = many.chain([(workspace(3), 2_000)]).collect();
        let chosen: Vec<_> = fairly(all.clone(), 7).into_iter().map(|(_, one)| one).collect();
        assert_eq!(chosen, [0, 1_000, 2_000, 1, 1_001, 2, 1_002], "the small ones are all there");
        assert_eq!(fairly(all.clone(), 10_000).len(), all.len());
    }
}
