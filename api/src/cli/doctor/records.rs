//! What the database holds: every invariant, in words.

use flowforge_engine::{QueueConfig, Store, audit};

use super::{Doctor, Finding, Level};
use crate::{app, failure::Failure};

/// What is broken, a finding each; one good one when nothing is.
pub(super) async fn check(ask: &Doctor, store: &Store) -> Vec<Finding> {
    match look(ask, store).await {
        Ok(findings) => findings,
        Err(failure) => vec![Finding::new("records", Level::Missing, failure.to_string())],
    }
}

async fn look(ask: &Doctor, store: &Store) -> Result<Vec<Finding>, Failure> {
    let catalog = flowforge_nodes::catalog(&app::services(&ask.data, &ask.work, &QueueConfig::None)?);
    let report = audit(store, &catalog, ask.work.lease(), ask.runs).await;
    let report =
        report.map_err(Failure::during("the records cannot be checked; run `flowforge migrate` first if the database is new"))?;
    let told = |finding: flowforge_engine::Finding| {
        let place = finding.run.map(|run| format!("{run}: ")).unwrap_or_default();
        Finding::new("records", Level::Broken, format!("{place}{} ({})", finding.text, finding.invariant))
    };
    let moving = if report.moving > 0 { format!(", {} would not rest", report.moving) } else { String::new() };
    let good = format!("{} rules hold, and {} runs replay{moving}", report.rules, report.runs);
    if report.findings.is_empty() {
        return Ok(vec![Finding::new("records", Level::Good, good)]);
    }
    Ok(report.findings.into_iter().map(told).collect())
}
