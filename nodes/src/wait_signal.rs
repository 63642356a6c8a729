//! Waits until somebody outside says that it is time.

use flowforge_core::{
    Awaiting,
    node::{Await, Context, Group, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::params::{Text, invalid, optional, within};

/// The longest name of a signal.
const LONGEST_NAME: usize = 64;

/// What to wait for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The signal's name, under which it is sent to the run: letters, digits, `.`, `_` and `-`. One that came before the step
    /// began counts.
    #[schemars(extend("x-placeholder" = "payment.received"))]
    name: Text,
    /// The longest wait, in seconds; then the step leaves by `timeout`. As long as it takes when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0))]
    timeout_s: Option<f64>,
}

/// The node.
pub(crate) struct WaitSignal;

impl Node for WaitSignal {
    const SPEC: NodeSpec = NodeSpec {
        kind: "wait.signal",
        title: "Wait for a signal",
        description: "Waits until a signal is sent to the run, and puts out what the signal carries.",
        group: Group::Wait,
        icon: "broadcast",
        ports: &["out", "timeout"],
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        if cx.woken.is_some() {
            return Ok(Outcome::on_port(Value::Null, "timeout"));
        }
        let name = params.name.0;
        if !is_name(&name) {
            let shown: String = name.chars().take(80).collect();
            let message = format!("`name` must be 1 to {LONGEST_NAME} letters, digits, `.`, `_` or `-`, not `{shown}`");
            return Err(invalid(message));
        }
        Ok(Outcome::Await(Await { what: Awaiting::Signal { name }, until: within(params.timeout_s)? }))
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flowforge_core::node::Wake;
    use serde_json::json;

    use super::*;
    use crate::testing::Bench;

    async fn check(params: Value, name: &str, until: Option<Wake>) {
        Bench::new("wait.signal").awaits(params, Awaiting::Signal { name: name.to_owned() }, until).await;
    }

    #[tokio::test]
    async fn it_waits_for_a_signal() {
        check(json!({"name": "go"}), "go", None).await;
        check(json!({"name": "Order-7_paid.v2", "timeout_s": ""}), "Order-7_paid.v2", None).await;
        check(json!({"name": 12, "timeout_s": 1.5}), "12", Some(Wake::After(Duration::from_millis(1500)))).await;
        check(json!({"name": "x".repeat(64), "timeout_s": 0}), &"x".repeat(64), Some(Wake::After(Duration::ZERO))).await;
    }

    #[tokio::test]
    async fn when_the_time_is_up_it_leaves_by_timeout() {
        let bench = Bench::new("wait.signal").input(json!({"a": 1})).woken();
        bench.leaves(json!({"name": "go", "timeout_s": 5}), json!(null), "timeout").await;
    }

    #[tokio::test]
    async fn what_is_no_name_or_no_time_is_refused() {
        let bench = Bench::new("wait.signal");
        for name in ["", " ", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            bench.fails(json!({ "name": name }), "INVALID_PARAMETER", "`name`").await;
        }
        for timeout_s in [json!(-1), json!(1e300), json!(315_360_001)] {
            bench.fails(json!({"name": "go", "timeout_s": timeout_s}), "INVALID_PARAMETER", "`timeout_s`").await;
        }
        bench.fails(json!({"name": "go", "timeout_s": "soon"}), "INVALID_PARAMETER", "").await;
    }
}
