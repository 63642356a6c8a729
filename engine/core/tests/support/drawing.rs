//! Graphs in a few plain lines, as the scripts draw them.

use std::sync::Arc;

use flowforge_core::Graph;
use serde_json::{Map, Value, json};

use crate::kinds::catalog;

/// Compiles lines of these forms:
///
/// ```text
/// node a set
/// edge a -> b
/// edge c true -> d
/// a params {"value": 1}
/// a retry 3 linear 100..1000 on NETWORK_ERROR RATE_LIMIT
/// a on_error continue
/// run timeout 60
/// ```
pub(crate) fn graph<'t>(lines: impl Iterator<Item = &'t str>) -> Arc<Graph> {
    let mut drawing = Drawing::default();
    lines.map(|line| line.split('#').next().unwrap_or_default()).for_each(|line| drawing.line(line));
    let nodes: Vec<Value> = drawing.nodes.into_iter().map(|(_, node)| node).collect();
    let document = json!({ "nodes": nodes, "edges": drawing.edges, "settings": drawing.settings });
    let document = serde_json::from_value(document).expect("a document");
    Arc::new(Graph::compile(&document, &catalog()).unwrap_or_else(|problems| panic!("{problems:#?}")))
}

#[derive(Default)]
struct Drawing {
    nodes: Map<String, Value>,
    edges: Vec<Value>,
    settings: Map<String, Value>,
}

impl Drawing {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["node", id, kind] => drop(self.nodes.insert((*id).to_owned(), json!({ "id": id, "type": kind }))),
            ["edge", source, "->", target] => self.edges.push(json!({ "source": source, "target": target })),
            ["edge", source, port, "->", target] => {
                self.edges.push(json!({ "source": source, "port": port, "target": target }));
            }
            ["run", "timeout", seconds] => drop(self.settings.insert("timeout_s".to_owned(), number(seconds))),
            [node, "params", params @ ..] => {
                self.nodes[*node]["params"] = serde_json::from_str(&params.join(" ")).expect("JSON");
            }
            [node, "on_error", policy] => self.nodes[*node]["on_error"] = json!(policy),
            [node, "retry", attempts, backoff, waits, rest @ ..] => {
                self.nodes[*node]["retry"] = retry(attempts, backoff, waits, rest);
            }
            _ => panic!("`{line}` draws nothing"),
        }
    }
}

fn retry(attempts: &str, backoff: &str, waits: &str, rest: &[&str]) -> Value {
    let (initial, max) = waits.split_once("..").expect("two waits");
    json!({
        "max_attempts": number(attempts),
        "backoff": backoff,
        "initial_ms": number(initial),
        "max_ms": number(max),
        "codes": rest.iter().skip(1).collect::<Vec<_>>(),
    })
}

fn number(text: &str) -> Value {
    json!(text.parse::<u64>().expect("a whole number"))
}
