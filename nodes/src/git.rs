//! Git: the one runner, the work trees of runs, and the remotes that they come from and go to.
//!
//! A work tree belongs to one run and is used under its lock. Whatever a step does to it can be done again after the process was
//! killed in the middle: what is new is made aside and put in place by one rename or one ref, and a ref or a record that carries
//! the step's key says that it was done.

mod branches;
mod changes;
mod checkpoint;
mod durable;
mod faults;
mod names;
pub(crate) mod rebase;
mod refs;
mod remote;
mod runner;
mod trees;
mod version;

pub(crate) use self::{
    branches::patterns as branch_patterns,
    changes::{Change, Person},
    faults::{of_network as network_fault, said as git_said},
    names::branch_name,
    refs::Head,
    remote::Remote,
    runner::Git,
    trees::{Origin, WorkTree, WorkTrees},
    version::check as check_version,
};

pub use self::branches::{InvalidPushPolicy, PushPolicy};

/// Where steps leave what they did: `<this>/<effect key>`.
pub(crate) const STEPS: &str = "refs/flowforge/steps";
/// Where steps leave what they found.
const BEFORE: &str = "refs/flowforge/before";

#[cfg(test)]
mod tests;
