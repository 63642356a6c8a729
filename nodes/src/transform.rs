//! Computes a value with JavaScript.

use std::sync::Arc;

use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    javascript::{JavaScript, Mode},
    services::Services,
};

/// What to compute.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The body of a JavaScript function of `input`, `steps`, `trigger` and `run`, and of `item` and `index` where it is done
    /// for each item. What it returns is the output; `input` is the output of the node before, or an object by node id when
    /// there are several.
    #[schemars(extend("x-widget" = "code", "x-language" = "javascript", "x-placeholder" = "return { total: input.a + input.b };"))]
    code: String,
}

/// The node.
pub(crate) struct Transform {
    js: Arc<JavaScript>,
}

impl Transform {
    pub(crate) fn new(services: &Services) -> Self {
        Self { js: services.javascript() }
    }
}

impl Node for Transform {
    const SPEC: NodeSpec = NodeSpec {
        kind: "transform",
        title: "Transform",
        description: "Computes a new value from earlier ones, in JavaScript.",
        group: Group::Data,
        icon: "code",
        pure: true,
        scripts: &["code"],
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        self.js.run(Mode::Body, &params.code, cx, None).await.map(Outcome::done)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::Bench;

    async fn check(code: &str, expected: Value) {
        let bench = Bench::new("transform")
            .input(json!({"a": 2, "text": "x"}))
            .trigger(json!({"name": "Ada"}))
            .step("fetch", json!({"items": [1, 2, 3]}));
        bench.done(json!({"code": code}), expected).await;
    }

    #[tokio::test]
    async fn a_body_sees_its_names_and_returns_the_output() {
        check("return input.a + 1", json!(3)).await;
        check("return {n: steps.fetch.output.items.length, who: trigger.name}", json!({"n": 3, "who": "Ada"})).await;
        check("const x = await Promise.resolve(5); // why not\nreturn x", json!(5)).await;
        check("return [run.id.slice(0, 4), item]", json!(["run_", null])).await;
    }

    #[tokio::test]
    async fn inside_a_map_it_sees_the_item_and_its_place() {
        let bench = Bench::new("transform").item(json!({"n": 4}), 2);
        bench.done(json!({"code": "return [item.n, index]"}), json!([4, 2])).await;
        Bench::new("transform").done(json!({"code": "return [item, index]"}), json!([null, null])).await;
    }

    #[tokio::test]
    async fn what_json_cannot_say_becomes_what_json_stringify_says() {
        check("", json!(null)).await;
        check("return undefined", json!(null)).await;
        check("return [NaN, undefined, () => 1, new Date(0)]", json!([null, null, null, "1970-01-01T00:00:00.000Z"])).await;
        check("return {a: undefined, b: 'ü\\u0000'}", json!({"b": "ü\u{0}"})).await;
    }

    #[tokio::test]
    async fn a_step_that_was_skipped_has_the_output_null() {
        check("return steps.other.output ?? 'none'", json!("none")).await;
    }

    #[tokio::test]
    async fn a_fault_is_told_with_its_line() {
        let bench = Bench::new("transform").input(json!({}));
        bench.fails(json!({"code": "let a = 1;\nreturn a.b.c;"}), "SCRIPT_ERROR", "line 2").await;
        bench.fails(json!({"code": "throw new Error('no such customer')"}), "SCRIPT_ERROR", "no such customer").await;
        bench.fails(json!({"code": "throw {code: 7}"}), "SCRIPT_ERROR", "7").await;
        bench.fails(json!({"code": "let a = 1;\nreturn a +;"}), "SCRIPT_ERROR", "line 2").await;
        bench.fails(json!({"code": "return 10n"}), "SCRIPT_ERROR", "bigint").await;
        bench.fails(json!({"code": "const a = {}; a.a = a; return a"}), "SCRIPT_ERROR", "cyclic").await;
    }

    #[tokio::test]
    async fn one_evaluation_leaves_nothing_for_the_next() {
        let bench = Bench::new("transform").input(json!({}));
        bench
            .done(json!({"code": "Object.prototype.x = 1; globalThis.y = 2; JSON.stringify = () => 'z'; return 1"}), json!(1))
            .await;
        bench.done(json!({"code": "return [({}).x ?? null, typeof y]"}), json!([null, "undefined"])).await;
    }
}
