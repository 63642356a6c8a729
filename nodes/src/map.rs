//! Does the same for each item of a list.

use flowforge_core::{
    Awaiting,
    awaiting::{ChildSource, Children, OnItemError},
    node::{Await, Context, Group, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::params::{Text, invalid, optional, or_default};

/// The longest list.
const MOST_ITEMS: usize = 10_000;
/// The most items that may be under way at once.
const MOST_PARALLEL: u32 = 100;
/// How many items are under way at once when the author does not say.
const USUAL_PARALLEL: u32 = 10;

/// What to do, and for which items.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["body"]}, {"required": ["workflow"]}]))]
pub(crate) struct Params {
    /// The list, for example `{{ steps.fetch.output.body.items }}`; at most 10,000 items. Its results keep its order.
    #[schemars(with = "Vec<Value>", extend("x-widget" = "template", "x-placeholder" = "{{ steps.fetch.output.body.items }}"))]
    items: Value,
    /// The steps that are run for each item. They see `item`, its place `index` (from 0), and what the steps before this one
    /// put out.
    #[serde(default, deserialize_with = "optional")]
    body: Option<Value>,
    /// The workflow that is run for each item, with the item as its input.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "workflow"))]
    workflow: Option<Text>,
    /// Which version of the workflow; the published one, or else the newest, when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1))]
    version: Option<u32>,
    /// How many items are under way at once; 10 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 100), extend("x-placeholder" = "10"))]
    max_parallel: Option<u32>,
    /// What the failure of an item means for the others.
    #[serde(default, deserialize_with = "or_default")]
    on_item_error: OnItemError,
}

/// The node.
pub(crate) struct Map;

impl Node for Map {
    const SPEC: NodeSpec = NodeSpec {
        kind: "map",
        title: "For each item",
        description: "Runs steps, or a workflow, once for each item of a list, and puts out their results in its order.",
        group: Group::Data,
        icon: "repeat",
        body: Some("body"),
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, _cx: &Context) -> Result<Outcome, NodeError> {
        let source = source(&params)?;
        let max_parallel = params.max_parallel.unwrap_or(USUAL_PARALLEL);
        if !(1..=MOST_PARALLEL).contains(&max_parallel) {
            return Err(invalid(format!("`max_parallel` must be 1 to {MOST_PARALLEL}, not {max_parallel}")));
        }
        let (items, on_item_error) = (items(params.items)?, params.on_item_error);
        let children = Children { items, source, max_parallel, on_item_error, single: false, pages: Vec::new(), outer: None };
        Ok(Outcome::Await(Await { what: Awaiting::Children(children), until: None }))
    }

    fn output_schema() -> Value {
        json!({"type": "array"})
    }
}

fn source(params: &Params) -> Result<ChildSource, NodeError> {
    match (&params.body, &params.workflow) {
        (Some(_), None) => Ok(ChildSource::Body),
        (None, Some(workflow)) => Ok(ChildSource::Workflow { workflow: workflow.to_string(), version: params.version }),
        _ => Err(invalid("give either `body` or `workflow`")),
    }
}

fn items(value: Value) -> Result<Vec<Value>, NodeError> {
    let items = match value {
        Value::Array(items) => items,
        other => {
            let shown: String = other.to_string().chars().take(80).collect();
            return Err(NodeError::fatal("MAP_NOT_A_LIST", format!("`items` must be a list, not {shown}")));
        }
    };
    if items.len() > MOST_ITEMS {
        let message = format!("`items` has {} items, {MOST_ITEMS} are allowed; split the list into lists", items.len());
        return Err(NodeError::fatal("MAP_TOO_MANY_ITEMS", message));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn body() -> Value {
        json!({"nodes": [{"id": "a", "type": "set", "params": {"value": "{{ item }}"}}]})
    }

    async fn check(params: Value, expected: Children) {
        Bench::new("map").awaits(params, Awaiting::Children(expected), None).await;
    }

    #[tokio::test]
    async fn it_asks_for_a_run_for_each_item() {
        let usual = Children {
            items: vec![json!(1), json!({"a": 2})],
            source: ChildSource::Body,
            max_parallel: 10,
            on_item_error: OnItemError::Fail,
            single: false,
            pages: Vec::new(),
            outer: None,
        };
        check(json!({"items": [1, {"a": 2}], "body": body()}), usual.clone()).await;
        check(json!({"items": [1, {"a": 2}], "body": body(), "workflow": "", "max_parallel": null}), usual.clone()).await;
        let none = Children { items: vec![], on_item_error: OnItemError::Collect, max_parallel: 100, ..usual.clone() };
        check(json!({"items": [], "body": body(), "on_item_error": "collect", "max_parallel": 100}), none).await;
        let source = ChildSource::Workflow { workflow: "Hello".to_owned(), version: Some(3) };
        let other = Children { source, on_item_error: OnItemError::Continue, max_parallel: 1, ..usual };
        let params =
            json!({"items": [1, {"a": 2}], "workflow": "Hello", "version": 3, "on_item_error": "continue", "max_parallel": 1});
        check(params, other).await;
    }

    #[tokio::test]
    async fn what_is_no_list_or_too_long_is_refused() {
        let bench = Bench::new("map");
        for items in [json!(null), json!({"a": 1}), json!("[1]"), json!(3)] {
            bench.fails(json!({"items": items, "body": body()}), "MAP_NOT_A_LIST", &items.to_string()).await;
        }
        let longest = vec![0; MOST_ITEMS];
        assert!(bench.run(json!({"items": longest, "body": body()})).await.is_ok());
        let longer = vec![0; MOST_ITEMS + 1];
        let fault = bench.fails(json!({"items": longer, "body": body()}), "MAP_TOO_MANY_ITEMS", "10001 items").await;
        assert!(!fault.retryable);
    }

    #[tokio::test]
    async fn what_does_not_fit_together_is_refused() {
        for (params, words) in [
            (json!({"items": [1]}), "either"),
            (json!({"items": [1], "body": body(), "workflow": "Hello"}), "either"),
            (json!({"items": [1], "body": body(), "max_parallel": 0}), "max_parallel"),
            (json!({"items": [1], "body": body(), "max_parallel": 101}), "max_parallel"),
            (json!({"items": [1], "body": body(), "on_item_error": "ignore"}), "ignore"),
            (json!({"items": [1], "workflow": "Hello", "version": "latest"}), ""),
        ] {
            Bench::new("map").fails(params, "INVALID_PARAMETER", words).await;
        }
    }

    #[test]
    fn an_author_hears_of_it_when_saving() {
        let faults = |params: Value| {
            let schema = flowforge_core::params::Schema::of::<Params>();
            schema.check(params.as_object().unwrap(), &[]).into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        assert!(faults(json!({"items": "{{ trigger.list }}", "body": body()})).is_empty());
        assert_eq!(faults(json!({"items": []})), ["body"]);
        assert_eq!(faults(json!({"items": 5, "body": body(), "workflow": "Hello"})), ["workflow", "items"]);
        assert_eq!(
            faults(json!({"items": null, "workflow": "Hello", "max_parallel": 0, "version": 0})),
            ["items", "max_parallel", "version"]
        );
    }
}
