//! Workflows with their steps' answers written down beforehand, compiled once into a pool so that a history is cheap.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use flowforge_core::{
    Awaiting, Graph, NodeId, Run, StepIx, Timestamp,
    awaiting::{Approval, ChildSource, Children, OnItemError},
    document::OnError,
    node::{Await, Lane, NodeError, Outcome, Output, Wake},
    rerun::{self, Ask, Begin, Past},
    run::Kept,
};
use serde_json::{Value, json};

use crate::{
    kinds,
    reference::{self, Fate, Reference},
    rng::Rng,
};

/// How many workflows there are.
const POOL: u64 = 1_024;
/// How many of them are what others start for their items.
const CHILDREN: u64 = 128;
/// The most nodes of such a one.
const CHILD_NODES: usize = 5;
/// The codes that attempts fail with.
const CODES: &[&str] = &["NETWORK_ERROR", "RATE_LIMIT"];
/// What an attempt that failed for the death of its workers failed with.
pub(crate) const CRASHED: &str = "WORKER_CRASHED";

/// A workflow. Nodes are numbered so that edges only go up; triggers come first.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Scripted>,
    /// From, by, to; in this order.
    pub(crate) edges: Vec<(usize, &'static str, usize)>,
    /// The trigger that fires, when there are any.
    pub(crate) fired: Option<usize>,
    /// The longest a run may take.
    pub(crate) timeout_s: Option<u64>,
}

/// A node, and how it answers.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) kind: &'static str,
    pub(crate) on_error: OnError,
    pub(crate) max_attempts: u32,
    /// The codes that are worth another attempt; all when empty.
    pub(crate) codes: Vec<&'static str>,
    /// How its first attempts fail: a code, and whether it may pass.
    pub(crate) failures: Vec<(&'static str, bool)>,
    /// How often an attempt sleeps before it answers.
    pub(crate) sleeps: i64,
    /// How long it sleeps each time.
    pub(crate) sleep_ms: i64,
    /// The longest an attempt takes.
    pub(crate) work_ms: u64,
    /// How many of its executions kill their worker.
    pub(crate) kills: u32,
    /// The wait before the second attempt.
    pub(crate) retry_ms: u64,
    /// The port by which it leaves in the end.
    pub(crate) port: &'static str,
    /// What it waits for before it answers.
    pub(crate) awaits: Awaits,
    /// How long it waits for that at most.
    pub(crate) wait_ms: Option<i64>,
    /// What it puts out when that is not its own answer.
    pub(crate) given: Option<Value>,
}

/// What a node waits for that comes from outside its run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Awaits {
    Nothing,
    /// A signal named after the node.
    Signal,
    Decision,
    /// So many runs of a workflow of the pool.
    Children {
        plan: usize,
        items: u32,
        max_parallel: u32,
        on_item_error: OnItemError,
    },
}

/// The code of a step that fails with one of its items.
pub(crate) const ITEM_FAILED: &str = "ITEM_FAILED";

impl Scripted {
    pub(crate) fn is_trigger(&self) -> bool {
        self.kind.starts_with("trigger")
    }

    /// The ports that edges may leave by.
    pub(crate) fn ports(&self) -> [&'static str; 3] {
        match self.kind {
            "condition" => ["true", "false", "error"],
            "signal" => ["out", "timeout", "error"],
            "approval" => ["approved", "rejected", "timeout"],
            _ => ["out", "out", "error"],
        }
    }
}

/// A plan that is ready to be run, and what has to come of it.
pub(crate) struct Compiled {
    pub(crate) plan: Plan,
    pub(crate) graph: Arc<Graph>,
    /// What becomes of each step when nobody interferes.
    pub(crate) fates: Vec<Fate>,
    /// The steps whose failure ends the run.
    pub(crate) culprits: Vec<StepIx>,
    /// What a run that completes puts out.
    pub(crate) output: Value,
    /// The steps that any worker may execute.
    pub(crate) dispatched: Vec<StepIx>,
    /// What a run keeps that repeats one with which nobody has interfered: from what failed on, or from its middle.
    pub(crate) kept: Vec<Kept>,
    nodes: Vec<usize>,
}

impl Compiled {
    /// The script of a step.
    pub(crate) fn script(&self, step: StepIx) -> &Scripted {
        &self.plan.nodes[self.nodes[step.index()]]
    }

