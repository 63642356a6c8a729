//! What is left when everything has come to rest.

use super::triggers::is_over;
use crate::world::World;

/// The most resident memory of one process, in MiB: a debug build holds a few hundred runs with it.
const MEMORY_MIB: u64 = 700;

pub(super) fn nothing_hangs(world: &World) -> Vec<String> {
    let open = world.runs.iter().filter(|run| !is_over(run));
    let open = open.map(|run| format!("{} ({}) is {} and does not end", run.id, run.key.as_deref().unwrap_or("?"), run.status));
    let leases = world.leftovers.leases.iter().map(|lease| format!("a lease is left: {lease}"));
    let messages = world.leftovers.messages.iter().map(|message| format!("a message was not read: {message}"));
    world.restless.iter().cloned().chain(open).chain(leases).chain(messages).collect()
}

pub(super) fn final_is_final(world: &World) -> Vec<String> {
    world.observed.reversals.clone()
}

pub(super) fn no_secret(world: &World) -> Vec<String> {
    world.canary_found.iter().chain(&world.observed.leaks).map(|place| format!("the secret is in {place}")).collect()
}

pub(super) fn no_leftovers(world: &World) -> Vec<String> {
    let transactions = world.leftovers.transactions.iter().map(|one| format!("in the database: {one}"));
    transactions.chain(world.leftovers.processes.iter().map(|one| format!("a process: {one}"))).collect()
}

pub(super) fn memory(world: &World) -> Vec<String> {
    let large = world.observed.memory.iter().filter(|(_, mib)| **mib > MEMORY_MIB);
    large.map(|(node, mib)| format!("{node} grew to {mib} MiB")).collect()
}

pub(super) fn alarms(world: &World) -> Vec<String> {
    world.alarms.clone()
}
