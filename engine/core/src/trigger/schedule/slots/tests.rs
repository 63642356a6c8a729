//! Local times become instants by the rules, checked by hand and minute by minute over a year.

use std::collections::BTreeSet;

use super::*;
use crate::trigger::schedule::Params;

const MINUTE_MS: i64 = 60_000;

fn schedule(cron: &str, timezone: &str) -> Schedule {
    let params = serde_json::json!({"cron": cron, "timezone": timezone});
    Schedule::new(serde_json::from_value::<Params>(params).unwrap(), 0).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
}

fn check(cron: &str, timezone: &str, after: &str, expected: &[&str]) {
    let schedule = schedule(cron, timezone);
    let found = schedule.upcoming(at(after), expected.len()).into_iter().map(|fire| fire.local).collect::<Vec<_>>();
    assert_eq!(found, expected, "{cron} in {timezone} after {after}");
}

#[test]
fn a_fixed_time_that_the_clock_skips_fires_once_at_the_change() {
    let expected = ["2026-03-07T02:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"];
    check("30 2 * * *", "America/New_York", "2026-03-07T00:00:00-05:00", &expected);
    // Several skipped times come to one, and a time that the change itself names is the same slot.
    let expected = ["2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-09T01:00:00-04:00"];
    check(
        "0,30 1-3 * * *",
        "America/New_York",
        "2026-03-08T01:30:00-05:00",
        &["2026-03-08T03:00:00-04:00", "2026-03-08T03:30:00-04:00"],
    );
    check("0 1-3 * * *", "America/New_York", "2026-03-08T00:30:00-05:00", &expected);
}

#[test]
fn a_fixed_time_that_the_clock_shows_twice_fires_the_first_time() {
    let expected = ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"];
    check("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", &expected);
    // Several hours do not make a distance of it.
    let expected = ["2026-10-25T02:30:00+02:00", "2026-10-25T14:30:00+01:00"];
    check("30 2,14 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", &expected);
    // Somebody who asks within the second pass is told the same.
    check("30 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+01:00", &["2026-10-26T02:30:00+01:00"]);
}

#[test]
fn a_distance_goes_on_through_both_changes() {
    let expected = ["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"];
    check("*/30 * * * *", "Europe/Berlin", "2026-03-29T01:00:00+01:00", &expected);
    let expected =
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"];
    check("*/30 * * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00", &expected);
}

#[test]
fn a_change_by_half_an_hour_is_a_change() {
    // Lord Howe: 2026-04-05 02:00 becomes 01:30, 2026-10-04 02:00 becomes 02:30.
    check(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-05T00:00:00+11:00",
        &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
    );
    check(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-04T00:00:00+10:30",
        &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
    );
}

#[test]
fn seconds_leap_days_and_the_ends_of_months_are_found() {
    check(
        "*/20 * * * * *",
        "UTC",
        "2026-01-01T00:00:05Z",
        &["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"],
    );
    check("0 0 29 2 *", "Europe/Berlin", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00+01:00", "2032-02-29T00:00:00+01:00"]);
    check("0 12 L * *", "UTC", "2026-02-01T00:00:00Z", &["2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"]);
}

#[test]
fn the_slot_before_is_found_across_changes() {
    let schedule = schedule("30 2 * * *", "America/New_York");
    assert_eq!(schedule.last_before(at("2026-03-09T00:00:00-04:00")), Some(at("2026-03-08T03:00:00-04:00")));
    assert_eq!(schedule.last_before(at("2026-03-08T03:00:00-04:00")), Some(at("2026-03-07T02:30:00-05:00")));
}

/// What the rules say, minute by minute, from the zone's own table.
fn expected(schedule: &Schedule, from: Timestamp, until: Timestamp) -> BTreeSet<i64> {
    let mut slots = BTreeSet::new();
    let mut seen_local = from.0 / 1_000 + schedule.offset_s(from.0 / 1_000) - 60;
    let mut minute = from.0;
    while minute <= until.0 {
        let at_s = minute / 1_000;
        let local_s = at_s + schedule.offset_s(at_s);
        let named = |local_s: i64| schedule.cron.is_time_matching(&DateTime::from_timestamp(local_s, 0).unwrap()).unwrap();
        let skipped = (seen_local + 60..local_s).step_by(60).any(named);
        let is_first_pass = local_s > seen_local;
        if named(local_s) && (is_first_pass || !schedule.is_fixed) || skipped && schedule.is_fixed {
            slots.insert(minute);
        }
        seen_local = seen_local.max(local_s);
        minute += MINUTE_MS;
    }
    slots
}

#[test]
fn a_year_in_three_zones_has_the_slots_that_the_rules_give_it() {
    let zones = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"];
    let crons = [
        "30 2 * * *",
        "0 * * * *",
        "*/7 1-3 * * *",
        "15,45 1,2,3 * * 0",
        "5 0-4 * 3,4,10,11 *",
        "* 2 * * *",
        "@daily",
        "@hourly",
        "0 3 1 * 1",
    ];
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:00Z"));
    for zone in zones {
        for cron in crons {
            let schedule = schedule(cron, zone);
            let found: BTreeSet<i64> = schedule.slots_between(Timestamp(from.0 - 1), until).map(|slot| slot.0).collect();
            let expected = expected(&schedule, from, until);
            let wrong: Vec<_> = found.symmetric_difference(&expected).map(|slot| schedule.local(Timestamp(*slot))).collect();
            assert!(wrong.is_empty(), "{cron} in {zone}: {wrong:?}");
            assert!(found.len() > 20, "{cron} in {zone} has {} slots", found.len());
        }
    }
}

#[test]
fn what_never_comes_or_cannot_be_read_is_refused_with_its_field() {
    for (cron, zone, field, part) in [
        ("0 0 31 2 *", "UTC", "cron", "never comes"),
        ("0 0 30 2 *", "Europe/Berlin", "cron", "never comes"),
        ("61 * * * *", "UTC", "cron", "cannot be read"),
        ("* * * *", "UTC", "cron", "cannot be read"),
        ("", "UTC", "cron", "cannot be read"),
        ("{{ trigger.cron }}", "UTC", "cron", "template"),
        ("0 9 * * *", "Berlin", "timezone", "Europe/Berlin"),
        ("0 9 * * *", "Europe/Berlin; DROP TABLE triggers", "timezone", "no time zone"),
    ] {
        let params = serde_json::json!({"cron": cron, "timezone": zone});
        let problems = Schedule::new(serde_json::from_value::<Params>(params).unwrap(), 0).unwrap_err();
        let found = problems.iter().any(|problem| problem.field == field && problem.message.contains(part));
        assert!(found, "{cron} in {zone}: {problems:?}");
    }
}
