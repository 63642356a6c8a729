//! Graphs within graphs, ports that parameters name, and limits: what is wrong is told with the way that leads to it.

#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/shapes.rs"]
mod shapes;

use expect_test::{Expect, expect};
use flowforge_core::{
    NodeId, Priority,
    graph::{Limit, MAX_NODES, OuterReads},
};
use serde_json::{Value, json};

use crate::{
    kinds::catalog,
    shapes::{chain, compile, edge, node, told},
};

#[test]
fn what_is_right_is_silent() {
    let inner = body(json!([set("inner", "{{ [item.x, index, trigger.n, steps.first.output] }}"), node("last", "set")]));
    check(around(inner), expect![[""]]);
}

#[test]
fn a_graph_that_was_left_empty_is_none() {
    check_each(
        [json!(null), json!("")].map(around),
        expect![[r#"
        0
        1
    "#]],
    );
}

#[test]
fn a_problem_is_told_with_the_way_to_it() {
    let inner = json!({
        "nodes": [node("inner", "sett"), {"id": "other", "type": "set", "timeout_s": 0}, set("open", "{{ item")],
        "edges": [edge("inner", "gone")],
        "settings": {"timeout_s": 0}
    });
    check(
        around(inner),
        expect![[r#"
        invalid_parameter @ each.params.body.settings.timeout_s: `settings.timeout_s` must be 1 to 31622400
        unknown_type @ each/inner.type: there is no node type `sett`; known are: trigger.manual, trigger.webhook, set, condition, save, command, approval, switch, map, respond
        invalid_parameter @ each/other.timeout_s: `timeout_s` must be 1 to 2592000
        invalid_template @ each/open.params.value: `params.value`: `{{` without the closing `}}`
        dangling_edge @ each.params.body.edges.0: the edge ends at `gone`, which does not exist
    "#]],
    );
}

#[test]
fn what_is_no_graph_is_said_of_the_node() {
    let priority = json!({"nodes": [node("a", "set")], "settings": {"priority": "asap"}});
    let bodies = [json!([]), json!("{{ trigger.graph }}"), json!({"nodes": 5}), json!({}), priority];
    check_each(
        bodies.map(around),
        expect![[r#"
            0
            empty_graph @ each.params.body: there is no node yet; add one
            1
            invalid_document @ each.params.body: the graph cannot be read: invalid type: string "{{ trigger.graph }}", expected struct Document
            2
            invalid_document @ each.params.body: the graph cannot be read: invalid type: integer `5`, expected a sequence
            3
            empty_graph @ each.params.body: there is no node yet; add one
            4
            invalid_document @ each.params.body: the graph cannot be read: unknown variant `asap`, expected one of `high`, `normal`, `low`
        "#]],
    );
}

#[test]
fn a_body_reads_what_comes_before_the_node_that_holds_it() {
    let inner = |read: &str| body(json!([set("inner", &format!("{{{{ steps.{read}.output }}}}")), set("own", "{{ item }}")]));
    check_each(
        ["first", "after", "each", "own", "nowhere"].map(|read| around(inner(read))),
        expect![[r#"
        0
        1
        unknown_reference @ each/inner.params.value: `params.value` of `inner` reads `steps.after`, which does not come before it; connect the two or read another step
        2
        unknown_reference @ each/inner.params.value: `params.value` of `inner` reads `steps.each`, which does not come before it; connect the two or read another step
        3
        unknown_reference @ each/inner.params.value: `params.value` of `inner` reads `steps.own`, which does not come before it; connect the two or read another step
        4
        unknown_reference @ each/inner.params.value: `params.value` of `inner` reads `steps.nowhere`, which does not exist
    "#]],
    );
}

#[test]
fn what_a_body_reads_around_it_is_known() {
    check_outer(json!([set("a", "{{ item }}")]), "");
    check_outer(json!([set("a", "{{ steps.first.output }} {{ steps.second.output + 1 }}")]), "first second");
    check_outer(json!([set("a", "{{ Object.keys(steps) }}")]), "all");
    check_outer(json!([{"id": "a", "type": "condition", "params": {"expression": "steps.first.output > item"}}]), "first");
    let deep = map("deep", body(json!([set("a", "{{ steps.second.output }} {{ steps.near.output }}")])));
    assert_eq!(outer(json!({"nodes": [node("near", "set"), deep], "edges": [edge("near", "deep")]})), "second");
    check_outer(json!([map("deep", body(json!([set("a", "{{ Object.keys(steps) }}")])))]), "all");
}

#[test]
fn of_two_steps_with_one_name_the_nearer_one_counts() {
    let nearer =
        json!({"nodes": [node("first", "set"), set("inner", "{{ steps.first.output }}")], "edges": [edge("first", "inner")]});
    check_outer(nearer["nodes"].clone(), "unknown_reference");
    assert_eq!(outer(nearer), "");
    // The nearer one does not come before it; that there is a further one that does would only surprise.
    let deep = body(json!([set("a", "{{ steps.first.output }}")]));
    check(
        around(body(json!([map("deep", deep), node("first", "set")]))),
        expect![[r#"
        unknown_reference @ each/deep/a.params.value: `params.value` of `a` reads `steps.first`, which does not come before it; connect the two or read another step
    "#]],
    );
}

#[test]
fn graphs_stand_in_graphs() {
    let nested = |depth: usize| (0..depth).fold(json!(null), |inner, _| body(json!([map("each", inner)])));
    check(nested(5), expect![[""]]);
    check(
        nested(6),
        expect![[r#"
        limit_exceeded @ each/each/each/each/each.params.body: graphs may stand at most 4 deep in each other
    "#]],
    );
    let wrong = body(json!([map("b", body(json!([map("c", body(json!([node("d", "gone")])))])))]));
    check(
        around(wrong),
        expect![[r#"
        unknown_type @ each/b/c/d.type: there is no node type `gone`; known are: trigger.manual, trigger.webhook, set, condition, save, command, approval, switch, map, respond
    "#]],
    );
    let wrong = body(json!([map("b", json!({"nodes": [node("c", "set")], "edges": [edge("c", "x")]}))]));
    check(
        around(wrong),
        expect![[r#"
        dangling_edge @ each/b.params.body.edges.0: the edge ends at `x`, which does not exist
    "#]],
    );
}

/// What a body may read is looked up and not copied for each, which would be quadratic.
#[test]
fn every_node_may_hold_a_graph() {
    let mut document = chain(MAX_NODES);
    for at in 1..MAX_NODES {
        document["nodes"][at] = map(&format!("n{at}"), body(json!([set("a", &format!("{{{{ steps.n{}.output }}}}", at / 2))])));
    }
    check(document, expect![[""]]);
}

#[test]
fn what_begins_or_answers_a_run_has_no_place_in_a_body() {
    let nodes = json!([node("start", "trigger.manual"), node("work", "set"), node("say", "respond")]);
    check(
        around(body(nodes)),
        expect![[r#"
        trigger_in_body @ each/start: a graph within a node begins with its items and has no trigger; remove it
        respond_in_body @ each/say: a graph within a node answers nobody; answer after the node that holds it
    "#]],
    );
}

#[test]
fn a_body_is_found_by_the_nodes_that_lead_to_it() {
    let document = around(body(json!([map("deep", body(json!([node("a", "set")])))])));
    let graph = std::sync::Arc::new(compile(document, &catalog()).unwrap_or_else(|problems| panic!("{problems:?}")));
    let path = ["each", "deep"].map(NodeId::from);
    let names =
        |path: &[NodeId]| graph.body(path).map(|body| body.steps().map(|(_, step)| step.id.to_string()).collect::<Vec<_>>());
    assert_eq!(names(&[]), Some(vec!["first".into(), "second".into(), "each".into(), "after".into()]));
    assert_eq!(names(&path[..1]), Some(vec!["deep".into()]));
    assert_eq!(names(&path), Some(vec!["a".into()]));
    assert_eq!(names(&[NodeId::from("first")]), None);
    assert_eq!(names(&[NodeId::from("gone")]), None);
}

#[test]
fn edges_leave_by_ports_that_parameters_name() {
    check(switch(json!([{"equals": 1, "port": "one"}]), &["one", "default", "error"]), expect![[""]]);
    check(
        switch(json!([{"equals": 1, "port": "one"}]), &["two"]),
        expect![[r#"
        unknown_port @ edge 0: `a` has no port `two`; it has: one, default, error
    "#]],
    );
    check(
        switch(json!("{{ trigger.cases }}"), &["one", "default"]),
        expect![[r#"
        unknown_port @ edge 0: `a` has no port `one`; it has: default, error
    "#]],
    );
    check(
        around(body(json!([{"id": "a", "type": "switch", "params": {"cases": [{"port": "x"}, {"port": "x"}]}}]))),
        expect![[r#"
            invalid_parameter @ each/a.params.cases.1.port: `cases.1.port` is `x`, like another port; give it a name of its own
        "#]],
    );
}

#[test]
fn an_edge_without_a_port_leaves_a_switch_by_default() {
    let mut document = switch(json!([{"equals": 1, "port": "one"}]), &["one"]);
    document["edges"][0]["port"] = json!(null);
    let graph = compile(document, &catalog()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(graph.steps().flat_map(|(_, step)| &step.outgoing).map(|link| &*link.port).collect::<Vec<_>>(), ["default"]);
}

#[test]
fn ports_that_parameters_name_are_told_apart() {
    let ports = ["one", "default", "error", "one", " ", "{{ x }}", &"x".repeat(65), "", "größer als 2"];
    check(
        switch(ports.iter().map(|port| json!({"equals": 1, "port": port})).collect(), &[]),
        expect![[r#"
        invalid_parameter @ a.params.cases.1.port: `cases.1.port` is `default`, like another port; give it a name of its own
        invalid_parameter @ a.params.cases.2.port: `cases.2.port` is `error`, like another port; give it a name of its own
        invalid_parameter @ a.params.cases.3.port: `cases.3.port` is `one`, like another port; give it a name of its own
        invalid_parameter @ a.params.cases.4.port: `cases.4.port` is no name for a port; use 1 to 64 characters without `{{`
        invalid_parameter @ a.params.cases.5.port: `cases.5.port` is no name for a port; use 1 to 64 characters without `{{`
        invalid_parameter @ a.params.cases.6.port: `cases.6.port` is no name for a port; use 1 to 64 characters without `{{`
    "#]],
    );
    check(switch(json!([5, {"equals": 1}, {"port": 7}]), &[]), expect![[""]]);
}

#[test]
fn limits_and_handlers_of_a_run() {
    let settings = [
        json!({"concurrency": {"limit": 1}, "priority": "high", "on_failure": {"workflow": "Tell"}}),
        json!({"concurrency": {"limit": 10_000, "key": "{{ trigger.repo }}-{{ workflow.id }}"}}),
        json!({"concurrency": {"limit": 0}, "on_failure": {"workflow": " "}}),
        json!({"concurrency": {"limit": 10_001, "key": "{{ trigger.repo }}"}}),
        json!({"concurrency": {"limit": 1, "key": "{{ steps.a.output }}"}}),
        json!({"concurrency": {"limit": 1, "key": "{{ item }}"}}),
        json!({"concurrency": {"limit": 1, "key": "{{ trigger.a + 1 }}"}}),
        json!({"concurrency": {"limit": 1, "key": "{{ trigger.a"}}),
        json!({"budget_usd": 2.5}),
        json!({"budget_usd": -0.01}),
    ];
    check_each(
        settings.map(|settings| json!({"nodes": [node("a", "set")], "settings": settings})),
        expect![[r#"
        0
        1
        2
        invalid_parameter.settings.concurrency.limit: `settings.concurrency.limit` must be 1 to 10000
        invalid_parameter.settings.on_failure.workflow: `settings.on_failure.workflow` must name a workflow
        3
        invalid_parameter.settings.concurrency.limit: `settings.concurrency.limit` must be 1 to 10000
        4
        invalid_parameter.settings.concurrency.key: `settings.concurrency.key` may hold plain paths into `trigger`, for example `{{ trigger.repo }}`
        5
        invalid_parameter.settings.concurrency.key: `settings.concurrency.key` may hold plain paths into `trigger`, for example `{{ trigger.repo }}`
        6
        invalid_parameter.settings.concurrency.key: `settings.concurrency.key` may hold plain paths into `trigger`, for example `{{ trigger.repo }}`
        7
        invalid_parameter.settings.concurrency.key: `settings.concurrency.key` cannot be read: `{{` without the closing `}}`
        8
        9
        invalid_parameter.settings.budget_usd: `settings.budget_usd` must be 0 to 1000000 dollars
    "#]],
    );
}

#[test]
fn limits_of_a_node() {
    let limits = [
        json!({"limit": 3}),
        json!({"limit": 3, "key": "{{ trigger.repo }} {{ item.host }}"}),
        json!({"limit": 0}),
        json!({"limit": 1, "key": "{{ secrets.TOKEN }}"}),
        json!({"limit": 1, "key": "{{ }}"}),
    ];
    check_each(
        limits.map(|limit| json!({"nodes": [{"id": "a", "type": "set", "concurrency": limit}]})),
        expect![[r#"
        0
        1
        2
        invalid_parameter @ a.concurrency.limit: `concurrency.limit` must be 1 to 10000
        3
        invalid_parameter @ a.concurrency.key: `concurrency.key` may hold plain paths into `trigger` and `item`, for example `{{ trigger.repo }}`
        4
        invalid_parameter @ a.concurrency.key: `concurrency.key` cannot be read: `{{ }}` is empty; write an expression between the braces
    "#]],
    );
}

#[test]
fn a_document_with_unknown_limits_is_none() {
    for settings in [json!({"priority": "asap"}), json!({"concurrency": {"max": 1}}), json!({"on_failure": "Tell"})] {
        let document = serde_json::from_value::<flowforge_core::Document>(json!({"settings": settings.clone()}));
        assert!(document.is_err(), "{settings}");
    }
}

#[test]
fn a_compiled_graph_knows_its_limits() {
    let settings =
        json!({"concurrency": {"limit": 2, "key": "{{ trigger.repo }}"}, "priority": "low", "on_failure": {"workflow": "Tell"}});
    let nodes = json!([{"id": "a", "type": "set", "concurrency": {"limit": 1}}]);
    let graph =
        compile(json!({"nodes": nodes, "settings": settings}), &catalog()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!((graph.priority(), graph.on_failure()), (Priority::Low, Some("Tell")));
    assert!(matches!(graph.concurrency(), Some(Limit { limit: 2, key: Some(_) })));
    let (_, step) = graph.steps().next().unwrap_or_else(|| panic!("a step"));
    assert_eq!(step.concurrency, Some(Limit { limit: 1, key: None }));
    assert!(!step.is_pure(), "a step that is counted needs a lease");
}

fn set(id: &str, value: &str) -> Value {
    json!({"id": id, "type": "set", "params": {"value": value}})
}

fn map(id: &str, body: Value) -> Value {
    json!({"id": id, "type": "map", "params": {"items": [1], "body": body}})
}

fn body(nodes: Value) -> Value {
    json!({ "nodes": nodes })
}

/// `first`, then `second`, then `each` with this body, then `after`.
fn around(body: Value) -> Value {
    let nodes = json!([node("first", "set"), node("second", "set"), map("each", body), node("after", "set")]);
    json!({"nodes": nodes, "edges": [edge("first", "second"), edge("second", "each"), edge("each", "after")]})
}

/// A switch with these cases and an edge by each of these ports.
fn switch(cases: Value, ports: &[&str]) -> Value {
    let nodes = json!([{"id": "a", "type": "switch", "params": {"cases": cases}}, node("b", "set")]);
    json!({"nodes": nodes, "edges": ports.iter().map(|port| json!({"source": "a", "port": port, "target": "b"})).collect::<Vec<_>>()})
}

/// Compiles a document and expects these problems, one a line.
fn check(document: Value, expected: Expect) {
    expected.assert_eq(&problems(document));
}

/// Compiles one document after the other and expects these problems, those of each under its number.
fn check_each(documents: impl IntoIterator<Item = Value>, expected: Expect) {
    let told = documents.into_iter().enumerate().map(|(at, document)| format!("{at}\n{}", problems(document)));
    expected.assert_eq(&told.collect::<String>());
}

fn problems(document: Value) -> String {
    let found = compile(document, &catalog()).err().unwrap_or_default();
    found.iter().map(|problem| told(problem) + "\n").collect()
}

fn check_outer(nodes: Value, expected: &str) {
    assert_eq!(outer(body(nodes)), expected);
}

/// The steps around it that a body reads, or the codes of what is wrong with it.
fn outer(body: Value) -> String {
    let words = |words: Vec<String>| words.join(" ");
    let graph = match compile(around(body), &catalog()) {
        Ok(graph) => graph,
        Err(problems) => return words(problems.into_iter().map(|problem| problem.code).collect()),
    };
    let holder = graph.find(&NodeId::from("each")).and_then(|each| graph.step(each).body.clone());
    match holder.map(|body| body.outer().clone()) {
        Some(OuterReads::Only(names)) => words(names.iter().map(ToString::to_string).collect()),
        Some(OuterReads::All) => "all".to_owned(),
        None => "no body".to_owned(),
    }
}
