//! Looks on during the faults: how soon runs go on after a kill, whether what was final stays so, and how large processes grow.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::cluster::Cluster;

/// How often recovery is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often everything else is.
const SNAPSHOT: Duration = Duration::from_secs(2);
/// After so long a run that has not gone on is not measured any more: the checker says whether it ended at all.
const GIVE_UP: Duration = Duration::from_secs(120);

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    /// For each run of a killed worker: how long it took until its record grew again, and whether nothing else was broken then.
    pub(crate) recoveries: Vec<(Duration, bool)>,
    /// Things that were final and changed, or counted backwards.
    pub(crate) reversals: Vec<String>,
    /// The largest resident memory of each process, in MiB.
    pub(crate) memory: BTreeMap<String, u64>,
    /// Children of workers whose environment held the secret.
    pub(crate) leaks: Vec<String>,
    /// How many snapshots were compared.
    pub(crate) snapshots: u64,
}

/// A run that lost its worker.
#[derive(Debug)]
struct Orphan {
    run: String,
    epoch: i64,
    next_seq: i64,
    since: Instant,
    clear: bool,
}

/// The observer. It talks to PostgreSQL directly, not through a proxy.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pool: PgPool,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    observed: Observed,
    orphans: Vec<Orphan>,
    epochs: HashMap<String, (i64, i64)>,
    finals: HashMap<String, String>,
}

impl Observer {
    /// Connects lazily, and again whenever the server was killed.
    pub(crate) fn new(url: &str) -> Self {
        let options = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(2));
        let pool = options.connect_lazy(url).expect("the URL of a database");
        Self { pool, shared: Arc::default() }
    }

    /// The connections to the database.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// What was seen so far.
    pub(crate) fn observed(&self) -> Observed {
        self.shared.lock().expect("not poisoned").observed.clone()
    }

    /// The runs that a process owns now: id, epoch and next record number. Nothing when the database does not answer.
    pub(crate) async fn owned_by(&self, pid: u32) -> Vec<(String, i64, i64)> {
        let sql = "SELECT id::text, epoch, next_seq FROM runs WHERE finished_at IS NULL AND owner IN (SELECT id FROM workers WHERE name = $1)";
        let asked = sqlx::query_as(sql).bind(format!("worker-{pid}")).fetch_all(&self.pool);
        tokio::time::timeout(Duration::from_millis(500), asked).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Begins to measure how long these runs stand still: anew for one that had lost another worker before.
    pub(crate) fn orphaned(&self, runs: Vec<(String, i64, i64)>) {
        let orphans = runs.into_iter().map(|(run, epoch, next_seq)| {
            let since = Instant::now();
            Orphan { run, epoch, next_seq, since, clear: true }
        });
        let mut shared = self.shared.lock().expect("not poisoned");
        for orphan in orphans {
            shared.orphans.retain(|other| other.run != orphan.run);
            shared.orphans.push(orphan);
        }
    }

    /// Something else is broken too: what is measured now says nothing of how soon a lone worker is replaced.
    pub(crate) fn disturbed(&self) {
        self.shared.lock().expect("not poisoned").orphans.iter_mut().for_each(|orphan| orphan.clear = false);
    }

    /// Looks on until it is dropped.
    pub(crate) async fn look_on(&self, cluster: &Cluster, canary: &str) {
        let recoveries = async {
            loop {
                // A database that is down is no observation.
                let _ = self.look_at_orphans().await;
                tokio::time::sleep(LOOK).await;
            }
        };
        let snapshots = async {
            loop {
                let _ = self.snapshot().await;
                self.look_at_processes(cluster, canary).await;
                tokio::time::sleep(SNAPSHOT).await;
            }
        };
        tokio::join!(recoveries, snapshots);
    }

    async fn look_at_orphans(&self) -> sqlx::Result<()> {
        let ids: Vec<String> = {
            let mut shared = self.shared.lock().expect("not poisoned");
            shared.orphans.retain(|orphan| orphan.since.elapsed() < GIVE_UP);
            shared.orphans.iter().map(|orphan| orphan.run.clone()).collect()
        };
        if ids.is_empty() {
            return Ok(());
        }
        let sql = "SELECT id::text, epoch, next_seq FROM runs WHERE id = ANY($1::text[]::uuid[])";
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(sql).bind(ids).fetch_all(&self.pool).await?;
        let now: HashMap<_, _> = rows.into_iter().map(|(run, epoch, next_seq)| (run, (epoch, next_seq))).collect();
        let mut shared = self.shared.lock().expect("not poisoned");
        let Shared { observed, orphans, .. } = &mut *shared;
        orphans.retain_mut(|orphan| {
            let Some((epoch, next_seq)) = now.get(&orphan.run) else { return true };
            if *epoch == orphan.epoch {
                // The last commit of the old owner may have been on its way.
                orphan.next_seq = *next_seq;
                return true;
            }
            let goes_on = *next_seq > orphan.next_seq;
            if goes_on {
                observed.recoveries.push((orphan.since.elapsed(), orphan.clear));
            }
            !goes_on
        });
        Ok(())
    }

    /// What is final stays as it is, and nothing counts backwards.
    pub(crate) async fn snapshot(&self) -> sqlx::Result<()> {
        let sql = "SELECT id::text, epoch, next_seq FROM runs";
        let counters: Vec<(String, i64, i64)> = sqlx::query_as(sql).fetch_all(&self.pool).await?;
        let sql = "SELECT id::text, concat_ws(' ', status, finished_seq, finished_at, md5(output::text), md5(error::text)) FROM runs \
             WHERE finished_at IS NOT NULL UNION ALL \
             SELECT concat_ws(' ', run_id, node_id, item, attempt), concat_ws(' ', status, port, finished_seq, finished_at, md5(output::text), \
             md5(error::text)) FROM step_runs WHERE finished_seq IS NOT NULL";
        let finals: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&self.pool).await?;
        self.shared.lock().expect("not poisoned").compare(counters, finals);
        Ok(())
    }

    async fn look_at_processes(&self, cluster: &Cluster, canary: &str) {
        for node in &cluster.nodes {
            let Some(pid) = node.pid().await else { continue };
            let mut found = Vec::new();
            let own = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            for child in descendants(pid) {
                let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
                let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
                // Between fork and exec a child still is its parent.
                if line == own {
                    continue;
                }
                let holds = |bytes: &[u8]| bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
                if holds(&environment) || holds(&line) {
                    found.push(format!("a child of {}: {}", node.name, String::from_utf8_lossy(&line).replace('\0', " ")));
                }
            }
            let mut shared = self.shared.lock().expect("not poisoned");
            shared.observed.leaks.extend(found);
            let largest = shared.observed.memory.entry(node.name.clone()).or_default();
            *largest = (*largest).max(resident_mib(pid));
        }
    }
}

