//! The nodes of FlowForge, one file per kind, and what several of them stand on.
//!
//! `catalog` lists every kind in the order of the palette: a new kind is a file and a line there. Below it lie the rooms
//! that kinds share: JavaScript in child processes, the one outbound client, the one git runner with its work trees, and
//! the sandbox. `Services` holds them; whoever starts a server or a worker makes one.

mod condition;
mod delay;
mod filter;
mod javascript;
mod params;
mod services;
mod set;
mod spawn;
mod transform;
mod trigger_manual;

#[cfg(test)]
mod testing;

use flowforge_core::Catalog;

pub use crate::{
    javascript::{JavaScriptConfig, worker::js_worker_main},
    services::{Services, ServicesConfig},
};

/// Every kind of node, in the order of the palette.
pub fn catalog(services: &Services) -> Catalog {
    Catalog::default()
        .with(trigger_manual::TriggerManual)
        .with(set::Set)
        .with(transform::Transform::new(services))
        .with(filter::Filter::new(services))
        .with(condition::Condition::new(services))
        .with(delay::Delay)
}
