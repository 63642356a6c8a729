//! `Graph::compile`: the only way from a document to something that can run.
//!
//! A compiled graph numbers its steps in topological order, so a step's number is also its place in the queue, and keeps
//! for each step what a transition needs: in-degree, successors by port, parsed templates.

mod before;
mod body;
mod check;
mod references;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use petgraph::{algo::kosaraju_scc, graph::DiGraph, visit::EdgeRef};
use serde_json::{Map, Value};

use crate::{
    catalog::{Catalog, Kind},
    document::{Document, EdgeDocument, NodeDocument, OnError, Settings},
    id::NodeId,
    node::{ERROR_PORT, Lane},
    priority::Priority,
    problem::{Problem, short},
    retry::RetryPolicy,
    template::Template,
};

/// The most nodes a graph may have.
pub const MAX_NODES: usize = 10_000;
/// The most edges a graph may have.
pub const MAX_EDGES: usize = 100_000;

/// A step's number: its place in the topological order of its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIx(pub u32);

impl StepIx {
    /// As an index into a table of steps.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A document that was found to be runnable.
#[derive(Debug, Clone)]
pub struct Graph {
    steps: Vec<StepSpec>,
    by_id: HashMap<NodeId, StepIx>,
    settings: Settings,
    concurrency: Option<Limit>,
    outer: OuterReads,
}

/// The steps around a body whose outputs its expressions read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OuterReads {
    /// These and no others.
    Only(BTreeSet<NodeId>),
    /// Any step before the body: only running an expression would tell.
    All,
}

/// A limit on what is under way at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// How many at once.
    pub limit: u32,
    /// What is counted together; everything of the workflow, or of the node, when absent.
    pub key: Option<Template>,
}

/// What a graph knows of one step.
#[derive(Debug, Clone)]
pub struct StepSpec {
    /// The author's name of the node.
    pub id: NodeId,
    /// The kind.
    pub kind: Kind,
    /// The parameters with their expressions parsed, by name.
    pub params: Arc<Vec<(String, Param)>>,
    /// When a failed attempt is repeated.
    pub retry: RetryPolicy,
    /// The longest an attempt may take, in seconds.
    pub timeout_s: u64,
    /// What a final failure means when no edge leaves by the `error` port.
    pub on_error: OnError,
    /// The steps whose outputs its expressions may read.
    pub reads: Reads,
    /// How many steps of this node may be executed at once, over all runs.
    pub concurrency: Option<Limit>,
    /// The graph in its parameters, for a kind that has one.
    pub body: Option<Arc<Graph>>,
    /// The edges that end here, by their source in topological order.
    pub incoming: Vec<Link>,
    /// The edges that begin here, in the order in which they were drawn.
    pub outgoing: Vec<Link>,
}

impl StepSpec {
    /// The port of an edge or an output that names none.
    pub fn first_port(&self) -> &'static str {
        self.kind.spec.ports.first().copied().unwrap_or("out")
    }

    /// Whether an edge leaves by the `error` port.
    pub fn handles_errors(&self) -> bool {
        self.has_edge(ERROR_PORT)
    }

    /// The port by which the step leaves when its node chose this one, or none.
    pub(crate) fn leaving_port(&self, chosen: Option<Cow<'static, str>>) -> Cow<'static, str> {
        let counts = |port: &Cow<'static, str>| !self.kind.spec.side_ports.contains(&&**port) || self.has_edge(port);
        chosen.filter(counts).unwrap_or(Cow::Borrowed(self.first_port()))
    }

    fn has_edge(&self, port: &str) -> bool {
        self.outgoing.iter().any(|link| &*link.port == port)
    }

    /// Where it is executed. What is counted needs a lease, and only dispatched steps have one.
    pub fn lane(&self) -> Lane {
        if self.concurrency.is_some() { Lane::Dispatched } else { self.kind.spec.lane }
    }

    /// Whether running it again after a crash is harmless.
    pub fn is_pure(&self) -> bool {
        self.kind.spec.pure && self.concurrency.is_none()
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// Values are put in where its expressions stand.
    Template(Template),
    /// JavaScript: handed over as it is.
    Script(Value),
    /// Shell: names are put in where its expressions stand, the values travel as environment variables.
    Shell(Template),
}

/// The steps whose outputs a step's expressions may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// These and no others.
    Only(Vec<StepIx>),
    /// Any step before it: only running the expression would tell.
    All,
}

/// One edge, seen from one of its ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The step at the other end.
    pub step: StepIx,
    /// The port by which the edge leaves its source.
    pub port: Arc<str>,
}

impl Graph {
    /// Checks a document and makes it runnable, or reports all that is wrong with it.
    ///
    /// # Errors
    /// Every problem found, each naming its node, edge or field.
    pub fn compile(document: &Document, catalog: &Catalog) -> Result<Self, Vec<Problem>> {
        Self::compile_within(document, catalog, None)
    }

