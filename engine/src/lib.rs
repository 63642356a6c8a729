//! The durable shell of FlowForge: it does what the pure core decides, and makes it last.
//!
//! ```text
//!   Engine ──start──▶ Owner ──deltas──▶ Committer ──one transaction for many runs──▶ database
//!     │                 ▲ ▲                  └─ hints ─▶ Feed, waiting callers
//!     │ signal, cancel  │ └── Lane: dispatched steps, reporting through the inbox
//!     └── inbox ────────┘            Sweeper: what time and death leave behind
//! ```
//!
//! The database decides and everything else hints: a run has one owner at a time, every write names the owner's epoch, and
//! nothing is acknowledged before the transaction that holds it is on disk.

mod answers;
mod audit;
mod blob;
pub mod clock;
mod committer;
mod compiled;
mod config;
mod conflicts;
mod engine;
mod error;
mod executor;
mod failpoint;
mod feed;
mod files;
mod hints;
mod money;
mod owner;
mod queue;
mod record;
mod retention;
mod secrets;
mod shared;
mod start;
pub mod store;
mod sweeper;
mod triggers;
mod worker;

pub use crate::{
    audit::{Finding, Report, audit},
    blob::{BlobConfig, BlobStream, Blobs, shown, unmarked},
    clock::Clock,
    config::{EngineConfig, QueueConfig},
    engine::{
        Asked, Backfill, Backlog, Dedupe, Engine, LARGEST_BUDGET, NewDecision, NewRun, Reason, Rerun, RerunPlan, RerunStep,
        Started,
    },
    error::{Error, Result},
    feed::FeedEvent,
    record::{AttemptRecord, LogRecord, Parent, RunRecord},
    secrets::{
        MasterKey, NewSecret, SHORTEST_SECRET, SecretChange, SecretRecord, SecretUse, check_master_key, names_in,
        rotate_master_key, unreadable_secrets,
    },
    store::{Location, Page, PageRequest, Store},
    triggers::{Arrival, Door, NotTaken, Receipt},
};
