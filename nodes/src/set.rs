//! Puts out a fixed value, with templates in it resolved.

use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What to put out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Any JSON; strings in it may hold `{{ … }}`.
    #[schemars(extend("x-widget" = "json"))]
    value: Value,
}

/// The node.
pub(crate) struct Set;

impl Node for Set {
    const SPEC: NodeSpec = NodeSpec {
        kind: "set",
        title: "Set a value",
        description: "Puts out a value that you write, with values of earlier steps in it.",
        group: Group::Data,
        icon: "braces",
        pure: true,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, _cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::done(params.value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Bench;

    #[tokio::test]
    async fn any_json_is_put_out() {
        let bench = Bench::new("set");
        for value in [json!(null), json!(3), json!("text"), json!({"a": [1, {"b": false}]})] {
            bench.done(json!({"value": value}), value).await;
        }
    }

    #[tokio::test]
    async fn another_parameter_is_refused() {
        Bench::new("set").fails(json!({"value": 1, "colour": 2}), "INVALID_PARAMETER", "colour").await;
    }
}