impl Shared {
    fn compare(&mut self, counters: Vec<(String, i64, i64)>, finals: Vec<(String, String)>) {
        self.observed.snapshots += 1;
        for (run, epoch, next_seq) in counters {
            if let Some(before) = self.epochs.insert(run.clone(), (epoch, next_seq))
                && (epoch < before.0 || next_seq < before.1)
            {
                let now = (epoch, next_seq);
                self.observed.reversals.push(format!("{run}: epoch and next_seq went from {before:?} to {now:?}"));
            }
        }
        let now: HashMap<String, String> = finals.into_iter().collect();
        for (row, before) in &self.finals {
            match now.get(row) {
                Some(after) if after == before => {}
                after => self.observed.reversals.push(format!("{row} was final ({before}) and is now {after:?}")),
            }
        }
        self.finals = now;
    }
}

/// Every process below this one.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        let children = tasks.flat_map(|task| {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
        });
        let children: Vec<u32> = children.collect();
        found.extend(&children);
        open.extend(children);
    }
    found
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_final_and_changes_is_seen() {
        let mut shared = Shared::default();
        let row = |status: &str| vec![("r1".to_owned(), status.to_owned())];
        shared.compare(vec![("r1".to_owned(), 2, 9)], row("completed"));
        shared.compare(vec![("r1".to_owned(), 2, 9)], row("completed"));
        assert!(shared.observed.reversals.is_empty());
        shared.compare(vec![("r1".to_owned(), 1, 9)], row("failed"));
        assert_eq!(shared.observed.reversals.len(), 2);
        shared.compare(Vec::new(), Vec::new());
        assert_eq!(shared.observed.reversals.len(), 3, "a final row that is gone");
    }
}
