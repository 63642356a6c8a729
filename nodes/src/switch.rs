//! Sends the run one of several ways, by a value.

use std::{borrow::Cow, collections::HashSet};

use flowforge_core::node::{Context, ERROR_PORT, Group, Node, NodeError, NodeSpec, Outcome, Output};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};

use crate::params::invalid;

/// The port that is taken when no case fits.
const DEFAULT: &str = "default";

/// What to decide by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// What is compared, for example `{{ steps.fetch.output.status }}`.
    #[schemars(extend("x-widget" = "template", "x-placeholder" = "{{ steps.fetch.output.status }}"))]
    value: Value,
    /// Tried from the top; the first one that fits decides. When none does, the step leaves by `default`.
    cases: Vec<Case>,
}

/// One way to go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Fits when the value is this one: `1` is `1.0`, and not the text `"1"`.
    #[schemars(extend("x-widget" = "json"))]
    equals: Value,
    /// The name of the exit that is then taken.
    port: String,
}

/// The node.
pub(crate) struct Switch;

impl Node for Switch {
    const SPEC: NodeSpec = NodeSpec {
        kind: "switch",
        title: "Switch",
        description: "Goes on by the first case that a value fits, and hands on what it was given.",
        group: Group::Data,
        icon: "route",
        ports: &[DEFAULT],
        ports_from: Some("cases"),
        pure: true,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        check(&params.cases)?;
        let fits = params.cases.into_iter().find(|case| equal(&case.equals, &params.value));
        let port = fits.map_or(Cow::Borrowed(DEFAULT), |case| Cow::Owned(case.port));
        Ok(Outcome::Done(Output { value: cx.input.clone(), port: Some(port) }))
    }
}

/// The exits were checked when the workflow was saved, unless a template put them in.
fn check(cases: &[Case]) -> Result<(), NodeError> {
    let mut taken = HashSet::from([DEFAULT, ERROR_PORT]);
    match cases.iter().find(|case| case.port.trim().is_empty() || !taken.insert(&case.port)) {
        Some(case) => Err(invalid(format!("each case needs an exit of its own, and `{}` is none", case.port))),
        None => Ok(()),
    }
}

/// Whether two values are the same JSON; numbers count by their value and not by how they are written.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => same_number(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let is_same = |(name, left): (&String, &Value)| right.get(name).is_some_and(|right| equal(left, right));
            left.len() == right.len() && left.iter().all(is_same)
        }
        _ => left == right,
    }
}

fn same_number(left: &Number, right: &Number) -> bool {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left == right,
        (None, None) => left.as_f64() == right.as_f64(),
        _ => false,
    }
}

/// A whole number, however it is written: a fraction cannot hold every one of 64 bits, so these are not compared as fractions.
fn whole(number: &Number) -> Option<i128> {
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    exact.or_else(|| {
        number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 2_f64.powi(100)).map(|value| value as i128)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::Bench;

    async fn check(value: Value, cases: &[Value], port: &str) {
        let cases = cases.iter().enumerate().map(|(at, equals)| json!({"equals": equals, "port": format!("p{at}")}));
        let params = json!({"value": value, "cases": cases.collect::<Vec<_>>()});
        Bench::new("switch").input(json!({"any": 1})).leaves(params, json!({"any": 1}), port).await;
    }

    #[tokio::test]
    async fn the_first_case_that_fits_decides() {
        check(json!("b"), &[json!("a"), json!("b"), json!("b")], "p1").await;
        check(json!("c"), &[json!("a"), json!("b")], "default").await;
        check(json!(null), &[], "default").await;
        check(json!(null), &[json!(""), json!(false), json!(null)], "p2").await;
    }

    #[tokio::test]
    async fn values_are_compared_as_json() {
        check(json!("1"), &[json!(1)], "default").await;
        check(json!(1), &[json!("1"), json!(true), json!(1.0)], "p2").await;
        check(json!(0), &[json!(-0.0)], "p0").await;
        check(json!(0.1), &[json!(0.2), json!(0.1)], "p1").await;
        check(json!(" a"), &[json!("A"), json!("a"), json!(" a")], "p2").await;
        check(json!({"a": [1, {"b": 2.0}]}), &[json!({"a": [1, {"b": 3}]}), json!({"a": [1.0, {"b": 2}]})], "p1").await;
        check(json!({"a": 1, "b": 2}), &[json!({"a": 1}), json!({"b": 2, "a": 1})], "p1").await;
        check(json!([1, 2]), &[json!([2, 1]), json!([1, 2, 3])], "default").await;
    }

    #[tokio::test]
    async fn large_numbers_are_told_apart() {
        check(json!(9_007_199_254_740_993_u64), &[json!(9_007_199_254_740_992.0), json!(9_007_199_254_740_993_u64)], "p1").await;
        check(json!(u64::MAX), &[json!(i64::MAX), json!(-1), json!(1e300)], "default").await;
        check(json!(1e300), &[json!(1e301), json!(1e300)], "p1").await;
    }

    #[tokio::test]
    async fn exits_that_cannot_be_told_apart_are_refused() {
        for ports in [vec![""], vec![" "], vec!["error"], vec!["default"], vec!["a", "a"]] {
            let cases: Vec<Value> = ports.iter().map(|port| json!({"equals": 1, "port": port})).collect();
            Bench::new("switch").fails(json!({"value": 5, "cases": cases}), "INVALID_PARAMETER", "exit").await;
        }
        Bench::new("switch").fails(json!({"value": 1, "cases": [{"equals": 1}]}), "INVALID_PARAMETER", "port").await;
    }
}
