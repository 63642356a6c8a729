//! The same random operations on SQLite, on PostgreSQL and on a model of what they ought to do: answers and rows must be equal.
//!
//! The simulation of the core believes the model's rules; this is what holds them to the SQL. `FLOWFORGE_DIFF_SEED` repeats one
//! sequence, `FLOWFORGE_DIFF_SEQUENCES` says how many there are.

mod draw;
mod model;
pub(super) mod rows;

use std::{sync::Arc, time::Duration};

use flowforge_core::{NodeId, RunId, WorkerId};
use flowforge_migrations::{Migrator, MigratorTrait};
use uuid::Uuid;

use self::{draw::Draw, model::Model, rows::Rows};
use super::{Location, Store, inbox::Report, leases::Blame};
use crate::{
    committer::{Committer, Delta},
    error::Error,
    hints::Hints,
    queue::{Queue, StepRef},
};

/// Long enough that nobody dies unless the sequence says so.
const LEASE: Duration = Duration::from_secs(600);
/// Operations of one sequence.
const LENGTH: usize = 40;

/// One operation.
#[derive(Debug)]
pub(super) enum Op {
    /// A worker says that it is alive.
    Beat(WorkerId),
    /// A worker is taken off the list.
    Die(WorkerId),
    /// Deltas of different runs, written together.
    Commit(Vec<Delta>),
    ClaimRun {
        run: RunId,
        worker: WorkerId,
        blame: Blame,
    },
    Admit {
        run: RunId,
    },
    ClaimStep {
        step: StepRef,
        worker: WorkerId,
    },
    BeginStep {
        step: StepRef,
        stale: bool,
    },
    ReleaseStep {
        step: StepRef,
        stale: bool,
    },
    EndLease {
        step: StepRef,
        stale: bool,
    },
    Report {
        step: StepRef,
        stale: bool,
        report: Box<Report>,
    },
}

/// A database under test. Epochs of leases begin with the time, so each has its own: what the last claim of a step was given.
struct Subject {
    name: &'static str,
    store: Store,
    committer: Committer,
}

impl Subject {
    async fn open(name: &'static str, location: Location) -> Self {
        let store = Store::connect(&location).await.unwrap();
        Migrator::up(store.connection(), None).await.unwrap();
        let (queue, _, _) = Queue::open(&crate::QueueConfig::Memory).unwrap();
        let committer = Committer::start(&location, Arc::new(Hints::new(queue))).await.unwrap();
        Self { name, store, committer }
    }

    /// Does an operation and tells its answer as the model does.
    async fn apply(&self, op: &Op) -> String {
        match op {
            Op::Beat(worker) => self.store.heartbeat(*worker, "w").await.map(|_| String::new()).unwrap(),
            Op::Die(worker) => self.store.forget_worker(*worker).await.map(|()| String::new()).unwrap(),
            Op::Commit(deltas) => self.commit(deltas).await,
            Op::ClaimRun { run, worker, blame } => {
                let lease = self.store.claim_run(*run, *worker, LEASE, *blame).await.unwrap();
                format!("{:?}", lease.map(|lease| (lease.epoch, lease.called)))
            }
            Op::Admit { run } => match self.store.line_of(*run).await.unwrap() {
                Some(key) => format!(
                    "{} next {:?}",
                    self.store.admit_run(*run, &key).await.unwrap(),
                    self.store.next_in_line(&key).await.unwrap()
                ),
                None => "in no line".to_owned(),
            },
            Op::ClaimStep { step, worker } => {
                let lease = self.store.claim_step(step, *worker, LEASE).await.unwrap();
                format!("{:?}", lease.map(|lease| (lease.crashes, lease.key)))
            }
            Op::BeginStep { step, stale } => {
                format!("{}", self.store.begin_step(step, self.epoch(step, *stale).await).await.unwrap())
            }
            Op::ReleaseStep { step, stale } => {
                self.store.release_step(step, self.epoch(step, *stale).await).await.map(|()| String::new()).unwrap()
            }
            Op::EndLease { step, stale } => {
                self.store.end_lease(step, self.epoch(step, *stale).await).await.map(|()| String::new()).unwrap()
            }
            Op::Report { step, stale, report } => {
                let epoch = self.epoch(step, *stale).await;
                self.store.report(step, epoch, (**report).clone()).await.map_or_else(|fault| told(&fault), |()| "sent".to_owned())
            }
        }
    }

    async fn commit(&self, deltas: &[Delta]) -> String {
        let mut answers = Vec::new();
        for delta in deltas {
            let delta = self.with_epochs(delta).await;
            answers.push(self.committer.submit(delta).await);
        }
        let mut told_of = Vec::new();
        for answer in answers {
            told_of.push(crate::committer::answered(answer.await).map_or_else(|fault| told(&fault), |()| "written".to_owned()));
        }
        told_of.join(", ")
    }

    /// The same delta with this database's own epoch of the lease that it names.
    async fn with_epochs(&self, delta: &Delta) -> Delta {
        let mut delta = delta.clone();
        if let crate::committer::Guard::Lease { node, attempt, epoch } = &mut delta.guard {
            let step = StepRef { run: delta.run, node: node.clone(), item: String::new(), attempt: *attempt };
            *epoch = self.epoch(&step, *epoch < 0).await;
        }
        delta
    }

    /// The epoch of a step's lease now, or one that it had before.
    async fn epoch(&self, step: &StepRef, stale: bool) -> i64 {
        rows::epoch(&self.store, step).await.unwrap_or_default() - i64::from(stale)
    }
}

fn told(fault: &Error) -> String {
    match fault {
        Error::Fenced => "fenced".to_owned(),
        other => format!("failed: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_postgresql_and_the_model_tell_the_same() {
    let first: Option<u64> = std::env::var("FLOWFORGE_DIFF_SEED").ok().and_then(|seed| seed.parse().ok());
    let sequences = std::env::var("FLOWFORGE_DIFF_SEQUENCES").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    let seeds = match first {
        Some(seed) => seed..seed + 1,
        None => {
            let from = u64::from(std::process::id()) * 1_000;
            from..from + sequences
        }
    };
    println!("seeds {seeds:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut subjects = vec![Subject::open("SQLite", Location::Sqlite(folder.path().join("diff.db"))).await];
    if let Ok(server) = std::env::var("FLOWFORGE_TEST_POSTGRES") {
        subjects.push(Subject::open("PostgreSQL", Location::Postgres(rows::fresh_database(&server).await)).await);
    }
    let mut operations = 0;
    for seed in seeds {
        operations += sequence(&subjects, seed).await;
    }
    println!("{operations} operations on {} databases", subjects.len());
}

/// Plays one sequence in runs of its own. How many operations it had.
async fn sequence(subjects: &[Subject], seed: u64) -> usize {
    let mut draw = Draw::new(seed);
    let mut model = Model::default();
    for at in 0..LENGTH {
        let op = draw.op(&model);
        let expected = model.apply(&op);
        for subject in subjects {
            let answer = subject.apply(&op).await;
            assert_eq!(answer, expected, "seed {seed}, operation {at} on {}: {op:#?}", subject.name);
        }
    }
    let expected = Rows::of_model(&model);
    for subject in subjects {
        let rows = Rows::read(&subject.store, draw.workspace()).await;
        rows.check(&expected, subject.name, seed);
    }
    LENGTH
}

/// A node's id of a small set.
pub(super) fn node(at: u64) -> NodeId {
    NodeId::from(["a", "b", "c"][at as usize % 3])
}

/// An id that follows from two numbers.
pub(super) fn id(seed: u64, at: u64) -> Uuid {
    Uuid::from_u64_pair(seed, at)
}
