//! Places where a test can end this process as a power cut would. They exist in debug builds; in release builds nothing is
//! left of them.
//!
//! | Point         | Reached                                                                                      |
//! |---------------|----------------------------------------------------------------------------------------------|
//! | `commit`      | before each transaction of the committer                                                     |
//! | `committed`   | after it: the database has it, nobody has been answered                                      |
//! | `executed`    | a node has done its work, and nobody knows yet                                               |
//! | `run-claimed` | a run that was another's, or nobody's, has been claimed                                      |
//! | `step-claimed`| a dispatched step has been claimed, and has not begun                                        |
//! | `report`      | before the transaction that ends a dispatched step's lease and reports                       |
//! | `reported`    | after it                                                                                     |
//! | `call`        | before a child run is created                                                                |
//! | `called`      | after it: the child exists, and may have begun                                               |
//! | `send`        | before a message is put into an inbox: a signal, a decision, a request to stop               |
//! | `sent`        | after it: whoever sends has not been answered                                                |
//! | `delivered`   | a delivery is on disk, and its run is not                                                    |
//! | `begun`       | the run of a delivery is on disk, and the delivery does not say so                           |
//! | `reserve`     | before money is set aside for a turn                                                         |
//! | `reserved`    | after it: whoever pays has not begun the turn                                                |
//! | `settle`      | a turn was paid for, and the ledger does not know how much                                   |
//! | `settled`     | after it: whoever has paid has not been answered                                             |
//! | `gather`      | all children of a step have ended, and their outputs have not been read                      |
//!
//! `FLOWFORGE_CRASH_AT=committed:3` aborts the process when `committed` is reached for the third time, without running
//! anything that would run at its end. `FLOWFORGE_COUNT_POINTS=FILE` appends a point's name and a line feed to the file each
//! time it is reached.

/// A place where the process can be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Commit,
    Committed,
    Executed,
    RunClaimed,
    StepClaimed,
    Report,
    Reported,
    Call,
    Called,
    Send,
    Sent,
    Gather,
    Delivered,
    Begun,
    Reserve,
    Reserved,
    Settle,
    Settled,
}

/// Says that a point was reached.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn reached(_: Point) {}

#[cfg(debug_assertions)]
pub(crate) use self::planted::reached;

#[cfg(debug_assertions)]
mod planted {
    use std::{
        env,
        fs::File,
        io::Write,
        sync::{
            LazyLock,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::Point;

    /// Where to end the process.
    const CRASH_AT: &str = "FLOWFORGE_CRASH_AT";
    /// The file that points are counted in.
    const COUNT_POINTS: &str = "FLOWFORGE_COUNT_POINTS";

    static PLAN: LazyLock<Plan> = LazyLock::new(Plan::from_environment);

    struct Plan {
        /// The point's name and at which time there.
        crash: Option<(String, u32)>,
        times: AtomicU32,
        counts: Option<File>,
    }

    impl Plan {
        fn from_environment() -> Self {
            let crash = env::var(CRASH_AT).ok().and_then(|text| {
                let parsed = text.split_once(':').and_then(|(point, time)| Some((point.to_owned(), time.parse().ok()?)));
                if parsed.is_none() {
                    tracing::error!("{CRASH_AT}={text} is ignored: give a point and a number, like `committed:3`");
                }
                parsed
            });
            let counts = env::var(COUNT_POINTS).ok().and_then(|path| {
                let opened = File::options().create(true).append(true).open(&path);
                opened.inspect_err(|fault| tracing::error!(path, %fault, "points are not counted")).ok()
            });
            Self { crash, times: AtomicU32::new(0), counts }
        }

        fn reached(&self, name: &str) {
            if let Some(mut counts) = self.counts.as_ref()
                && let Err(fault) = counts.write_all(format!("{name}\n").as_bytes())
            {
                tracing::error!(name, %fault, "a point was not counted");
            }
            if let Some((point, time)) = &self.crash
                && point == name
                && self.times.fetch_add(1, Ordering::Relaxed) + 1 == *time
            {
                tracing::warn!(point, time, "the process ends here as planned");
                std::process::abort();
            }
        }
    }

    /// Says that a point was reached.
    pub(crate) fn reached(point: Point) {
        PLAN.reached(point.name());
    }

    impl Point {
        fn name(self) -> &'static str {
            match self {
                Self::Commit => "commit",
                Self::Committed => "committed",
                Self::Executed => "executed",
                Self::RunClaimed => "run-claimed",
                Self::StepClaimed => "step-claimed",
                Self::Report => "report",
                Self::Reported => "reported",
                Self::Call => "call",
                Self::Called => "called",
                Self::Send => "send",
                Self::Sent => "sent",
                Self::Gather => "gather",
                Self::Delivered => "delivered",
                Self::Begun => "begun",
                Self::Reserve => "reserve",
                Self::Reserved => "reserved",
                Self::Settle => "settle",
                Self::Settled => "settled",
            }
        }
    }
}
