//! Documents by their shape, and problems in one line.

use flowforge_core::{Catalog, Graph, Problem};
use serde_json::{Value, json};

/// A node without parameters.
pub(crate) fn node(id: &str, kind: &str) -> Value {
    json!({ "id": id, "type": kind })
}

/// An edge by the first port.
pub(crate) fn edge(source: &str, target: &str) -> Value {
    json!({ "source": source, "target": target })
}

/// `n0`, `n1`, … of kind `set`, each after the one before it.
pub(crate) fn chain(length: usize) -> Value {
    document(length, (1..length).map(|at| (at - 1, at)))
}

/// `n0`, `n1`, … of kind `set`, with these edges.
pub(crate) fn document(nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Value {
    let id = |at: usize| format!("n{at}");
    let nodes: Vec<Value> = (0..nodes).map(|at| node(&id(at), "set")).collect();
    let edges: Vec<Value> = edges.map(|(source, target)| edge(&id(source), &id(target))).collect();
    json!({ "nodes": nodes, "edges": edges })
}

pub(crate) fn compile(document: Value, catalog: &Catalog) -> Result<Graph, Vec<Problem>> {
    let document = serde_json::from_value(document).unwrap_or_else(|fault| panic!("not a document: {fault}"));
    Graph::compile(&document, catalog)
}

/// `code` @ node, edge or field: message.
pub(crate) fn told(problem: &Problem) -> String {
    let node = problem.node_id.as_ref().map(|node| format!(" @ {node}")).unwrap_or_default();
    let edge = problem.edge.map(|edge| format!(" @ edge {edge}")).unwrap_or_default();
    let field = problem.field.as_ref().map(|field| format!(".{field}")).unwrap_or_default();
    visible(&format!("{}{node}{edge}{field}: {}", problem.code, problem.message))
}

/// Letters that an editor would not show, or that would turn the text round, by their number.
fn visible(text: &str) -> String {
    let hidden = |c: char| c.is_control() || ('\u{200e}'..='\u{202e}').contains(&c);
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}