    /// The node of a step.
    pub(crate) fn node(&self, step: StepIx) -> usize {
        self.nodes[step.index()]
    }

    /// Whether anything comes from outside its runs.
    pub(crate) fn waits_for_others(&self) -> bool {
        self.plan.nodes.iter().any(|node| node.awaits != Awaits::Nothing)
    }

    /// The step that a run begins with.
    pub(crate) fn trigger(&self) -> Option<StepIx> {
        self.plan.fired.and_then(|node| self.graph.find(&NodeId::from(id(node).as_str())))
    }

    fn new(plan: Plan) -> Self {
        let graph = Arc::new(plan.compile());
        let node = |id: &NodeId| id.as_str()[1..].parse::<usize>().expect("ids are numbers");
        let nodes: Vec<usize> = graph.steps().map(|(_, step)| node(&step.id)).collect();
        let reference = Reference::new(&plan);
        let fates: Vec<Fate> = nodes.iter().map(|node| reference.fate(*node)).collect();
        let culprits = reference.culprits();
        let culprits = graph.steps().map(|(ix, _)| ix).filter(|ix| culprits.contains(&nodes[ix.index()])).collect();
        let output = reference.output();
        let dispatched = graph.steps().filter(|(_, step)| step.lane() == Lane::Dispatched).map(|(ix, _)| ix).collect();
        let mut compiled = Self { fates, culprits, output, dispatched, kept: Vec::new(), graph, nodes, plan };
        // What comes from outside may be something else each time.
        if !compiled.waits_for_others() {
            compiled.kept = compiled.kept_when_repeated();
        }
        compiled
    }

    fn kept_when_repeated(&self) -> Vec<Kept> {
        let past: Vec<Past> = self.fates.iter().map(past).collect();
        let middle = StepIx(self.graph.len() as u32 / 2);
        let begin = if self.culprits.is_empty() { Begin::Step(middle) } else { Begin::Failed };
        let (graph, trigger) = (&*self.graph, self.trigger());
        rerun::plan(&Ask { old: graph, past: &past, new: graph, trigger, begin, has_other_input: false, files: &[] }).kept
    }

    /// What the script answers for an attempt. The last digit of a sleep's end counts the sleeps, so that whoever goes on
    /// with it knows them.
    pub(crate) fn answer(&self, run: &Run, call: Call, now: i64) -> Result<Outcome, NodeError> {
        let scripted = self.script(call.step);
        let slept = call.slept();
        if slept < scripted.sleeps {
            return Ok(Outcome::Sleep(Wake::At(Timestamp((now + scripted.sleep_ms) / 10 * 10 + slept + 1))));
        }
        match scripted.failures.get(call.attempt as usize - 1) {
            Some((code, true)) => Err(NodeError::retry(code, "as planned")),
            Some((code, false)) => Err(NodeError::fatal(code, "as planned")),
            None if scripted.awaits != Awaits::Nothing && call.woken.is_none() => Ok(Outcome::Await(self.awaited(call, now))),
            None => {
                let input = run.input(call.step).unwrap_or_else(run_input);
                let late = scripted.awaits != Awaits::Nothing;
                let chosen = if late { "timeout" } else { scripted.port };
                let port = (chosen != scripted.ports()[0]).then_some(Cow::Borrowed(chosen));
                let value = reference::answer(self.node(call.step), call.attempt, &input);
                Ok(Outcome::Done(Output { value: Arc::new(value), port }))
            }
        }
    }
}

fn past(fate: &Fate) -> Past {
    match fate {
        Fate::Completed { port, output } => Past::Completed { output: Some(Arc::new(output.clone())), port: Cow::Borrowed(port) },
        Fate::Failed { .. } => Past::Failed,
        Fate::Skipped => Past::Skipped,
        Fate::Never => Past::NotReached,
    }
}

