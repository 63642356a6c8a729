//! The nodes of FlowForge, one file per kind, and what several of them stand on.
//!
//! `catalog` lists every kind in the order of the palette: a new kind is a file and a line there. Below it lie the rooms
//! that kinds share: JavaScript in child processes, the one outbound client, the one git runner with its work trees, and
//! the sandbox. `Services` holds them; whoever starts a server or a worker makes one.

mod agent;
mod agent_command;
mod approval;
mod call;
mod claude_message;
mod claude_task;
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
mod git_rebase;
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
    agent::{InvalidModels, InvalidPrices, ModelsConfig, Prices},
    egress::{EgressPolicy, InvalidEgressPolicy, OwnServer},
    git::{InvalidPushPolicy, PushPolicy, rebase::check_answer},
    javascript::{JavaScriptConfig, worker::js_worker_main},
    postgres_query::OwnDatabase,
    sandbox::{DockerConfig, Forwarder, SandboxConfig, SandboxLimits, SandboxPolicy, sandbox_forward_main},
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
        .with(git_rebase::GitRebase::new(services))
        .with(git_push::GitPush::new(services))
        .with(claude_task::ClaudeTask::new(services))
        .with(agent_command::AgentCommand::new(services))
        .with(claude_message::ClaudeMessage::new(services))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::testing::services;

    /// Calls with every object schema in a schema.
    fn objects(schema: &Value, seen: &mut impl FnMut(&Value)) {
        if schema["properties"].is_object() {
            seen(schema);
        }
        match schema {
            Value::Array(items) => items.iter().for_each(|item| objects(item, seen)),
            Value::Object(fields) => fields.values().for_each(|field| objects(field, seen)),
            _ => {}
        }
    }

    /// The words that may stand in a field.
    fn choices(field: &Value) -> Vec<&Value> {
        let options = ["oneOf", "anyOf"].into_iter().filter_map(|key| field[key].as_array()).flatten();
        options.flat_map(|option| if option.get("const").is_some() { vec![option] } else { choices(option) }).collect()
    }

    #[test]
    fn what_an_author_of_a_trigger_chooses_from_has_words_for_people() {
        for kind in super::catalog(&services()).kinds().filter(|kind| kind.spec.is_trigger()) {
            objects(kind.params.json(), &mut |object| {
                for (name, field) in object["properties"].as_object().into_iter().flatten() {
                    let items = choices(&field["items"]);
                    for choice in choices(field).into_iter().chain(items) {
                        assert!(choice["title"].is_string(), "{} {name}: {choice}", kind.spec.kind);
                    }
                    assert!(field.get("enum").is_none(), "{} {name}: words without a help text: {field}", kind.spec.kind);
                }
            });
        }
    }

    #[test]
    fn a_field_is_shown_for_choices_that_there_are() {
        let mut seen = 0;
        for kind in super::catalog(&services()).kinds() {
            objects(kind.params.json(), &mut |object| {
                for (name, field) in object["properties"].as_object().into_iter().flatten() {
                    for (beside, wanted) in field["x-shown-when"].as_object().into_iter().flatten() {
                        let other = &object["properties"][beside];
                        let known: Vec<_> = choices(other).into_iter().map(|choice| &choice["const"]).collect();
                        let wanted = wanted.as_array().unwrap();
                        assert!(wanted.iter().all(|one| known.contains(&one)), "{} {name}: {wanted:?}", kind.spec.kind);
                        assert!(known.contains(&&other["default"]), "{} {beside}: nothing is chosen at first", kind.spec.kind);
                        seen += 1;
                    }
                }
            });
        }
        assert!(seen >= 9, "{seen}");
    }
}
