//! How much comes to a trigger: requests that are taken, and refusals that are written down.
//!
//! Each process counts for itself, and once a second takes off what the others have let in, as the rows tell. So several processes
//! let in together what one would, but for what comes to them within that second.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use flowforge_core::{Timestamp, TriggerId};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::{
    clock,
    error::{Error, Result},
    shared::Shared,
};

/// How often a process looks at what others have let in.
const LOOK: Duration = Duration::from_secs(1);
/// How far back the first look goes: what came before that is made up for.
const MINUTE_MS: i64 = 60_000;
/// How many refusals a minute and trigger are rows; more are counted in the log.
const REFUSALS: u32 = 60;
/// How many triggers or senders are known at once. When there are more, all begin anew.
const KNOWN: usize = 10_000;

/// How many events a minute may come from one address and for one repository that no secret has signed.
const GUESSES: u32 = 60;
/// How many signatures are compared with those of all workspaces' secrets at once, by how long the body is.
const SHORT_AT_ONCE: usize = 2;
const LONG_AT_ONCE: usize = 1;
/// From where on a body is a long one, in bytes. Long ones do not stand in the way of others.
const LONG: usize = 1 << 20;
/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// What has come to triggers lately.
#[derive(Debug)]
pub(crate) struct Limits {
    triggers: Mutex<HashMap<TriggerId, Lately>>,
    /// Those who send to the address that all workspaces share, and the repositories that they say they send for.
    guesses: Mutex<HashMap<Sender, Option<Bucket>>>,
    short: Semaphore,
    long: Semaphore,
}

/// Who sends, and for which repository by their own account.
pub(super) type Sender = (String, Option<String>);

impl Default for Limits {
    fn default() -> Self {
        let (short, long) = (Semaphore::new(SHORT_AT_ONCE), Semaphore::new(LONG_AT_ONCE));
        Self { triggers: Mutex::default(), guesses: Mutex::default(), short, long }
    }
}

#[derive(Debug, Default)]
struct Lately {
    requests: Option<Bucket>,
    refusals: Option<Bucket>,
    counted: Option<Counted>,
}

/// What this process has let in since it last looked at what all have.
#[derive(Debug, Clone, Copy)]
struct Counted {
    looked: Instant,
    since: Timestamp,
    own: u64,
}

/// Takes off what other processes have let in, when it is time to look. A database that does not answer changes nothing.
pub(super) async fn share(shared: &Shared, trigger: TriggerId, per_minute: u32) -> Result<()> {
    if shared.config.exclusive {
        return Ok(());
    }
    let now = shared.clock.now();
    let Some(last) = shared.limits.look(trigger, now) else { return Ok(()) };
    let all = shared.store.taken_deliveries(trigger, last.since, now, u64::from(per_minute) + last.own).await?;
    shared.limits.elsewhere(trigger, per_minute, all.saturating_sub(last.own));
    Ok(())
}

/// So many at once, and as many a minute.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limits {
    /// Takes note of a request. How long to wait when there are too many.
    pub(super) fn request(&self, trigger: TriggerId, per_minute: u32) -> std::result::Result<(), Duration> {
        self.with(trigger, |lately, now| {
            take(&mut lately.requests, per_minute, now)?;
            if let Some(counted) = &mut lately.counted {
                counted.own += 1;
            }
            Ok(())
        })
    }

    /// What was counted until now, when it is time to look again.
    fn look(&self, trigger: TriggerId, now: Timestamp) -> Option<Counted> {
        self.with(trigger, |lately, instant| {
            let first = Counted { looked: instant, since: Timestamp(now.0 - MINUTE_MS), own: 0 };
            let last = match lately.counted {
                Some(last) if instant.duration_since(last.looked) < LOOK => return None,
                Some(last) => Counted { since: last.since.max(first.since), ..last },
                None => first,
            };
            lately.counted = Some(Counted { looked: instant, since: now, own: 0 });
            Some(last)
        })
    }

    /// Takes note of requests that other processes have let in.
    fn elsewhere(&self, trigger: TriggerId, per_minute: u32, count: u64) {
        self.with(trigger, |lately, now| drain(&mut lately.requests, per_minute, count as f64, now));
    }

    /// Whether a refusal is to be written down.
    pub(super) fn refusal(&self, trigger: TriggerId) -> bool {
        self.with(trigger, |lately, now| take(&mut lately.refusals, REFUSALS, now)).is_ok()
    }

    /// Takes note of an event that nobody is known to have signed. How long to wait when there were too many.
    pub(super) fn guess(&self, sender: &Sender) -> std::result::Result<(), Duration> {
        with(&self.guesses, sender.clone(), |bucket, now| take(bucket, GUESSES, now))
    }

    /// It was signed after all.
    pub(super) fn was_no_guess(&self, sender: &Sender) {
        with(&self.guesses, sender.clone(), |bucket, now| drain(bucket, GUESSES, -1.0, now));
    }

    /// A turn to compare the signature of so long a body with everybody's.
    ///
    /// # Errors
    /// `Busy` when none comes in time.
    pub(super) async fn turn(&self, length: usize) -> Result<SemaphorePermit<'_>> {
        let turns = if length > LONG { &self.long } else { &self.short };
        let turn = timeout(TURN, turns.acquire()).await.map_err(|_| Error::Busy)?;
        turn.map_err(|_| Error::Busy)
    }

    fn with<T>(&self, trigger: TriggerId, act: impl FnOnce(&mut Lately, Instant) -> T) -> T {
        with(&self.triggers, trigger, act)
    }
}

