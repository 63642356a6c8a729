//! What can be said of a document's nodes and edges without ordering them.

use std::collections::{HashMap, HashSet};

use petgraph::{graph::NodeIndex, visit::Dfs};
use serde_json::Value;

use crate::{
    catalog::{Catalog, Kind},
    document::{Concurrency, Document, EdgeDocument, NodeDocument},
    expression::{Expression, Root},
    graph::{MAX_EDGES, MAX_NODES, Net},
    id::NodeId,
    node::ERROR_PORT,
    problem::{Problem, short},
    retry::RetryPolicy,
    template::Template,
};

/// The longest timeout that can be asked for: 30 days, in seconds.
const LONGEST_TIMEOUT_S: u64 = 30 * 86_400;
/// The longest a run can be given: a leap year, in seconds.
const LONGEST_RUN_S: u64 = 366 * 86_400;
/// The most that a run can be given to spend, in dollars.
const LARGEST_BUDGET_USD: f64 = 1_000_000.0;
/// The longest name of a port, in characters.
const LONGEST_PORT: usize = 64;
/// The highest limit on what is under way at once.
const MOST_AT_ONCE: u32 = 10_000;

pub(super) fn limits(document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut too_many = |what: &str, count: usize, most: usize| {
        if count > most {
            problems
                .push(Problem::document("limit_exceeded", format!("{count} {what} are more than the {most} that are allowed")));
        }
    };
    too_many("nodes", document.nodes.len(), MAX_NODES);
    too_many("edges", document.edges.len(), MAX_EDGES);
    if document.nodes.is_empty() {
        problems.push(Problem::document("empty_graph", "there is no node yet; add one"));
    }
    problems
}

pub(super) fn settings(document: &Document) -> Vec<Problem> {
    let settings = &document.settings;
    let mut problems = Vec::new();
    let mut invalid = |field: &str, message: String| {
        problems.push(
            Problem::document("invalid_parameter", format!("`settings.{field}` {message}")).field(format!("settings.{field}")),
        );
    };
    if settings.timeout_s.is_some_and(|s| s == 0 || s > LONGEST_RUN_S) {
        invalid("timeout_s", format!("must be 1 to {LONGEST_RUN_S}"));
    }
    if let Some((field, message)) = settings.concurrency.as_ref().and_then(|limit| concurrency(limit, &[Root::Trigger])) {
        invalid(field, message);
    }
    if settings.on_failure.as_ref().is_some_and(|handler| handler.workflow.trim().is_empty()) {
        invalid("on_failure.workflow", "must name a workflow".to_owned());
    }
    if settings.budget_usd.is_some_and(|dollars| !(0.0..=LARGEST_BUDGET_USD).contains(&dollars)) {
        invalid("budget_usd", format!("must be 0 to {LARGEST_BUDGET_USD} dollars"));
    }
    problems
}

/// What is wrong with a limit, and in which of its fields. Its key is read before anything is executed.
fn concurrency(limit: &Concurrency, roots: &[Root]) -> Option<(&'static str, String)> {
    if limit.limit == 0 || limit.limit > MOST_AT_ONCE {
        return Some(("concurrency.limit", format!("must be 1 to {MOST_AT_ONCE}")));
    }
    let template = match Template::parse_text(limit.key.as_deref()?) {
        Ok(template) => template,
        Err(fault) => return Some(("concurrency.key", format!("cannot be read: {fault}"))),
    };
    let is_known = |expression: &&Expression| matches!(expression, Expression::Path(root, _) if roots.contains(root) || *root == Root::Workflow);
    let all_known = template.expressions().iter().all(is_known);
    let known = if roots.contains(&Root::Item) { "`trigger` and `item`" } else { "`trigger`" };
    let message = || format!("may hold plain paths into {known}, for example `{{{{ trigger.repo }}}}`");
    (!all_known).then(|| ("concurrency.key", message()))
}

