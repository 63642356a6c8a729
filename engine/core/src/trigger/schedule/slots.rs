//! From the clock on the wall to instants.
//!
//! The cron expression is searched in local time, which knows no zones; what a change of the zone's offset means is said here.
//! Between two changes local time and instants differ by a constant. A change forward leaves out a range of local times: fixed
//! times in it fire once, at the change; distances have nothing there. A change back repeats a range: fixed times fire in the
//! first pass only, distances in both.

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone, Utc};

use super::Schedule;
use crate::time::Timestamp;

/// No zone changes its offset twice within this time, in seconds.
const STEP_S: i64 = 6 * 3_600;
/// No change repeats more than this, in seconds.
const LONGEST_OVERLAP_S: i64 = 86_400;

/// A change of a zone's offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    at_s: i64,
    before_s: i64,
    after_s: i64,
}

impl Schedule {
    /// The first slot after an instant; none when there is none before the calendar ends.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after_s = after.0.div_euclid(1_000);
        self.next_after_s(after_s).map(|slot_s| Timestamp(slot_s * 1_000))
    }

    /// The slots after one instant, up to and with another, the oldest first.
    pub fn slots_between(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
        let next = move |slot: &Timestamp| self.next_after(*slot);
        std::iter::successors(self.next_after(after), next).take_while(move |slot| *slot <= until)
    }

    /// The last slot before an instant; none within five years.
    pub fn last_before(&self, before: Timestamp) -> Option<Timestamp> {
        const HOUR_MS: i64 = 3_600_000;
        let windows = [HOUR_MS, 26 * HOUR_MS, 32 * 24 * HOUR_MS, 367 * 24 * HOUR_MS, 5 * 366 * 24 * HOUR_MS];
        let until = Timestamp(before.0 - 1);
        windows.into_iter().find_map(|window| self.slots_between(Timestamp(before.0 - window), until).last())
    }

    fn next_after_s(&self, after_s: i64) -> Option<i64> {
        let mut from_s = after_s;
        let mut offset_s = self.offset_s(from_s);
        let mut local_s = self.local_start(from_s);
        loop {
            let found_s = self.next_local(local_s)?;
            let Some(change) = self.change_between(from_s, found_s - offset_s) else { return Some(found_s - offset_s) };
            let (first_s, last_s) = (change.at_s + change.before_s, change.at_s + change.after_s);
            if self.is_fixed && (first_s..last_s).contains(&found_s) {
                return Some(change.at_s);
            }
            (from_s, offset_s) = (change.at_s, change.after_s);
            local_s = if self.is_fixed { first_s.max(last_s) - 1 } else { last_s - 1 };
        }
    }

    /// The local time after which the search begins: in a second pass, fixed times have fired already.
    fn local_start(&self, from_s: i64) -> i64 {
        let local_s = from_s + self.offset_s(from_s);
        let change = self.change_between(from_s - LONGEST_OVERLAP_S, from_s).filter(|_| self.is_fixed);
        change.map_or(local_s, |change| local_s.max(change.at_s + change.before_s - 1))
    }

    fn next_local(&self, after_s: i64) -> Option<i64> {
        let after: DateTime<Utc> = DateTime::from_timestamp(after_s, 0)?;
        self.cron.find_next_occurrence(&after, false).ok().map(|found| found.timestamp())
    }

    /// The first change of the offset after one instant, up to and with another.
    fn change_between(&self, after_s: i64, until_s: i64) -> Option<Change> {
        let mut from_s = after_s;
        while from_s < until_s {
            let to_s = until_s.min(from_s + STEP_S);
            let (before_s, after_s) = (self.offset_s(from_s), self.offset_s(to_s));
            if before_s != after_s {
                let at_s = self.first_with_other_offset(from_s, to_s, before_s);
                return Some(Change { at_s, before_s, after_s });
            }
            from_s = to_s;
        }
        None
    }

    fn first_with_other_offset(&self, mut low_s: i64, mut high_s: i64, offset_s: i64) -> i64 {
        while high_s - low_s > 1 {
            let middle_s = low_s + (high_s - low_s) / 2;
            if self.offset_s(middle_s) == offset_s {
                low_s = middle_s;
            } else {
                high_s = middle_s;
            }
        }
        high_s
    }

    /// What local time is ahead of UTC at an instant, in seconds.
    pub(super) fn offset_s(&self, at_s: i64) -> i64 {
        let at: NaiveDateTime = DateTime::from_timestamp(at_s, 0).unwrap_or_default().naive_utc();
        i64::from(self.zone.offset_from_utc_datetime(&at).fix().local_minus_utc())
    }

    /// Whether an instant's local time is one that the expression names.
    pub(super) fn is_named(&self, slot: Timestamp) -> bool {
        let at_s = slot.0.div_euclid(1_000);
        let local = DateTime::from_timestamp(at_s + self.offset_s(at_s), 0).unwrap_or_default();
        self.cron.is_time_matching(&local).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
