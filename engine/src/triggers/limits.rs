//! How much comes to a trigger in this process: requests that are taken, and refusals that are written down.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use flowforge_core::TriggerId;

use crate::clock;

/// How many refusals a minute and trigger are rows; more are counted in the log.
const REFUSALS: u32 = 60;
/// How many triggers are known at once. When there are more, all begin anew.
const KNOWN: usize = 10_000;

/// What has come to triggers lately.
#[derive(Debug, Default)]
pub(crate) struct Limits(Mutex<HashMap<TriggerId, Lately>>);

#[derive(Debug, Default)]
struct Lately {
    requests: Option<Bucket>,
    refusals: Option<Bucket>,
}

/// So many at once, and as many a minute.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limits {
    /// Takes note of a request. How long to wait when there are too many.
    pub(super) fn request(&self, trigger: TriggerId, per_minute: u32) -> Result<(), Duration> {
        self.with(trigger, |lately, now| take(&mut lately.requests, per_minute, now))
    }

    /// Whether a refusal is to be written down.
    pub(super) fn refusal(&self, trigger: TriggerId) -> bool {
        self.with(trigger, |lately, now| take(&mut lately.refusals, REFUSALS, now)).is_ok()
    }

    fn with<T>(&self, trigger: TriggerId, act: impl FnOnce(&mut Lately, Instant) -> T) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN && !known.contains_key(&trigger) {
            known.clear();
        }
        act(known.entry(trigger).or_default(), clock::monotonic())
    }
}

fn take(bucket: &mut Option<Bucket>, per_minute: u32, now: Instant) -> Result<(), Duration> {
    let full = f64::from(per_minute);
    let a_second = full / 60.0;
    let bucket = bucket.get_or_insert(Bucket { left: full, at: now });
    let left = (bucket.left + now.duration_since(bucket.at).as_secs_f64() * a_second).min(full);
    *bucket = Bucket { left, at: now };
    if left < 1.0 {
        return Err(Duration::from_secs_f64((1.0 - left) / a_second));
    }
    bucket.left = left - 1.0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_come_in_as_the_minute_allows() {
        let (mut bucket, start) = (None, clock::monotonic());
        let mut come = |after_ms: u64| take(&mut bucket, 60, start + Duration::from_millis(after_ms)).is_ok();
        assert_eq!((0..100).filter(|_| come(0)).count(), 60);
        assert!(!come(900) && come(1_000) && !come(1_100));
        assert_eq!((0..200).filter(|_| come(600_000)).count(), 60, "no more than a minute's worth is saved up");
    }

    #[test]
    fn whoever_is_too_quick_is_told_how_long_to_wait() {
        let (mut bucket, now) = (None, clock::monotonic());
        assert!(take(&mut bucket, 1, now).is_ok());
        let wait = take(&mut bucket, 1, now).unwrap_err();
        assert!(wait > Duration::from_secs(59) && wait <= Duration::from_secs(60), "{wait:?}");
        assert!(take(&mut bucket, 1, now + wait + Duration::from_millis(1)).is_ok());
    }

    #[test]
    fn triggers_do_not_count_for_each_other() {
        let limits = Limits::default();
        let (one, other) = (TriggerId::new(clock::new_uuid()), TriggerId::new(clock::new_uuid()));
        assert!(limits.request(one, 1).is_ok() && limits.request(one, 1).is_err() && limits.request(other, 1).is_ok());
    }
}
