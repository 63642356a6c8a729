//! What is measured: graphs, and in which cases they are run.

use serde_json::{Value, json};

/// A graph, and the rows that each commit of the raw limit inserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// Three steps in a row.
    W1,
    /// The same, each reading the step before it.
    W1Reading,
    /// One step, a hundred beside each other, one that waits for all.
    W2,
    /// Forty steps in a row.
    W3,
}

impl Workload {
    pub(crate) const ALL: [Self; 4] = [Self::W1, Self::W1Reading, Self::W2, Self::W3];

    pub(crate) fn graph(self) -> Value {
        match self {
            Self::W1 => chain(3),
            Self::W1Reading => reading(),
            Self::W2 => fan(),
            Self::W3 => chain(40),
        }
    }

    /// How many step rows each commit of the raw limit inserts: the run's row, then a commit a step; the hundred in one.
    pub(crate) fn commits(self) -> Vec<usize> {
        match self {
            Self::W1 | Self::W1Reading => steps(3),
            Self::W2 => vec![0, 1, 100, 1],
            Self::W3 => steps(40),
        }
    }
}

/// How the server is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// As it is installed.
    Plain,
    /// A commit ends every step before the next one begins, as after a step with an effect.
    StepByStep,
    /// As it is installed, with a log line for every request, while somebody watches.
    AllOn,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::StepByStep, Self::AllOn];
}

/// One line of the report, but for whom it is measured at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) workload: Workload,
    pub(crate) mode: Mode,
    pub(crate) clients: usize,
    /// Whether the answer comes at the end of the run, or when it is accepted.
    pub(crate) wait: bool,
}

/// The rows that each commit of the raw limit inserts when a run is only accepted.
pub(crate) const ACCEPTED: [usize; 1] = [0];
/// How many clients ask at once under load.
pub(crate) const CLIENTS: usize = 64;

impl Case {
    /// All that is measured, in the order of the report.
    pub(crate) fn all() -> Vec<Self> {
        use {Mode::*, Workload::*};
        let case = |workload, mode, clients| Self { workload, mode, clients, wait: true };
        vec![
            case(W1, Plain, 1),
            case(W1, Plain, CLIENTS),
            case(W1, StepByStep, 1),
            case(W1, StepByStep, CLIENTS),
            case(W1Reading, AllOn, 1),
            case(W1Reading, AllOn, CLIENTS),
            case(W2, Plain, 1),
            case(W2, StepByStep, 1),
            case(W3, Plain, 1),
            case(W3, StepByStep, 1),
            Self { wait: false, ..case(W1, Plain, CLIENTS) },
        ]
    }

    pub(crate) fn name(self) -> String {
        let Self { workload, mode, wait, .. } = self;
        let work = match workload {
            _ if !wait => "W5 accepted",
            Workload::W1 => "W1 three steps",
            Workload::W1Reading => "W1 reading each other",
            Workload::W2 => "W2 1 → 100 → 1",
            Workload::W3 => "W3 forty in a row",
        };
        let how = match mode {
            Mode::Plain => "",
            Mode::StepByStep => ", a commit a step",
            Mode::AllOn => ", everything on",
        };
        format!("{work}{how}")
    }
}

/// So many steps in a row.
pub(crate) fn chain(length: usize) -> Value {
    let mut nodes = vec![start()];
    nodes.extend((1..=length).map(|number| set(format!("s{number}"), "{{ trigger.n }}")));
    let name = |number: usize| if number == 0 { "start".to_owned() } else { format!("s{number}") };
    let edges: Vec<_> = (0..length).map(|number| json!({"source": name(number), "target": name(number + 1)})).collect();
    json!({"nodes": nodes, "edges": edges})
}

/// A step that waits, and one after it.
pub(crate) fn waiting(seconds: f64) -> Value {
    let wait = json!({"id": "wait", "type": "delay", "position": {"x": 0, "y": 0}, "params": {"seconds": seconds}});
    let edges = json!([{"source": "start", "target": "wait"}, {"source": "wait", "target": "last"}]);
    json!({"nodes": [start(), wait, set("last".to_owned(), "{{ trigger.n }}")], "edges": edges})
}

fn reading() -> Value {
    let nodes = [
        start(),
        set("s1".to_owned(), "{{ trigger.n }}"),
        set("s2".to_owned(), "{{ steps.s1.n }} of {{ run.id }}"),
        set("s3".to_owned(), "{{ steps.s1.n }}, {{ steps.s2.n }} in {{ workflow.name }}"),
    ];
    let edges = ["start", "s1", "s2", "s3"];
    let edges: Vec<_> = edges.windows(2).map(|pair| json!({"source": pair[0], "target": pair[1]})).collect();
    json!({"nodes": nodes, "edges": edges})
}

fn fan() -> Value {
    let plain = |id: &str| set(id.to_owned(), "{{ trigger.n }}");
    let (mut nodes, mut edges) = (vec![start(), plain("first"), plain("last")], Vec::new());
    edges.push(json!({"source": "start", "target": "first"}));
    for number in 0..100 {
        nodes.push(plain(&format!("m{number}")));
        edges.push(json!({"source": "first", "target": format!("m{number}")}));
        edges.push(json!({"source": format!("m{number}"), "target": "last"}));
    }
    json!({"nodes": nodes, "edges": edges})
}

fn start() -> Value {
    json!({"id": "start", "type": "trigger.manual", "position": {"x": 0, "y": 0}, "params": {}})
}

fn set(id: String, value: &str) -> Value {
    json!({"id": id, "type": "set", "position": {"x": 0, "y": 0}, "params": {"value": {"n": value}}})
}

fn steps(count: usize) -> Vec<usize> {
    std::iter::once(0).chain(std::iter::repeat_n(1, count)).collect()
}
