//! Documents that mean harm or are merely huge: the answer is a graph or a short list of problems, never a dead process.

#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/shapes.rs"]
mod shapes;

use std::sync::Arc;

use expect_test::{Expect, expect};
use flowforge_core::{
    Graph, Input, Problem, Run, RunStatus, StepIx, Timestamp,
    graph::{MAX_EDGES, MAX_NODES},
    node::Outcome,
};
use serde_json::{Value, json};

use crate::shapes::{chain, document, edge, node, told};

const LAST: usize = MAX_NODES - 1;

#[test]
fn a_chain_of_all_nodes_runs() {
    check_run(chain(MAX_NODES));
}

#[test]
fn a_chain_drawn_backwards_runs() {
    check_run(document(MAX_NODES, (1..MAX_NODES).map(|at| (at, at - 1))));
}

#[test]
fn a_star_of_all_nodes_runs() {
    check_run(document(MAX_NODES, (1..MAX_NODES).map(|at| (0, at))));
}

#[test]
fn a_fan_out_and_in_runs() {
    check_run(document(MAX_NODES, (1..LAST).flat_map(|at| [(0, at), (at, LAST)])));
}

#[test]
fn a_full_bipartite_graph_runs() {
    check_run(document(200, (0..100).flat_map(|left| (100..200).map(move |right| (left, right)))));
}

#[test]
fn as_many_edges_as_are_allowed_compile() {
    let far = (0..LAST).flat_map(|at| (1..=10).map(move |by| (at, at + by))).filter(|(_, to)| *to < MAX_NODES);
    check_run(document(MAX_NODES, far.take(MAX_EDGES)));
}

#[test]
fn every_node_may_read_the_first_one() {
    let mut document = document(MAX_NODES, (1..MAX_NODES).flat_map(|at| (1..=9.min(at)).map(move |by| (at - by, at))));
    for at in 1..MAX_NODES {
        document["nodes"][at]["params"]["value"] =
            json!("{{ steps.n0.output }} {{ steps.n1.output }}".replace("n1", &format!("n{}", at / 2)));
    }
    assert_eq!(compile(document).len(), MAX_NODES);
}

#[test]
fn a_cycle_of_all_nodes_is_named_in_short() {
    let mut ring = chain(MAX_NODES);
    if let Some(edges) = ring["edges"].as_array_mut() {
        edges.push(edge(&format!("n{LAST}"), "n0"));
    }
    check(
        ring,
        expect![[r#"
        cycle @ n0: these nodes wait for each other: n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, n13, n14, n15, n16, n17, n18, n19 and 9980 more; remove one of the edges between them
    "#]],
    );
}

#[test]
fn limits() {
    check(
        document(MAX_NODES + 1, std::iter::repeat_n((0, 1), MAX_EDGES + 1)),
        expect![[r#"
        limit_exceeded: 10001 nodes are more than the 10000 that are allowed
        limit_exceeded: 100001 edges are more than the 100000 that are allowed
    "#]],
    );
}

#[test]
fn ids_that_javascript_knows_are_ids() {
    let ids = ["__proto__", "constructor", "toString", "hasOwnProperty", "steps", "-", "0", "__", "true", "null"];
    let nodes: Vec<Value> = ids.iter().map(|id| node(id, "set")).collect();
    let edges: Vec<Value> = ids.windows(2).map(|pair| edge(pair[0], pair[1])).collect();
    let mut document = json!({ "nodes": nodes, "edges": edges });
    document["nodes"][9]["params"]["value"] = json!("{{ steps.__proto__.output }} {{ steps['constructor'].output }}");
    check_run(document);
}

#[test]
fn ids_of_other_letters_are_refused() {
    let ids = ["", "a b", "a.b", "ä", "a\u{0}", "\u{202e}abc", "../x", "a\n", "{{ a }}"];
    check(
        json!({ "nodes": ids.map(|id| node(id, "set")) }),
        expect![[r#"
        invalid_node_id @ .id: `` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ a b.id: `a b` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ a.b.id: `a.b` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ ä.id: `ä` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ a\u{0}.id: `a\u{0}` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ \u{202e}abc.id: `\u{202e}abc` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ ../x.id: `../x` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ a\u{a}.id: `a\u{a}` is not a node id; use 1 to 64 letters, digits, `_` or `-`
        invalid_node_id @ {{ a }}.id: `{{ a }}` is not a node id; use 1 to 64 letters, digits, `_` or `-`
    "#]],
    );
}

#[test]
fn long_ids_are_shown_in_short() {
    let long = "x".repeat(1_000_000);
    let other = "y".repeat(65);
    let nodes = [node(&long, &long), node(&long, "set"), node(&other, "set"), node("t", "trigger.manual")];
    let edges = json!([
        edge(&long, &long), edge(&long, "t"), edge(&other, &long), edge(&other, &long), edge(&long, &other), edge(&long, "none"),
        {"source": other, "port": long, "target": "t"}
    ]);
    let problems = problems(json!({ "nodes": nodes, "edges": edges }));
    let longest = problems.iter().max_by_key(|problem| problem.message.len());
    assert!(problems.len() > 8 && longest.is_some_and(|problem| problem.message.len() < 400), "{longest:?}");
}

#[test]
fn a_deep_parameter_is_no_danger() {
    let deep = (0..100).fold(json!("{{ trigger.n }}"), |inner, _| json!([inner]));
    check_run(json!({ "nodes": [{"id": "a", "type": "set", "params": {"value": deep}}] }));
}

fn check(document: Value, expected: Expect) {
    expected.assert_eq(&problems(document).iter().map(|problem| told(problem) + "\n").collect::<String>());
}

fn problems(document: Value) -> Vec<Problem> {
    shapes::compile(document, &kinds::catalog()).err().unwrap_or_default()
}

fn compile(document: Value) -> Graph {
    shapes::compile(document, &kinds::catalog())
        .unwrap_or_else(|problems| panic!("{} problems, first {:?}", problems.len(), problems[0]))
}

/// Compiles a document and runs it to its end, every step answering its own number.
fn check_run(document: Value) {
    let graph = Arc::new(compile(document));
    let mut run = Run::new(graph.clone(), 0);
    run.step(Input::Start { trigger: None, kept: vec![] }, Timestamp(0)).unwrap_or_else(|rejected| panic!("{rejected}"));
    for at in 0..graph.len() as u32 {
        let report = Input::Report { step: StepIx(at), attempt: 1, result: Ok(Outcome::done(at)) };
        run.step(report, Timestamp(0)).unwrap_or_else(|rejected| panic!("step {at}: {rejected}"));
    }
    assert_eq!(run.status(), RunStatus::Completed);
}
