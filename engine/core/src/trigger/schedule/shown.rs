//! What people see of a schedule: its next fires, and its policy in words.

use chrono::{DateTime, FixedOffset, LocalResult, SecondsFormat, TimeZone};
use serde::Serialize;

use super::{Missed, Overlap, Schedule};
use crate::time::Timestamp;

/// A slot to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fire {
    /// The instant.
    pub slot: Timestamp,
    /// What the clock on the wall shows then, with its offset: RFC 3339.
    pub local: String,
    /// What the clock change has to do with it.
    pub dst: Option<Dst>,
}

/// What a change of the clock has to do with a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dst {
    /// The clock skips the time that was asked for; it fires at the change.
    Gap,
    /// The clock shows this time twice.
    Overlap,
    /// The offset is another one than at the slot before.
    OffsetChanges,
}

impl Dst {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Overlap => "overlap",
            Self::OffsetChanges => "offset_changes",
        }
    }
}

impl Schedule {
    /// The next slots after an instant.
    pub fn upcoming(&self, after: Timestamp, count: usize) -> Vec<Fire> {
        let mut offset_s = self.offset_s(after.0.div_euclid(1_000));
        let slots = std::iter::successors(self.next_after(after), |slot| self.next_after(*slot)).take(count);
        let fire = |slot: Timestamp| {
            let now_s = self.offset_s(slot.0.div_euclid(1_000));
            let changes = std::mem::replace(&mut offset_s, now_s) != now_s;
            Fire { slot, local: self.local(slot), dst: self.dst(slot, changes) }
        };
        slots.map(fire).collect()
    }

    fn dst(&self, slot: Timestamp, changes: bool) -> Option<Dst> {
        let at_s = slot.0.div_euclid(1_000);
        let local = DateTime::from_timestamp(at_s + self.offset_s(at_s), 0).unwrap_or_default().naive_utc();
        if !self.is_named(slot) {
            Some(Dst::Gap)
        } else if matches!(self.zone.from_local_datetime(&local), LocalResult::Ambiguous(..)) {
            Some(Dst::Overlap)
        } else {
            changes.then_some(Dst::OffsetChanges)
        }
    }

    /// What the clock on the wall shows at an instant, with its offset.
    pub fn local(&self, at: Timestamp) -> String {
        let at_s = at.0.div_euclid(1_000);
        let offset = i32::try_from(self.offset_s(at_s)).ok().and_then(FixedOffset::east_opt);
        let local = DateTime::from_timestamp(at_s, 0).zip(offset).map(|(at, offset)| at.with_timezone(&offset));
        local.map(|local| local.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
    }

    /// The expression in words.
    pub fn words(&self) -> String {
        format!("{} ({})", self.cron.describe().trim_end_matches('.'), self.zone)
    }

    /// The policy in words.
    pub fn policy(&self) -> String {
        let within = span(self.params.missed_within_s);
        let missed = match self.params.missed {
            Missed::Skip => "Slots missed while no server runs are skipped".to_owned(),
            Missed::One => format!("After an outage the last slot missed within {within} fires once for all of them"),
            Missed::All => format!("After an outage every slot missed within {within} fires, the oldest first"),
        };
        let overlap = match self.params.overlap {
            Overlap::Allow => "a slot fires even while an earlier run is under way",
            Overlap::Skip => "a slot is skipped while an earlier run is under way",
            Overlap::Queue => "a slot waits while an earlier run is under way",
            Overlap::CancelPrevious => "an earlier run that is still under way is cancelled first",
        };
        let clock = if self.is_fixed {
            "a time that the clock skips fires at the change, and one that it shows twice fires the first time"
        } else {
            "distances go on through clock changes"
        };
        let jitter = match self.params.jitter_s {
            0 => String::new(),
            seconds => format!("; each slot fires up to {} late, so that not everything begins at once", span(seconds)),
        };
        format!("{missed}; {overlap}; {clock}{jitter}.")
    }
}

/// So many seconds in the largest unit that they are a whole number of.
fn span(seconds: u32) -> String {
    let whole =
        [(86_400, "d"), (3_600, "h"), (60, "min")].into_iter().find(|(unit, _)| seconds > *unit && seconds.is_multiple_of(*unit));
    let (unit, word) = whole.unwrap_or((1, "s"));
    format!("{} {word}", seconds / unit)
}

#[cfg(test)]
mod tests;
