//! Kinds that exist only here: the script answers for their attempts, so they never run.

use flowforge_core::{
    Catalog,
    node::{Context, Group, Lane, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// `trigger.manual`, the pure `set` and `condition`, the effect `http`, the dispatched effect `command`, and what waits for others:
/// `signal`, `approval` and `map`.
pub(crate) fn catalog() -> Catalog {
    Catalog::default().with(Manual).with(Set).with(Condition).with(Http).with(Command).with(Signal).with(Approval).with(Map)
}

macro_rules! kinds {
    ($($name:ident: $spec:expr;)*) => {$(
        struct $name;

        impl Node for $name {
            const SPEC: NodeSpec = $spec;
            type Params = Nothing;

            async fn run(&self, _params: Nothing, _cx: &Context) -> Result<Outcome, NodeError> {
                Err(NodeError::fatal("NOT_HERE", "the script answers for this node"))
            }
        }
    )*};
}

kinds! {
    Manual: NodeSpec { kind: "trigger.manual", group: Group::Triggers, pure: true, ..NodeSpec::BASE };
    Set: NodeSpec { kind: "set", pure: true, ..NodeSpec::BASE };
    Condition: NodeSpec { kind: "condition", ports: &["true", "false"], pure: true, ..NodeSpec::BASE };
    Http: NodeSpec { kind: "http", group: Group::Effects, ..NodeSpec::BASE };
    Command: NodeSpec { kind: "command", group: Group::Effects, lane: Lane::Dispatched, ..NodeSpec::BASE };
    Signal: NodeSpec { kind: "signal", group: Group::Wait, ports: &["out", "timeout"], pure: true, ..NodeSpec::BASE };
    Approval: NodeSpec { kind: "approval", group: Group::Wait, ports: &["approved", "rejected", "timeout"], pure: true, ..NodeSpec::BASE };
    Map: NodeSpec { kind: "map", pure: true, ..NodeSpec::BASE };
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}
