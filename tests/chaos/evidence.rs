//! Reads logs and dumps, and writes down what a person needs to look into a round that failed.

use std::{fmt::Write as _, path::Path, process::Stdio};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::process::Command;

use crate::{
    check::Violation,
    world::{RunRow, World},
};

/// Words that no log may hold.
const ALARMS: [&str; 5] = [
    "panicked at",
    "deadlock detected",
    "the run's record has a gap",
    "stopped on a fault in FlowForge itself",
    "RUN_UNREADABLE",
];
/// Words that say that a late write was refused.
const FENCED: [&str; 2] = ["ended=Gone", "a late report was dropped"];
/// The most alarms of one log that are told.
const TOLD: usize = 5;

/// Lines that should not be in the logs.
pub(crate) fn alarms(logs: &[(String, String)], postgres: &str) -> Vec<String> {
    let of = |name: &str, log: &str| {
        let hits = log.lines().filter(|line| ALARMS.iter().any(|alarm| line.contains(alarm)));
        hits.take(TOLD).map(|line| format!("{name}: {line}")).collect::<Vec<_>>()
    };
    logs.iter().flat_map(|(name, log)| of(name, log)).chain(of("postgres", postgres)).collect()
}

/// How many late writes were refused, as far as the logs tell.
pub(crate) fn fenced(logs: &[(String, String)]) -> u64 {
    let lines = logs.iter().flat_map(|(_, log)| log.lines());
    lines.filter(|line| FENCED.iter().any(|word| line.contains(word))).count() as u64
}

/// The places that hold the secret, plain or encoded.
pub(crate) fn secret(canary: &str, haystacks: &[(String, Vec<u8>)]) -> Vec<String> {
    // The ends of what is encoded depend on what stands around it, so only the middle is looked for.
    let encoded = BASE64_STANDARD.encode(canary);
    let shifted = BASE64_STANDARD.encode(format!(" {canary}"));
    let twice = BASE64_STANDARD.encode(format!("  {canary}"));
    let middle = |text: &str| text[4..text.len() - 4].to_owned();
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let forms = [canary.to_owned(), middle(&encoded), middle(&shifted), middle(&twice), hex];
    let holds = |hay: &[u8]| forms.iter().any(|form| contains(hay, form.as_bytes()));
    haystacks.iter().filter(|(_, hay)| holds(hay)).map(|(name, _)| name.clone()).collect()
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// Every row of a database, as text.
pub(crate) async fn dump(url: &str) -> Vec<u8> {
    let mut command = Command::new("pg_dump");
    command.args(["--data-only", "--dbname", url]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let dumped = command.output().await.expect("pg_dump starts: install the package postgresql");
    assert!(dumped.status.success(), "the database can be dumped");
    dumped.stdout
}

/// Writes violations, and all that is known of the runs that they name and of those that failed, into the folder of a round.
pub(crate) fn write(folder: &Path, world: &World, violations: &[Violation]) {
    let mut text = String::new();
    for violation in violations {
        let _ = writeln!(text, "{}: {}", violation.id, violation.found);
    }
    let named = |run: &RunRow| {
        let is_in = |name: &str| violations.iter().any(|violation| violation.found.contains(name));
        is_in(&run.id) || run.key.as_deref().is_some_and(is_in) || run.error.is_some()
    };
    for run in world.runs.iter().filter(|run| named(run)) {
        let _ = writeln!(text, "\n{run:#?}");
        for step in world.steps_of(&run.id) {
            let _ = writeln!(text, "{step:?}");
        }
        for line in world.logs_of(&run.id) {
            let _ = writeln!(text, "{line:?}");
        }
        let Some(key) = &run.key else { continue };
        let _ = writeln!(text, "{:?}\n{:?}", world.triggers.get(key), world.journal.get(key));
        let prefix = format!("{key}-");
        let mut lines: Vec<_> =
            world.effects.iter().filter(|(one, _)| one.starts_with(&prefix)).flat_map(|(_, lines)| lines).collect();
        lines.sort_by_key(|line| line.n);
        for line in lines {
            let _ = writeln!(text, "{line:?}");
        }
        for event in world.recordings.get(&run.id).into_iter().flatten() {
            let _ = writeln!(text, "saw {} {} {}", event.id, event.kind, event.data);
        }
    }
    if let Err(fault) = std::fs::write(folder.join("violations.txt"), text) {
        eprintln!("the evidence was not written to {}: {fault}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_any_form() {
        let canary = "canary-0123456789abcdef";
        let hay = |text: String| vec![("here".to_owned(), text.into_bytes())];
        assert!(secret(canary, &hay("nothing".to_owned())).is_empty());
        for around in ["", "x", "xy", "xyz"] {
            assert_eq!(secret(canary, &hay(BASE64_STANDARD.encode(format!("{around}{canary}{around}")))), ["here"], "{around}");
        }
        assert_eq!(secret(canary, &hay(format!("a{canary}b"))), ["here"]);
    }

    #[test]
    fn logs_are_read() {
        let log = "fine\nWARN run=r ended=Gone x\nthread 'main' panicked at src/x.rs\n".to_owned();
        let logs = [("worker-0".to_owned(), log)];
        assert_eq!(fenced(&logs), 1);
        assert_eq!(alarms(&logs, "ERROR:  deadlock detected").len(), 2);
    }
}
