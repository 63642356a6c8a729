//! The pure core of FlowForge: what a workflow means, without saying how it is stored or run.
//!
//! Nothing here touches a clock, a database, a network, a thread or a source of randomness; time and seeds are arguments.
//! The manifest proves it. Three words carry it: an *input* is what happens to a run, an *event* is the fact that follows,
//! a *command* is the effect that a fact demands. `Run::step` turns the first into the second and `Event::command` the
//! second into the third, so a lost command can be rebuilt from the recorded facts.

pub mod audit;
pub mod awaiting;
pub mod cache;
pub mod catalog;
pub mod conflict;
pub mod document;
pub mod event;
pub mod expression;
pub mod files;
pub mod graph;
pub mod id;
pub mod money;
pub mod node;
pub mod params;
pub mod priority;
pub mod problem;
pub mod rerun;
pub mod retry;
pub mod run;
pub mod secret;
pub mod state;
pub mod status;
pub mod template;
pub mod time;
pub mod trigger;

pub use crate::{
    awaiting::Awaiting,
    catalog::{Catalog, Kind},
    document::Document,
    event::{Command, Event},
    graph::{Graph, StepIx},
    id::{BudgetId, DeliveryId, NodeId, RunId, SessionId, TriggerId, UserId, WorkerId, WorkflowId, WorkspaceId},
    priority::Priority,
    problem::Problem,
    run::{Input, Rejected, Run},
    state::StepState,
    status::{RunStatus, StepStatus},
    time::Timestamp,
};