pub(super) fn nodes(document: &Document, catalog: &Catalog) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for node in &document.nodes {
        if !node.id.is_well_formed() {
            let shown = short(node.id.as_str());
            let message = format!("`{shown}` is not a node id; use 1 to {} letters, digits, `_` or `-`", NodeId::MAX_LEN);
            problems.push(Problem::node("invalid_node_id", &node.id, message).field("id"));
        }
        if !seen.insert(&node.id) {
            let message = format!("two nodes have the id `{}`; rename one", short(node.id.as_str()));
            problems.push(Problem::node("duplicate_node", &node.id, message).field("id"));
        }
        match catalog.get(&node.kind) {
            Some(kind) => problems.extend(of_kind(node, kind)),
            None => problems.push(unknown_type(node, catalog)),
        }
        problems.extend(policy(node));
    }
    problems
}

fn unknown_type(node: &NodeDocument, catalog: &Catalog) -> Problem {
    let known = catalog.kinds().map(|kind| kind.spec.kind).collect::<Vec<_>>().join(", ");
    let shown = short(&node.kind);
    Problem::node("unknown_type", &node.id, format!("there is no node type `{shown}`; known are: {known}")).field("type")
}

fn of_kind<'n>(node: &'n NodeDocument, kind: &'n Kind) -> impl Iterator<Item = Problem> + 'n {
    let faults = kind.check(&node.params).into_iter().map(|fault| {
        Problem::node(fault.code, &node.id, fault.message).field(format!("params.{}", fault.field).trim_end_matches('.'))
    });
    let is_template = |name: &str| !kind.spec.scripts.contains(&name) && kind.spec.body != Some(name);
    let templates = node.params.iter().filter(move |(name, _)| is_template(name));
    faults.chain(templates.filter_map(|(name, value)| template(node, kind, name, value))).chain(drawn(kind, node))
}

/// Ports that an author has named must be told apart from each other and from those that the kind has.
fn drawn<'n>(kind: &Kind, node: &'n NodeDocument) -> Vec<Problem> {
    let name = kind.spec.ports_from.unwrap_or_default();
    let entries = node.params.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
    let mut taken: HashSet<&'n str> = kind.spec.ports.iter().copied().chain([ERROR_PORT]).collect();
    let problem = |(at, entry): (usize, &'n Value)| {
        let port = entry.get("port")?.as_str().filter(|port| !port.is_empty())?;
        let fault = if !is_port(port) {
            format!("is no name for a port; use 1 to {LONGEST_PORT} characters without `{{{{`")
        } else if taken.replace(port).is_some() {
            format!("is `{port}`, like another port; give it a name of its own")
        } else {
            return None;
        };
        let field = format!("params.{name}.{at}.port");
        Some(Problem::node("invalid_parameter", &node.id, format!("`{name}.{at}.port` {fault}")).field(field))
    };
    entries.filter_map(problem).collect()
}

fn is_port(name: &str) -> bool {
    let is_plain = |c: char| !c.is_control();
    !name.trim().is_empty() && name.chars().count() <= LONGEST_PORT && name.chars().all(is_plain) && !name.contains("{{")
}

fn template(node: &NodeDocument, kind: &Kind, name: &str, value: &Value) -> Option<Problem> {
    let (at, fault) = Template::parse_except(value, &kind.spec.scripts_in(name)).err()?;
    let field = if at.is_empty() { format!("params.{name}") } else { format!("params.{name}.{at}") };
    Some(Problem::node("invalid_template", &node.id, format!("`{field}`: {fault}")).field(field))
}

fn policy(node: &NodeDocument) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut invalid = |field: &str, message: String| {
        problems.push(Problem::node("invalid_parameter", &node.id, message).field(field));
    };
    if let Some(retry) = &node.retry {
        if !(1..=RetryPolicy::MAX_ATTEMPTS).contains(&retry.max_attempts) {
            invalid("retry.max_attempts", format!("`retry.max_attempts` must be 1 to {}", RetryPolicy::MAX_ATTEMPTS));
        }
        if retry.max_ms > RetryPolicy::LONGEST_MS || retry.initial_ms > retry.max_ms {
            invalid("retry.max_ms", format!("`retry.max_ms` must be from `retry.initial_ms` to {}", RetryPolicy::LONGEST_MS));
        }
    }
    if node.timeout_s.is_some_and(|s| s == 0 || s > LONGEST_TIMEOUT_S) {
        invalid("timeout_s", format!("`timeout_s` must be 1 to {LONGEST_TIMEOUT_S}"));
    }
    if let Some((field, message)) = node.concurrency.as_ref().and_then(|limit| concurrency(limit, &[Root::Trigger, Root::Item])) {
        invalid(field, format!("`{field}` {message}"));
    }
    problems
}

