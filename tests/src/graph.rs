//! Graph documents in few words.

use serde_json::{Value, json};

/// A document from `(id, type, params)` and edges like `"a -> b; c:true -> d"`.
///
/// Whatever is not a parameter (retry, timeout, …) goes into `params` under the key `"+"`.
pub fn graph(nodes: &[(&str, &str, Value)], edges: &str) -> Value {
    let edges: Vec<_> = edges.split(';').map(str::trim).filter(|edge| !edge.is_empty()).map(edge).collect();
    json!({"nodes": boxes(nodes), "edges": edges})
}

/// A document whose nodes follow each other.
pub fn chain(nodes: &[(&str, &str, Value)]) -> Value {
    let edges: Vec<_> = nodes.windows(2).map(|pair| json!({"source": pair[0].0, "target": pair[1].0})).collect();
    json!({"nodes": boxes(nodes), "edges": edges})
}

fn boxes(nodes: &[(&str, &str, Value)]) -> Vec<Value> {
    nodes.iter().enumerate().map(|(place, parts)| node(place, parts)).collect()
}

fn node(place: usize, (id, kind, params): &(&str, &str, Value)) -> Value {
    let mut params = params.clone();
    let more = params.as_object_mut().and_then(|object| object.remove("+"));
    let mut node = json!({"id": id, "type": kind, "position": {"x": 240 * place, "y": 0}, "params": params});
    if let (Some(node), Some(Value::Object(more))) = (node.as_object_mut(), more) {
        node.extend(more);
    }
    node
}

fn edge(text: &str) -> Value {
    let (source, target) = text.split_once(" -> ").expect("an edge is written `source -> target`");
    match source.split_once(':') {
        Some((source, port)) => json!({"source": source, "port": port, "target": target}),
        None => json!({"source": source, "target": target}),
    }
}
