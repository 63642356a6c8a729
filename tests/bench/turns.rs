//! Everybody in turns, so that all see the same machine: the raw databases, FlowForge on both, and its peers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use flowforge_tests::Database;

use crate::peer::Kind;
use crate::report::Report;
use crate::target::Target;
use crate::workload::{ACCEPTED, CLIENTS, Case, Mode, Workload};
use crate::{DATABASES, limit, machine};

/// How long a server is left alone before its memory counts as idle.
const IDLE: Duration = Duration::from_secs(2);

/// Measures all cases, so many times.
pub(crate) async fn measure(report: &mut Report, repeats: u64, seconds: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let peers = Kind::installed();
    report.peers = peers.iter().map(|kind| kind.name()).collect();
    let mut targets = start(report).await;
    for turn in 1..=repeats {
        println!("turn {turn} of {repeats}");
        raw(report, folder.path());
        for target in targets.values_mut().flatten() {
            target.sign_in().await;
        }
        for case in Case::all() {
            for target in &targets[&case.mode] {
                report.add(case, &target.subject.name, target.measure(case, seconds).await);
            }
        }
        // One peer at a time, and none while another is measured: some are busy when they have nothing to do.
        for kind in &peers {
            measure_peer(report, *kind, seconds).await;
        }
    }
    for target in &targets[&Mode::Plain] {
        report.loaded.push((target.subject.name.clone(), machine::resident_mib(target.server.pid())));
    }
}

async fn measure_peer(report: &mut Report, kind: Kind, seconds: u64) {
    let Some(peer) = kind.start().await else { return };
    for case in Case::all() {
        if let Some(sample) = peer.measure(case, seconds).await {
            report.add(case, peer.name(), sample);
        }
    }
}

/// A server in every mode on every database.
async fn start(report: &mut Report) -> BTreeMap<Mode, Vec<Target>> {
    let mut targets: BTreeMap<Mode, Vec<Target>> = BTreeMap::new();
    for mode in Mode::ALL {
        for database in DATABASES {
            let mut target = Target::start(database, mode).await;
            if mode == Mode::Plain {
                let mut times = vec![target.started_in];
                for _ in 0..2 {
                    times.push(target.restart().await);
                }
                tokio::time::sleep(IDLE).await;
                let times = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
                report.starts.push((target.subject.name.clone(), times, machine::resident_mib(target.server.pid())));
            }
            targets.entry(mode).or_default().push(target);
        }
    }
    targets
}

/// The same durable writes without an engine.
fn raw(report: &mut Report, folder: &Path) {
    for (name, workload) in [("W1", Workload::W1), ("W2", Workload::W2), ("W3", Workload::W3)] {
        let commits = workload.commits();
        report.add_limit(Database::Sqlite, name, 1, limit::sqlite(folder, &commits));
        report.add_limit(Database::Postgres, name, 1, limit::postgres(folder, &commits, 1));
    }
    for (name, commits) in [("W1", Workload::W1.commits()), ("W5", ACCEPTED.to_vec())] {
        report.add_limit(Database::Postgres, name, CLIENTS, limit::postgres(folder, &commits, CLIENTS));
    }
}
