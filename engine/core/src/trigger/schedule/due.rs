//! Which slots fire now, and which are left out.

use super::{Missed, Schedule};
use crate::time::Timestamp;

/// A slot that is looked at later than this was missed: no server was there to fire it. In milliseconds.
const ON_TIME_MS: i64 = 60_000;
/// The most slots that are decided at once.
const MOST: usize = 500;
/// The most missed slots that are told of one by one.
const MOST_TOLD: usize = 100;

/// A slot, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The instant.
    pub at: Timestamp,
    /// Why it does not fire; it does when absent.
    pub left_out: Option<String>,
}

/// What has come since a schedule was last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The slots, the oldest first.
    pub slots: Vec<Slot>,
    /// Slots up to this one are decided.
    pub last_slot: Timestamp,
    /// When to look again; never when there is no further slot.
    pub next_at: Option<Timestamp>,
}

impl Schedule {
    /// What has come after `last_slot`. When there is too much to decide at once, `next_at` has passed already.
    pub fn due(&self, last_slot: Timestamp, now: Timestamp) -> Due {
        let window_ms = i64::from(self.params.missed_within_s) * 1_000;
        let horizon = Timestamp(now.0 - window_ms);
        let mut due = Due { slots: Vec::new(), last_slot, next_at: None };
        if last_slot < horizon {
            due.slots.extend(self.older_than(last_slot, horizon));
            due.last_slot = horizon;
        }
        let (missed, on_time, next) = self.arrived(due.last_slot, now);
        due.last_slot = on_time.last().or(missed.last()).copied().unwrap_or(due.last_slot);
        // What is missed is one thing to decide, even when it is much.
        due.slots.extend(self.missed(&missed));
        due.slots.extend(on_time.into_iter().map(|at| Slot { at, left_out: None }));
        due.next_at = next;
        due
    }

    /// The moment at which a slot fires: always the same for the same slot, and before the next one.
    pub fn fires_at(&self, slot: Timestamp) -> Timestamp {
        if self.params.jitter_s == 0 {
            return slot;
        }
        let longest_ms = i64::from(self.params.jitter_s) * 1_000;
        let gap_ms = self.next_after(slot).map_or(longest_ms, |next| next.0 - slot.0);
        let spread_ms = longest_ms.min(gap_ms - 1).max(1);
        Timestamp(slot.0 + (mix(self.seed ^ slot.0.cast_unsigned()) % spread_ms.cast_unsigned()).cast_signed())
    }

    /// Slots whose moment has come, missed ones and others, and the moment of the first that has not.
    fn arrived(&self, last_slot: Timestamp, now: Timestamp) -> (Vec<Timestamp>, Vec<Timestamp>, Option<Timestamp>) {
        let (mut missed, mut on_time) = (Vec::new(), Vec::new());
        let mut slot = last_slot;
        while let Some(next) = self.next_after(slot) {
            let moment = self.fires_at(next);
            if moment > now || missed.len() + on_time.len() >= self.most() {
                return (missed, on_time, Some(moment));
            }
            if now.0 - moment.0 > ON_TIME_MS {
                missed.push(next)
            } else {
                on_time.push(next)
            }
            slot = next;
        }
        (missed, on_time, None)
    }

    /// How many slots are looked at together. Those that come to one, or to none, are counted and not kept.
    fn most(&self) -> usize {
        match self.params.missed {
            Missed::All => MOST,
            Missed::Skip | Missed::One => 100_000,
        }
    }

    fn missed(&self, slots: &[Timestamp]) -> Vec<Slot> {
        let left_out = |slots: &[Timestamp], why: &str| told(slots, why);
        match (self.params.missed, slots) {
            (_, []) => Vec::new(),
            (Missed::All, slots) => slots.iter().map(|at| Slot { at: *at, left_out: None }).collect(),
            (Missed::Skip, slots) => left_out(slots, "missed: no server was running, and missed slots are skipped"),
            (Missed::One, [earlier @ .., last]) => {
                let mut decided = left_out(earlier, "missed: no server was running, and the last missed slot fires for all");
                decided.push(Slot { at: *last, left_out: None });
                decided
            }
        }
    }

    /// What was missed so long ago that nothing makes up for it.
    fn older_than(&self, last_slot: Timestamp, horizon: Timestamp) -> Option<Slot> {
        let first = self.next_after(last_slot).filter(|first| *first <= horizon)?;
        let window_s = self.params.missed_within_s;
        let why = format!("missed: this and all later slots that are older than {window_s} seconds are not made up for");
        Some(Slot { at: first, left_out: Some(why) })
    }
}

/// Slots that are left out; many are told of as one.
fn told(slots: &[Timestamp], why: &str) -> Vec<Slot> {
    let (together, alone) = slots.split_at(slots.len().saturating_sub(MOST_TOLD));
    let first =
        together.first().map(|at| Slot { at: *at, left_out: Some(format!("{why} (this and {} more)", together.len() - 1)) });
    let alone = alone.iter().map(|at| Slot { at: *at, left_out: Some(why.to_owned()) });
    first.into_iter().chain(alone).collect()
}

/// SplitMix64's finaliser (Steele, Lea and Flood, 2014): every bit of the input moves every bit of the output.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
