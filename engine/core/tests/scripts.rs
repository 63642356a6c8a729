//! The run state machine, told as plain-text scripts: a graph, what happens to it, and what must follow.
//!
//! A script is a file in `scripts/`. Its first lines draw the graph; every line with `>` is an input (`@1500 > wake` sets the
//! clock first), and the indented lines below it are the facts and, after `=>`, the effects that they demand. Run with
//! `UPDATE_EXPECT=1` to write down what follows now, and read the difference.
#![expect(clippy::expect_used, reason = "a test that cannot go on says why")]

#[path = "support/drawing.rs"]
mod drawing;
#[path = "support/input.rs"]
mod input;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/print.rs"]
mod print;
#[path = "support/watched.rs"]
mod watched;

use std::path::PathBuf;

use expect_test::expect_file;
use flowforge_core::{StepIx, Timestamp};

use crate::watched::Watched;

macro_rules! scripts {
    ($($name:ident)*) => {
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { check(stringify!($name)) })*
    };
}

scripts! {
    all_ends_skipped approval cancel_after_end cancel_before_start cancel_during chain children children_cancel
    children_continue children_fail children_none children_refused condition
    condition_without_edge crash_limit crash_limit_dispatched crash_limit_due crash_limit_fails_run crash_limit_ready error_port
    error_port_answered error_port_unused error_port_wins expire expire_without_limit
    fail_cancels_siblings join join_inputs kept kept_join late_skip_releases_join not_started on_error_continue
    on_error_continue_condition on_error_continue_end on_error_fail pause pause_before_start pause_children recall recall_lost repeated_reports retry_after
    retry_codes retry_exhausted retry_exhausted_continue retry_exponential retry_linear
    retry_named_code retry_not_retryable several_ends side_port side_port_undrawn signal_early signal_times_out
    signal_waits single skip_into_join skip_levels sleep sleep_past
    sleep_then_retry stale_attempt taken_over trigger_first trigger_manual trigger_webhook unnamed_port
    wake_early wide_join
}

#[test]
fn every_script_is_run() {
    let files = std::fs::read_dir(folder()).expect("the folder of scripts").map(|file| file.expect("a file").path());
    let mut names: Vec<String> = files.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    names.sort();
    let mut known = SCRIPTS.to_vec();
    known.sort_unstable();
    assert_eq!(names, known);
}

fn check(name: &str) {
    let file = expect_file![folder().join(format!("{name}.txt"))];
    let script = file.data();
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("  ")).collect();
    let inputs = lines.iter().position(|line| line.starts_with(['>', '@'])).expect("an input");
    let mut play = Play { watched: Watched::new(drawing::graph(lines[..inputs].iter().copied()), 7), now: Timestamp(0) };
    let told = lines.iter().enumerate().map(|(at, line)| if at < inputs { format!("{line}\n") } else { play.line(line) });
    file.assert_eq(&told.collect::<String>());
    play.watched.check_past();
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

struct Play {
    watched: Watched,
    now: Timestamp,
}

impl Play {
    /// The line again, with what follows from it below.
    fn line(&mut self, line: &str) -> String {
        let Some((clock, text)) = line.split_once("> ").filter(|_| line.starts_with(['>', '@'])) else {
            return format!("{line}\n");
        };
        if let Some(now) = clock.trim().strip_prefix('@') {
            self.now = Timestamp(now.parse().expect("a time"));
        }
        format!("{line}\n{}", self.follows(text))
    }

    fn follows(&mut self, text: &str) -> String {
        if let Some(lost) = text.strip_prefix("crash") {
            return self.crash(lost.trim().strip_prefix("losing ").unwrap_or_default());
        }
        let facts = match self.watched.step(input::input(&self.watched.run, text), self.now) {
            Ok(facts) => facts,
            Err(rejected) => return format!("  refused: {rejected}\n"),
        };
        let run = &self.watched.run;
        let said: String = facts.iter().map(|fact| print::fact(run, fact)).collect();
        let said = if said.is_empty() { "  nothing\n".to_owned() } else { said };
        said + &print::rest(run)
    }

    /// The worker dies, perhaps before it had recorded that some steps began; what is left still demands this.
    fn crash(&mut self, lost: &str) -> String {
        let lost: Vec<StepIx> = lost.split_whitespace().map(|node| input::step(&self.watched.run, node)).collect();
        self.watched.check_past();
        self.watched.crash(|step| lost.contains(&step), &[]);
        let run = &self.watched.run;
        let owed: String = run.commands().iter().map(|command| format!("  => {}\n", print::command(run, command))).collect();
        if owed.is_empty() { "  nothing is owed\n".to_owned() } else { owed }
    }
}