    fn compile_within(document: &Document, catalog: &Catalog, around: Option<&body::Around>) -> Result<Self, Vec<Problem>> {
        let mut problems = check::limits(document);
        if !problems.is_empty() {
            return Err(problems);
        }
        let net = net(document);
        problems.extend(check::settings(document));
        problems.extend(check::nodes(document, catalog));
        problems.extend(check::edges(document, catalog));
        problems.extend(match around {
            None => check::reachable(document, catalog, &net),
            Some(_) => body::misplaced(document, catalog),
        });
        let order = match ordered(document, &net) {
            Ok(order) => order,
            Err(cycles) => {
                problems.extend(cycles);
                return Err(problems);
            }
        };
        // What a name means can be said only where every node is known and no two share a name.
        if problems.iter().any(|problem| matches!(problem.code.as_str(), "unknown_type" | "duplicate_node")) {
            return Err(problems);
        }
        let mut graph = Self::assemble(document, catalog, &net, &order);
        problems.extend(references::resolve(&mut graph, around));
        problems.extend(body::compile_all(&mut graph, catalog, around));
        if problems.is_empty() { Ok(graph) } else { Err(problems) }
    }

    /// The steps in topological order.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = (StepIx, &StepSpec)> {
        self.steps.iter().enumerate().map(|(at, step)| (StepIx(at as u32), step))
    }

    /// One step.
    pub fn step(&self, step: StepIx) -> &StepSpec {
        &self.steps[step.index()]
    }

    /// The step of a node.
    pub fn find(&self, node: &NodeId) -> Option<StepIx> {
        self.by_id.get(node).copied()
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are no steps; a compiled graph always has some.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The longest a run may take, in seconds.
    pub fn timeout_s(&self) -> Option<u64> {
        self.settings.timeout_s
    }

    /// How many runs may be under way at once.
    pub fn concurrency(&self) -> Option<&Limit> {
        self.concurrency.as_ref()
    }

    /// How urgent runs are when whoever starts them does not say.
    pub fn priority(&self) -> Priority {
        self.settings.priority.unwrap_or_default()
    }

    /// The workflow that is run when a run fails, by id or name.
    pub fn on_failure(&self) -> Option<&str> {
        self.settings.on_failure.as_ref().map(|handler| handler.workflow.as_str())
    }

    /// For a body: the steps around it that it reads.
    pub fn outer(&self) -> &OuterReads {
        &self.outer
    }

    /// The graph of a body, by the nodes that lead down to it.
    pub fn body<'g>(self: &'g Arc<Self>, path: &[NodeId]) -> Option<&'g Arc<Self>> {
        path.iter().try_fold(self, |graph, node| graph.step(graph.find(node)?).body.as_ref())
    }

    /// The trigger that a run started by hand begins with: `trigger.manual`, or else the first trigger drawn.
    pub fn manual_trigger(&self) -> Option<StepIx> {
        let triggers = || self.steps().filter(|(_, step)| step.kind.spec.is_trigger());
        triggers().find(|(_, step)| step.kind.spec.kind == "trigger.manual").or_else(|| triggers().next()).map(|(ix, _)| ix)
    }

    fn assemble(document: &Document, catalog: &Catalog, net: &Net, order: &[usize]) -> Self {
        let mut rank = vec![StepIx(0); order.len()];
        order.iter().enumerate().for_each(|(at, node)| rank[*node] = StepIx(at as u32));
        let ports = ports(document, catalog);
        let step = |node: &usize| step_spec(&document.nodes[*node], *node, catalog, net, &rank, &ports);
        let steps: Vec<StepSpec> = order.iter().filter_map(step).collect();
        let by_id = steps.iter().enumerate().map(|(at, step)| (step.id.clone(), StepIx(at as u32))).collect();
        let settings = document.settings.clone();
        let concurrency = settings.concurrency.as_ref().map(limit);
        Self { steps, by_id, settings, concurrency, outer: OuterReads::Only(BTreeSet::new()) }
    }
}

/// The port of every edge, the unnamed ones resolved to their source's first.
fn ports(document: &Document, catalog: &Catalog) -> Vec<Arc<str>> {
    let first_port = |node: &NodeDocument| catalog.get(&node.kind).and_then(|kind| kind.spec.ports.first().copied());
    let first: HashMap<&NodeId, &str> = document.nodes.iter().map(|node| (&node.id, first_port(node).unwrap_or("out"))).collect();
    let port = |edge: &EdgeDocument| edge.port.as_deref().or_else(|| first.get(&edge.source).copied()).unwrap_or("out").into();
    document.edges.iter().map(port).collect()
}

/// The document's edges as petgraph has them: nodes by their place in the document, edges carrying theirs.
pub(crate) type Net = DiGraph<usize, usize>;

