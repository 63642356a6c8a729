//! The one door to time and randomness.
//!
//! Leases, timers and slots are decided by the database's clock. A process learns how far its own clock is from it with
//! every heartbeat, so that it can tell the database's time without asking for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, SecondsFormat, Utc};
use flowforge_core::Timestamp;
use uuid::Uuid;

/// Tells the time, as the database has it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// What has to be added to this process's clock, in milliseconds.
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The database's time, as far as this process knows.
    pub fn now(&self) -> Timestamp {
        Timestamp(process_ms() + self.offset_ms.load(Ordering::Relaxed))
    }

    /// Takes note of what the database said the time was just now.
    pub fn observe(&self, database: Timestamp) {
        self.offset_ms.store(database.0 - process_ms(), Ordering::Relaxed);
    }

    /// How long from now until a time; nothing when it has passed.
    pub fn until(&self, at: Timestamp) -> Duration {
        Duration::from_millis(at.ms_since(self.now()))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one door")]
fn process_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A clock that never steps, for measuring how long something took in this process.
#[expect(clippy::disallowed_methods, reason = "this is the one door")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// A time as JSON has it: RFC 3339 in UTC with milliseconds, for example `2026-11-20T07:00:00.123Z`.
pub fn iso(at: Timestamp) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A pause, longer or shorter by up to a fifth, so that many processes do not do the same at the same moment.
pub(crate) fn spread(pause: Duration) -> Duration {
    let spread = new_uuid().as_u64_pair().1 % 400;
    pause.mul_f64(0.8 + spread as f64 / 1000.0)
}

/// A fresh UUID that sorts by the time it was made.
#[expect(clippy::disallowed_methods, reason = "this is the one door")]
pub fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

/// What sorts before every UUID that is made at this time or later, by a clock that is right.
pub(crate) fn earliest_uuid(at: Timestamp) -> Uuid {
    Uuid::from_u128(u128::from(at.0.max(0).cast_unsigned()) << 80)
}

/// A text that nobody can guess: 244 random bits in hexadecimal digits. They come from a generator in this process that is made
/// for secrets and takes its seeds from the kernel.
#[expect(clippy::disallowed_methods, reason = "this is the one door")]
pub(crate) fn new_token() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_later_sorts_behind() {
        let before = Timestamp(process_ms());
        assert!(earliest_uuid(before) < new_uuid() && new_uuid() < earliest_uuid(Timestamp(process_ms() + 1_000)));
    }

    #[test]
    fn times_have_milliseconds_and_end_in_z() {
        assert_eq!(iso(Timestamp(1_795_158_000_123)), "2026-11-20T07:00:00.123Z");
    }
}
