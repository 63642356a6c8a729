//! Begins runs at the times that a cron expression names.

use flowforge_core::{
    node::{Context, Group, Node, NodeError, NodeSpec, Outcome},
    params::ParamsProblem,
    trigger::schedule::{self, Params},
};
use serde_json::{Value, json};

/// The node.
pub(crate) struct TriggerSchedule;

impl Node for TriggerSchedule {
    const SPEC: NodeSpec = NodeSpec {
        kind: "trigger.schedule",
        title: "Schedule",
        description: "Begins a run at the times that a cron expression names, in the time zone of your choice.",
        group: Group::Triggers,
        icon: "calendar-time",
        pure: true,
        ..NodeSpec::BASE
    };
    type Params = Params;

    fn check(params: &Params) -> Vec<ParamsProblem> {
        schedule::check(params)
    }

    async fn run(&self, _: Params, cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::pass(cx, None))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "slot": {"type": "string", "description": "The instant, in UTC."},
            "scheduled_at": {"type": "string", "description": "The same on the clock of the time zone."},
            "timezone": {"type": "string"},
            "late_s": {"type": "integer", "description": "How many seconds after its slot it was fired."},
            "previous_slot": {"type": ["string", "null"], "description": "The slot before this one."}}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[tokio::test]
    async fn the_slot_is_handed_on() {
        let slot = json!({"slot": "2026-01-01T00:00:00.000Z"});
        Bench::new("trigger.schedule").input(slot.clone()).done(json!({"cron": "@daily"}), slot).await;
    }
}
