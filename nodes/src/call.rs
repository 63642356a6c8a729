//! Runs another workflow and waits for its end.

use flowforge_core::{
    Awaiting,
    awaiting::{ChildSource, Children, OnItemError},
    node::{Await, Context, Group, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::params::{Text, invalid, optional};

/// What to run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The workflow.
    #[schemars(extend("x-widget" = "workflow"))]
    workflow: Text,
    /// Which version of it; the published one, or else the newest, when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1))]
    version: Option<u32>,
    /// What it is given, as if it were started with this input; nothing (`null`) when absent.
    #[serde(default)]
    #[schemars(extend("x-widget" = "json"))]
    input: Value,
}

/// The node.
pub(crate) struct Call;

impl Node for Call {
    const SPEC: NodeSpec = NodeSpec {
        kind: "call",
        title: "Call a workflow",
        description: "Runs another workflow, waits for its end and puts out what it puts out.",
        group: Group::Data,
        icon: "subtask",
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, _cx: &Context) -> Result<Outcome, NodeError> {
        if params.workflow.trim().is_empty() {
            return Err(invalid("`workflow` is empty; name the workflow to run"));
        }
        let children = Children {
            items: vec![params.input],
            source: ChildSource::Workflow { workflow: params.workflow.to_string(), version: params.version },
            max_parallel: 1,
            on_item_error: OnItemError::Fail,
            single: true,
            pages: Vec::new(),
            outer: None,
        };
        Ok(Outcome::Await(Await { what: Awaiting::Children(children), until: None }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Bench;

    async fn check(params: Value, input: Value, version: Option<u32>) {
        let source = ChildSource::Workflow { workflow: "Hello".to_owned(), version };
        let children = Children {
            items: vec![input],
            source,
            max_parallel: 1,
            on_item_error: OnItemError::Fail,
            single: true,
            pages: Vec::new(),
            outer: None,
        };
        Bench::new("call").input(json!("not this")).awaits(params, Awaiting::Children(children), None).await;
    }

    #[tokio::test]
    async fn it_asks_for_one_run() {
        check(json!({"workflow": "Hello", "input": {"name": "Ada"}}), json!({"name": "Ada"}), None).await;
        check(json!({"workflow": "Hello", "version": 2, "input": [1, 2]}), json!([1, 2]), Some(2)).await;
        check(json!({"workflow": "Hello", "version": ""}), json!(null), None).await;
    }

    #[tokio::test]
    async fn a_workflow_that_is_not_named_is_refused() {
        for params in [json!({}), json!({"workflow": null}), json!({"workflow": " "}), json!({"workflow": ["Hello"]})] {
            Bench::new("call").fails(params, "INVALID_PARAMETER", "").await;
        }
        Bench::new("call").fails(json!({"workflow": "Hello", "version": -1}), "INVALID_PARAMETER", "-1").await;
    }
}
