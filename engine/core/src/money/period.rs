//! The periods of budgets, on the clock on a wall.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How finely a beginning is looked for that the clock on the wall skips; changes of clocks are multiples of it.
const FINE: TimeDelta = TimeDelta::minutes(15);
/// The longest stretch of time that a clock has ever skipped, in such pieces: a day and an hour.
const LONGEST_SKIP: i32 = 100;

/// How often a budget begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// At midnight.
    Day,
    /// At midnight from Sunday to Monday.
    Week,
    /// At midnight before the first of the month.
    Month,
    /// Never.
    Total,
}

/// A stretch of time. The end does not belong to it; without one it never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first instant; 0 when it has always been.
    pub since: Timestamp,
    /// The first instant after it.
    pub until: Option<Timestamp>,
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Total];

    /// The word in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The period of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == word)
    }

    /// The current one, for people; nothing for the one that never begins anew.
    pub fn this(self) -> Option<&'static str> {
        match self {
            Self::Day => Some("today"),
            Self::Week => Some("this week"),
            Self::Month => Some("this month"),
            Self::Total => None,
        }
    }

    /// The period that an instant belongs to, as the clock on a wall in this zone has it.
    pub fn span(self, zone: Zone, at: Timestamp) -> Span {
        let day = zone.day(at);
        let (first, next) = match self {
            Self::Total => return Span { since: Timestamp(0), until: None },
            Self::Day => (Some(day), day.checked_add_days(Days::new(1))),
            Self::Week => {
                let first = day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into()));
                (first, first.and_then(|first| first.checked_add_days(Days::new(7))))
            }
            Self::Month => {
                let first = day.with_day(1);
                (first, first.and_then(|first| first.checked_add_months(Months::new(1))))
            }
        };
        Span { since: zone.midnight(first.unwrap_or(day)), until: next.map(|next| zone.midnight(next)) }
    }
}

/// A time zone by its name, for example `Europe/Berlin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    /// Where the clock shows UTC.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone of a name; nothing when there is none of that name.
    pub fn named(name: &str) -> Option<Self> {
        Tz::from_str(name.trim()).ok().map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the calendar on the wall shows.
    pub fn day(self, at: Timestamp) -> NaiveDate {
        DateTime::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&self.0).date_naive()
    }

    /// The first instant of a day. When the clock skips midnight, or the whole day, it is the first instant after that.
    fn midnight(self, day: NaiveDate) -> Timestamp {
        let midnight = day.and_time(NaiveTime::MIN);
        let candidates = (0..LONGEST_SKIP).filter_map(|pieces| midnight.checked_add_signed(FINE * pieces));
        let mut instants = candidates.filter_map(|local| match self.0.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(Timestamp(at.timestamp_millis())),
            LocalResult::None => None,
        });
        instants.next().unwrap_or(Timestamp(midnight.and_utc().timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[track_caller]
    fn check(period: Period, zone: &str, at: &str, since: &str, until: &str) {
        let span = period.span(Zone::named(zone).unwrap(), instant(at));
        assert_eq!(span, Span { since: instant(since), until: Some(instant(until)) }, "{} in {zone} at {at}", period.as_str());
    }

    #[test]
    fn a_day_is_as_long_as_the_clock_on_the_wall_says() {
        use Period::Day;
        check(Day, "UTC", "2026-11-20T17:00:00Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
        // 23 hours, and 25.
        check(Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check(Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        // Just before and just after midnight.
        check(Day, "Europe/Berlin", "2026-10-25T22:59:59.999Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check(Day, "Europe/Berlin", "2026-10-25T23:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z");
    }

    #[test]
    fn a_midnight_that_the_clock_skips_or_shows_twice_begins_one_day() {
        use Period::Day;
        // Midnight itself is skipped: the day begins at one.
        check(Day, "Africa/Cairo", "2026-04-24T10:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z");
        // The clock goes back from one to midnight: the first of the two counts.
        check(Day, "Atlantic/Azores", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z");
        check(Day, "Atlantic/Azores", "2026-10-25T01:30:00Z", "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z");
        // A whole day is skipped.
        check(Day, "Pacific/Apia", "2011-12-30T09:59:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
        check(Day, "Pacific/Apia", "2011-12-30T10:01:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        check(Period::Week, "Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z");
        check(Period::Week, "Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z", "2026-04-05T22:00:00Z");
        check(Period::Month, "America/New_York", "2026-03-31T12:00:00Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z");
        check(Period::Month, "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
        let total = Period::Total.span(Zone::UTC, instant("2026-11-20T17:00:00Z"));
        assert_eq!(total, Span { since: Timestamp(0), until: None });
    }

    #[test]
    fn an_instant_belongs_to_one_period_and_its_end_to_the_next() {
        for name in ["Europe/Berlin", "Africa/Cairo", "Atlantic/Azores", "Australia/Lord_Howe", "America/Havana", "UTC"] {
            let zone = Zone::named(name).unwrap();
            let from = instant("2026-01-01T00:00:00Z").0;
            for half_hour in 0..365 * 48 {
                let at = Timestamp(from + half_hour * 1_800_000);
                for period in [Period::Day, Period::Week, Period::Month] {
                    let span = period.span(zone, at);
                    let until = span.until.unwrap();
                    assert!(span.since <= at && at < until, "{name} {at:?} {span:?}");
                    assert_eq!(period.span(zone, until).since, until, "{name} {at:?}");
                }
            }
        }
    }
}
