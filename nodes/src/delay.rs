//! Waits, without holding a worker.

use chrono::DateTime;
use flowforge_core::{
    Timestamp,
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome, Wake},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{Text, invalid, optional, wait};

/// How long to wait; one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// So many seconds from now.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0))]
    seconds: Option<f64>,
    /// Until this time, for example `2027-01-31T09:00:00Z`. A time that has passed does not wait.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "2027-01-31T09:00:00Z"))]
    until: Option<Text>,
}

/// The node.
pub(crate) struct Delay;

impl Node for Delay {
    const SPEC: NodeSpec = NodeSpec {
        kind: "delay",
        title: "Delay",
        description: "Waits for a while or until a time, then hands on what it was given.",
        group: Group::Wait,
        icon: "clock-pause",
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        if cx.woken.is_some() {
            return Ok(Outcome::pass(cx, None));
        }
        wake(&params).map(Outcome::Sleep)
    }
}

fn wake(params: &Params) -> Result<Wake, NodeError> {
    match (params.seconds, &params.until) {
        (Some(seconds), None) => wait("seconds", seconds),
        (None, Some(until)) => match DateTime::parse_from_rfc3339(until) {
            Ok(time) => Ok(Wake::At(Timestamp(time.timestamp_millis()))),
            Err(fault) => Err(invalid(format!("`until` must be a time like 2027-01-31T09:00:00Z: `{until}`: {fault}"))),
        },
        _ => Err(invalid("give either `seconds` or `until`")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flowforge_core::node::{Outcome, Wake};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::Bench;

    async fn check(params: Value, expected: Wake) {
        assert_eq!(Bench::new("delay").run(params).await.unwrap(), Outcome::Sleep(expected));
    }

    #[tokio::test]
    async fn it_asks_to_be_woken() {
        check(json!({"seconds": 1.5}), Wake::After(Duration::from_millis(1500))).await;
        check(json!({"seconds": 0, "until": ""}), Wake::After(Duration::ZERO)).await;
        check(json!({"until": "1970-01-01T01:00:01+01:00"}), Wake::At(Timestamp(1000))).await;
    }

    #[tokio::test]
    async fn once_woken_it_hands_on_its_input() {
        let bench = Bench::new("delay").input(json!({"a": 1})).woken();
        bench.done(json!({"seconds": 60}), json!({"a": 1})).await;
    }

    #[tokio::test]
    async fn what_is_no_time_is_refused() {
        for params in [
            json!({}),
            json!({"seconds": 1, "until": "2027-01-31T09:00:00Z"}),
            json!({"seconds": -1}),
            json!({"seconds": 1e300}),
            json!({"seconds": "soon"}),
            json!({"until": "tomorrow"}),
        ] {
            Bench::new("delay").fails(params, "INVALID_PARAMETER", "").await;
        }
    }
}
