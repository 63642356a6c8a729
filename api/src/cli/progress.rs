//! How a run looks in a terminal: a line for each event, and a bar for each attempt and item at the end.

use std::{fmt::Write, time::Duration};

use flowforge_core::Timestamp;
use flowforge_engine::{AttemptRecord, FeedEvent};
use serde_json::Value;

use crate::time::iso;

/// How many characters the longest bar has.
const WIDTH: u64 = 40;

/// What to tell about an event; nothing for those that say nothing new.
pub(super) fn line(event: &FeedEvent) -> Option<String> {
    let node = event.node.as_ref().map(ToString::to_string).unwrap_or_default();
    let text = |field: &str| event.data.get(field).and_then(|value| value.as_str()).unwrap_or_default();
    let error = || {
        let part = |name: &str| event.data.get("error").and_then(|error| error[name].as_str()).unwrap_or_default();
        format!("{}: {}", part("code"), part("message"))
    };
    match event.kind {
        "step_started" if event.attempt.is_some_and(|attempt| attempt > 1) => {
            Some(format!("▶ {node} (attempt {})", event.attempt?))
        }
        "step_started" => Some(format!("▶ {node}")),
        "step_log" => Some(format!("  {node} │ {}", text("text"))),
        "step_succeeded" => Some(format!("✔ {node}")),
        "step_failed" => Some(format!("✘ {node}  {}", error())),
        "step_retrying" => Some(format!("↻ {node}  {}", error())),
        "step_waiting" => Some(format!("… {node} {}", waits(event))),
        "step_cancelled" => Some(format!("■ {node} was stopped")),
        _ => None,
    }
}

fn waits(event: &FeedEvent) -> String {
    let field = |name: &str| event.data.get(name).unwrap_or(&Value::Null);
    let awaiting = field("awaiting");
    let text = |name: &str| awaiting[name].as_str().unwrap_or_default();
    // Without a limit the run is stopped.
    let until = field("wake_at").as_i64().map(|at| format!(", which nobody can give it here, until {}", iso(Timestamp(at))));
    match awaiting["kind"].as_str() {
        Some("signal") => format!("waits for the signal `{}`{}", text("name"), until.unwrap_or_default()),
        Some("approval") => format!("waits for a decision, \"{}\"{}", text("title"), until.unwrap_or_default()),
        Some("children") if awaiting["total"] == 1 => "waits for a run".to_owned(),
        Some("children") => format!("waits for {} runs", awaiting["total"]),
        _ => "sleeps".to_owned(),
    }
}

/// A line of the timeline: an attempt, or the run of an item.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// What is shown before the bar, indented by how deep it stands.
    pub name: String,
    /// Where it stands.
    pub status: &'static str,
    /// When it began and ended.
    pub times: Option<(Timestamp, Timestamp)>,
}

impl Line {
    /// The line of an attempt, so many runs below the first.
    pub(super) fn of(attempt: &AttemptRecord, depth: usize) -> Self {
        let name = match attempt.attempt {
            0 | 1 => attempt.node.to_string(),
            number => format!("{} #{number}", attempt.node),
        };
        let times = attempt.started_at.zip(attempt.finished_at);
        Self { name: indented(&name, depth), status: attempt.status.as_str(), times }
    }
}

/// A name that stands so many runs below the first.
pub(super) fn indented(name: &str, depth: usize) -> String {
    format!("{}{name}", "  ".repeat(depth))
}

/// One bar a line, on the run's time.
pub(super) fn timeline(lines: &[Line]) -> String {
    let times = || lines.iter().filter_map(|line| line.times);
    let begin = times().map(|(started, _)| started).min().unwrap_or_default();
    let end = times().map(|(_, finished)| finished).max().unwrap_or(begin);
    let width = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let bar = line.times.map(|times| bar(times, begin, end)).unwrap_or_default();
        // Writing to a string does not fail.
        writeln!(text, "{:<width$}  {:<9}  {bar}", line.name, line.status).ok();
    }
    text
}

fn bar((started, finished): (Timestamp, Timestamp), begin: Timestamp, end: Timestamp) -> String {
    let total = end.ms_since(begin).max(1);
    let column = |at: Timestamp| usize::try_from(at.ms_since(begin) * WIDTH / total).unwrap_or_default();
    let (from, to) = (column(started), column(finished).max(column(started) + 1));
    let took = duration(Duration::from_millis(finished.ms_since(started)));
    format!("{}{} {took}", " ".repeat(from), "▇".repeat(to - from))
}

/// A duration in one unit.
pub(super) fn duration(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use flowforge_core::{NodeId, StepStatus};

    use super::*;

    fn attempt(node: &str, attempt: u32, status: StepStatus, times: Option<(i64, i64)>) -> Line {
        let attempt = AttemptRecord {
            node: NodeId::new(node),
            item: String::new(),
            attempt,
            status,
            input: None,
            output: None,
            error: None,
            port: None,
            started_at: times.map(|(started, _)| Timestamp(started)),
            finished_at: times.map(|(_, finished)| Timestamp(finished)),
            wake_at: None,
            awaiting: None,
            seqs: Default::default(),
            effect_key: String::new(),
        };
        Line::of(&attempt, 0)
    }

    #[test]
    fn attempts_stand_on_the_run_s_time() {
        let attempts = [
            attempt("fetch", 1, StepStatus::Failed, Some((1000, 2000))),
            attempt("fetch", 2, StepStatus::Completed, Some((3000, 4500))),
            attempt("report", 1, StepStatus::Completed, Some((4500, 5000))),
            attempt("alarm", 1, StepStatus::Skipped, None),
        ];
        expect![[r#"
            fetch     failed     ▇▇▇▇▇▇▇▇▇▇ 1.0 s
            fetch #2  completed                      ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇ 1.5 s
            report    completed                                     ▇▇▇▇▇ 500 ms
            alarm     skipped    
        "#]]
        .assert_eq(&timeline(&attempts));
    }
}
