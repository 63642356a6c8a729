//! A crash at every place that matters, in a workflow of every kind of node and for everything that is done with whole runs:
//! what is on disk in the end is the same.
//!
//! Each test runs one workflow undisturbed and lets the server count the places that it passes (`engine/src/failpoint.rs`).
//! Then, for each place and each time it was passed, a fresh server with the same workflow is told to die there, is started
//! again, and has to end the run with the same rows. Whoever started the run and answers its questions is told what they
//! are told by a server that dies: nothing, so that they ask again.
//!
//! Places that are passed often are sampled; `FLOWFORGE_SWEEP=all` sweeps every one of them.

mod acts;
mod cases;
mod life;
mod rows;
mod sweep;

use std::collections::BTreeSet;

use flowforge_tests::{Database, Forge};

use self::{cases::Case, sweep::sweep};

/// Makes each case a test on SQLite, some of them one on PostgreSQL as well, and lists the kinds that they are about.
macro_rules! sweeps {
    (sqlite: $($name:ident),*; postgres: $($also:ident),*;) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                super::sweep(flowforge_tests::Database::Sqlite, super::Case::$name).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $also() {
                super::sweep(flowforge_tests::Database::Postgres, super::Case::$also).await;
            })*
        }
        const CASES: &[fn(&cases::World) -> Case] = &[$(Case::$name),*];
    };
}

sweeps! {
    sqlite: trigger_manual, trigger_webhook, trigger_github, trigger_schedule, set, transform, filter, condition, switch, map, call, respond, delay, wait_signal, approval,
        http_request, email_send, slack_message, postgres_query, command, git, rebase, claude_message, claude_task, agent_command,
        on_failure, run_limit, step_limit, pause, cancel_step, cancel_dispatched, cancel_children, rerun;
    postgres: trigger_webhook, trigger_schedule, map, wait_signal, http_request, command,
        on_failure, run_limit, step_limit, pause, cancel_step, cancel_dispatched, cancel_children, rerun;
}

#[tokio::test]
async fn every_kind_has_a_case() {
    let forge = Forge::start(Database::Sqlite).await;
    let listed = forge.owner.get("/node-types").await.expect(200);
    let kinds = listed["items"].as_array().expect("a list").iter();
    let kinds: BTreeSet<_> = kinds.map(|kind| kind["type"].as_str().expect("a name").to_owned()).collect();
    let world = cases::World::start().await;
    let swept: BTreeSet<_> = CASES.iter().flat_map(|case| case(&world).kinds).map(|kind| (*kind).to_owned()).collect();
    assert_eq!(swept, kinds, "left: what is swept; right: what there is. Add a case to failpoints/cases.rs");
}