pub(super) fn edges(document: &Document, catalog: &Catalog) -> Vec<Problem> {
    let nodes: HashMap<&NodeId, &NodeDocument> = document.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for (at, edge) in document.edges.iter().enumerate() {
        let (from, to) = (short(edge.source.as_str()), short(edge.target.as_str()));
        problems.extend(dangling(&nodes, at, edge));
        if edge.source == edge.target {
            problems.push(Problem::edge("self_edge", at, format!("`{from}` cannot come after itself; remove the edge")));
        }
        let source = nodes.get(&edge.source).and_then(|node| catalog.get(&node.kind));
        let port = edge.port.as_deref().or_else(|| source?.spec.ports.first().copied());
        if !seen.insert((&edge.source, port, &edge.target)) {
            let message = format!("there are two edges from `{from}` to `{to}` by the same port; remove one");
            problems.push(Problem::edge("duplicate_edge", at, message));
        }
        problems.extend(unknown_port(source, nodes.get(&edge.source).copied(), at, edge));
        let target = nodes.get(&edge.target).and_then(|node| catalog.get(&node.kind));
        if target.is_some_and(|kind| kind.spec.is_trigger()) {
            let message = format!("`{to}` begins the run, so nothing can come before it; remove the edge");
            problems.push(Problem::edge("trigger_with_input", at, message));
        }
    }
    problems
}

fn dangling(nodes: &HashMap<&NodeId, &NodeDocument>, at: usize, edge: &EdgeDocument) -> impl Iterator<Item = Problem> {
    let ends = [("begins", &edge.source), ("ends", &edge.target)].into_iter().filter(|(_, end)| !nodes.contains_key(*end));
    let problem = |(verb, end): (&str, &NodeId)| {
        let shown = short(end.as_str());
        Problem::edge("dangling_edge", at, format!("the edge {verb} at `{shown}`, which does not exist"))
    };
    ends.map(problem).collect::<Vec<_>>().into_iter()
}

fn unknown_port(source: Option<&Kind>, node: Option<&NodeDocument>, at: usize, edge: &EdgeDocument) -> Option<Problem> {
    let (kind, node, port) = (source?, node?, edge.port.as_deref()?);
    let drawn = drawn_ports(kind, node);
    let known = port == ERROR_PORT || kind.spec.ports.contains(&port) || drawn.contains(&port);
    let ports = drawn.iter().chain(kind.spec.ports).copied().collect::<Vec<_>>().join(", ");
    let (from, shown) = (short(edge.source.as_str()), short(port));
    (!known).then(|| Problem::edge("unknown_port", at, format!("`{from}` has no port `{shown}`; it has: {ports}, {ERROR_PORT}")))
}

/// The ports that a node's author has named in its parameters.
fn drawn_ports<'n>(kind: &Kind, node: &'n NodeDocument) -> Vec<&'n str> {
    let list = kind.spec.ports_from.and_then(|name| node.params.get(name)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| item.get("port")?.as_str()).collect()
}

/// When something begins the run, every other node must come after something that does.
pub(super) fn reachable(document: &Document, catalog: &Catalog, net: &Net) -> Vec<Problem> {
    let is_trigger = |node: &NodeDocument| catalog.get(&node.kind).is_some_and(|kind| kind.spec.is_trigger());
    let triggers: Vec<usize> = (0..document.nodes.len()).filter(|at| is_trigger(&document.nodes[*at])).collect();
    if triggers.is_empty() {
        return Vec::new();
    }
    let mut search = Dfs::empty(net);
    for trigger in triggers {
        search.move_to(NodeIndex::new(trigger));
        while search.next(net).is_some() {}
    }
    let lost = net.node_indices().filter(|n| !search.discovered.contains(n.index())).map(|n| &document.nodes[n.index()]);
    lost.map(|node| {
        let message = format!("no trigger leads to `{}`; connect it or remove it", short(node.id.as_str()));
        Problem::node("unreachable_node", &node.id, message)
    })
    .collect()
}