impl Compiled {
    /// What an attempt waits for, and until when.
    fn awaited(&self, call: Call, now: i64) -> Await {
        let scripted = self.script(call.step);
        let what = match scripted.awaits {
            Awaits::Nothing | Awaits::Signal => Awaiting::Signal { name: self.graph.step(call.step).id.to_string() },
            Awaits::Decision => Awaiting::Approval(Approval { title: "sure?".into(), details: Value::Null, approvers: vec![] }),
            Awaits::Children { items, max_parallel, on_item_error, .. } => {
                let items = (0..items).map(Value::from).collect();
                let source = ChildSource::Workflow { workflow: String::new(), version: None };
                Awaiting::Children(Children {
                    items,
                    source,
                    max_parallel,
                    on_item_error,
                    single: false,
                    pages: Vec::new(),
                    outer: None,
                })
            }
        };
        Await { what, until: scripted.wait_ms.map(|wait| Wake::At(Timestamp(now + wait))) }
    }
}

/// One call of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    /// Until when the attempt has slept.
    pub(crate) woken: Option<Timestamp>,
    /// Whether what its children have come to is gathered, instead of calling the node.
    pub(crate) gathers: bool,
}

impl Call {
    /// How often the attempt has slept.
    pub(crate) fn slept(self) -> i64 {
        self.woken.map_or(0, |until| until.0 % 10)
    }
}

/// What every run is given.
fn run_input() -> Arc<Value> {
    static INPUT: LazyLock<Arc<Value>> = LazyLock::new(|| Arc::new(reference::run_input()));
    INPUT.clone()
}

pub(crate) fn id(node: usize) -> String {
    format!("n{node}")
}

/// The workflows that histories choose from: the same in every process.
pub(crate) fn pool() -> &'static [Compiled] {
    static PLANS: LazyLock<Vec<Compiled>> = LazyLock::new(|| (0..POOL).map(|at| Compiled::new(Plan::draw(at))).collect());
    &PLANS
}

impl Plan {
    fn draw(seed: u64) -> Self {
        let rng = &mut Rng::new(seed.wrapping_mul(0x1000_0001));
        let most = rng.pick(&[3, 5, 8, 8, 12, 20, 40]);
        let most = if seed < CHILDREN { most.min(CHILD_NODES as u64) } else { most };
        let len = rng.between(1, most) as usize;
        let triggers = (rng.below(4) as usize).saturating_sub(1).min(len);
        let flavour = Flavour::draw(rng, seed);
        let mut nodes: Vec<Scripted> = (0..len).map(|_| Scripted::draw(rng, &flavour)).collect();
        for node in &mut nodes[..triggers] {
            (node.kind, node.port, node.kills, node.awaits) = ("trigger.manual", "out", 0, Awaits::Nothing);
        }
        let mut edges: Vec<_> = (triggers..len).flat_map(|to| edges_to(rng, &nodes, to, triggers)).collect();
        edges.sort_unstable();
        edges.dedup();
        let fired = (triggers > 0).then(|| rng.below(triggers as u64) as usize);
        let timeout_s = rng.chance(800).then(|| rng.between(10, 120));
        Self { nodes, edges, fired, timeout_s }
    }

