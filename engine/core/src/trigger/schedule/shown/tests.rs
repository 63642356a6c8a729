//! What people see of a schedule.

use super::*;
use crate::trigger::schedule::Params;

fn at(text: &str) -> Timestamp {
    Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
}

#[test]
fn days_on_which_the_clock_changes_are_marked() {
    let check = |cron: &str, after: &str, expected: &[Option<Dst>]| {
        let params = serde_json::json!({"cron": cron, "timezone": "Europe/Berlin", "overlap": "skip"});
        let schedule = Schedule::new(serde_json::from_value::<Params>(params).unwrap(), 0).unwrap();
        let found: Vec<_> = schedule.upcoming(at(after), expected.len()).into_iter().map(|fire| fire.dst).collect();
        assert_eq!(found, expected, "{cron} after {after}");
    };
    check("30 2 * * *", "2026-03-28T00:00:00Z", &[None, Some(Dst::Gap), None]);
    check("30 2 * * *", "2026-10-24T00:00:00Z", &[None, Some(Dst::Overlap), Some(Dst::OffsetChanges), None]);
    check("0 9 * * *", "2026-03-28T00:00:00Z", &[None, Some(Dst::OffsetChanges), None]);
}

#[test]
fn expression_and_policy_are_said_in_words() {
    let params = serde_json::json!({"cron": "30 2 * * 1-5", "timezone": "Europe/Berlin", "overlap": "skip"});
    let schedule = Schedule::new(serde_json::from_value::<Params>(params).unwrap(), 0).unwrap();
    assert!(schedule.words().contains("02:30") && schedule.words().contains("Europe/Berlin"), "{}", schedule.words());
    assert!(
        schedule.policy().contains("skipped while an earlier run") && schedule.policy().contains("24 h"),
        "{}",
        schedule.policy()
    );
}

#[test]
fn the_policy_names_spans_as_people_do_and_the_jitter() {
    let policy = |within: u32, jitter: u32| {
        let params = serde_json::json!({"cron": "@daily", "missed_within_s": within, "jitter_s": jitter});
        Schedule::new(serde_json::from_value::<Params>(params).unwrap(), 0).unwrap().policy()
    };
    for (seconds, words) in [(60, "60 s"), (90, "90 s"), (1_800, "30 min"), (86_400, "24 h"), (604_800, "7 d"), (5_400, "90 min")]
    {
        assert!(policy(seconds, 0).contains(&format!("missed within {words} fires")), "{}", policy(seconds, 0));
    }
    assert!(policy(3_600, 120).contains("up to 2 min late") && !policy(3_600, 0).contains("late"), "{}", policy(3_600, 120));
}
