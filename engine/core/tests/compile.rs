//! `Graph::compile`: every problem has a code and a place, all are reported at once, and size or spelling does no harm.

#[macro_use]
#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/shapes.rs"]
mod shapes;

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use flowforge_core::{
    graph::Reads,
    node::{Context, Node, NodeError, NodeSpec, Outcome},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shapes::{chain, compile, edge, node, told};

#[test]
fn what_is_right_is_silent() {
    check(
        json!({
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "get", "type": "fetch", "params": {"url": "{{ trigger.url }}", "method": "GET"}, "timeout_s": 60,
                 "retry": {"max_attempts": 3, "backoff": "linear", "initial_ms": 10, "max_ms": 20, "codes": ["X"]}},
                {"id": "big", "type": "condition", "params": {"expression": "steps.get.output.size > 10 // {{"}},
                {"id": "a", "type": "set", "on_error": "continue", "params": {"value": ["{{ steps.get.output }}"]}}
            ],
            "edges": [edge("start", "get"), edge("get", "big"), {"source": "big", "port": "true", "target": "a"},
                {"source": "get", "port": "error", "target": "a"}],
            "settings": {"timeout_s": 3600, "of a newer server": {}}
        }),
        expect![[""]],
    );
}

#[test]
fn empty_graph() {
    check(
        json!({}),
        expect![[r#"
        empty_graph: there is no node yet; add one
    "#]],
    );
}

#[test]
fn invalid_node_id() {
    let nodes = ["", "a b", "../x", &"x".repeat(65)].map(|id| node(id, "set"));
    check(
        json!({ "nodes": nodes }),
        expect![[r#"
        invalid_node_id @ .id: `` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ a b.id: `a b` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ ../x.id: `../x` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.id: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is not a node id; use 1 to 64 letters, digits, `_` or `-`
    "#]],
    );
}

#[test]
fn duplicate_node() {
    check(
        json!({ "nodes": [node("a", "set"), node("b", "set"), node("a", "set")] }),
        expect![[r#"
        duplicate_node @ a.id: two nodes have the id `a`; rename one
    "#]],
    );
}

#[test]
fn unknown_type() {
    check(
        json!({ "nodes": [node("a", "sett"), node("b", "")] }),
        expect![[r#"
            unknown_type @ a.type: there is no node type `sett`; known are: trigger.manual, trigger.webhook, set, condition, save, command, approval, switch, map, respond, fetch
            unknown_type @ b.type: there is no node type ``; known are: trigger.manual, trigger.webhook, set, condition, save, command, approval, switch, map, respond, fetch
        "#]],
    );
}

#[test]
fn parameters() {
    check(
        json!({ "nodes": [
            {"id": "a", "type": "fetch", "params": {"method": "PUT", "retries": 99, "colour": "red"}},
            {"id": "b", "type": "fetch", "params": {"url": 5, "headers": {"accept": ["x"]}}},
            {"id": "c", "type": "fetch", "params": {"url": null}}
        ] }),
        expect![[r#"
            missing_parameter @ a.params.url: `url` is required
            invalid_parameter @ a.params.method: `method` must be one of: GET, POST
            invalid_parameter @ a.params.retries: `retries` must be at most 60
            unknown_parameter @ a.params.colour: `colour` is not a parameter here; known are: url, method, headers, retries
            invalid_parameter @ b.params.url: `url` must be a string, not a number
            invalid_parameter @ b.params.headers.accept: `headers.accept` must be a string, not an array
            missing_parameter @ c.params.url: `url` is required
        "#]],
    );
}

#[test]
fn invalid_template() {
    check(
        json!({ "nodes": [
            {"id": "a", "type": "set", "params": {"value": {"deep": ["ok", "{{ trigger.n"]}}},
            {"id": "b", "type": "set", "params": {"value": "{{ }}"}}
        ] }),
        expect![[r#"
            invalid_template @ a.params.value.deep.1: `params.value.deep.1`: `{{` without the closing `}}`
            invalid_template @ b.params.value: `params.value`: `{{ }}` is empty; write an expression between the braces
        "#]],
    );
}

#[test]
fn policies() {
    check(
        json!({ "nodes": [
            {"id": "a", "type": "set", "timeout_s": 0, "retry": {"max_attempts": 0}},
            {"id": "b", "type": "set", "timeout_s": 2_592_001, "retry": {"max_attempts": 101, "initial_ms": 5, "max_ms": 4}},
            {"id": "c", "type": "set", "retry": {"max_ms": 86_400_001}}
        ] }),
        expect![[r#"
            invalid_parameter @ a.retry.max_attempts: `retry.max_attempts` must be 1 to 100
            invalid_parameter @ a.timeout_s: `timeout_s` must be 1 to 2592000
            invalid_parameter @ b.retry.max_attempts: `retry.max_attempts` must be 1 to 100
            invalid_parameter @ b.retry.max_ms: `retry.max_ms` must be from `retry.initial_ms` to 86400000
            invalid_parameter @ b.timeout_s: `timeout_s` must be 1 to 2592000
            invalid_parameter @ c.retry.max_ms: `retry.max_ms` must be from `retry.initial_ms` to 86400000
        "#]],
    );
}

#[test]
fn run_timeout() {
    check(
        json!({ "nodes": [node("a", "set")], "settings": {"timeout_s": 0} }),
        expect![[r#"
        invalid_parameter.settings.timeout_s: `settings.timeout_s` must be 1 to 31622400
    "#]],
    );
    check(
        json!({ "nodes": [node("a", "set")], "settings": {"timeout_s": u64::MAX} }),
        expect![[r#"
        invalid_parameter.settings.timeout_s: `settings.timeout_s` must be 1 to 31622400
    "#]],
    );
}

#[test]
fn dangling_edge() {
    check(
        json!({ "nodes": [node("a", "set")], "edges": [edge("a", "x"), edge("x", "a"), edge("x", "y")] }),
        expect![[r#"
        dangling_edge @ edge 0: the edge ends at `x`, which does not exist
        dangling_edge @ edge 1: the edge begins at `x`, which does not exist
        dangling_edge @ edge 2: the edge begins at `x`, which does not exist
        dangling_edge @ edge 2: the edge ends at `y`, which does not exist
    "#]],
    );
}

#[test]
fn self_edge() {
    check(
        json!({ "nodes": [node("a", "set")], "edges": [edge("a", "a")] }),
        expect![[r#"
        self_edge @ edge 0: `a` cannot come after itself; remove the edge
    "#]],
    );
}

#[test]
fn duplicate_edge() {
    let edges = [edge("a", "b"), json!({"source": "a", "port": "out", "target": "b"}), edge("b", "c")];
    check(
        json!({ "nodes": [node("a", "set"), node("b", "set"), node("c", "set")], "edges": edges }),
        expect![[r#"
        duplicate_edge @ edge 1: there are two edges from `a` to `b` by the same port; remove one
    "#]],
    );
}

#[test]
fn edges_by_two_ports_of_an_unknown_type_are_not_duplicates() {
    let edges = ["true", "false"].map(|port| json!({"source": "a", "port": port, "target": "b"}));
    check(
        json!({ "nodes": [node("a", "branch"), node("b", "set")], "edges": edges }),
        expect![[r#"
            unknown_type @ a.type: there is no node type `branch`; known are: trigger.manual, trigger.webhook, set, condition, save, command, approval, switch, map, respond, fetch
        "#]],
    );
}

#[test]
fn unknown_port() {
    let edges = ["maybe", "error", "out"].map(|port| json!({"source": "a", "port": port, "target": "b"}));
    check(
        json!({ "nodes": [node("a", "condition"), node("b", "set")], "edges": edges }),
        expect![[r#"
        unknown_port @ edge 0: `a` has no port `maybe`; it has: true, false, error
        unknown_port @ edge 2: `a` has no port `out`; it has: true, false, error
    "#]],
    );
}

#[test]
fn trigger_with_input() {
    let nodes = [node("a", "trigger.manual"), node("b", "trigger.webhook")];
    check(
        json!({ "nodes": nodes, "edges": [edge("a", "b")] }),
        expect![[r#"
        trigger_with_input @ edge 0: `b` begins the run, so nothing can come before it; remove the edge
    "#]],
    );
}

#[test]
fn a_cycle_names_its_nodes() {
    let nodes = ["a", "b", "c", "d", "x", "y", "free"].map(|id| node(id, "set"));
    let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("x", "y"), ("y", "x")].map(|(a, b)| edge(a, b));
    check(
        json!({ "nodes": nodes, "edges": edges }),
        expect![[r#"
        cycle @ b: these nodes wait for each other: b, c; remove one of the edges between them
        cycle @ x: these nodes wait for each other: x, y; remove one of the edges between them
    "#]],
    );
}

#[test]
fn unreachable_node() {
    let nodes = [node("t", "trigger.manual"), node("a", "set"), node("lost", "set"), node("after", "set")];
    check(
        json!({ "nodes": nodes, "edges": [edge("t", "a"), edge("lost", "after")] }),
        expect![[r#"
        unreachable_node @ lost: no trigger leads to `lost`; connect it or remove it
        unreachable_node @ after: no trigger leads to `after`; connect it or remove it
    "#]],
    );
}

#[test]
fn unknown_reference() {
    check(
        json!({
            "nodes": [
                {"id": "a", "type": "set", "params": {"value": "{{ steps.none.output }} {{ steps.b.output }}"}},
                {"id": "b", "type": "set", "params": {"value": "{{ steps.b.output }}"}},
                {"id": "c", "type": "set", "params": {"value": {"x": "{{ [steps.a.output, steps.d.output] }}"}}},
                {"id": "d", "type": "condition", "params": {"expression": "steps.none == 'steps.gone'"}},
                {"id": "e", "type": "condition", "params": {"expression": "steps.none.output.ok"}}
            ],
            "edges": [edge("a", "b"), edge("b", "c")]
        }),
        expect![[r#"
            unknown_reference @ a.params.value: `params.value` of `a` reads `steps.none`, which does not exist
            unknown_reference @ a.params.value: `params.value` of `a` reads `steps.b`, which does not come before it; connect the two or read another step
            unknown_reference @ e.params.expression: `params.expression` of `e` reads `steps.none`, which does not exist
            unknown_reference @ b.params.value: `params.value` of `b` reads `steps.b`, which does not come before it; connect the two or read another step
            unknown_reference @ c.params.value: `params.value` of `c` reads `steps.d`, which does not come before it; connect the two or read another step
        "#]],
    );
}

#[test]
fn all_problems_at_once() {
    check(
        json!({
            "nodes": [
                {"id": "t", "type": "trigger.manual"},
                {"id": "a", "type": "fetch", "params": {"method": "GET"}},
                {"id": "b", "type": "set", "params": {"value": "{{ steps.none.output }}"}},
                {"id": "c", "type": "set", "params": {"value": "{{"}},
                {"id": "lost", "type": "set", "timeout_s": 0}
            ],
            "edges": [edge("t", "a"), edge("a", "nowhere"), {"source": "a", "port": "left", "target": "b"}, edge("b", "b"), edge("b", "c")],
            "settings": {"timeout_s": 0}
        }),
        expect![[r#"
            invalid_parameter.settings.timeout_s: `settings.timeout_s` must be 1 to 31622400
            missing_parameter @ a.params.url: `url` is required
            invalid_template @ c.params.value: `params.value`: `{{` without the closing `}}`
            invalid_parameter @ lost.timeout_s: `timeout_s` must be 1 to 2592000
            dangling_edge @ edge 1: the edge ends at `nowhere`, which does not exist
            unknown_port @ edge 2: `a` has no port `left`; it has: out, error
            self_edge @ edge 3: `b` cannot come after itself; remove the edge
            unreachable_node @ lost: no trigger leads to `lost`; connect it or remove it
            unknown_reference @ b.params.value: `params.value` of `b` reads `steps.none`, which does not exist
        "#]],
    );
}

#[test]
fn a_cycle_does_not_hide_other_problems() {
    let nodes = [node("t", "trigger.manual"), node("a", "sett"), node("b", "set"), node("lost", "fetch")];
    check(
        json!({ "nodes": nodes, "edges": [edge("t", "a"), edge("a", "b"), edge("b", "a")] }),
        expect![[r#"
            unknown_type @ a.type: there is no node type `sett`; known are: trigger.manual, trigger.webhook, set, condition, save, command, approval, switch, map, respond, fetch
            missing_parameter @ lost.params.url: `url` is required
            unreachable_node @ lost: no trigger leads to `lost`; connect it or remove it
            cycle @ a: these nodes wait for each other: a, b; remove one of the edges between them
        "#]],
    );
}

#[test]
fn what_a_step_may_read_is_known() {
    check_reads("{{ trigger.n }}", expect![""]);
    check_reads("{{ steps.n0.output }}", expect!["n0"]);
    check_reads("{{ steps['n0'].output }} {{ steps.n1.output + steps.n0.output }}", expect!["n0 n1"]);
    check_reads("{{ [...steps.n0.output, ...steps.n1.output] }}", expect!["n0 n1"]);
    check_reads("{{ Object.keys(steps) }}", expect!["Some(All)"]);
    check_reads("{{ trigger.steps.n0 + mysteps.n0 + stepssteps.n0 }}", expect![""]);
}

kinds! {
    Fetch(FetchParams): NodeSpec { kind: "fetch", ..NodeSpec::BASE };
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(deny_unknown_fields)]
pub(crate) struct FetchParams {
    url: String,
    method: Option<Method>,
    headers: Option<BTreeMap<String, String>>,
    #[schemars(range(min = 1, max = 60))]
    retries: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Get,
    Post,
}

/// Compiles a document and expects these problems, one a line.
fn check(document: Value, expected: Expect) {
    let found = compile(document, &kinds::catalog().with(Fetch)).err().unwrap_or_default();
    expected.assert_eq(&found.iter().map(|problem| told(problem) + "\n").collect::<String>());
}

/// What `c`, which comes after `b`, which comes after `a`, reads by an expression.
fn check_reads(expression: &str, expected: Expect) {
    let mut document = chain(3);
    document["nodes"][2]["params"]["value"] = json!(expression);
    let said = match compile(document, &kinds::catalog()) {
        Err(problems) => problems.iter().map(told).collect::<Vec<_>>().join("; "),
        Ok(graph) => match graph.steps().last().map(|(_, step)| step.reads.clone()) {
            Some(Reads::Only(steps)) => steps.iter().map(|step| graph.step(*step).id.to_string()).collect::<Vec<_>>().join(" "),
            reads => format!("{reads:?}"),
        },
    };
    expected.assert_eq(&said);
}
