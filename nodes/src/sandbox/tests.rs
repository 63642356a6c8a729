//! The contract, played in a real sandbox.

pub(super) mod bench;
mod contract;
mod hostile;
mod overhead;
