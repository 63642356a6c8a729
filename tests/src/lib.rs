//! The black-box harness of FlowForge: real servers, real databases, a real git remote and a ledger of effects.
//!
//! It knows the product by its binary and its HTTP interface only. A test starts a [`Forge`], gives it a
//! [`graph`], and looks at what came out: the run, its steps, its events, the [`Ledger`] and the [`Remote`].

mod client;
mod events;
mod fleet;
mod forge;
mod graph;
mod ledger;
pub mod messages_api;
mod pages;
mod postgres;
mod process;
mod redis;
mod remote;
mod seed;
mod server;

pub use client::{Client, Reply, plain_http};
pub use events::{Event, Events};
pub use fleet::{Fleet, Load};
pub use forge::{Database, Forge, is_over};
pub use graph::{chain, graph};
pub use ledger::{Effect, Ledger};
pub use pages::Pages;
pub use postgres::Postgres;
pub use process::{claude, left_after, leftovers, root, run_script};
pub use redis::Redis;
pub use remote::{Remote, Request};
pub use seed::Seed;
pub use server::{Server, Settings, binary, command, free_port};
