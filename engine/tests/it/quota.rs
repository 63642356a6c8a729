//! Steps that wait for the quota of a model's provider: they are called again, and know since when they have waited.

use std::time::Duration;

use flowforge_core::{
    Awaiting, Timestamp,
    node::{Await, Context, Lane, Node, NodeError, NodeSpec, Outcome, Wake},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{forge::on_every_database, runs::check};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct StarveParams {
    /// How often it waits.
    times: i64,
}

/// Waits for a quota, and keeps the count of its waits in what it waits for.
pub(crate) struct Starve;

impl Node for Starve {
    const SPEC: NodeSpec = NodeSpec { kind: "starve", ..NodeSpec::BASE };
    type Params = StarveParams;

    async fn run(&self, params: StarveParams, cx: &Context) -> Result<Outcome, NodeError> {
        starve(&params, cx)
    }
}

/// The same as a heavy step.
pub(crate) struct StarveThere;

impl Node for StarveThere {
    const SPEC: NodeSpec = NodeSpec { kind: "starve_there", lane: Lane::Dispatched, ..NodeSpec::BASE };
    type Params = StarveParams;

    async fn run(&self, params: StarveParams, cx: &Context) -> Result<Outcome, NodeError> {
        starve(&params, cx)
    }
}

fn starve(params: &StarveParams, cx: &Context) -> Result<Outcome, NodeError> {
    let waited = match cx.awaited.as_deref() {
        Some(Awaiting::Quota { since }) => since.0,
        _ => 0,
    };
    if waited == params.times {
        return Ok(Outcome::done(json!({"woken": cx.woken.is_some(), "waited": waited, "attempt": cx.attempt})));
    }
    let what = Awaiting::Quota { since: Timestamp(waited + 1) };
    Ok(Outcome::Await(Await { what, until: Some(Wake::After(Duration::from_millis(20))) }))
}

#[test]
fn a_step_waits_for_a_quota_in_one_attempt_and_knows_since_when() {
    on_every_database(async |forge| {
        for kind in ["starve", "starve_there"] {
            let output = r#"completed {"woken":true,"waited":3,"attempt":1}"#;
            check(&forge, json!([["a", kind, {"times": 3}]]), &[], output, "a:completed").await;
        }
    });
}
