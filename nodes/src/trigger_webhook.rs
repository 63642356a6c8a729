//! Begins a run whenever something is sent to an address of its own.

use flowforge_core::{
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome},
    params::ParamsProblem,
    trigger::webhook::Params,
};
use serde_json::{Value, json};

/// The node. What it asks of its callers is checked before there is a run.
pub(crate) struct TriggerWebhook;

impl Node for TriggerWebhook {
    const SPEC: NodeSpec = NodeSpec {
        kind: "trigger.webhook",
        title: "Webhook",
        description: "Begins a run for everything that is sent to an address of its own, once.",
        group: Group::Triggers,
        icon: "webhook",
        pure: true,
        scripts: &["filter"],
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
        json!({"type": "object", "properties": {
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "query": {"type": "object"},
            "body": {},
            "delivery_id": {"type": "string"}}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[tokio::test]
    async fn what_came_is_handed_on() {
        let input = json!({"headers": {}, "query": {}, "body": {"{{7*7}}": "{{ secrets.S }}"}, "delivery_id": "dlv_1"});
        Bench::new("trigger.webhook").input(input.clone()).done(json!({"filter": "trigger.body['{{']"}), input).await;
    }
}
