//! The contract, played in a real sandbox.

mod bench;
mod contract;
