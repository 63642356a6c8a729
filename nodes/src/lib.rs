//! The nodes of FlowForge, one file per kind, and what several of them stand on.
//!
//! `catalog` lists every kind in the order of the palette: a new kind is a file and a line there. Below it lie the rooms
//! that kinds share: JavaScript in child processes, the one outbound client, the one git runner with its work trees, and
//! the sandbox. `Services` holds them; whoever starts a server or a worker makes one.

mod approval;
mod call;
mod command;
mod condition;
mod delay;
mod egress;
mod email_send;
mod filter;
mod git;
mod git_branch;
mod git_clone;
mod git_commit;
mod git_push;
mod http_request;
mod javascript;
mod map;
mod params;
mod postgres_query;
mod respond;
mod sandbox;
mod services;
mod set;
mod slack_message;
mod spawn;
mod switch;
mod transform;
mod trigger_github;
mod trigger_manual;
mod trigger_schedule;
mod trigger_webhook;
mod wait_signal;

#[cfg(test)]
mod testing;

use flowforge_core::Catalog;

pub use crate::{
    egress::{EgressPolicy, InvalidEgressPolicy},
    javascript::{JavaScriptConfig, worker::js_worker_main},
    postgres_query::OwnDatabase,
    sandbox::{SandboxConfig, SandboxLimits, SandboxPolicy},
    services::{Services, ServicesConfig},
};

/// Every kind of node, in the order of the palette.
pub fn catalog(services: &Services) -> Catalog {
    Catalog::default()
        .with(trigger_manual::TriggerManual)
        .with(trigger_webhook::TriggerWebhook)
        .with(trigger_github::TriggerGithub)
        .with(trigger_schedule::TriggerSchedule)
        .with(set::Set)
        .with(transform::Transform::new(services))
        .with(filter::Filter::new(services))
        .with(condition::Condition::new(services))
        .with(switch::Switch)
        .with(map::Map)
        .with(call::Call)
        .with(respond::Respond)
        .with(delay::Delay)
        .with(wait_signal::WaitSignal)
        .with(approval::Approval)
        .with(http_request::HttpRequest::new(services))
        .with(email_send::EmailSend::new(services))
        .with(slack_message::SlackMessage::new(services))
        .with(postgres_query::PostgresQuery::new(services))
        .with(command::Command::new(services))
        .with(git_clone::GitClone::new(services))
        .with(git_branch::GitBranch::new(services))
        .with(git_commit::GitCommit::new(services))
        .with(git_push::GitPush::new(services))
}