    fn compile(&self) -> Graph {
        let nodes: Vec<Value> = (0..self.nodes.len()).map(|node| self.node(node)).collect();
        let edge = |(from, by, to): &(usize, &'static str, usize)| json!({ "source": id(*from), "port": by, "target": id(*to) });
        let edges: Vec<Value> = self.edges.iter().map(edge).collect();
        let document = json!({ "nodes": nodes, "edges": edges, "settings": { "timeout_s": self.timeout_s } });
        let document = serde_json::from_value(document).expect("a document");
        Graph::compile(&document, &kinds::catalog()).unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    fn node(&self, node: usize) -> Value {
        let Scripted { kind, on_error, max_attempts, codes, retry_ms, .. } = &self.nodes[node];
        let retry = json!({ "max_attempts": max_attempts, "initial_ms": retry_ms, "max_ms": 20_000, "codes": codes });
        json!({ "id": id(node), "type": kind, "on_error": on_error, "retry": retry })
    }
}

/// What a plan's nodes are mostly like, so that plans differ from each other more than their nodes do.
struct Flavour {
    kinds: &'static [&'static str],
    failing: u64,
    sleeping: u64,
    deadly: u64,
    forgiving: u64,
}

impl Flavour {
    fn draw(rng: &mut Rng, number: u64) -> Self {
        const KINDS: &[&[&str]] = &[
            &["set", "condition"],
            &["set", "condition", "http", "command"],
            &["set", "http", "command"],
            &["http"],
            &["command", "set"],
            &["http", "command", "condition"],
            &["set", "signal", "http"],
            &["approval", "set", "command"],
            &["map", "set", "signal", "approval", "http"],
            &["map", "http"],
            &["signal", "http"],
        ];
        // The first plans are what others start for their items: they wait for nobody.
        let kinds = if number < CHILDREN { &KINDS[..6] } else { KINDS };
        Self {
            kinds: rng.pick(kinds),
            failing: rng.pick(&[0, 1_000, 4_000]),
            sleeping: rng.pick(&[0, 500, 3_000]),
            deadly: rng.pick(&[0, 0, 0, 1_500]),
            forgiving: rng.pick(&[5_000, 9_000, 10_000]),
        }
    }
}

impl Scripted {
    fn draw(rng: &mut Rng, flavour: &Flavour) -> Self {
        let kind: &'static str = rng.pick(flavour.kinds);
        let failures = if rng.chance(flavour.failing) { rng.between(1, 3) } else { 0 };
        let codes = if rng.chance(2_500) { vec![rng.pick(CODES)] } else { vec![] };
        let kills = rng.pick(&[1, 2, 3, u32::MAX]);
        let is_effect = matches!(kind, "http" | "command");
        let mut scripted = Self {
            kind,
            on_error: if rng.chance(flavour.forgiving) { OnError::Continue } else { OnError::Fail },
            max_attempts: rng.between(1, 4) as u32,
            codes,
            failures: (0..failures).map(|_| (rng.pick(CODES), rng.chance(8_000))).collect(),
            sleeps: if rng.chance(flavour.sleeping) { rng.between(1, 3) as i64 } else { 0 },
            sleep_ms: rng.pick(&[50, 2_000, 6_000, 20_000, 60_000]),
            work_ms: rng.pick(&[20, 200, 2_000, 20_000]),
            kills: if is_effect && rng.chance(flavour.deadly) { kills } else { 0 },
            retry_ms: rng.pick(&[100, 1_000, 8_000]),
            port: "",
            awaits: awaits(rng, kind),
            wait_ms: rng.chance(2_000).then(|| *[500, 10_000, 60_000].get(rng.below(3) as usize).unwrap_or(&500)),
            given: None,
        };
        if scripted.awaits != Awaits::Nothing {
            scripted.sleeps = 0;
        }
        if matches!(scripted.awaits, Awaits::Children { .. }) {
            scripted.wait_ms = None;
        }
        let ports = if rng.chance(9_500) { 2 } else { 3 };
        scripted.port = rng.pick(&scripted.ports()[..ports]);
        if scripted.awaits != Awaits::Nothing {
            scripted.port = scripted.ports()[0];
        }
        scripted
    }
}

fn awaits(rng: &mut Rng, kind: &str) -> Awaits {
    match kind {
        "signal" => Awaits::Signal,
        "approval" => Awaits::Decision,
        "map" => Awaits::Children {
            plan: rng.below(CHILDREN) as usize,
            items: rng.pick(&[0, 1, 2, 3, 6]),
            max_parallel: rng.between(1, 4) as u32,
            on_item_error: rng.pick(&[OnItemError::Fail, OnItemError::Continue, OnItemError::Collect]),
        },
        _ => Awaits::Nothing,
    }
}

/// Every node comes after a trigger, if there are any.
fn edges_to(rng: &mut Rng, nodes: &[Scripted], to: usize, triggers: usize) -> Vec<(usize, &'static str, usize)> {
    let wanted = if to == 0 { 0 } else { rng.pick(&[0, 1, 1, 1, 2, 2, 3]) };
    let mut edges = Vec::with_capacity(wanted + 1);
    for _ in 0..wanted {
        let near = rng.between(1, 4).min(to as u64) as usize;
        let from = if rng.chance(7_000) { to - near } else { rng.below(to as u64) as usize };
        // Mostly by the port that is taken: else most of a graph would be skipped.
        let port = if rng.chance(7_000) { nodes[from].port } else { rng.pick(&nodes[from].ports()) };
        edges.push((from, port, to));
    }
    if edges.is_empty() && triggers > 0 {
        edges.push((rng.below(triggers as u64) as usize, "out", to));
    }
    edges
}
