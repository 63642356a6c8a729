//! What a repeated run keeps of the one before, told as plain-text scripts.
//!
//! A script is a file in `reruns/`. Its first lines draw the graph of the old run and every line with `> ` is what happened to it,
//! as in `scripts/`; `> lose a` says that the output of a step is not stored any more. Lines after `version` draw another graph.
//! Every line with `? ` asks for a plan, which stands below it: `? from start`, `? from failed`, `? from a`, each perhaps with
//! `, other input`. Run with `UPDATE_EXPECT=1` to write down what follows now, and read the difference.
#![expect(clippy::expect_used, reason = "a test that cannot go on says why")]

#[path = "support/drawing.rs"]
mod drawing;
#[path = "support/input.rs"]
mod input;
#[path = "support/kinds.rs"]
mod kinds;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use expect_test::expect_file;
use flowforge_core::{
    Graph, NodeId, Run, StepIx, Timestamp,
    rerun::{Ask, Begin, Decision, Past, Plan, Planned, plan},
};

macro_rules! scripts {
    ($($name:ident)*) => {
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { check(stringify!($name)) })*
    };
}

scripts! { bodies branches chain effects files lost other_input ports triggers versions }

#[test]
fn every_script_is_run() {
    let files = std::fs::read_dir(folder()).expect("the folder of scripts").map(|file| file.expect("a file").path());
    let names: BTreeSet<String> = files.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(names, SCRIPTS.iter().map(|name| (*name).to_owned()).collect());
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reruns")
}

fn check(name: &str) {
    let file = expect_file![folder().join(format!("{name}.txt"))];
    let script = file.data();
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("  ")).collect();
    let old = Old::of(&lines);
    let told = lines.iter().map(|line| match line.strip_prefix("? ") {
        Some(ask) => format!("{line}\n{}", old.planned(ask)),
        None => format!("{line}\n"),
    });
    file.assert_eq(&told.collect::<String>());
}

/// The old run, and the graph that is to run now.
struct Old {
    run: Run,
    lost: Vec<StepIx>,
    new: Arc<Graph>,
}

impl Old {
    fn of(lines: &[&str]) -> Self {
        let is_drawn = |line: &&&str| !line.starts_with(['>', '?']);
        let end = |lines: &[&str]| lines.iter().position(|line| line.starts_with(['>', '?'])).unwrap_or(lines.len());
        let graph = drawing::graph(lines[..end(lines)].iter().copied());
        let mut run = Run::new(graph.clone(), 7);
        let mut lost = Vec::new();
        for text in lines.iter().filter_map(|line| line.strip_prefix("> ")) {
            match text.strip_prefix("lose ") {
                Some(node) => lost.push(input::step(&run, node)),
                None => drop(run.step(input::input(&run, text), Timestamp(0)).expect("an input that counts")),
            }
        }
        let version = lines.iter().position(|line| *line == "version");
        let new = version.map(|at| drawing::graph(lines[at + 1..].iter().filter(is_drawn).copied()));
        Self { run, lost, new: new.unwrap_or(graph) }
    }

    fn planned(&self, ask: &str) -> String {
        let (ask, files) = ask.split_once(", files of ").unwrap_or((ask, ""));
        let files: Vec<NodeId> = files.split_whitespace().map(NodeId::from).collect();
        let (from, has_other_input) = match ask.split_once(", other input") {
            Some((from, _)) => (from, true),
            None => (ask, false),
        };
        let begin = match from.strip_prefix("from ").expect("`from`") {
            "start" => Begin::Start,
            "failed" => Begin::Failed,
            node => Begin::Step(self.new.find(&node.into()).expect("a node of the new graph")),
        };
        let past = self.past();
        let trigger = self.new.manual_trigger();
        let plan =
            plan(&Ask { old: self.run.graph(), past: &past, new: &self.new, trigger, begin, has_other_input, files: &files });
        plan.steps.iter().map(|step| self.line(&plan, step)).collect()
    }

    fn past(&self) -> Vec<Past> {
        let past = |step: StepIx| match Past::from(self.run.state(step)) {
            Past::Completed { port, .. } if self.lost.contains(&step) => Past::Completed { output: None, port },
            past => past,
        };
        self.run.graph().steps().map(|(step, _)| past(step)).collect()
    }

    fn line(&self, plan: &Plan, planned: &Planned) -> String {
        let kept = plan.kept.iter().find(|kept| kept.step == planned.step);
        let word = match (planned.decision, kept) {
            (Decision::Keep, Some(kept)) if kept.port == "out" => format!("keep {}", kept.output),
            (Decision::Keep, Some(kept)) => format!("keep {} by {}", kept.output, kept.port),
            (Decision::Keep, None) => "keep".to_owned(),
            (Decision::RunAgain, _) => "run again".to_owned(),
            (Decision::CannotKeep, _) => "cannot keep".to_owned(),
        };
        let repeats = if planned.repeats_effect { ", repeating its effect" } else { "" };
        format!("  {}: {word}{repeats}; {}\n", self.new.step(planned.step).id, planned.reason)
    }
}
