//! What must hold of a database, looked at from outside: every invariant is a call, and what is broken is told in words.
//!
//! It may be done while processes work. A run that moves while it is read is read again, and left out when it does not rest.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use flowforge_core::{Catalog, Event, Graph, RunId, RunStatus, StepState, audit::audit as audit_facts, run::Run};

use crate::{
    compiled::Versions,
    error::{Error, Result},
    owner::{facts, seed},
    record::AttemptRecord,
    store::{Store, audit::RULES, runs::RunRow},
};

/// How often a run that moves is read again.
const TRIES: u32 = 3;
/// The most examples of one broken rule.
const EXAMPLES: u64 = 10;

/// One broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name, for example `dense record`.
    pub invariant: &'static str,
    /// The run it is broken in, if it is one run's.
    pub run: Option<RunId>,
    /// What is wrong.
    pub text: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many rules that concern whole tables were checked.
    pub rules: usize,
    /// How many runs were read and replayed.
    pub runs: usize,
    /// How many were left out because they would not rest.
    pub moving: usize,
    /// What is broken.
    pub findings: Vec<Finding>,
}

/// Looks at the whole database, and replays its newest runs.
///
/// # Errors
/// When the database does not answer.
pub async fn audit(store: &Store, catalog: &Catalog, lease: Duration, newest: u64) -> Result<Report> {
    let mut report = Report { rules: RULES.len(), ..Report::default() };
    for rule in RULES {
        for (run, text) in store.broken(rule, lease, EXAMPLES).await? {
            report.findings.push(Finding { invariant: rule.name, run, text });
        }
    }
    let versions = Versions::new(catalog.clone(), Duration::ZERO);
    for run in store.newest_runs(newest).await? {
        match at_rest(store, &versions, run).await? {
            Some(found) => {
                report.runs += 1;
                report.findings.extend(found.into_iter().map(|(invariant, text)| Finding { invariant, run: Some(run), text }));
            }
            None => report.moving += 1,
        }
    }
    Ok(report)
}

type Found = Vec<(&'static str, String)>;

/// What is wrong with a run; nothing when it moves whenever it is looked at, or is gone.
async fn at_rest(store: &Store, versions: &Versions, run: RunId) -> Result<Option<Found>> {
    for _ in 0..TRIES {
        let before = match store.run_row(None, run).await {
            Err(Error::NotFound(_)) => return Ok(None),
            before => before?,
        };
        let attempts = store.attempts(run).await?;
        let lines = store.line_numbers(run).await?;
        let after = match store.run_row(None, run).await {
            Err(Error::NotFound(_)) => return Ok(None),
            after => after?,
        };
        if (before.next_seq, before.epoch) == (after.next_seq, after.epoch) {
            return Ok(Some(of_run(store, versions, &after, &attempts, &lines).await));
        }
    }
    Ok(None)
}

async fn of_run(store: &Store, versions: &Versions, row: &RunRow, attempts: &[AttemptRecord], lines: &[i64]) -> Found {
    let mut found: Found = numbers(row, attempts, lines).map(|text| ("dense record", text)).into_iter().collect();
    let record = &row.record;
    let body = row.body.as_deref();
    match versions.of_run(store, record.workspace, record.workflow, record.version, body).await {
        Err(fault) => found.push(("readable version", format!("the version cannot be read: {fault}"))),
        Ok(compiled) => match facts(&compiled.graph, row, attempts) {
            Err(fault) => found.push(("readable record", fault.to_string())),
            Ok(facts) => found.extend(replayed(&compiled.graph, row, &facts)),
        },
    }
    found
}

/// The numbers of a record are 1, 2, 3 … up to the next one, each of them once.
fn numbers(row: &RunRow, attempts: &[AttemptRecord], lines: &[i64]) -> Option<String> {
    let own = [row.started_seq, row.cancel_seq, row.finished_seq];
    let of_attempts = attempts.iter().flat_map(|attempt| [attempt.seqs.started, attempt.seqs.waiting, attempt.seqs.finished]);
    let all: Vec<i64> = own.into_iter().chain(of_attempts).flatten().chain(lines.iter().copied()).collect();
    let unique: BTreeSet<i64> = all.iter().copied().collect();
    let last = row.next_seq - 1;
    if unique.len() != all.len() {
        return Some(format!("{} of {} record numbers stand twice", all.len() - unique.len(), all.len()));
    }
    let missing = (1..=last).find(|number| !unique.contains(number));
    let beyond = unique.last().filter(|number| **number > last);
    missing
        .map(|number| format!("record number {number} of {last} is missing"))
        .or_else(|| beyond.map(|number| format!("record number {number} lies beyond the last one, {last}")))
}

/// The record replays, breaks no rule of the planner, and says the same as the row.
fn replayed(graph: &Arc<Graph>, row: &RunRow, facts: &[Event]) -> Found {
    let mut found: Found = audit_facts(graph, facts).into_iter().map(|violation| ("planner's rules", violation.0)).collect();
    let status = row.record.status;
    let Ok(run) = Run::replay(graph.clone(), seed(row.record.id), facts) else { return found };
    // Between two commits a run that has begun may say that it runs, or waits, of the same facts.
    let agrees = run.status() == status || !status.is_terminal() && !run.status().is_terminal();
    if !agrees {
        found.push(("record says what the row says", format!("the row says {status}, its record {}", run.status())));
    }
    let unended =
        graph.steps().filter(|(step, _)| matches!(run.state(*step), StepState::Running { .. } | StepState::Waiting { .. }));
    if status.is_terminal() && status != RunStatus::Failed {
        found.extend(
            unended.map(|(_, step)| ("nothing goes on after the end", format!("`{}` has not ended and its run has", step.id))),
        );
    }
    found
}
