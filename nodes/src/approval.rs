//! Waits until a person has decided.

use flowforge_core::{
    Awaiting,
    awaiting::Approval as Question,
    node::{Await, Context, Group, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::params::{Text, invalid, optional, within};

/// The roles that can be named instead of a person.
const ROLES: [&str; 4] = ["owner", "admin", "editor", "viewer"];

/// What to ask, and whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The question, in a line.
    #[schemars(extend("x-placeholder" = "Publish version {{ trigger.version }}?"))]
    title: Text,
    /// What the decision is about. It is shown as it is now, and the decision holds for exactly this.
    #[serde(default)]
    #[schemars(extend("x-widget" = "json"))]
    details: Value,
    /// Who may decide: e-mail addresses, or the roles `owner`, `admin`, `editor` and `viewer`. Anyone who may start runs when
    /// absent.
    #[serde(default, deserialize_with = "present")]
    #[schemars(extend("x-widget" = "tags", "x-choices" = ["owner", "admin", "editor", "viewer"]))]
    approvers: Option<Vec<Text>>,
    /// The longest wait, in seconds; then the step leaves by `timeout`. As long as it takes when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0))]
    timeout_s: Option<f64>,
}

/// The node.
pub(crate) struct Approval;

impl Node for Approval {
    const SPEC: NodeSpec = NodeSpec {
        kind: "approval",
        title: "Approval",
        description: "Waits until a person approves or rejects, and goes on by what was decided.",
        group: Group::Wait,
        icon: "user-check",
        ports: &["approved", "rejected", "timeout"],
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        if cx.woken.is_some() {
            return Ok(Outcome::on_port(Value::Null, "timeout"));
        }
        let title = params.title.trim().to_owned();
        if title.is_empty() {
            return Err(invalid("`title` is empty; say what is to be decided"));
        }
        let question = Question { title, details: params.details, approvers: approvers(params.approvers)? };
        Ok(Outcome::Await(Await { what: Awaiting::Approval(question), until: within(params.timeout_s)? }))
    }

    fn output_schema() -> Value {
        json!({"type": ["object", "null"], "properties": {
            "decision": {"enum": ["approved", "rejected"]},
            "by": {"type": "string"},
            "comment": {"type": ["string", "null"]},
            "at": {"type": "string"}}})
    }
}

/// Reads a list that is there, if only as `null`: a template that comes to nothing is not the same as no list.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Text>>, D::Error> {
    Option::deserialize(deserializer).map(|given| Some(given.unwrap_or_default()))
}

/// Those who may decide. A list that came out empty, or a name that nobody has, must not open the decision to everyone or to no
/// one.
fn approvers(given: Option<Vec<Text>>) -> Result<Vec<String>, NodeError> {
    let Some(given) = given else { return Ok(Vec::new()) };
    if given.is_empty() {
        return Err(invalid(
            "`approvers` is an empty list; name someone, or leave it out to let anyone decide who may start runs",
        ));
    }
    let approver = |text: Text| {
        let name = text.trim();
        let is_address = name.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if is_address || ROLES.contains(&name) {
            return Ok(name.to_owned());
        }
        let shown: String = name.chars().take(80).collect();
        Err(invalid(format!("`approvers` holds `{shown}`, which is neither an e-mail address nor one of: {}", ROLES.join(", "))))
    };
    given.into_iter().map(approver).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flowforge_core::node::Wake;

    use super::*;
    use crate::testing::Bench;

    async fn check(params: Value, details: Value, approvers: &[&str], until: Option<Wake>) {
        let approvers = approvers.iter().map(ToString::to_string).collect();
        let question = Question { title: "Go on?".to_owned(), details, approvers };
        Bench::new("approval").awaits(params, Awaiting::Approval(question), until).await;
    }

    #[tokio::test]
    async fn it_waits_for_a_decision() {
        check(json!({"title": "Go on?"}), json!(null), &[], None).await;
        let params =
            json!({"title": " Go on? ", "details": {"sum": 12}, "approvers": ["ada@example.org", " admin"], "timeout_s": 60});
        let until = Some(Wake::After(Duration::from_secs(60)));
        check(params, json!({"sum": 12}), &["ada@example.org", "admin"], until).await;
    }

    #[tokio::test]
    async fn when_the_time_is_up_it_leaves_by_timeout() {
        Bench::new("approval").woken().leaves(json!({"title": "Go on?", "timeout_s": 5}), json!(null), "timeout").await;
    }

    #[tokio::test]
    async fn a_template_that_names_nobody_does_not_let_everybody_decide() {
        for approvers in [json!([]), json!([""]), json!([null]), json!(["ada@example.org", " "]), json!(["boss"]), json!(["@"])] {
            Bench::new("approval").fails(json!({"title": "a", "approvers": approvers}), "INVALID_PARAMETER", "approvers").await;
        }
        for approvers in [json!(""), json!(null), json!("ada@example.org"), json!([["admin"]])] {
            Bench::new("approval").fails(json!({"title": "a", "approvers": approvers}), "INVALID_PARAMETER", "").await;
        }
    }

    #[tokio::test]
    async fn a_question_must_be_asked() {
        for params in [json!({}), json!({"title": " "}), json!({"title": null}), json!({"title": "a", "timeout_s": -1})] {
            Bench::new("approval").fails(params, "INVALID_PARAMETER", "").await;
        }
    }
}