/// Nodes in topological order, or a problem for every cycle.
///
/// Kahn's algorithm (1962) with a first-in first-out queue, so that the order follows the drawing and neighbours stay together.
fn ordered(document: &Document, net: &Net) -> Result<Vec<usize>, Vec<Problem>> {
    let mut open: Vec<usize> = net.node_indices().map(|n| net.edges_directed(n, petgraph::Incoming).count()).collect();
    let mut order: Vec<usize> = (0..open.len()).filter(|n| open[*n] == 0).collect();
    let mut at = 0;
    while at < order.len() {
        let node = petgraph::graph::NodeIndex::new(order[at]);
        let mut targets: Vec<usize> = net.neighbors(node).map(|target| target.index()).collect();
        targets.sort_unstable();
        for target in targets {
            open[target] -= 1;
            if open[target] == 0 {
                order.push(target);
            }
        }
        at += 1;
    }
    if order.len() == document.nodes.len() { Ok(order) } else { Err(cycles(document, net)) }
}

fn net(document: &Document) -> Net {
    let mut net = Net::with_capacity(document.nodes.len(), document.edges.len());
    let mut by_id = HashMap::with_capacity(document.nodes.len());
    for (at, node) in document.nodes.iter().enumerate() {
        let ix = net.add_node(at);
        by_id.entry(&node.id).or_insert(ix);
    }
    for (at, edge) in document.edges.iter().enumerate() {
        if let (Some(source), Some(target)) = (by_id.get(&edge.source), by_id.get(&edge.target))
            && source != target
        {
            net.add_edge(*source, *target, at);
        }
    }
    net
}

/// Strongly connected components: every one of two or more nodes is a knot of cycles. Kosaraju's algorithm and not Tarjan's,
/// which petgraph writes with recursion: a long cycle would overflow the stack.
fn cycles(document: &Document, net: &Net) -> Vec<Problem> {
    let knots = kosaraju_scc(net).into_iter().filter(|component| component.len() > 1);
    let problem = |mut component: Vec<petgraph::graph::NodeIndex>| {
        component.sort_unstable();
        let ids = component.iter().take(20).map(|n| short(document.nodes[n.index()].id.as_str()));
        let shown = ids.collect::<Vec<_>>().join(", ");
        let more = component.len().checked_sub(20).filter(|n| *n > 0).map(|n| format!(" and {n} more")).unwrap_or_default();
        let message = format!("these nodes wait for each other: {shown}{more}; remove one of the edges between them");
        Problem::node("cycle", &document.nodes[component[0].index()].id, message)
    };
    let mut problems: Vec<Problem> = knots.map(problem).collect();
    problems.sort_by(|a, b| a.node_id.cmp(&b.node_id));
    problems
}

fn step_spec(
    node: &NodeDocument,
    at: usize,
    catalog: &Catalog,
    net: &Net,
    rank: &[StepIx],
    ports: &[Arc<str>],
) -> Option<StepSpec> {
    let kind = catalog.get(&node.kind)?.clone();
    let ix = petgraph::graph::NodeIndex::new(at);
    let mut incoming: Vec<Link> = net
        .edges_directed(ix, petgraph::Incoming)
        .map(|edge| Link { step: rank[edge.source().index()], port: ports[*edge.weight()].clone() })
        .collect();
    incoming.sort_unstable();
    let mut edges: Vec<_> = net.edges(ix).collect();
    edges.sort_unstable_by_key(|edge| *edge.weight());
    let outgoing = edges.iter().map(|edge| Link { step: rank[edge.target().index()], port: ports[*edge.weight()].clone() });
    Some(StepSpec {
        id: node.id.clone(),
        params: Arc::new(params(&node.params, &kind)),
        retry: node.retry.clone().unwrap_or_default(),
        timeout_s: node.timeout_s.unwrap_or(kind.spec.timeout_s),
        on_error: node.on_error,
        reads: Reads::Only(Vec::new()),
        concurrency: node.concurrency.as_ref().map(limit),
        body: None,
        incoming,
        outgoing: outgoing.collect(),
        kind,
    })
}

/// A limit with its key parsed; faults were reported by `check` before.
fn limit(concurrency: &crate::document::Concurrency) -> Limit {
    let parse = |key: &String| Template::parse_text(key).unwrap_or_else(|_| Template::Literal(Value::Null));
    Limit { limit: concurrency.limit, key: concurrency.key.as_ref().map(parse) }
}

/// Parses the parameters; faults were reported by `check::nodes` before.
fn params(params: &Map<String, Value>, kind: &Kind) -> Vec<(String, Param)> {
    let param = |(name, value): (&String, &Value)| {
        let scripts = kind.spec.scripts_in(name);
        let parse = |value: &Value| Template::parse_except(value, &scripts).unwrap_or_else(|_| Template::Literal(value.clone()));
        let param = match name.as_str() {
            script if kind.spec.scripts.contains(&script) => Param::Script(value.clone()),
            body if kind.spec.body == Some(body) => Param::Script(value.clone()),
            shell if kind.spec.shell.contains(&shell) => Param::Shell(parse(value)),
            _ => Param::Template(parse(value)),
        };
        (name.clone(), param)
    };
    params.iter().map(param).collect()
}
