//! Kinds that exist only here: the test answers for their attempts, so they never run.

use flowforge_core::{
    Catalog,
    node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// `trigger.manual`, `trigger.webhook`, `set`, `condition`, `save`, `command`, `approval`, `switch`, `map` and `respond`.
pub(crate) fn catalog() -> Catalog {
    Catalog::default()
        .with(Manual)
        .with(Webhook)
        .with(Set)
        .with(Condition)
        .with(Save)
        .with(Command)
        .with(Ask)
        .with(Switch)
        .with(Map)
        .with(Respond)
}

macro_rules! kinds {
    ($($name:ident($params:ty): $spec:expr;)*) => {$(
        pub(crate) struct $name;

        impl Node for $name {
            const SPEC: NodeSpec = $spec;
            type Params = $params;

            async fn run(&self, _params: Self::Params, _cx: &Context) -> Result<Outcome, NodeError> {
                Err(NodeError::fatal("NOT_HERE", "the test answers for this node"))
            }
        }
    )*};
}

kinds! {
    Manual(Nothing): NodeSpec { kind: "trigger.manual", group: Group::Triggers, pure: true, ..NodeSpec::BASE };
    Webhook(Nothing): NodeSpec { kind: "trigger.webhook", group: Group::Triggers, pure: true, ..NodeSpec::BASE };
    Command(Nothing): NodeSpec { kind: "command", lane: Lane::Dispatched, leaves_files: true, ..NodeSpec::BASE };
    Set(Assign): NodeSpec { kind: "set", pure: true, ..NodeSpec::BASE };
    Save(Nothing): NodeSpec { kind: "save", ports: &["out", "unchanged"], side_ports: &["unchanged"], ..NodeSpec::BASE };
    Ask(Nothing): NodeSpec { kind: "approval", group: Group::Wait, ports: &["approved", "rejected", "timeout"], ..NodeSpec::BASE };
    Switch(Cases): NodeSpec { kind: "switch", ports: &["default"], ports_from: Some("cases"), ..NodeSpec::BASE };
    Map(Each): NodeSpec { kind: "map", body: Some("body"), ..NodeSpec::BASE };
    Respond(Nothing): NodeSpec { kind: "respond", responds: true, pure: true, ..NodeSpec::BASE };
    Condition(Choice): NodeSpec { kind: "condition", pure: true, ports: &["true", "false"], scripts: &["expression"], ..NodeSpec::BASE };
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(deny_unknown_fields)]
pub(crate) struct Assign {
    value: Option<Value>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    expression: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    cases: Option<Vec<Value>>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(deny_unknown_fields)]
pub(crate) struct Each {
    items: Option<Value>,
    body: Option<Value>,
}
