//! How a run looks in a terminal: a line for each event, and a bar for each attempt at the end.

use std::{fmt::Write, time::Duration};

use flowforge_core::Timestamp;
use flowforge_engine::{AttemptRecord, FeedEvent};

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
        "step_waiting" => Some(format!("… {node} sleeps")),
        "step_cancelled" => Some(format!("■ {node} was stopped")),
        _ => None,
    }
}

/// One bar an attempt, on the run's time.
pub(super) fn timeline(attempts: &[AttemptRecord]) -> String {
    let begin = attempts.iter().filter_map(|attempt| attempt.started_at).min().unwrap_or_default();
    let end = attempts.iter().filter_map(|attempt| attempt.finished_at).max().unwrap_or(begin);
    let name = |attempt: &AttemptRecord| match attempt.attempt {
        0 | 1 => attempt.node.to_string(),
        number => format!("{} #{number}", attempt.node),
    };
    let width = attempts.iter().map(|attempt| name(attempt).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for attempt in attempts {
        let bar = bar(attempt, begin, end);
        // Writing to a string does not fail.
        writeln!(text, "{:<width$}  {:<9}  {bar}", name(attempt), attempt.status.as_str()).ok();
    }
    text
}

fn bar(attempt: &AttemptRecord, begin: Timestamp, end: Timestamp) -> String {
    let (Some(started), Some(finished)) = (attempt.started_at, attempt.finished_at) else {
        return String::new();
    };
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

    fn attempt(node: &str, attempt: u32, status: StepStatus, times: Option<(i64, i64)>) -> AttemptRecord {
        AttemptRecord {
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
        }
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
