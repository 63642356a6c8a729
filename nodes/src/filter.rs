//! Keeps some items of a list.

use std::sync::Arc;

use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{javascript::JavaScript, services::Services};

/// Which items to keep.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The list, for example `{{ steps.fetch.output.body.items }}`.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "{{ steps.fetch.output.body.items }}"))]
    items: Vec<Value>,
    /// JavaScript or a plain path, evaluated for each `item`; what it says yes to is kept. `index` counts from 0.
    #[schemars(extend("x-widget" = "expression", "x-language" = "javascript", "x-placeholder" = "item.price > 10"))]
    expression: String,
}

/// The node.
pub(crate) struct Filter {
    js: Arc<JavaScript>,
}

impl Filter {
    pub(crate) fn new(services: &Services) -> Self {
        Self { js: services.javascript() }
    }
}

impl Node for Filter {
    const SPEC: NodeSpec = NodeSpec {
        kind: "filter",
        title: "Filter",
        description: "Keeps the items of a list that an expression says yes to.",
        group: Group::Data,
        icon: "filter",
        pure: true,
        scripts: &["expression"],
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let keep = self.js.keep(&params.expression, &params.items, cx).await?;
        let kept = params.items.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(item, _)| item);
        Ok(Outcome::done(kept.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::Bench;

    async fn check(expression: &str, kept: Value) {
        let items = json!([{"n": 1, "on": true}, {"n": 12_345_678_901_234_567_u64, "on": false}, {"n": 3, "on": "yes"}]);
        let bench = Bench::new("filter").input(json!({"most": 2}));
        bench.done(json!({"items": items, "expression": expression}), kept).await;
    }

    #[tokio::test]
    async fn what_the_expression_says_yes_to_is_kept_unchanged() {
        check("item.on", json!([{"n": 1, "on": true}, {"n": 3, "on": "yes"}])).await;
        check("item.n > input.most", json!([{"n": 12_345_678_901_234_567_u64, "on": false}, {"n": 3, "on": "yes"}])).await;
        check("index == 0", json!([{"n": 1, "on": true}])).await;
        check("item.nothing", json!([])).await;
    }

    #[tokio::test]
    async fn inside_a_map_item_and_index_are_its_own() {
        let bench = Bench::new("filter").item(json!("the map's"), 9).input(json!(7));
        for expression in ["item > 1", "index > 0", "item > index && input === 7 && index !== 0"] {
            bench.done(json!({"items": [1, 5], "expression": expression}), json!([5])).await;
        }
    }

    #[tokio::test]
    async fn an_empty_list_stays_empty() {
        Bench::new("filter").done(json!({"items": [], "expression": "item.x.y"}), json!([])).await;
        Bench::new("filter").done(json!({"items": [], "expression": "item > 1"}), json!([])).await;
    }

    #[tokio::test]
    async fn a_fault_names_the_item() {
        let bench = Bench::new("filter");
        bench.fails(json!({"items": [{"a": {"b": 1}}, {}], "expression": "item.a.b > 0"}), "SCRIPT_ERROR", "item 1").await;
        bench.fails(json!({"items": {"a": 1}, "expression": "item"}), "INVALID_PARAMETER", "").await;
    }
}
