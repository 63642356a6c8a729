//! Begins a run when something happens in a repository at GitHub.

use flowforge_core::{
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome},
    params::ParamsProblem,
    trigger::github::Params,
};
use serde_json::{Value, json};

/// The node. What it asks for is checked before there is a run.
pub(crate) struct TriggerGithub;

impl Node for TriggerGithub {
    const SPEC: NodeSpec = NodeSpec {
        kind: "trigger.github",
        title: "GitHub event",
        description: "Begins a run for pushes, pull requests and whatever else GitHub tells, once each.",
        group: Group::Triggers,
        icon: "brand-github",
        pure: true,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, _params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::pass(cx, None))
    }

    fn check(params: &Params) -> Vec<ParamsProblem> {
        params.check()
    }

    fn output_schema() -> Value {
        let text = json!({"type": ["string", "null"]});
        json!({"type": "object", "properties": {
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "query": {"type": "object"},
            "body": {"type": "object"},
            "delivery_id": {"type": "string"},
            "event": {"type": "string"}, "action": text, "repository": text, "branch": text, "tag": text, "commit": text,
            "number": {"type": ["integer", "null"]}, "author": text}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[tokio::test]
    async fn what_came_is_handed_on() {
        let input = json!({"headers": {}, "query": {}, "body": {"ref": "refs/heads/main"}, "event": "push"});
        Bench::new("trigger.github").input(input.clone()).done(json!({"secret": "GITHUB"}), input).await;
    }
}
