//! Answers whoever started the run.

use std::collections::BTreeMap;

use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http_request::header,
    params::{Text, invalid, optional, or_default},
};

/// The status when the author does not say.
const USUAL_STATUS: u16 = 200;

/// What to answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The HTTP status; 200 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 100, max = 599), extend("x-placeholder" = "200"))]
    status: Option<u16>,
    /// Headers of the answer.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "key_value"))]
    headers: BTreeMap<String, Text>,
    /// A text is sent as it is, anything else as JSON.
    #[serde(default)]
    #[schemars(extend("x-widget" = "json"))]
    body: Value,
}

/// The node.
pub(crate) struct Respond;

impl Node for Respond {
    const SPEC: NodeSpec = NodeSpec {
        kind: "respond",
        title: "Respond",
        description: "Answers whoever started the run, at once; the run goes on.",
        group: Group::Data,
        icon: "reply",
        responds: true,
        pure: true,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, _cx: &Context) -> Result<Outcome, NodeError> {
        let status = params.status.unwrap_or(USUAL_STATUS);
        if !(100..=599).contains(&status) {
            return Err(invalid(format!("`status` must be 100 to 599, not {status}")));
        }
        let mut headers = BTreeMap::new();
        for (name, value) in params.headers {
            let (checked, _) = header(&name, &value)?;
            headers.insert(checked.as_str().to_owned(), value.0);
        }
        Ok(Outcome::done(json!({"status": status, "headers": headers, "body": params.body})))
    }

    fn output_schema() -> Value {
        json!({"type": "object", "properties": {
            "status": {"type": "integer"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {}}})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Bench;

    #[tokio::test]
    async fn the_answer_is_put_out() {
        let bench = Bench::new("respond").input(json!("not this"));
        bench.done(json!({}), json!({"status": 200, "headers": {}, "body": null})).await;
        bench
            .done(json!({"status": "", "headers": null, "body": "ok"}), json!({"status": 200, "headers": {}, "body": "ok"}))
            .await;
        let params = json!({"status": 422, "headers": {"Content-Type": "text/plain", "X-Count": 3}, "body": {"a": [1]}});
        let answer = json!({"status": 422, "headers": {"content-type": "text/plain", "x-count": "3"}, "body": {"a": [1]}});
        bench.done(params, answer).await;
    }

    #[tokio::test]
    async fn what_is_no_answer_is_refused() {
        let bench = Bench::new("respond");
        for status in [json!(99), json!(600), json!(-1), json!("ok"), json!(200.5)] {
            bench.fails(json!({ "status": status }), "INVALID_PARAMETER", "").await;
        }
        for (name, value) in [("a b", "1"), ("", "1"), ("x", "a\nb"), ("Content-Length", "5"), ("connection", "close")] {
            bench.fails(json!({"headers": {name: value}}), "INVALID_PARAMETER", "header").await;
        }
    }
}
