//! What was to be reached, and what was.

use std::fmt;

use crate::report::Report;
use crate::sample::{Sample, median, short};
use crate::scale::{Beside, Graphs, NODES};
use crate::workload::{CLIENTS, Case, Mode, Workload};

/// A figure with what it has to be and what it would better be.
struct Goal {
    what: String,
    figure: f64,
    unit: &'static str,
    bound: Bound,
}

enum Bound {
    /// At least this; better this.
    Least(f64, Option<f64>),
    /// At most this; better this.
    Most(f64, Option<f64>),
}

impl Goal {
    fn line(&self) -> String {
        let Self { what, figure, unit, bound } = self;
        let (sign, need, reach, meets): (_, _, _, fn(f64, f64) -> bool) = match bound {
            Bound::Least(need, reach) => ("≥", *need, *reach, |figure, bound| figure >= bound),
            Bound::Most(need, reach) => ("≤", *need, *reach, |figure, bound| figure <= bound),
        };
        let verdict = match reach {
            Some(reach) if meets(*figure, reach) => "yes, and the further goal",
            _ if meets(*figure, need) => "yes",
            _ => "**no**",
        };
        let further = reach.map_or(String::new(), |reach| format!(" ({})", short(reach)));
        format!("| {what} | {sign} {}{further} {unit} | {} | {verdict} |", short(need), short(*figure))
    }
}

/// Writes the table of goals.
pub(crate) fn write(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "\n## Goals\n\nIn brackets what would be better still.\n")?;
    writeln!(f, "| what | goal | measured | reached |\n|---|---|--:|---|")?;
    let mut goals = of_runs(report);
    goals.extend(report.graphs.iter().map(of_graphs));
    goals.extend(report.history.chunks(2).flat_map(of_history));
    goals.extend(of_processes(report));
    goals.iter().try_for_each(|goal| writeln!(f, "{}", goal.line()))
}

fn of_runs(report: &Report) -> Vec<Goal> {
    use Bound::{Least, Most};
    let mut goals = Vec::new();
    for case in Case::all() {
        for database in ["SQLite", "PostgreSQL"] {
            let Some(samples) = report.of(case, database) else { continue };
            let figure = |get: fn(&Sample) -> f64| median(samples.iter().map(get));
            let mut add = |what: &str, figure: f64, unit, bound| {
                let clients = if case.clients == 1 { "alone".to_owned() } else { format!("{} clients", case.clients) };
                goals.push(Goal { what: format!("{}, {clients}, {database}: {what}", case.name()), figure, unit, bound });
            };
            let (p50, p99, rate, cpu) = (figure(|s| s.p50), figure(|s| s.p99), figure(|s| s.per_second), figure(|s| s.cpu_ms));
            match (case.workload, case.clients) {
                _ if !case.wait => {
                    add("accepted", rate, "/s", Least(if database == "SQLite" { 30_000.0 } else { 20_000.0 }, None));
                    add("p99", p99, "ms", Most(20.0, None));
                }
                (Workload::W1 | Workload::W1Reading, 1) => add("p50", p50, "ms", Most(1.0, None)),
                (Workload::W1 | Workload::W1Reading, _) => {
                    let (need, reach) = if database == "SQLite" { (2.0, 4.0) } else { (1.3, 2.5) };
                    let limit = report.unbatched(case).unwrap_or(f64::NAN);
                    add("of the limit", rate / limit, "×", Least(need, Some(reach)));
                    add("processor time", cpu, "ms/run", Most(0.15, Some(0.08)));
                }
                (Workload::W2, _) => add("p50", p50, "ms", Most(3.0, None)),
                (Workload::W3, _) => add("p50", p50, "ms", Most(if case.mode == Mode::Plain { 3.0 } else { 10.0 }, None)),
            }
        }
    }
    goals
}

/// The smallest of those to compare with is left out: it is what the others are told apart from.
fn of_graphs(graphs: &Graphs) -> Goal {
    let cpu = |place: usize| median(graphs.samples[place].iter().map(|sample| sample.cpu_ms));
    let step = |place: usize| (cpu(place) - cpu(0)) / (NODES[place] - NODES[0]) as f64;
    let what = format!("{}: a step among 10,000 nodes, of one among 10", graphs.subject);
    Goal { what, figure: step(NODES.len() - 1) / step(1), unit: "×", bound: Bound::Most(1.2, None) }
}

fn of_history(pair: &[Beside]) -> Vec<Goal> {
    let [few, many] = pair else { return Vec::new() };
    let ratio = |get: fn(&Beside) -> &[Sample]| {
        let cpu = |beside| median(get(beside).iter().map(|sample| sample.cpu_ms));
        cpu(many) / cpu(few)
    };
    let goal = |what: &str, figure| {
        let what = format!("{}: a run beside 1,000,000 others, of one beside 1,000, {what}", few.subject);
        Goal { what, figure, unit: "×", bound: Bound::Most(1.2, None) }
    };
    let busy = format!("{CLIENTS} clients");
    vec![goal("alone", ratio(|beside| &beside.alone)), goal(&busy, ratio(|beside| &beside.busy))]
}

fn of_processes(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (name, times, memory) in &report.starts {
        let bound = Bound::Most(200.0, None);
        goals.push(Goal { what: format!("{name}: start to ready"), figure: median(times.iter().copied()), unit: "ms", bound });
        goals.push(Goal {
            what: format!("{name}: memory when idle"),
            figure: *memory,
            unit: "MiB",
            bound: Bound::Most(60.0, None),
        });
    }
    if let Some(workers) = &report.workers {
        let figure = median(workers.two.iter().copied()) / median(workers.one.iter().copied());
        goals.push(Goal { what: "two workers, of one".to_owned(), figure, unit: "×", bound: Bound::Least(1.7, None) });
    }
    goals
}
