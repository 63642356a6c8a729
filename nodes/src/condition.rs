//! Sends the run one of two ways.

use std::sync::Arc;

use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    javascript::{JavaScript, is_true},
    services::Services,
};

/// What to decide by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// JavaScript or a plain path, for example `input.total > 100` or `steps.fetch.output.body.ok`. As in JavaScript, `false`,
    /// `null`, `0` and the empty text mean no; everything else means yes.
    #[schemars(extend("x-widget" = "expression", "x-language" = "javascript", "x-placeholder" = "input.total > 100"))]
    expression: String,
}

/// The node.
pub(crate) struct Condition {
    js: Arc<JavaScript>,
}

impl Condition {
    pub(crate) fn new(services: &Services) -> Self {
        Self { js: services.javascript() }
    }
}

impl Node for Condition {
    const SPEC: NodeSpec = NodeSpec {
        kind: "condition",
        title: "Condition",
        description: "Goes on by `true` or by `false`, and hands on what it was given.",
        group: Group::Data,
        icon: "arrows-split",
        ports: &["true", "false"],
        pure: true,
        scripts: &["expression"],
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let value = self.js.expression(&params.expression, cx).await?;
        Ok(Outcome::pass(cx, Some(if is_true(&value) { "true" } else { "false" })))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Bench;

    async fn check(expression: &str, port: &str) {
        let input = json!({"total": 120, "zero": 0, "empty": "", "text": "no", "none": [], "ok": true});
        let bench = Bench::new("condition").input(input.clone()).trigger(json!({"go": true}));
        bench.leaves(json!({"expression": expression}), input, port).await;
    }

    #[tokio::test]
    async fn plain_paths_and_javascript_choose_the_same_way() {
        for (expression, port) in [
            ("input.total", "true"),
            ("input.zero", "false"),
            ("input.empty", "false"),
            ("input.text", "true"),
            ("input.none", "true"),
            ("input.nowhere.at.all", "false"),
            ("trigger.go", "true"),
            ("steps.skipped.output.x", "false"),
        ] {
            check(expression, port).await;
        }
        for (expression, port) in [
            ("input.total > 100", "true"),
            ("input.total > 1000;", "false"),
            ("!input.empty // a remark", "true"),
            ("NaN", "false"),
            ("input.none.length", "false"),
            ("{{ input.total === 120 }}", "true"),
            ("(() => { for (const x of [1, 2]) if (x > 1) return true })()", "true"),
        ] {
            check(expression, port).await;
        }
    }

    #[tokio::test]
    async fn inside_a_map_it_sees_the_item_and_its_place() {
        let bench = Bench::new("condition").item(json!({"n": 4}), 2);
        for (expression, port) in [
            ("item.n", "true"),
            ("index", "true"),
            ("item.none", "false"),
            ("item.n > 4", "false"),
            ("index === 2 && item.n === 4", "true"),
        ] {
            bench.leaves(json!({"expression": expression}), json!(null), port).await;
        }
        let first = Bench::new("condition").item(json!(null), 0);
        first.leaves(json!({"expression": "index"}), json!(null), "false").await;
    }

    #[tokio::test]
    async fn what_is_not_an_expression_fails() {
        let bench = Bench::new("condition").input(json!({}));
        bench.fails(json!({"expression": "input.a b"}), "SCRIPT_ERROR", "").await;
        bench.fails(json!({"expression": "input.a.b.c > 1"}), "SCRIPT_ERROR", "").await;
        bench.fails(json!({"expression": "  "}), "SCRIPT_ERROR", "empty").await;
    }
}