fn with<K: Eq + Hash, V: Default, T>(all: &Mutex<HashMap<K, V>>, key: K, act: impl FnOnce(&mut V, Instant) -> T) -> T {
    let mut known = all.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= KNOWN && !known.contains_key(&key) {
        known.clear();
    }
    act(known.entry(key).or_default(), clock::monotonic())
}

fn take(bucket: &mut Option<Bucket>, per_minute: u32, now: Instant) -> std::result::Result<(), Duration> {
    let bucket = filled(bucket, per_minute, now);
    if bucket.left < 1.0 {
        return Err(Duration::from_secs_f64((1.0 - bucket.left) * 60.0 / f64::from(per_minute)));
    }
    bucket.left -= 1.0;
    Ok(())
}

/// Takes so many out at once. No more than a minute's worth is owed.
fn drain(bucket: &mut Option<Bucket>, per_minute: u32, count: f64, now: Instant) {
    let bucket = filled(bucket, per_minute, now);
    bucket.left = (bucket.left - count).max(-f64::from(per_minute));
}

/// The bucket with what has come into it since it was looked at.
fn filled(bucket: &mut Option<Bucket>, per_minute: u32, now: Instant) -> &mut Bucket {
    let full = f64::from(per_minute);
    let bucket = bucket.get_or_insert(Bucket { left: full, at: now });
    let left = (bucket.left + now.duration_since(bucket.at).as_secs_f64() * full / 60.0).min(full);
    *bucket = Bucket { left, at: now };
    bucket
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
    fn what_others_have_let_in_is_taken_off() {
        let (mut bucket, start) = (None, clock::monotonic());
        drain(&mut bucket, 60, 40.0, start);
        let mut come = |after_ms: u64| take(&mut bucket, 60, start + Duration::from_millis(after_ms)).is_ok();
        assert_eq!((0..100).filter(|_| come(0)).count(), 20);
        assert!(!come(900) && come(1_000));
        // However much that was, a minute later there is some again.
        drain(&mut bucket, 60, 1e9, start + Duration::from_secs(1));
        let mut come = |after_ms: u64| take(&mut bucket, 60, start + Duration::from_millis(after_ms)).is_ok();
        assert!(!come(61_000) && come(62_500));
    }

    #[test]
    fn others_are_looked_at_once_a_second_and_at_first_for_a_minute() {
        let (limits, trigger) = (Limits::default(), TriggerId::new(clock::new_uuid()));
        let first = limits.look(trigger, Timestamp(100_000)).unwrap();
        assert_eq!((first.since, first.own), (Timestamp(40_000), 0));
        assert!(limits.request(trigger, 10).is_ok());
        assert!(limits.look(trigger, Timestamp(100_001)).is_none(), "not again within a second");
    }

    #[test]
    fn whoever_guesses_is_stopped_and_whoever_does_not_is_not() {
        let limits = Limits::default();
        let sender = |address: &str, repository: &str| (address.to_owned(), Some(repository.to_owned()));
        let (guesser, neighbour) = (sender("192.0.2.1", "acme/shop"), sender("192.0.2.1", "acme/other"));
        assert_eq!((0..200).filter(|_| limits.guess(&guesser).is_ok()).count(), GUESSES as usize);
        for _ in 0..200 {
            limits.guess(&neighbour).unwrap();
            limits.was_no_guess(&neighbour);
        }
        assert!(limits.guess(&sender("192.0.2.2", "acme/shop")).is_ok());
    }

    #[test]
    fn triggers_do_not_count_for_each_other() {
        let limits = Limits::default();
        let (one, other) = (TriggerId::new(clock::new_uuid()), TriggerId::new(clock::new_uuid()));
        assert!(limits.request(one, 1).is_ok() && limits.request(one, 1).is_err() && limits.request(other, 1).is_ok());
    }
}
